"""Whether callers need keys, and the upkeep of those: re-read every second, last use kept every minute."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from drawdown.config import ProcessConfig
from drawdown.errors import ConfigError
from drawdown.model.address import host_and_port, is_loopback
from drawdown.server.access import Access
from drawdown.server.audit import Audit
from drawdown.server.key_ring import KeyRing
from drawdown.server.options import listening_addresses
from drawdown.storage.audit_file import AuditFile
from drawdown.storage.key_file import KeyFile

_log = logging.getLogger("drawdown.server")

# A revoked key is refused, and a folder's first key makes every call need one, at the latest after this.
REFRESH_S: Final = 1.0
REFRESHES_PER_WRITE: Final = 60


class AccessControl:
    """The keys, the audit log and the ``Access`` of one server. For use on the loop's thread."""

    def __init__(self, config: ProcessConfig) -> None:
        data = Path(config.data)
        self.keys = KeyFile(data, config.api_key_pepper_file)
        self.audit = Audit(AuditFile(data))
        needed = keys_needed(config, self.keys)
        # Before the first key: one made without the setting would close this server to everybody.
        self._settles_pepper = bool(config.api_key_pepper_file) and config.access != "open"
        self.ring = None if config.access == "open" else KeyRing(self.keys)
        self.access = Access(self.ring if needed else None, self.audit.stranger)
        self._upkeep: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The folder is this process's: keys made from now on have the pepper of its settings.

        Raises ``ConfigError`` where there are keys that were hashed with another.
        """
        if self._settles_pepper:
            self.keys.begin()

    def start(self, keys_needed_now: Callable[[], None]) -> None:
        """Begin the upkeep; it calls ``keys_needed_now`` once a server that began open is so no longer."""
        if self.ring is None:
            return
        if not self.access.is_open and not len(self.ring):
            _log.warning("callers need keys and there are none: make one with 'drawdown keys create'")
        self._upkeep = asyncio.get_running_loop().create_task(self._keep_up(self.ring, keys_needed_now))

    async def _keep_up(self, ring: KeyRing, keys_needed_now: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        turn = 0
        while True:
            await asyncio.sleep(REFRESH_S)
            ring.refresh_or_log()
            if self.access.is_open and self._folder_has_keys():
                _log.warning("the data folder has API keys now: from here on every call needs one")
                self.access.need_keys(ring)
                keys_needed_now()
            turn += 1
            if turn % REFRESHES_PER_WRITE == 0:
                await loop.run_in_executor(None, ring.write_last_used, ring.take_last_used())

    def _folder_has_keys(self) -> bool:
        try:
            return self.keys.version() is not None
        except OSError:
            # What may not be looked at is there.
            return True

    def close(self) -> None:
        """End the upkeep; what is known of last use is kept."""
        if self._upkeep is not None:
            self._upkeep.cancel()
        if self.ring is not None:
            self.ring.write_last_used(self.ring.take_last_used())
        self.audit.close()


def keys_needed(config: ProcessConfig, keys: KeyFile) -> bool:
    """Whether every call needs a key from the start: always off loopback, and where the folder has keys.

    Raises ``ConfigError`` for ``access=open`` off loopback.
    """
    exposed = [
        address
        for field, address in listening_addresses(config).items()
        if not is_loopback(host_and_port(address, field)[0])
    ]
    if config.access == "open":
        if exposed:
            raise ConfigError(
                f"access: {exposed[0]} can be reached from elsewhere; calls without keys are for loopback",
                field="access",
            )
        return False
    return config.access == "keys" or bool(exposed) or keys.version() is not None
