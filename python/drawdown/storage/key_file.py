"""API keys of one server, in its data folder.

::

    access/
      keys.json   {"format": 1, "keys": [ApiKey, …]}   replaced whole under a lock on LOCK
      pepper      32 random bytes; elsewhere with the setting api_key_pepper_file
      pepper-fingerprint   of the pepper that the keys were hashed with
      LOCK        flock: the server and `drawdown keys` may change keys at the same time

Who reads all of it still cannot call: a hash of 32 random bytes has no way back.
"""

import contextlib
import fcntl
import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from drawdown.errors import CorruptDataError, NotFoundError, PreconditionError
from drawdown.model.api_key import (
    KEY_ID_BYTES,
    SECRET_BYTES,
    ApiKey,
    KeySecret,
    check_key,
    key_id_from,
    key_text,
    rotated,
)
from drawdown.model.instants import now_us
from drawdown.model.rights import Right
from drawdown.storage.file_owner import give_to_owner_of, make_folder
from drawdown.storage.pepper import Pepper
from drawdown.storage.small_file import OWNER_ONLY, replace_file

FOLDER: Final = "access"
FORMAT: Final = 1
KEYS_MAX: Final = 100_000

_AnswerT = TypeVar("_AnswerT")
Version = tuple[int, int, int]


class _Content(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    format: int
    keys: list[ApiKey] = []


class KeyFile:
    """The keys of one data folder. Every change is on disk when its call returns."""

    def __init__(self, data: Path, pepper_file: str = "") -> None:
        self.folder = data / FOLDER
        self._path = self.folder / "keys.json"
        self._pepper = Pepper(self.folder, pepper_file)

    def version(self) -> Version | None:
        """Changes whenever the keys did; ``None`` while there is no file."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return (found.st_mtime_ns, found.st_ino, found.st_size)

    def all_keys(self) -> list[ApiKey]:
        """All keys, revoked ones included. Raises ``CorruptDataError`` if the file cannot be understood."""
        try:
            encoded = self._path.read_bytes()
        except FileNotFoundError:
            return []
        try:
            content = msgspec.json.decode(encoded, type=_Content)
        except (msgspec.MsgspecError, ValueError, RecursionError) as raised:
            raise CorruptDataError(f"{self._path}: {raised}") from raised
        if content.format != FORMAT:
            raise CorruptDataError(f"{self._path}: format {content.format}; this version reads {FORMAT}")
        return content.keys

    def hash_of(self, text: str) -> str:
        """What is kept of a key's text."""
        self._know_pepper()
        return hmac.digest(self._pepper.known, text.encode(), "sha256").hex()

    def begin(self) -> None:
        """A server begins: keys made from now on are hashed with the pepper of its settings, or refused.

        Raises ``ConfigError`` where there are keys that were hashed with another.
        """
        with self._locked():
            self._pepper.read(needed=self._has_hashes(), begins=True)

    def require_pepper(self) -> None:
        """Raises ``ConfigError`` unless the pepper is there, and the one that the keys were hashed with."""
        self._know_pepper()
        self._pepper.require_noted()

    def create(
        self,
        name: str,
        rights: Iterable[Right],
        *,
        account_prefix: str = "",
        certificate: str = "",
        calls_per_s: int = 0,
        expires_at: int | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is told this once. With ``certificate`` there is no text.

        Raises ``InvalidRequestError``; ``PreconditionError`` if the name or certificate is taken.
        """
        key_id, now = key_id_from(secrets.token_bytes(KEY_ID_BYTES)), now_us()
        text = "" if certificate else key_text(key_id, secrets.token_bytes(SECRET_BYTES))
        made = check_key(
            ApiKey(
                key_id=key_id,
                name=name,
                rights=frozenset(rights),
                account_prefix=account_prefix,
                certificate=certificate,
                calls_per_s=calls_per_s,
                created_at=now,
                expires_at=expires_at,
                secrets=(KeySecret(hash=self.hash_of(text), created_at=now),) if text else (),
            )
        )

        def add(keys: dict[str, ApiKey]) -> None:
            live = [each for each in keys.values() if each.is_live(now)]
            if any(each.name == name for each in live):
                raise PreconditionError(f"name: a live key is called {name!r} already", reason="KEY_NAME")
            if certificate and any(each.certificate == certificate for each in live):
                raise PreconditionError(
                    f"certificate: a live key stands for {certificate!r} already", reason="KEY_CERTIFICATE"
                )
            if len(keys) >= KEYS_MAX:
                raise PreconditionError(f"there are {KEYS_MAX} keys already", reason="KEYS_MAX")
            if text:
                self._pepper.require_noted()
            keys[key_id] = made

        self._change(add)
        return made, text

    def rotate(self, key_id: str, overlap_s: int) -> tuple[ApiKey, str]:
        """A second live secret and its text; the present one is taken ``overlap_s`` longer."""
        text = key_text(key_id, secrets.token_bytes(SECRET_BYTES))
        now = now_us()
        added = KeySecret(hash=self.hash_of(text), created_at=now)

        def rotate(keys: dict[str, ApiKey]) -> ApiKey:
            key = _known(keys, key_id)
            if key.certificate:
                raise PreconditionError(
                    f"the key {key_id} stands for a certificate: renew that", reason="KEY_CERTIFICATE"
                )
            self._pepper.require_noted()
            keys[key_id] = rotated(key, added, now + overlap_s * 1_000_000)
            return keys[key_id]

        return self._change(rotate), text

    def revoke(self, key_id: str) -> ApiKey:
        """The key is not taken any more; a second call changes nothing."""

        def revoke(keys: dict[str, ApiKey]) -> ApiKey:
            key = _known(keys, key_id)
            if key.revoked_at is None:
                keys[key_id] = msgspec.structs.replace(key, revoked_at=now_us())
            return keys[key_id]

        return self._change(revoke)

    def note_used(self, used: Mapping[str, int]) -> None:
        """Keep when keys were used last, by key id."""

        def note(keys: dict[str, ApiKey]) -> None:
            for key_id, at in used.items():
                key = keys.get(key_id)
                if key is not None and (key.last_used_at or 0) < at:
                    keys[key_id] = msgspec.structs.replace(key, last_used_at=at)
                    if key.secrets:
                        self._pepper.note_proven()

        self._change(note)

    def _change(self, change: Callable[[dict[str, ApiKey]], _AnswerT]) -> _AnswerT:
        with self._locked():
            keys = {each.key_id: each for each in self.all_keys()}
            answer = change(keys)
            content = _Content(format=FORMAT, keys=list(keys.values()))
            replace_file(self._path, msgspec.json.format(msgspec.json.encode(content), indent=1))
            return answer

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        make_folder(self.folder)
        descriptor = os.open(self.folder / "LOCK", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, OWNER_ONLY)
        try:
            give_to_owner_of(self.folder, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _know_pepper(self) -> None:
        if not self._pepper.known:
            with self._locked():
                self._pepper.read(needed=self._has_hashes())

    def _has_hashes(self) -> bool:
        return any(key.secrets and key.revoked_at is None for key in self.all_keys())


def _known(keys: Mapping[str, ApiKey], key_id: str) -> ApiKey:
    key = keys.get(key_id)
    if key is None:
        raise NotFoundError(f"there is no key {key_id[:32]!r}", reason="KEY_UNKNOWN", field="key_id")
    return key
