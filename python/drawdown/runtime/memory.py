"""How the process holds its memory: message buffers kept, and state in huge pages.

A batch of 8,000 events is half a megabyte: beyond glibc's default threshold every such message is
mapped, cleared page by page and unmapped again, which took 9 % of the server's time.

An event touches half a dozen places in gigabytes of state. With 4 KiB pages each costs a walk of the
page tables as well; glibc asks for huge pages only if it is told before the process starts.
"""

import ctypes
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_log = logging.getLogger("drawdown.runtime")

# Parameters of mallopt(3).
M_TRIM_THRESHOLD: Final = -1
M_TOP_PAD: Final = -2
M_MMAP_THRESHOLD: Final = -3

# glibc takes at most 32 MiB on 64 bits; the largest message is smaller unless set otherwise.
MAPPED_FROM_BYTES: Final = 32 << 20
# What a full window of messages may leave free before it is returned.
KEPT_FREE_BYTES: Final = 256 << 20
GROWTH_BYTES: Final = 16 << 20


def keep_message_buffers() -> bool:
    """Tell glibc's allocator; answers whether it took the settings. Elsewhere nothing is changed."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    taken = [
        mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES),
        mallopt(M_TRIM_THRESHOLD, KEPT_FREE_BYTES),
        mallopt(M_TOP_PAD, GROWTH_BYTES),
    ]
    if not all(taken):
        _log.info("the allocator keeps its own thresholds", extra={"taken": taken})
    return all(taken)


TUNABLES: Final = "GLIBC_TUNABLES"
HUGE: Final = "glibc.malloc.hugetlb"
SUPPORT: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def environment_for_huge_pages(environment: Mapping[str, str]) -> dict[str, str] | None:
    """The environment to start again with so that the heap asks for huge pages; ``None`` to go on as it is.

    ``GLIBC_TUNABLES=glibc.malloc.hugetlb=0`` set by the caller stands: then nothing is changed.
    """
    tunables = environment.get(TUNABLES, "")
    if not sys.platform.startswith("linux") or HUGE in tunables:
        return None
    try:
        if "[never]" in SUPPORT.read_text(encoding="ascii"):
            return None
    except OSError:
        return None
    asked = f"{HUGE}=1"
    return {**environment, TUNABLES: f"{tunables}:{asked}" if tunables else asked}
