"""Run ``drawdown`` and read what a program would read: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from drawdown.cli.main import main


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as one JSON value."""
        return json.loads(self.out)


Run = Callable[..., Ran]

# What most commands of the control plane need; at its end stands the plan `small`, which a test may add to.
CATALOG = """
[[credit_types]]
name = "credits"
[[meters]]
key = "calls"
[[products]]
product_id = "ai"
name = "AI"
[[packs]]
pack_id = "ten"
name = "Ten"
credit_type = "credits"
amount = "10"
prices = [{ currency = "USD", amount = "5" }]
[[plans]]
plan_id = "small"
product_id = "ai"
name = "Small"
state = "published"
base_fee = [{ currency = "USD", amount = "10" }]
rates = [{ meter = "calls", credits = "2" }]
credits = { credit_type = "credits", amount = "100", cadence = "monthly" }
"""


def done(run: Run, *arguments: object) -> str:
    """What a command prints that must succeed."""
    ran = run(*arguments)
    assert ran.code == 0, ran.err
    return ran.out


def found(run: Run, *arguments: object) -> Any:
    """The same as JSON."""
    return json.loads(done(run, *arguments, "--json"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in an empty folder, in this process; ``./data`` is its data folder."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["drawdown", *map(str, arguments)])
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Ran(code, out.getvalue(), err.getvalue())

    return run_command


@pytest.fixture
def run_process(tmp_path: Path) -> Run:
    """Run a command line in an empty folder, in a process of its own."""

    def run_command(*arguments: object) -> Ran:
        ended = subprocess.run(
            [sys.executable, "-m", "drawdown", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    return run_command
