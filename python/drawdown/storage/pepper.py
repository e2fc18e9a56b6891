"""The pepper that goes into the hashes of a folder's keys, and the fingerprint that tells it from any other.

The fingerprint stays in the folder wherever the pepper lies: with another pepper no key would be known
again, and nobody could say why.
"""

import hmac
import secrets
from pathlib import Path
from typing import Final

from drawdown.errors import ConfigError, CorruptDataError
from drawdown.storage.small_file import replace_file

PEPPER_BYTES: Final = 32
FINGERPRINT: Final = "pepper-fingerprint"
_LABEL: Final = b"the pepper of these keys"


class Pepper:
    """Of the keys in one folder ``access``. Whoever calls holds that folder's lock."""

    def __init__(self, folder: Path, file: str) -> None:
        self._path = Path(file) if file else folder / "pepper"
        self._mark = folder / FINGERPRINT
        self.known = b""
        """The pepper once it was read; it stays."""

    def read(self, *, needed: bool, begins: bool = False) -> None:
        """The pepper is known, and is the one that live keys were hashed with; made where there was none.

        ``needed``: there are such keys. ``begins``: a server does, by whose settings the fingerprint goes as
        long as there are none. Raises ``ConfigError``, ``CorruptDataError`` for one that is too short.
        """
        noted = self._noted()
        settled = needed or bool(noted and not begins)
        if not self._path.exists():
            if settled:
                raise self._another(f"{self._path} is not there")
            replace_file(self._path, secrets.token_bytes(PEPPER_BYTES))
        found = self._path.read_bytes()
        if len(found) < PEPPER_BYTES:
            raise CorruptDataError(f"{self._path}: a pepper has at least {PEPPER_BYTES} bytes")
        if settled and noted and noted != _fingerprint(found):
            raise self._another(f"{self._path} holds another")
        self.known = found
        if not settled and noted != _fingerprint(found):
            self.note()

    def require_noted(self) -> None:
        """Raises ``ConfigError`` where keys were hashed with another since this one was read."""
        if self._noted() not in ("", _fingerprint(self.known)):
            raise self._another(f"{self._path} holds another")

    def note(self) -> None:
        """Keep its fingerprint: it is known to be the one of the keys."""
        replace_file(self._mark, _fingerprint(self.known).encode() + b"\n")

    def note_proven(self) -> None:
        """``note`` in a folder of an older version, once a key was known again by this pepper."""
        if self.known and not self._noted():
            self.note()

    def _noted(self) -> str:
        try:
            return self._mark.read_text("ascii").strip()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as raised:
            raise CorruptDataError(f"{self._mark}: {raised}") from raised

    def _another(self, found: str) -> ConfigError:
        return ConfigError(
            f"api_key_pepper_file: {found}, and the keys of {self._mark.parent} have a pepper already: name "
            "that one here as to the server, or bring its file back. Where it is lost for good, revoke every "
            f"key and remove {self._mark}",
            field="api_key_pepper_file",
        )


def _fingerprint(pepper: bytes) -> str:
    """Says nothing of a pepper that is random."""
    return hmac.digest(pepper, _LABEL, "sha256").hex()[:32]
