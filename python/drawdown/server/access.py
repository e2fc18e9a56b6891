"""Who calls and what they may do: decided once per call, from the credential, never from the request."""

import enum

import msgspec

from drawdown import errors
from drawdown.server.context import Context


class Right(enum.Enum):
    """What a call needs."""

    INGEST = "ingest"
    READ = "read"
    MANAGE = "manage"
    ADMIN = "admin"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of one call."""

    name: str
    rights: frozenset[Right]
    account_prefix: str = ""
    """Accounts whose id does not start with this do not exist for the caller. Empty: all."""
    may_force: bool = False

    def sees(self, account_id: str) -> bool:
        """Whether the account is within the caller's prefix."""
        return account_id.startswith(self.account_prefix)


LOCAL = Principal(name="local", rights=frozenset(Right), may_force=True)


class Access:
    """Yields the principal of a call. Without keys everyone who can connect is ``LOCAL``."""

    def principal(self, context: Context, right: Right) -> Principal:
        """The caller, who holds ``right``.

        Raises ``UnauthenticatedError`` without a known credential, ``PermissionDeniedError`` without
        the right.
        """
        caller = LOCAL
        if right not in caller.rights:
            raise errors.PermissionDeniedError(f"this credential lacks the right {right.value!r}")
        return caller
