"""Keeps message buffers in the process's heap instead of giving them back to the kernel each time.

A batch of 8,000 events is half a megabyte: beyond glibc's default threshold every such message is
mapped, cleared page by page and unmapped again, which took 9 % of the server's time. What was kept
for a moment of many messages is given back from time to time, so that memory has a level.
"""

import ctypes
import logging
import sys
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
GROWTH_BYTES: Final = 64 << 20


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


def give_back_free_memory() -> bool:
    """Free pages of all heaps go back to the kernel; answers whether any did. A millisecond or a few.

    protobuf's runtime asks for the same after every 10,000 blocks it frees, at moments of its own.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    trim.argtypes = [ctypes.c_size_t]
    return bool(trim(0))
