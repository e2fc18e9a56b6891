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
