"""Which suite catches which planted bug, and how fast: ``python -m tests.stress.planted_bugs``.

Each bug of reliability T0, three more that order threads wrongly and one that forgets the time, is a cargo
feature that no release build can have. For each the suites are built with it and run, quickest first, until
one fails. A bug that no suite catches makes the run fail, and so does a suite that fails without any
bug. ``--suite simulation`` asks that suite alone, and tells what it catches.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = (
    ("drawdown-core", "--lib"),
    ("drawdown-core", "--test", "model"),
    ("drawdown-core", "--test", "equivalences"),
)
NODE = (
    ("drawdown-node", "--lib"),
    ("drawdown-node", "--test", "limits"),
    ("drawdown-node", "--test", "snapshot"),
    ("drawdown-node", "--test", "damage"),
    ("drawdown-node", "--test", "real_folder"),
    ("drawdown-node", "--test", "clock_steps"),
    ("drawdown-node", "--test", "crash"),
    ("drawdown-node", "--lib", "hand_offs"),
    ("drawdown-node", "--test", "simulation"),
)
SCHEDULED = {"hand_offs": "hand-offs"}
"""What a suite needs beside the bug: threads under a scheduler."""
SUITE_TIMEOUT_S = 900

Suite = tuple[str, ...]


@dataclass(frozen=True)
class Bug:
    """One planted bug, numbered as in T0."""

    number: int
    name: str
    what: str
    expected: str
    """Last word of the suite thought to catch it; it is asked first, the others if it does not."""
    in_core: bool = False

    @property
    def suites(self) -> list[Suite]:
        mine = (*CORE, *NODE) if self.in_core else NODE
        return sorted(mine, key=lambda suite: suite[-1] != self.expected)


BUGS = (
    Bug(1, "answer-before-sync", "answers go out before the fsync", "crash"),
    Bug(2, "sync-skipped", "every 100th fsync is skipped", "crash"),
    Bug(3, "no-folder-sync", "the folder is never fsynced", "crash"),
    Bug(4, "keys-out-of-snapshots", "event ids are left out of snapshots", "snapshot", in_core=True),
    Bug(
        5,
        "refused-id-remembered",
        "the id of an event that was not applied is remembered",
        "model",
        in_core=True,
    ),
    Bug(
        6,
        "image-seq-off-by-one",
        "an image says that it holds one entry more than it does",
        "equivalences",
        in_core=True,
    ),
    Bug(7, "damage-cut-off", "damage inside the journal is cut off as a torn tail", "damage"),
    Bug(8, "sync-retried", "a failed fsync is tried again and believed", "crash"),
    Bug(
        9,
        "expiry-repeated",
        "booked expiry is forgotten at a restart and booked again",
        "equivalences",
        in_core=True,
    ),
    Bug(
        10, "clock-steps-back", "a step back of the clock takes stamps and sweeps back", "--lib", in_core=True
    ),
    Bug(11, "check-then-act", "the balance is checked before the step that debits it", "model", in_core=True),
    Bug(12, "wrapping-add", "the sum of a pool's grants may pass 64 bits", "model", in_core=True),
    Bug(13, "second-engine", "a second engine may open the folder", "real_folder"),
    Bug(14, "stale-snapshot-wins", "a snapshot is restored over a folder in use", "snapshot"),
    Bug(15, "forgotten-id-accepted", "an event below the floor is accepted", "model", in_core=True),
    Bug(16, "read-before-durable", "reads do not wait until what they show is durable", "limits"),
    Bug(17, "told-before-moved", "waiters are woken before the position has moved", "hand_offs"),
    Bug(18, "woken-without-gate", "a wake-up may fall between a waiter's look and its sleep", "hand_offs"),
    Bug(19, "sleep-after-look", "the commit thread lets go of the queue between look and sleep", "hand_offs"),
    Bug(20, "stamp-not-kept", "a kill may forget the instant at which something ended", "clock_steps"),
)


@dataclass(frozen=True)
class Finding:
    """How a bug fared: the suite and tests that failed, or none."""

    bug: Bug
    suite: str = ""
    tests: tuple[str, ...] = ()
    took_s: float = 0.0

    @property
    def is_caught(self) -> bool:
        return bool(self.suite)


def cargo(suite: Suite, features: str, target: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """One test suite, built apart from the everyday builds."""
    package, *which = suite
    command = ["cargo", "test", "--quiet", "-p", package, *which, *more]
    wanted = [feature for feature in (features, SCHEDULED.get(suite[-1], "")) if feature]
    if wanted:
        command[5:5] = ["--features", ",".join(wanted)]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "RUST_BACKTRACE": "0"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SUITE_TIMEOUT_S,
        check=False,
    )


def build(suite: Suite, features: str, target: Path) -> None:
    built = cargo(suite, features, target, "--no-run")
    if built.returncode != 0:
        raise RuntimeError(f"{' '.join(suite)} with '{features}' does not build:\n{built.stderr[-2000:]}")


def failed_tests(output: str) -> tuple[str, ...]:
    """Names of the tests that cargo says failed; a suite that died names none."""
    named = re.findall(r"^---- (\S+) stdout ----$", output, re.MULTILINE)
    return tuple(dict.fromkeys(named)) or ("(the suite died)",)


def hunt(bug: Bug, target: Path, only: str | None = None) -> Finding:
    """Run the bug's suites (or one of them) until one fails, twice in a row: a test that only
    sometimes fails shows nothing. The time is that of the failing suite alone."""
    features = f"planted-{bug.name}"
    for suite in bug.suites:
        if only and suite[-1] != only:
            continue
        build(suite, features, target)
        begun = time.monotonic()
        try:
            run = cargo(suite, features, target)
        except subprocess.TimeoutExpired:
            return Finding(bug, " ".join(suite), ("(did not end)",), time.monotonic() - begun)
        took_s = time.monotonic() - begun
        if run.returncode != 0 and cargo(suite, features, target).returncode != 0:
            return Finding(bug, " ".join(suite), failed_tests(run.stdout + run.stderr), took_s)
    return Finding(bug)


def healthy(suites: set[str], target: Path) -> list[str]:
    """Of these suites those that fail with no bug planted: their failing shows nothing."""
    failing = []
    for suite in (*CORE, *NODE):
        if " ".join(suite) in suites:
            build(suite, "", target)
            if cargo(suite, "", target).returncode != 0:
                failing.append(" ".join(suite))
    return failing


def release_refuses(bug: Bug, target: Path) -> bool:
    """A release build with the bug does not compile."""
    package = "drawdown-core" if bug.in_core else "drawdown-node"
    command = ["cargo", "check", "--release", "--quiet", "-p", package, "--features", f"planted-{bug.name}"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    checked = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return checked.returncode != 0 and "no place in a release build" in checked.stderr


def table(findings: list[Finding]) -> str:
    """The report as a Markdown table."""
    lines = ["| # | planted bug | caught by | in |", "|---|---|---|---|"]
    for found in findings:
        by = (
            f"`{found.suite}`: {', '.join(f'`{t}`' for t in found.tests[:2])}"
            if found.is_caught
            else "**nothing**"
        )
        took = f"{found.took_s:.1f} s" if found.is_caught else "–"
        lines.append(f"| {found.bug.number} | {found.bug.what} (`{found.bug.name}`) | {by} | {took} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the bugs to plant; default all")
    parser.add_argument(
        "--target", type=Path, default=ROOT / "target" / "planted", help="cargo target folder"
    )
    parser.add_argument("--suite", help="ask this suite alone: its last word, as in `simulation`")
    parser.add_argument("--release-check", action="store_true", help="also see that release builds refuse")
    options = parser.parse_args(arguments)
    chosen = [bug for bug in BUGS if not options.only or bug.number in options.only]
    findings = []
    for bug in chosen:
        findings.append(hunt(bug, options.target, options.suite))
        found = findings[-1]
        print(
            f"{bug.number:2} {bug.name}: {found.suite or 'NOT CAUGHT'} {found.tests} {found.took_s:.1f} s",
            flush=True,
        )
        if options.release_check and not release_refuses(bug, options.target):
            print(f"   a release build with {bug.name} was not refused", file=sys.stderr)
            return 1
    failing = healthy({found.suite for found in findings if found.is_caught}, options.target)
    if failing:
        print(f"fails without a planted bug, so nothing is shown: {', '.join(failing)}", file=sys.stderr)
        return 2
    caught = sum(found.is_caught for found in findings)
    print(f"\n{table(findings)}\n\n{caught} of {len(chosen)} planted bugs caught")
    return 0 if caught == len(chosen) or options.suite else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
