"""Write the next step of the control plane's schema: what the tables say and the steps do not yet.

    python tools/make_migration.py "invoice credits"

Look at the result, name it well, keep its number; a step is immutable once released.
"""

import sys
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = ROOT / "python" / "drawdown" / "storage" / "sql" / "migrations"


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    last = ScriptDirectory.from_config(config).get_current_head() or "0000"
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        command.revision(config, message=sys.argv[1], autogenerate=True, rev_id=f"{int(last) + 1:04d}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
