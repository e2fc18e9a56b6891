"""The node's tests under ThreadSanitizer and AddressSanitizer, one after the other.

They look for what the tests alone cannot see: reads and writes of two threads without an order; memory
used after it was given back or beyond its end, and memory never given back. Tests with seeds take fewer
of them than in `make test`. A part ends with the first report.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRIPLE = "x86_64-unknown-linux-gnu"
# Fewer than the tests' own numbers: each case costs several times as much.
FEW = {
    "DRAWDOWN_SIMULATION_SEEDS": "20",
    "DRAWDOWN_CRASH_SEEDS": "15",
}
# Readable reports from small programs.
LEAN = {"CARGO_PROFILE_TEST_DEBUG": "line-tables-only", "CARGO_PROFILE_DEV_DEBUG": "line-tables-only"}


# Of the node, each way to open, write and read a folder once.
NODE_TESTS = (
    "real_folder",
    "limits",
    "golden",
    "crash",
    "simulation",
    "damage",
    "salvage",
    "snapshot",
    "history",
)


@dataclass(frozen=True)
class Part:
    """One sanitizer: the environment cargo runs in, and which tests."""

    environment: dict[str, str]
    arguments: tuple[str, ...]


def sanitizer(name: str, folder: str, options: dict[str, str], *arguments: str) -> Part:
    environment = {"RUSTFLAGS": f"-Zsanitizer={name}", "CARGO_TARGET_DIR": f"target/{folder}"}
    return Part({**environment, **LEAN, **FEW, **options}, arguments)


PARTS = {
    "thread": sanitizer(
        "thread",
        "tsan",
        {"TSAN_OPTIONS": "halt_on_error=1"},
        # It must see the locks of the standard library too.
        "-Zbuild-std",
        *("-p", "drawdown-node", "--lib", "--test", "real_folder", "--test", "limits", "--test", "golden"),
    ),
    "address": sanitizer(
        "address",
        "asan",
        {"ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1"},
        *("-p", "drawdown-node", "--lib"),
        *(part for test in NODE_TESTS for part in ("--test", test)),
    ),
}


def run(part: Part) -> bool:
    command = ["cargo", "+nightly", "test", "--quiet", "--target", TRIPLE, *part.arguments]
    environment = {**os.environ, **part.environment}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=list(PARTS), metavar="part")
    whole = True
    for name in parser.parse_args().parts or PARTS:
        began = time.monotonic()
        passed = run(PARTS[name])
        whole &= passed
        print(
            f"{name:<8} {'no report' if passed else 'FAILED'}, {time.monotonic() - began:,.0f} s", flush=True
        )
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
