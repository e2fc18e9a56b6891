"""What came in from outside, looked at: licences, sources, duplicates and known holes (``make audit``).

cargo-deny looks at Cargo.lock by deny.toml, pip-audit at requirements/dev.txt. Databases of known
holes are on the network: a part that could not reach its own says so and is not counted as passed.
Exit code 0: all passed; 1: something was found; 3: nothing was found, but not everything was asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "target" / "audit"
CARGO_DENY = "0.20.2"
PIP_AUDIT = "2.10.1"
TIMEOUT_S = 300
UNREACHED = ("failed to fetch advisory database", "Could not resolve host", "NameResolutionError")


@dataclass(frozen=True)
class Part:
    """One question and its answer: ``passed``, ``found`` or ``not asked``."""

    name: str
    answer: str
    words: str


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def cargo_deny() -> str:
    """The program, built once under target/."""
    program = TOOLS / "bin" / "cargo-deny"
    if not program.exists():
        print("building cargo-deny once, some minutes", flush=True)
        install = [
            "cargo",
            "install",
            "cargo-deny",
            "--version",
            CARGO_DENY,
            "--locked",
            "--root",
            str(TOOLS),
        ]
        subprocess.run([*install, "--quiet"], cwd=ROOT, check=True)
    return str(program)


def pip_audit() -> str:
    """The program, in an environment of its own under target/."""
    home = TOOLS / f"pip-audit-{PIP_AUDIT}"
    if not (home / "bin" / "pip-audit").exists():
        venv.create(home, with_pip=True)
        python = str(home / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"pip-audit=={PIP_AUDIT}"], check=True)
    return str(home / "bin" / "pip-audit")


def rust_parts() -> list[Part]:
    parts = []
    for check in ("licenses", "bans", "sources", "advisories"):
        offline = [] if check == "advisories" else ["--offline"]
        done = run(cargo_deny(), *offline, "--log-level", "warn", "check", "--hide-inclusion-graph", check)
        words = (done.stdout + done.stderr).strip()
        parts.append(Part(f"Rust {check}", _answer(done.returncode, words), words))
    return parts


def python_part() -> Part:
    done = run(
        *(pip_audit(), "--disable-pip", "--no-deps", "--progress-spinner", "off"),
        *("--format", "json", "--requirement", "requirements/dev.txt"),
    )
    try:
        listed = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return Part("Python advisories", _answer(1, done.stderr), done.stderr.strip()[-500:])
    holes = [
        f"{each['name']} {each['version']}: {hole['id']}" for each in listed for hole in each.get("vulns", ())
    ]
    skipped = [each["name"] for each in listed if "skip_reason" in each]
    if holes:
        return Part("Python advisories", "found", "\n".join(holes))
    if skipped:
        words = f"no answer for {len(skipped)} of {len(listed)} packages"
        return Part("Python advisories", "not asked", words)
    return Part("Python advisories", "passed", f"{len(listed)} packages")


def _answer(code: int, words: str) -> str:
    if code == 0:
        return "passed"
    return "not asked" if any(mark in words for mark in UNREACHED) else "found"


def main() -> int:
    parts = [*rust_parts(), python_part()]
    for part in parts:
        print(f"{part.name:<20} {part.answer}")
        if part.answer != "passed":
            print("    " + "\n    ".join(part.words.splitlines()[-20:]))
    answers = {part.answer for part in parts}
    return 1 if "found" in answers else 3 if "not asked" in answers else 0


if __name__ == "__main__":
    sys.exit(main())
