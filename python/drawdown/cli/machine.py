"""Facts of this machine that the doctor looks at: the clock, the disk's flush, a folder's lock."""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from pathlib import Path

_STA_UNSYNC = 0x40
# `struct timex` has 208 bytes on 64-bit Linux; `status` is its sixth field.
_TIMEX_BYTES = 208
_STATUS_OFFSET = 40
_BLOCK = b"\0" * 4096


def clock_is_synchronised() -> bool | None:
    """What the kernel says of its clock; ``None`` where it cannot be asked."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        adjtimex = libc.adjtimex
    except (OSError, AttributeError):
        return None
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    if adjtimex(timex) < 0:
        return None
    status = int.from_bytes(timex.raw[_STATUS_OFFSET : _STATUS_OFFSET + 4], "little")
    return not status & _STA_UNSYNC


def flush_ms(folder: Path, samples: int) -> list[float]:
    """Milliseconds that each of some 4 KiB writes and their ``fdatasync`` take in this folder.

    Raises ``OSError`` where it cannot be written. The file is removed.
    """
    took = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".drawdown-doctor-") as file:
        for _ in range(samples):
            began = time.perf_counter()
            file.write(_BLOCK)
            file.flush()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return took


def is_locked(folder: Path) -> bool | None:
    """Whether a process holds the folder's lock; ``None`` where the kernel does not list locks.

    Read from the kernel's list: trying the lock could make a server fail that starts just now.
    """
    try:
        about = (folder / "LOCK").stat()
    except FileNotFoundError:
        return False
    try:
        held = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return None
    name = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    return any("FLOCK" in line and name in line.split() for line in held.splitlines())
