"""grants and deliveries behind the period that begins with them"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_JOB = sa.table("job", sa.column("kind", sa.String()), sa.column("rank", sa.Integer()))


def upgrade() -> None:
    _set_rank("subscription.grant", 55)
    _set_rank("subscription.delivery", 60)


def downgrade() -> None:
    _set_rank("subscription.grant", 50)
    _set_rank("subscription.delivery", 40)


def _set_rank(kind: str, rank: int) -> None:
    op.execute(_JOB.update().where(_JOB.c.kind == kind).values(rank=rank))
