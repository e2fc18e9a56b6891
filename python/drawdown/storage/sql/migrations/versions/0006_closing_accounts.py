"""closing accounts; of calls that were seen a digest instead of their content"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_closing",
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.Column("customer_id", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_closing")),
    )
    with op.batch_alter_table("account_closing", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account_closing_customer_id"), ["customer_id"], unique=False)
    _digest_contents()


def _digest_contents() -> None:
    seen = sa.table("call_seen", sa.column("kind"), sa.column("id"), sa.column("content"))
    connection = op.get_bind()
    for kind, call_id, content in connection.execute(sa.select(seen.c.kind, seen.c.id, seen.c.content)).all():
        digest = hashlib.blake2b(content.encode(), digest_size=32).hexdigest()
        connection.execute(
            sa.update(seen).where(seen.c.kind == kind, seen.c.id == call_id).values(content=digest)
        )


def downgrade() -> None:
    with op.batch_alter_table("account_closing", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_account_closing_customer_id"))
    op.drop_table("account_closing")
