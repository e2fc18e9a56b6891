"""Keys and names of series as their columns take them: put together of callers' ids, they may be long.

PostgreSQL refuses what is longer than its column, SQLite takes it: both get the same.
"""

import hashlib
from typing import Final

KEY_CHARACTERS_MAX: Final = 300
SERIES_CHARACTERS_MAX: Final = 160
_DIGEST_BYTES: Final = 32


def stored_key(key: str, characters_max: int = KEY_CHARACTERS_MAX) -> str:
    """The key itself where it fits, else its beginning and a digest of all of it."""
    if len(key) <= characters_max:
        return key
    digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{key[: characters_max - len(digest) - 1]}#{digest}"
