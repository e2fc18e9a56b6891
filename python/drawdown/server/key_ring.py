"""The live keys in memory: found by id, compared in constant time, paced, re-read when the file changes."""

import hmac
import logging
from typing import Final

import msgspec

from drawdown import errors
from drawdown.model.api_key import ApiKey, key_id_of
from drawdown.model.instants import now_us
from drawdown.storage.key_file import KeyFile, Version

_log = logging.getLogger("drawdown.server")

# A key may spend this much of its rate at once.
BURST_NS: Final = 1_000_000_000


class HeldKey:
    """One key with its place in its rate. Its hashes stay as they are until the file changes."""

    def __init__(self, key: ApiKey) -> None:
        self.key = key
        self.last_used_us = 0
        self._interval_ns = 1_000_000_000 // key.calls_per_s if key.calls_per_s else 0
        self._spent_until_ns = 0

    def wait_s(self, now_ns: int) -> float:
        """Count one call and answer 0; or seconds to wait, and nothing is counted.

        ``now_ns`` is of the monotonic clock.
        """
        if not self._interval_ns:
            return 0.0
        spent = max(self._spent_until_ns, now_ns)
        ahead = spent + self._interval_ns - now_ns - max(BURST_NS, self._interval_ns)
        if ahead > 0:
            return ahead / 1e9
        self._spent_until_ns = spent + self._interval_ns
        return 0.0

    def goes_on_from(self, before: "HeldKey") -> None:
        """Keep what was spent across a re-read."""
        self._spent_until_ns = before._spent_until_ns
        self.last_used_us = before.last_used_us


class KeyRing:
    """The keys of one key file. For use on the loop's thread only, but for ``write_last_used``."""

    def __init__(self, file: KeyFile) -> None:
        self._file = file
        self._version: Version | None = None
        self._by_id: dict[str, HeldKey] = {}
        self._by_certificate: dict[str, HeldKey] = {}
        self._written_us: dict[str, int] = {}
        self.refresh()

    @property
    def has_certificates(self) -> bool:
        """Whether a certificate may stand for a key."""
        return bool(self._by_certificate)

    def __len__(self) -> int:
        return len(self._by_id)

    def refresh(self) -> None:
        """Read the file if it has changed.

        Raises ``CorruptDataError``, ``ConfigError`` (another pepper); the keys then stay as they were.
        """
        version = self._file.version()
        if version == self._version:
            return
        held = {key.key_id: HeldKey(key) for key in self._file.all_keys()}
        if any(each.key.secrets and each.key.revoked_at is None for each in held.values()):
            self._file.require_pepper()
        for key_id, each in held.items():
            before = self._by_id.get(key_id)
            if before is not None:
                each.goes_on_from(before)
        self._by_id = held
        self._by_certificate = {
            each.key.certificate: each
            for each in held.values()
            if each.key.certificate and each.key.revoked_at is None
        }
        self._version = version

    def refresh_or_log(self) -> None:
        """``refresh`` for a timer: what cannot be read is an error in the log, and the keys stay."""
        try:
            self.refresh()
        except (errors.DrawdownError, OSError) as raised:
            _log.error("the keys cannot be read again; the earlier ones stay in force", exc_info=raised)

    def of_text(self, text: str) -> HeldKey | None:
        """The live key of this text, or ``None``."""
        key_id = key_id_of(text)
        held = None if key_id is None else self._by_id.get(key_id)
        if held is None:
            return None
        now = now_us()
        given = self._file.hash_of(text)
        matches = [hmac.compare_digest(each.hash, given) for each in held.key.live_secrets(now)]
        if not any(matches):
            return None
        held.last_used_us = now
        return held

    def of_certificate(self, name: str) -> HeldKey | None:
        """The live key that a certificate of this name stands for, or ``None``."""
        held = self._by_certificate.get(name)
        now = now_us()
        if held is None or not held.key.is_live(now):
            return None
        held.last_used_us = now
        return held

    def live(self, key_id: str) -> HeldKey | None:
        """The key while it is live."""
        held = self._by_id.get(key_id)
        return held if held is not None and held.key.is_live(now_us()) else None

    def take_last_used(self) -> dict[str, int]:
        """Instants of last use that are not in the file yet, by key id."""
        used = {
            key_id: held.last_used_us
            for key_id, held in self._by_id.items()
            if held.last_used_us > self._written_us.get(key_id, held.key.last_used_at or 0)
        }
        self._written_us.update(used)
        return used

    def write_last_used(self, used: dict[str, int]) -> None:
        """Keep them in the file; for a worker thread."""
        if not used:
            return
        try:
            self._file.note_used(used)
        except (errors.DrawdownError, OSError, msgspec.MsgspecError) as raised:
            _log.warning("when keys were last used could not be kept", exc_info=raised)
