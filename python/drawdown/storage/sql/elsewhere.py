"""The mark of a data folder whose control plane is in another database (setting ``db``).

Without it, whoever opened the folder and named no database would find a control plane without a customer in
it, and back that up. The mark does not say where the database is: its address has a password in it.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from drawdown import errors
from drawdown.storage.small_file import replace_file
from drawdown.storage.sql.database import FILE_NAME, url_of

# `drawdown.embedded` has the same name, so as not to load SQLAlchemy for it.
MARK: Final = "control.elsewhere"
_TEXT: Final = (
    b"The control plane of this folder is in the database that its server names with the setting db.\n"
)


def require_named(db: str, folder: str) -> None:
    """Raises ``ConfigError`` where no database is named and the folder's control plane is in another."""
    mark = Path(folder) / MARK
    if not db and mark.exists():
        raise errors.ConfigError(
            f"db: the control plane of {folder} is in another database: name that, as its server does (--db "
            f"or DRAWDOWN_DB). Only where the {FILE_NAME} of the folder is to go on instead, remove {mark}",
            field="db",
        )


def note_elsewhere(db: str, folder: str) -> None:
    """The folder has the mark where ``db`` is not its own file; on disk when this returns."""
    mark = Path(folder) / MARK
    if db and not mark.exists() and not _is_own_file(db, folder):
        replace_file(mark, _TEXT)


def _is_own_file(db: str, folder: str) -> bool:
    try:
        url = make_url(url_of(db, folder))
    except ArgumentError:
        return False
    own = Path(folder) / FILE_NAME
    return url.get_backend_name() == "sqlite" and Path(url.database or "").resolve() == own.resolve()
