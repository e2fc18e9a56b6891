"""Who calls and what they may do: decided once per call, from the credential, never from the request."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec

from drawdown import errors
from drawdown.model.api_key import key_id_of
from drawdown.model.rights import Right
from drawdown.server.key_ring import HeldKey, KeyRing

__all__ = ["LOCAL", "Access", "Principal", "Right"]

AUTHORIZATION: Final = "authorization"
BEARER: Final = "bearer "
# Names of a verified client certificate, the most telling first.
CERTIFICATE_NAMES: Final = ("x509_subject_alternative_name", "x509_common_name")


class Credential(Protocol):
    """What a call shows of its caller: that of a gRPC call is its context."""

    def invocation_metadata(self) -> Iterable[tuple[str, Any]] | None: ...

    def auth_context(self) -> Mapping[str, Any]: ...

    def peer(self) -> str: ...


# Calls that are open to holders of this right as well, for less than to those who have the call's own.
ALSO_WITH: Final[Mapping[str, Right]] = {
    # Scales alone: see scale_facts.py.
    "AdminService/Query": Right.INGEST,
}

Strangers = Callable[[str, Credential, str], None]
"""Is told of a credential that lets nobody in: the call, the credential, and the id of the key it names."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of one call."""

    name: str
    rights: frozenset[Right]
    account_prefix: str = ""
    """Accounts whose id does not start with this do not exist for the caller. Empty: all."""
    may_force: bool = False
    key_id: str = ""

    def sees(self, account_id: str) -> bool:
        """Whether the account is within the caller's prefix."""
        return account_id.startswith(self.account_prefix)

    def require(self, right: Right) -> None:
        """Raises ``PermissionDeniedError`` without the right."""
        if right not in self.rights:
            raise errors.PermissionDeniedError(f"this credential lacks the right {right.value!r}")


LOCAL = Principal(name="local", rights=frozenset(Right), may_force=True)


class Access:
    """Yields the principal of a call. Without a key ring everyone who can connect is ``LOCAL``.

    For use on the loop's thread only.
    """

    def __init__(self, ring: KeyRing | None = None, strangers: Strangers | None = None) -> None:
        self._ring = ring
        self._strangers = strangers
        self._principals: dict[str, Principal] = {}
        self.refused = 0

    @property
    def is_open(self) -> bool:
        """Whether everybody who can connect may do everything."""
        return self._ring is None

    def need_keys(self, ring: KeyRing) -> None:
        """From here on every call needs a live key of the ring, also of those let in without one before."""
        self._ring = ring

    def principal(self, context: Credential, right: Right, call: str) -> Principal:
        """The caller of ``call``, who holds ``right``; it counts against the key's rate.

        Raises ``UnauthenticatedError`` without a known credential, ``PermissionDeniedError`` without
        the right, ``OverloadedError`` beyond the key's calls per second.
        """
        if self._ring is None:
            return LOCAL
        caller = self.caller(context, call)
        self.admit(caller, right)
        return caller

    def caller(self, context: Credential, call: str) -> Principal:
        """Whose credential it is. Raises ``UnauthenticatedError`` without a known one, which is noted."""
        if self._ring is None:
            return LOCAL
        try:
            return self._principal_of(self._held(self._ring, context))
        except errors.UnauthenticatedError:
            self.refused += 1
            if self._strangers is not None:
                self._strangers(call, context, _key_id_in(context))
            raise

    def admit(self, caller: Principal, right: Right, also: Right | None = None) -> None:
        """Let the call in: as ``principal``. Who holds ``also`` does not need ``right``."""
        try:
            if also not in caller.rights:
                caller.require(right)
        except errors.PermissionDeniedError:
            self.refused += 1
            raise
        if wait_s := self.pause_s(caller):
            limited = errors.OverloadedError(
                f"the key {caller.key_id} makes more calls than it may; retry in {wait_s:.3f} s",
                reason="RATE_LIMITED",
            )
            limited.retry_after_s = wait_s
            raise limited

    def pause_s(self, caller: Principal) -> float:
        """Count one call and answer 0; or seconds until the next one may be taken.

        Raises ``UnauthenticatedError`` once the key was revoked or has expired, or there are keys now and the
        caller has none.
        """
        if self._ring is None:
            return 0.0
        held = self._ring.live(caller.key_id)
        if held is None:
            raise _unknown()
        return held.wait_s(time.monotonic_ns())

    def require_live(self, caller: Principal) -> None:
        """Raises ``UnauthenticatedError`` as ``pause_s``; counts nothing."""
        if self._ring is not None and self._ring.live(caller.key_id) is None:
            raise _unknown()

    def _held(self, ring: KeyRing, context: Credential) -> HeldKey:
        for key, value in context.invocation_metadata() or ():
            if key == AUTHORIZATION:
                text = value if isinstance(value, str) else ""
                if text[: len(BEARER)].lower() != BEARER:
                    raise _unknown()
                found = ring.of_text(text[len(BEARER) :])
                break
        else:
            found = self._of_certificate(ring, context)
        if found is None:
            raise _unknown()
        return found

    def _of_certificate(self, ring: KeyRing, context: Credential) -> HeldKey | None:
        if not ring.has_certificates:
            return None
        facts = context.auth_context()
        for kind in CERTIFICATE_NAMES:
            for name in facts.get(kind, ()):
                found = ring.of_certificate(name.decode("utf-8", "replace"))
                if found is not None:
                    return found
        return None

    def _principal_of(self, held: HeldKey) -> Principal:
        key = held.key
        caller = self._principals.get(key.key_id)
        if caller is None:
            caller = self._principals[key.key_id] = Principal(
                name=key.name,
                rights=key.rights,
                account_prefix=key.account_prefix,
                may_force=Right.MANAGE in key.rights,
                key_id=key.key_id,
            )
        return caller


def _key_id_in(context: Credential) -> str:
    """The id in a key's text that is whole, whatever became of that key; empty: there is no such text."""
    for key, value in context.invocation_metadata() or ():
        if key == AUTHORIZATION and isinstance(value, str) and value[: len(BEARER)].lower() == BEARER:
            return key_id_of(value[len(BEARER) :]) or ""
    return ""


def _unknown() -> errors.UnauthenticatedError:
    # One sentence for all: absent, misspelt, unknown, revoked and expired must look alike.
    return errors.UnauthenticatedError(
        "a live API key is needed: send it as metadata 'authorization: Bearer ddk_…'"
    )
