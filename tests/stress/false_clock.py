"""A real server under a wall clock that the test sets, in steps, while it runs.

``false_clock.c`` stands in front of the C library's clocks: Python, gRPC and the engine alike see a step at
once, time since boot goes on as it does. Built with the C compiler that the Rust build needs anyway.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("false_clock.c")
HOUR_S: Final = 3_600
DAY_S: Final = 86_400


class FalseClock:
    """Tells the true time until it is set."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._library = folder / "false_clock.so"
        self._file = folder / "false-clock"
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        assert compiler is not None, "a C compiler is missing; the Rust build needs one too"
        command = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        subprocess.run([*command, "-o", str(self._library), str(SOURCE), "-ldl"], check=True)
        self.ahead_s = 0.0
        self.set(0)

    def set(self, ahead_s: float) -> None:
        """From now on so many seconds ahead of the true time, or behind it."""
        offset = struct.pack("=q", round(ahead_s * 1_000_000))
        if self._file.exists():
            # In place: who has it mapped sees all of it or nothing.
            with self._file.open("r+b") as file:
                file.write(offset)
        else:
            self._file.write_bytes(offset)
        self.ahead_s = ahead_s

    @property
    def now_s(self) -> float:
        """What it tells."""
        return time.time() + self.ahead_s

    @property
    def under(self) -> tuple[str, ...]:
        """Words in front of a command that put it under this clock; the process stays the same."""
        return ("env", f"LD_PRELOAD={self._library}", f"FALSE_CLOCK_FILE={self._file}")
