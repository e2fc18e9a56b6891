"""Look for bytes that make a decoder fail: coverage-guided where there is a nightly compiler.

With one, every target is built with libFuzzer and AddressSanitizer and runs from its corpus for so
many seconds; without, the corpus is mutated blindly for so many rounds. What fails is left in
target/fuzz/failures: once mended, put it into tests/fuzz/corpus under a name that says what it is.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
WORK = ROOT / "target" / "fuzz"
TRIPLE = "x86_64-unknown-linux-gnu"
COVERAGE = (
    "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 "
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table "
    "-Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1 --cfg fuzzing"
)
MEMORY_MB = 1_024
INPUT_S_MAX = 2


def has_nightly() -> bool:
    if shutil.which("rustup") is None or shutil.which("g++") is None:
        return False
    return (
        subprocess.run(["rustc", "+nightly", "--version"], capture_output=True, check=False).returncode == 0
    )


def build() -> Path:
    """The instrumented program."""
    manifest = ROOT / "rust" / "drawdown-fuzz" / "coverage" / "Cargo.toml"
    command = ["cargo", "+nightly", "build", "--quiet", "--release", "--target", TRIPLE]
    environment = {**os.environ, "RUSTFLAGS": COVERAGE, "CARGO_TARGET_DIR": str(WORK)}
    subprocess.run([*command, "--manifest-path", str(manifest)], cwd=ROOT, env=environment, check=True)
    return WORK / TRIPLE / "release" / "drawdown-fuzz-coverage"


def hunt(program: Path, target: str, seconds: int) -> tuple[bool, str]:
    """One target for so long; whether nothing failed, and what libFuzzer says of it."""
    found = WORK / "found" / target
    failures = WORK / "failures" / target
    for folder in (found, failures):
        folder.mkdir(parents=True, exist_ok=True)
    command = [str(program), f"-max_total_time={seconds}", "-print_final_stats=1", f"-timeout={INPUT_S_MAX}"]
    command += [
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={failures}/",
        "-max_len=4096",
        "-verbosity=0",
    ]
    done = subprocess.run(
        [*command, str(found), str(CORPUS / target)],
        env={
            **os.environ,
            "DRAWDOWN_FUZZ_TARGET": target,
            "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    executed = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    memory = re.search(r"peak_rss_mb: +(\d+)", done.stderr)
    words = f"{int(executed[1]) if executed else 0:>12,} inputs, {memory[1] if memory else '?'} MB"
    return done.returncode == 0, words if done.returncode == 0 else f"{words}\n{done.stderr[-3_000:]}"


def mutate(rounds: int, target: str, seed: int) -> bool:
    """The blind form, without a nightly compiler."""
    environment = {"DRAWDOWN_FUZZ_ROUNDS": str(rounds), "DRAWDOWN_FUZZ_SEED": str(seed)}
    command = ["cargo", "test", "--release", "--quiet", "-p", "drawdown-fuzz", "--test", "corpus"]
    done = subprocess.run(
        [*command, "no_target", "--", "--nocapture"],
        cwd=ROOT,
        env={**os.environ, **environment, "DRAWDOWN_FUZZ_TARGET": target},
        check=False,
    )
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="per target, coverage-guided")
    parser.add_argument("--rounds", type=int, default=200_000, help="per target, blind")
    parser.add_argument("--seed", type=int, default=1, help="of the blind form")
    parser.add_argument("--blind", action="store_true", help="no libFuzzer even where it can be built")
    parser.add_argument("--targets", nargs="*", help="default: all")
    options = parser.parse_args()
    targets = options.targets or sorted(path.name for path in CORPUS.iterdir() if path.is_dir())
    targets = [name for name in targets if not name.startswith("python_")]
    if options.blind or not has_nightly():
        return 0 if all([mutate(options.rounds, name, options.seed) for name in targets]) else 1
    program = build()
    whole = True
    for name in targets:
        passed, words = hunt(program, name, options.seconds)
        whole &= passed
        print(f"{name:<16} {'passed' if passed else 'FAILED'} {words}", flush=True)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
