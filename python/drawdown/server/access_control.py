"""Whether callers need keys, and the upkeep of those: re-read every second, last use kept every minute."""

import asyncio
import logging
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

# A revoked key is refused at the latest after this.
REFRESH_S: Final = 1.0
REFRESHES_PER_WRITE: Final = 60


class AccessControl:
    """The keys, the audit log and the ``Access`` of one server. For use on the loop's thread."""

    def __init__(self, config: ProcessConfig) -> None:
        data = Path(config.data)
        self.keys = KeyFile(data, config.api_key_pepper_file)
        self.audit = Audit(AuditFile(data))
        self.ring = KeyRing(self.keys) if keys_needed(config, self.keys) else None
        self.access = Access(self.ring, self.audit.stranger)
        self._upkeep: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the upkeep."""
        if self.ring is None:
            return
        if not len(self.ring):
            _log.warning("callers need keys and there are none: make one with 'drawdown keys create'")
        self._upkeep = asyncio.get_running_loop().create_task(self._keep_up(self.ring))

    async def _keep_up(self, ring: KeyRing) -> None:
        loop = asyncio.get_running_loop()
        turn = 0
        while True:
            await asyncio.sleep(REFRESH_S)
            ring.refresh_or_log()
            turn += 1
            if turn % REFRESHES_PER_WRITE == 0:
                await loop.run_in_executor(None, ring.write_last_used, ring.take_last_used())

    def close(self) -> None:
        """End the upkeep; what is known of last use is kept."""
        if self._upkeep is not None:
            self._upkeep.cancel()
        if self.ring is not None:
            self.ring.write_last_used(self.ring.take_last_used())
        self.audit.close()


def keys_needed(config: ProcessConfig, keys: KeyFile) -> bool:
    """Whether every call needs a key: always off loopback, and where the folder has keys.

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
