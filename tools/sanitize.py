"""The core's tests under Miri, the node's under ThreadSanitizer and AddressSanitizer, one after the other.

They look for what the tests alone cannot see: reads and writes of two threads without an order; memory
used after it was given back or beyond its end, and memory never given back. Tests with seeds take fewer
of them than in `make test`. A part ends with the first report.
Exit code 0: no report; 1: a report; 3: no report, but not everything was asked (a toolchain is missing, or
time was up).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import miri

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


def missing() -> str | None:
    """Why a sanitizer cannot run here, and what would help; ``None`` if it can."""
    command = ["rustc", "+nightly", "--print", "sysroot"]
    try:
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no rustc"
    library = Path(found.stdout.strip()) / "lib/rustlib/src/rust/library"
    if found.returncode == 0 and library.is_dir():
        return None
    return "no nightly with its sources: rustup toolchain install nightly --component rust-src"


def run(part: Part) -> bool:
    command = ["cargo", "+nightly", "test", "--quiet", "--target", TRIPLE, *part.arguments]
    environment = {**os.environ, **part.environment}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def ask(name: str, options: argparse.Namespace) -> tuple[bool | None, str]:
    """Whether a part had no report, ``None`` where that is not known; and the words for it."""
    reason = miri.missing() if name == "miri" else missing()
    if reason is not None:
        return None, f"NOT ASKED, {reason}"
    began = time.monotonic()
    passed = miri.interpret_all(options.seeds, options.seconds) if name == "miri" else run(PARTS[name])
    words = {True: "no report", False: "FAILED", None: "NOT FINISHED in its time"}[passed]
    return passed, f"{words}, {time.monotonic() - began:,.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("miri", *PARTS)
    parser.add_argument("parts", nargs="*", choices=names, metavar="part", help=", ".join(names))
    parser.add_argument("--seeds", type=int, default=1, help="of Miri, default 1")
    parser.add_argument("--seconds", type=float, default=900.0, help="that Miri may take, default 900")
    options = parser.parse_args()
    answers = []
    for name in options.parts or names:
        passed, words = ask(name, options)
        answers.append(passed)
        print(f"{name:<8} {words}", flush=True)
    if False in answers:
        return 1
    return 3 if None in answers else 0


if __name__ == "__main__":
    sys.exit(main())
