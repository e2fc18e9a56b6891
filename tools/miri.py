"""What Miri interprets of the crates, and what it leaves out, each with its reason.

Miri executes Rust step by step and reports undefined behaviour: reads outside of or behind a value's life,
references that alias, races, integers that overflow, memory never given back. It is isolated here: no
files, no network, a clock of its own, and randomness that follows from the seed, so a seed repeats a run,
its random stories and its order of threads. Some thousand times slower than the machine, so the tests
take fewer rounds under ``cfg(miri)``, and those that would take hours are ignored there by name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = "target/miri-tests"
# One random story per property and seed.
STORIES = "-Zmiri-env-set=PROPTEST_CASES=1"

NOT_INTERPRETED = {
    "drawdown-core leaving": "every engine has 50,400 buckets of 35 days: seconds per step",
    "drawdown-core equivalences": "five engines and three futures per story: an hour",
    "drawdown-node hand_offs": "shuttle switches stacks in assembly",
    "drawdown-node tests": "thousands of pages go through check sums per folder: hours; address, thread",
    "rest of drawdown-py": "calls into CPython and asks the kernel for memory",
    "rest of drawdown-wire": "has no unsafe code; fuzzed under AddressSanitizer",
}


@dataclass(frozen=True)
class Interpreted:
    """Tests of one crate under the same flags."""

    name: str
    arguments: tuple[str, ...]
    flags: str = ""


RUNS = (
    # Its addresses are kept as integers, and its spans are never given back.
    Interpreted(
        "pool of lines",
        ("-p", "drawdown-py", "--lib", "line_pool"),
        "-Zmiri-permissive-provenance -Zmiri-ignore-leaks",
    ),
    Interpreted("ids of the wire", ("-p", "drawdown-wire", "--lib", "printable")),
    Interpreted("core", ("-p", "drawdown-core", "--lib")),
    Interpreted("core, told", ("-p", "drawdown-core", "--test", "thread")),
    Interpreted("core, random stories", ("-p", "drawdown-core", "--test", "model")),
    Interpreted("core, damaged bytes", ("-p", "drawdown-core", "--test", "damaged_bytes")),
)


def missing() -> str | None:
    """Why Miri cannot run here, and what would help; ``None`` if it can."""
    try:
        found = subprocess.run(
            ["cargo", "+nightly", "miri", "--version"], cwd=ROOT, capture_output=True, check=False
        )
    except FileNotFoundError:
        return "there is no cargo"
    if found.returncode == 0:
        return None
    return "no nightly with Miri: rustup toolchain install nightly --component miri --component rust-src"


def interpret(run: Interpreted, seed: int, until: float) -> bool | None:
    """Whether there was no report; ``None`` if time was up before the end."""
    flags = f"-Zmiri-seed={seed} {STORIES} {run.flags}"
    process = subprocess.Popen(
        ["cargo", "+nightly", "miri", "test", "--quiet", *run.arguments],
        cwd=ROOT,
        env={**os.environ, "MIRIFLAGS": flags, "CARGO_TARGET_DIR": TARGET},
        start_new_session=True,
    )
    try:
        return process.wait(timeout=max(1.0, until - time.monotonic())) == 0
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def interpret_all(seeds: int, seconds: float) -> bool | None:
    """All runs under so many seeds: ``False`` at the first report, ``None`` if time was up before the end."""
    until = time.monotonic() + seconds
    for left_out, reason in NOT_INTERPRETED.items():
        print(f"  left out  {left_out}: {reason}", flush=True)
    for seed in range(1, seeds + 1):
        for run in RUNS:
            began = time.monotonic()
            passed = interpret(run, seed, until)
            words = {True: "no report", False: "FAILED", None: "time was up"}[passed]
            print(f"  seed {seed:<3} {run.name:<22} {words}, {time.monotonic() - began:,.0f} s", flush=True)
            if passed is not True:
                return passed
    return True
