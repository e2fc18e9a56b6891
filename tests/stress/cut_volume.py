"""An ext4 file system of its own, on a loop device, whose power can be cut.

The cut is the kernel's own: a shut-down file system writes nothing any more, and mounting it again
recovers from its journal what a disk would hold. Cut with a flush under way and the flush may still
say yes; so a process is frozen first, and every thread of it has to have stopped.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

SIZE_BYTES = 512 << 20
FREEZE_S_MAX = 10.0
# _IOR('X', 125, u32): EXT4_IOC_SHUTDOWN.
SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING_THE_LOG = struct.pack("I", 2)


def missing() -> str | None:
    """Why no power can be cut here; ``None`` where it can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    tools = [tool for tool in ("mkfs.ext4", "mount", "umount", "losetup") if shutil.which(tool) is None]
    if tools:
        return f"no {tools[0]} on this machine"
    if not Path("/dev/loop-control").exists():
        return "no loop devices on this machine"
    return None


class CutVolume:
    """``folder`` is a file system inside one file beside it, mounted between ``mount`` and ``unmount``.

    Its log is committed only by flushes, never by time: what was not flushed is lost for certain.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = folder.with_suffix(".ext4")
        self.is_mounted = False

    def make(self) -> None:
        with self.image.open("wb") as image:
            image.truncate(SIZE_BYTES)
        self.folder.mkdir(parents=True, exist_ok=True)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self.image))

    def mount(self) -> None:
        _run("mount", "-o", "loop,commit=600", str(self.image), str(self.folder))
        self.is_mounted = True

    def unmount(self) -> None:
        if self.is_mounted:
            _run("umount", str(self.folder))
            self.is_mounted = False

    def cut(self) -> None:
        """From now on nothing reaches the file system, its own log included."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, WITHOUT_FLUSHING_THE_LOG)
        finally:
            os.close(descriptor)


def freeze(process_id: int) -> None:
    """SIGSTOP, and wait until no thread runs any more.

    Raises ``RuntimeError`` if one still does after ten seconds.
    """
    os.kill(process_id, signal.SIGSTOP)
    deadline = time.monotonic() + FREEZE_S_MAX
    while states := {state for state in _states(process_id) if state not in "Tt"}:
        if time.monotonic() > deadline:
            raise RuntimeError(f"process {process_id} does not stand still: threads in {sorted(states)}")
        time.sleep(0.001)


def _states(process_id: int) -> list[str]:
    """The state letter of every thread."""
    letters = []
    for task in Path(f"/proc/{process_id}/task").iterdir():
        try:
            letters.append((task / "stat").read_text().rsplit(") ", 1)[1][0])
        except OSError:
            continue
    return letters


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
