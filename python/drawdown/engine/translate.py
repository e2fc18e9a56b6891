"""Exceptions of the extension → the tree of ``drawdown.errors``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from drawdown import _engine, errors
from drawdown.model.check_question import not_utf8

_TREE: Final[tuple[tuple[type[_engine.EngineError], type[errors.DrawdownError]], ...]] = (
    (_engine.InvalidRequestError, errors.InvalidRequestError),
    (_engine.OverloadedError, errors.OverloadedError),
    (_engine.CorruptDataError, errors.CorruptDataError),
    (_engine.FolderLockedError, errors.FolderLockedError),
    (_engine.ReadOnlyError, errors.ReadOnlyError),
    (_engine.EngineHaltedError, errors.EngineHaltedError),
    (_engine.UnavailableError, errors.UnavailableError),
)


def translated(raised: BaseException) -> errors.DrawdownError:
    """The same fault in this package's words, keeping message, reason, field and definiteness."""
    kind: type[errors.DrawdownError] = errors.InternalError
    for raw, ours in _TREE:
        if isinstance(raised, raw):
            kind = ours
            break
    message = str(raised.args[0]) if raised.args else type(raised).__name__
    return kind(
        message,
        reason=getattr(raised, "reason", None),
        field=getattr(raised, "field", None),
        definite=getattr(raised, "definite", None),
    )


@contextmanager
def translating() -> Iterator[None]:
    """Raise what the extension raises as ``drawdown.errors``; so too a text that UTF-8 has no form for."""
    try:
        yield
    except _engine.EngineError as raised:
        raise translated(raised) from raised
    except UnicodeEncodeError as raised:
        raise errors.InvalidRequestError(not_utf8(raised.object)) from raised
