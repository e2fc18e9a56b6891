"""API keys: the text a caller sends, and what is kept of it.

::

    ddk_7J2KQ4XM6TBCA_3q2-7wAB…(43 characters)…_9f31c0de
    │   │             │                         └ CRC32 of all before it, hex: typing errors cost nothing
    │   │             └ 32 random bytes, base64url
    │   └ key id: which record to compare with; no secret
    └ prefix: what scanners for leaked secrets look for

Kept are the id and, per secret, an HMAC-SHA-256 of the whole text under a pepper of its own file. A key
has at most two live secrets, so that callers move from one to the next without a gap.
"""

import base64
import re
import zlib
from typing import Final

import msgspec

from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.model.ids import check_id
from drawdown.model.rights import Right, names_of

PREFIX: Final = "ddk"
KEY_ID_BYTES: Final = 8
SECRET_BYTES: Final = 32
LIVE_SECRETS_MAX: Final = 2
CALLS_PER_S_MAX: Final = 1_000_000
OVERLAP_S_MAX: Final = 90 * 86_400
TEXT_MAX: Final = 96

_SHAPE: Final = re.compile(r"ddk_([A-Z2-7]{13})_([A-Za-z0-9_-]{43})_([0-9a-f]{8})", re.ASCII)


class KeySecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One secret of a key: its hash and its time of life, instants in µs."""

    hash: str
    """HMAC-SHA-256 of the key's text under the pepper, hex."""
    created_at: int
    ends_at: int | None = None
    """Not taken from here on; ``None``: as long as the key."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of one key. Instants are µs."""

    key_id: str
    name: str
    """Name shown in lists and in the audit log; unique among live keys."""
    rights: frozenset[Right]
    account_prefix: str = ""
    """Accounts whose id does not start with this do not exist for the caller. Empty: all."""
    certificate: str = ""
    """A client certificate of this subject name (URI, DNS or common name) stands for the key's text."""
    calls_per_s: int = 0
    """Calls and batches per second; 0: no limit of its own."""
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None
    secrets: tuple[KeySecret, ...] = ()

    def is_live(self, now_us: int) -> bool:
        """Whether the key may be used at this instant."""
        return self.revoked_at is None and (self.expires_at is None or now_us < self.expires_at)

    def live_secrets(self, now_us: int) -> tuple[KeySecret, ...]:
        """Secrets that are taken at this instant."""
        if not self.is_live(now_us):
            return ()
        return tuple(each for each in self.secrets if each.ends_at is None or now_us < each.ends_at)

    def state(self, now_us: int) -> str:
        """``revoked``, ``expired``, ``rotating`` (two live secrets) or ``live``."""
        if self.revoked_at is not None:
            return "revoked"
        if not self.is_live(now_us):
            return "expired"
        return "rotating" if len(self.live_secrets(now_us)) > 1 else "live"


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of a key: everything but what would let anybody in. Instants are µs."""

    key_id: str
    name: str
    rights: tuple[str, ...]
    account_prefix: str
    certificate: str
    calls_per_s: int
    state: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None


def facts_of(key: ApiKey, now_us: int) -> KeyFacts:
    """The key as it may be shown at this instant."""
    return KeyFacts(
        key_id=key.key_id,
        name=key.name,
        rights=tuple(names_of(key.rights)),
        account_prefix=key.account_prefix,
        certificate=key.certificate,
        calls_per_s=key.calls_per_s,
        state=key.state(now_us),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )


def check_key(key: ApiKey) -> ApiKey:
    """The key, if its parts go together. Raises ``InvalidRequestError`` naming the field."""
    check_id(key.name, "name")
    if key.account_prefix:
        check_id(key.account_prefix, "account_prefix")
        if Right.ADMIN in key.rights:
            raise InvalidRequestError(
                "account_prefix: the right 'admin' is for the whole server and cannot be bound to accounts",
                field="account_prefix",
            )
    if key.certificate:
        check_id(key.certificate, "certificate")
    if not 0 <= key.calls_per_s <= CALLS_PER_S_MAX:
        raise InvalidRequestError(
            f"calls_per_s: {key.calls_per_s} is not between 0 (no limit) and {CALLS_PER_S_MAX}",
            field="calls_per_s",
        )
    if key.expires_at is not None and key.expires_at <= key.created_at:
        raise InvalidRequestError("expires_at: the key would never be live", field="expires_at")
    return key


def check_overlap(overlap_s: int) -> int:
    """How long an old secret is still taken. Raises ``InvalidRequestError`` beyond 90 days."""
    if not 0 <= overlap_s <= OVERLAP_S_MAX:
        raise InvalidRequestError(
            f"overlap_s: {overlap_s} is not between 0 and {OVERLAP_S_MAX} seconds", field="overlap_s"
        )
    return overlap_s


def rotated(key: ApiKey, added: KeySecret, old_ends_at: int) -> ApiKey:
    """The key with one secret more; the one before is taken until ``old_ends_at``.

    Raises ``PreconditionError`` while two are live, or when the key is not.
    """
    now = added.created_at
    if not key.is_live(now):
        raise PreconditionError(f"the key {key.key_id} is {key.state(now)}", reason="KEY_NOT_LIVE")
    live = key.live_secrets(now)
    if len(live) >= LIVE_SECRETS_MAX:
        raise PreconditionError(
            f"the key {key.key_id} has {len(live)} live secrets already; end the older one first, or wait",
            reason="KEY_ROTATING",
        )
    ending = tuple(msgspec.structs.replace(each, ends_at=old_ends_at) for each in live)
    return msgspec.structs.replace(key, secrets=(*ending, added))


def key_text(key_id: str, secret: bytes) -> str:
    """What the caller sends. The only place where it exists is with the caller."""
    body = f"{PREFIX}_{key_id}_{base64.urlsafe_b64encode(secret).rstrip(b'=').decode()}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def key_id_from(random: bytes) -> str:
    """A key id of ``KEY_ID_BYTES`` random bytes."""
    return base64.b32encode(random).rstrip(b"=").decode()


def key_id_of(text: str) -> str | None:
    """The id inside a key's text, or ``None`` where shape or check sum is wrong."""
    if len(text) > TEXT_MAX:
        return None
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return None
    body, _, check = text.rpartition("_")
    return shape[1] if f"{zlib.crc32(body.encode()):08x}" == check else None
