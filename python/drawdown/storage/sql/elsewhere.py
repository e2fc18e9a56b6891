"""The mark of a data folder whose control plane is in another database (setting ``db``).

Without it, whoever opened the folder and named no database would find a control plane without a customer in
it, and back that up; as would, mark or not, whoever named an empty one. The mark does not say where the
database is: its address has a password in it.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from drawdown import errors
from drawdown.storage.small_file import replace_file
from drawdown.storage.sql.database import FILE_NAME, is_begun, url_of

# `drawdown.embedded` has the same name, so as not to load SQLAlchemy for it.
MARK: Final = "control.elsewhere"
_TEXT: Final = (
    b"The control plane of this folder is in the database that its server names with the setting db.\n"
)


def require_named(db: str, folder: str) -> None:
    """The database that ``db`` names, or the folder's own where it names none, may be the control plane's.

    Raises ``ConfigError`` where that is in another: none is named for a folder with the mark, or an empty
    one for a folder that has a control plane. Looks only; ``UnavailableError`` where that cannot be reached.
    """
    mark, own = Path(folder) / MARK, Path(folder) / FILE_NAME
    if not db:
        if mark.exists():
            raise _wrong(
                f"the control plane of {folder} is in another database: name that, as its server does (--db "
                f"or DRAWDOWN_DB). Only where the {FILE_NAME} of the folder is to go on instead, "
                f"remove {mark}"
            )
    elif _is_own_file(db, folder):
        return
    elif mark.exists():
        if not is_begun(url_of(db, folder)):
            raise _wrong(
                f"the control plane of {folder} is in another database, and the one that is named (--db or "
                f"DRAWDOWN_DB) is empty: name that of its server. Only where it is lost and one is to begin "
                f"anew, remove {mark}"
            )
    elif not is_begun(url_of(db, folder), with_rows=True) and is_begun(url_of("", folder), with_rows=True):
        raise _wrong(
            f"the control plane of {folder} is its {FILE_NAME}, and the database that is named (--db or "
            "DRAWDOWN_DB) is empty: name none. To move it there, take a backup and restore that with --db; "
            f"only where one is to begin anew, move {own} away, with its -wal"
        )


def require_begun(db: str, folder: str) -> None:
    """Raises ``ConfigError`` where ``db`` names a database that no control plane was begun in. Looks only."""
    if db and not _is_own_file(db, folder) and not is_begun(url_of(db, folder)):
        raise _wrong(
            f"the database that is named (--db or DRAWDOWN_DB) is empty, so it is not that of {folder}: name "
            "the one that its server does, or none where the control plane is in the folder"
        )


def _wrong(said: str) -> errors.ConfigError:
    return errors.ConfigError(f"db: {said}", field="db")


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
