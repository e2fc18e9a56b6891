"""Which lines and branches the tests reach, in Rust and in Python (``make coverage``).

Rust: the crates' own tests, built to count; branches need a nightly compiler. Python: the tests of the
rooms in the table against a copy of the package under target/coverage, servers they start included. A
process that is killed leaves no counts, so what is told is reached at least.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from coverage_table import FileCoverage, of_lcov, of_python, room_of, spans, table

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "coverage"
PROFILES = WORK / "profiles"
# In front of every other place Python imports from.
COPY = WORK / "python"
COVERAGE_PY = "7.17.3"
CRATES = ("drawdown-core", "drawdown-wire", "drawdown-node", "drawdown-fuzz")
# Each a build of its own, as in ``make test-rust``: what to build, and the tests to run of it.
RUST_RUNS = (
    (("--tests", *(part for crate in CRATES for part in ("-p", crate))), ()),
    (("-p", "drawdown-node", "--lib", "--features", "hand-offs"), ("hand_offs",)),
    (("-p", "drawdown-node", "--features", "fault-points", "--test", "fault_points"), ()),
)
PYTHON_TESTS = (
    *("semantics", "model", "control", "billing", "subscriptions", "payments", "notices", "unit"),
    *("storage", "client", "server"),
)
SITE = "import coverage\n\ncoverage.process_startup()\n"
SETTINGS = """[run]
branch = True
parallel = True
concurrency = thread
source_pkgs = drawdown
data_file = {work}/python.counts
"""


def run(*command: str, **environment: str) -> None:
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True)


def answer(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def toolchain() -> tuple[str, str]:
    """The compiler, and what makes it count."""
    has_nightly = shutil.which("rustup") and "nightly" in answer("rustup", "toolchain", "list")
    if has_nightly:
        return "+nightly", "-Cinstrument-coverage -Zcoverage-options=branch"
    return "+stable", "-Cinstrument-coverage"


def llvm_tools(compiler: str) -> Path:
    """The folder of llvm-profdata and llvm-cov of this compiler, fetched where they are missing."""
    folder = Path(answer("rustc", compiler, "--print", "target-libdir").strip()).parent / "bin"
    if not (folder / "llvm-cov").exists():
        run("rustup", "component", "add", "llvm-tools", "--toolchain", compiler.removeprefix("+"))
    return folder


def rust_environment(flags: str) -> dict[str, str]:
    return {
        "RUSTFLAGS": flags,
        "CARGO_TARGET_DIR": str(WORK / "build"),
        "CARGO_INCREMENTAL": "0",
        "CARGO_PROFILE_DEV_DEBUG": "line-tables-only",
        "CARGO_PROFILE_TEST_DEBUG": "line-tables-only",
        # A few files that many processes add to, or the disk fills up.
        "LLVM_PROFILE_FILE": str(PROFILES / "%8m.profraw"),
    }


def built_tests(compiler: str, environment: dict[str, str], build: tuple[str, ...]) -> list[str]:
    """The instrumented test programs of one build."""
    command = ["cargo", compiler, "test", "--no-run", "--quiet", "--message-format=json", *build]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    )
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return [message["executable"] for message in messages if message.get("executable")]


def copy_package() -> None:
    """The package as it is, and coverage.py in every process that imports from there."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(
        ROOT / "python" / "drawdown", COPY / "drawdown", ignore=shutil.ignore_patterns("__pycache__")
    )
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--target", str(COPY), f"coverage=={COVERAGE_PY}"),
    )
    (COPY / "sitecustomize.py").write_text(SITE, encoding="utf-8")


def run_python(folders: list[str]) -> bool:
    settings = WORK / "coveragerc"
    settings.write_text(SETTINGS.format(work=WORK), encoding="utf-8")
    for old in WORK.glob("python.counts*"):
        old.unlink()
    tests = [f"tests/{folder}" for folder in folders]
    workers = ("--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *workers, "--timeout", "1200", *tests],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(COPY), "COVERAGE_PROCESS_START": str(settings)},
        check=False,
    )
    return done.returncode == 0


def rust_counts(tools: Path, programs: list[str]) -> list[FileCoverage]:
    merged = WORK / "merged.profdata"
    profiles = [str(path) for path in sorted(PROFILES.glob("*.profraw"))]
    run(str(tools / "llvm-profdata"), "merge", "-sparse", "-o", str(merged), *profiles)
    # Each by itself: of programs together, one that has a generic function in another shape than the first
    # takes it out of the counts.
    exported = (_exported(tools, merged, program) for program in programs)
    return of_lcov("".join(exported), ROOT)


def _exported(tools: Path, merged: Path, program: str) -> str:
    export = [str(tools / "llvm-cov"), "export", "-format=lcov", f"-instr-profile={merged}", program]
    done = subprocess.run(export, cwd=ROOT, capture_output=True, text=True, check=False)
    # A test whose feature this build has not is an empty program.
    if done.returncode and "no coverage data found" not in done.stderr:
        raise SystemExit(f"{program}: {done.stderr}")
    return done.stdout


def python_counts() -> list[FileCoverage]:
    report = WORK / "python.json"
    options = {"PYTHONPATH": str(COPY)}
    settings = f"--rcfile={WORK / 'coveragerc'}"
    run(sys.executable, "-m", "coverage", "combine", "--quiet", settings, **options)
    run(sys.executable, "-m", "coverage", "json", "--quiet", settings, "-o", str(report), **options)
    return of_python(json.loads(report.read_text(encoding="utf-8")))


def show_missing(files: list[FileCoverage], pattern: str) -> None:
    for one in sorted(files, key=lambda file: file.path):
        if room_of(one.path) is None or pattern not in one.path:
            continue
        if one.missing_lines or one.missing_branches:
            print(f"{one.path}")
            print(f"    lines {spans(one.missing_lines) or '-'}")
            print(f"    branches at {spans(one.missing_branches) or '-'}")


def rust_files() -> list[FileCoverage]:
    """The Rust tests, run and counted."""
    compiler, flags = toolchain()
    tools = llvm_tools(compiler)
    environment = rust_environment(flags)
    shutil.rmtree(PROFILES, ignore_errors=True)
    programs: list[str] = []
    for build, tests in RUST_RUNS:
        programs += built_tests(compiler, environment, build)
        run("cargo", compiler, "test", "--quiet", *build, *tests, **environment)
    return rust_counts(tools, programs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--missing", metavar="TEXT", help="also name what is not reached, in paths with it")
    parser.add_argument("--only", choices=("rust", "python"), help="default: both")
    parser.add_argument("--tests", nargs="*", default=list(PYTHON_TESTS), help="folders below tests/")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    files: list[FileCoverage] = []
    passed = True
    if options.only != "python":
        files += rust_files()
    if options.only != "rust":
        copy_package()
        passed = run_python(options.tests)
        files += python_counts()
    print(table(files))
    if options.missing is not None:
        show_missing(files, options.missing)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
