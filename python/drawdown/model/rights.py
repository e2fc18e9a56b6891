"""What a caller may do. A credential holds a set of rights; none of them contains another."""

import enum
from collections.abc import Iterable

from drawdown.errors import InvalidRequestError


class Right(enum.Enum):
    """What a call needs."""

    INGEST = "ingest"
    """Report usage, hold and settle credits; scales of the catalog, without its prices."""
    READ = "read"
    """Ask for entitlements, balances, grants, ledger entries and the catalog."""
    MANAGE = "manage"
    """Accounts, grants, policies; ``force`` on usage."""
    ADMIN = "admin"
    """Catalog, keys, snapshots, verification, figures of the whole server."""


def rights_from(names: Iterable[str]) -> frozenset[Right]:
    """The rights of these names, at least one. Raises ``InvalidRequestError``."""
    known = {right.value: right for right in Right}
    given = [name.strip() for name in names]
    wrong = [name for name in given if name not in known]
    if wrong or not given:
        shown = repr(wrong[0][:32]) if wrong else "nothing"
        raise InvalidRequestError(
            f"rights: {shown} is no right; name some of {', '.join(known)}", field="rights"
        )
    return frozenset(known[name] for name in given)


def names_of(rights: Iterable[Right]) -> list[str]:
    """Names in the order of the list above."""
    held = set(rights)
    return [right.value for right in Right if right in held]
