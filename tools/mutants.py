"""Would the tests notice? Conditions of ``ROOMS`` turned round one by one (``make mutants``).

A copy of the crates is built once, with every mutant in it (``mutant_sources.py``). Each test program is
run without any, to see which of them it comes by; then every mutant is chosen in turn, and the programs
that come by it run until one fails, or does not end. What none comes by, or all pass with, is listed: it
is untested, or changes nothing that anybody could see.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from coverage_table import first_test_line, room_of, share
from mutant_sources import Mutant, Turned

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "mutants"
COPY = WORK / "source"
CRATES = {"drawdown-core": "crate::mutants::turned", "drawdown-node": "drawdown_core::mutants::turned"}
# Those of the plan of reliability: ledger, remembered ids, journal, recovery.
ROOMS = (
    *("remembered ids", "decide and apply", "journal, commit"),
    *("recovery, restore", "checkpoints, passes"),
)
# Minutes for every mutant.
NOT_RUN = ("damage_everywhere",)
# A mutant may have a program ask for all the memory there is.
MEMORY = 8 << 30
PATIENCE_S, PATIENCE = 10.0, 5.0
TESTS = {
    "DRAWDOWN_SIMULATION_SEEDS": "12",
    "PROPTEST_MAX_SHRINK_ITERS": "0",
    "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "true",
    "RUST_BACKTRACE": "0",
}
QUESTION = """//! Which mutant is chosen, and which were come by.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex};

static CHOSEN: LazyLock<usize> =
    LazyLock::new(|| std::env::var("MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0));
static SEEN: [AtomicBool; 8192] = [const { AtomicBool::new(false) }; 8192];
static TOLD: LazyLock<Option<Mutex<std::fs::File>>> = LazyLock::new(|| {
    let path = std::env::var_os("MUTANTS_SEEN")?;
    std::fs::OpenOptions::new().append(true).create(true).open(path).ok().map(Mutex::new)
});

pub fn turned(number: usize) -> bool {
    if !SEEN[number].load(Relaxed) && !SEEN[number].swap(true, Relaxed) {
        if let Some(file) = &*TOLD {
            let _ = writeln!(file.lock().unwrap(), "{number}");
        }
    }
    *CHOSEN == number
}
"""


@dataclass
class Program:
    """One test program of the build that has the mutants."""

    path: str
    name: str
    folder: Path
    seconds: float = 0.0
    comes_by: set[int] = field(default_factory=set)

    def passes(self, limit_s: float, **environment: str) -> bool:
        """Whether it ended well in time."""
        process = subprocess.Popen(
            [self.path, "--quiet"],
            cwd=self.folder,
            env={**os.environ, **TESTS, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            with suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
            return process.wait(limit_s) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def copied(only: str) -> list[Mutant]:
    """The workspace under ``target/mutants``, with mutants in the sources of ``ROOMS``."""
    COPY.mkdir(parents=True, exist_ok=True)
    for name in ("Cargo.toml", "Cargo.lock", "rust-toolchain.toml"):
        shutil.copy2(ROOT / name, COPY / name)
    shutil.rmtree(COPY / "rust", ignore_errors=True)
    shutil.copytree(ROOT / "rust", COPY / "rust", ignore=shutil.ignore_patterns("target"))
    mutants: list[Mutant] = []
    for crate, question in CRATES.items():
        turned = Turned(question)
        turned.mutants = mutants
        for path in sorted((COPY / "rust" / crate / "src").rglob("*.rs")):
            name = str(path.relative_to(COPY))
            if room_of(name) in ROOMS and only in name:
                text = path.read_text(encoding="utf-8")
                path.write_text(turned.source(text, name, first_test_line(path)), encoding="utf-8")
    core = COPY / "rust" / "drawdown-core" / "src"
    (core / "mutants.rs").write_text(QUESTION, encoding="utf-8")
    with (core / "lib.rs").open("a", encoding="utf-8") as library:
        library.write("\npub mod mutants;\n")
    return mutants


def built() -> list[Program]:
    """The test programs of the copy."""
    packages = [part for crate in CRATES for part in ("-p", crate)]
    done = subprocess.run(
        ["cargo", "test", "--no-run", "--quiet", "--message-format=json", "--tests", *packages],
        cwd=COPY,
        env={**os.environ, "CARGO_TARGET_DIR": str(WORK / "build"), "RUSTFLAGS": "--cap-lints=allow"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return [
        Program(each["executable"], each["target"]["name"], Path(each["manifest_path"]).parent)
        for each in messages
        if each.get("executable") and each["target"]["name"] not in NOT_RUN
    ]


def looked_at(programs: list[Program]) -> None:
    """Which mutants each comes by, and how long it takes. Ends the run where one fails without any."""
    seen = WORK / "seen"
    for program in programs:
        seen.unlink(missing_ok=True)
        began = time.monotonic()
        if not program.passes(1_200, MUTANTS_SEEN=str(seen)):
            raise SystemExit(f"{program.name} fails without a mutant")
        program.seconds = time.monotonic() - began
        program.comes_by = set(map(int, seen.read_text().split())) if seen.exists() else set()
        print(f"  {program.name:<24} {program.seconds:6.1f} s {len(program.comes_by):5}", flush=True)
    programs.sort(key=lambda each: each.seconds)


def verdict(mutant: Mutant, programs: list[Program]) -> str:
    """``caught``, ``survived``, or ``not reached``."""
    reaching = [each for each in programs if mutant.number in each.comes_by]
    for program in reaching:
        if not program.passes(PATIENCE_S + PATIENCE * program.seconds, MUTANT=str(mutant.number)):
            return "caught"
    return "survived" if reaching else "not reached"


def table(verdicts: dict[Mutant, str]) -> str:
    counts: dict[str, Counter[str]] = {}
    for mutant, each in verdicts.items():
        counts.setdefault(str(room_of(mutant.path)), Counter())[each] += 1
    rows = [f"{'room':<20} {'mutants':>8} {'caught':>8} {'not reached':>12} {'survived':>9}"]
    for room, count in counts.items():
        missed = count.total() - count["caught"]
        rows.append(
            f"{room:<20} {count.total():>8} {share(count.total(), missed):>8}"
            f" {count['not reached']:>12} {count['survived']:>9}"
        )
    return "\n".join(rows)


def main() -> int:
    """Print the table, and each mutant that no test noticed; 1 where less than ``--least`` percent were."""
    parser = argparse.ArgumentParser(prog="python tools/mutants.py")
    parser.add_argument("--only", default="", help="part of the paths of the sources")
    parser.add_argument("--every", type=int, default=1, help="only each so-many-th mutant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    parser.add_argument("--least", type=int, default=0, help="percent")
    given = parser.parse_args()
    mutants = copied(given.only)
    print(f"{len(mutants)} mutants", flush=True)
    programs = built()
    looked_at(programs)
    verdicts: dict[Mutant, str] = {}
    chosen = mutants[:: given.every]
    with ThreadPoolExecutor(given.jobs) as pool:
        for mutant, each in zip(chosen, pool.map(lambda one: verdict(one, programs), chosen), strict=True):
            verdicts[mutant] = each
            if each != "caught":
                print(f"{each:<12} {mutant.path}:{mutant.line}: {mutant.change}", flush=True)
    print(table(verdicts), flush=True)
    caught = sum(each == "caught" for each in verdicts.values())
    return int(caught * 100 < given.least * len(verdicts))


if __name__ == "__main__":
    sys.exit(main())
