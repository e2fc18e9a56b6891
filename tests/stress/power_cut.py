"""Power cuts under load, again and again: ``python -m tests.stress.power_cut``.

The crash loop on a file system of its own: each cycle freezes the server, cuts the file system's
power, ends the server, and mounts again. What was acknowledged must be there.

``--lie`` is the test of this test: strace lets every flush succeed without doing it, and then the
books must show losses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.stress.crash_loop import CrashLoop
from tests.stress.cut_volume import CutVolume, freeze, missing
from tests.stress.syscall_injection import missing as missing_strace

FLAGS = ("--log-level", "error", "--set", "segment_bytes=65536", "--set", "checkpoint_interval_s=1")
LYING_FLUSH = (
    *("strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"),
    *("-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:retval=0"),
)


@dataclass
class PowerCuts(CrashLoop):
    """The crash loop, whose lives end by a power cut."""

    lie: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.volume = CutVolume(self.folder.parent)
        # Beside the volume: a file on it would keep it from being unmounted.
        self.server.log = self.volume.image.with_suffix(".log")

    def _end(self) -> None:
        assert self.server.process is not None
        freeze(self.server.process.pid)
        self.volume.cut()
        self.server.kill()
        self.volume.unmount()
        self.volume.mount()
        if self.lie:
            # The first life was honest, so that there is something to lose.
            self.server.under = LYING_FLUSH
            # Long enough to begin new segments.
            self.load_s_min = self.load_s_max

    async def run(self, cycles: int) -> None:
        self.volume.make()
        self.volume.mount()
        try:
            await super().run(cycles)
        finally:
            self.volume.unmount()


def run(folder: Path, *, cycles: int, seed: int, load_s_max: float = 0.8, lie: bool = False) -> PowerCuts:
    """Cut the power so many times; ``folder`` becomes a mount point for as long as it takes."""
    loop = PowerCuts(folder / "volume" / "data", seed, load_s_max, FLAGS, lie=lie)
    try:
        asyncio.run(loop.run(cycles))
    except RuntimeError as error:
        if not lie:
            raise
        # What lost its flushes may not even open.
        loop.book.lost.append(str(error))
    return loop


def main() -> int:
    """Print one JSON line; 0 iff nothing was lost, doubled or overspent (or, with ``--lie``, if it was)."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.power_cut")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000)
    parser.add_argument("--lie", action="store_true", help="flushes do nothing: losses must be found")
    arguments = parser.parse_args()
    why = missing() or (missing_strace() if arguments.lie else None)
    if why:
        print(f"not run: {why}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="drawdown-power-") as root:
        loop = run(Path(root), cycles=arguments.cycles, seed=arguments.seed, lie=arguments.lie)
    print(json.dumps(loop.summary()))
    return int(bool(loop.faults) != arguments.lie)


if __name__ == "__main__":
    sys.exit(main())
