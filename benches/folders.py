"""Data folders to measure on, and ``drawdown bench`` on them.

A folder is prepared once, by the engine in this process, and lent to one server or engine at a time.
All of them lie in one temporary directory that is removed afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drawdown import embedded
from drawdown.cli.bench_preparation import prepare

from benches.figures import WrongAnswer


class Folders:
    """A temporary directory of prepared data folders. Leaving the ``with`` block removes it."""

    def __init__(self, parent: Path | None = None) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="drawdown-benches-", dir=parent)
        self.path = Path(self._directory.name)
        self._made = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._directory.cleanup()

    def new(self, name: str) -> Path:
        """A path in the directory that nothing has used."""
        self._made += 1
        return self.path / f"{name}-{self._made}"

    def prepared(self, accounts: int, grants: int, **settings: Any) -> Path:
        """A folder with the bench's catalog and ``accounts`` accounts of ``grants`` grants each.

        The same question is answered with the same folder: give a setting that differs for another one.
        """
        marks = "".join(f"-{name}={value}" for name, value in sorted(settings.items()))
        folder = self.path / f"accounts-{accounts}-grants-{grants}{marks}"
        if not folder.exists():
            with embedded.open(folder, **settings) as database:
                prepare(database, accounts=accounts, grants=grants)
        return folder

    def copy(self, folder: Path) -> Path:
        """A copy of a folder that nobody has open, for a measurement that leaves it changed."""
        copied = self.new(folder.name)
        shutil.copytree(folder, copied)
        return copied


def run_bench(
    folder: Path,
    *,
    accounts: int,
    grants: int,
    seconds: float,
    warmup: float,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """``drawdown bench --json`` on a prepared folder: its report.

    It starts a server of its own, checks every ack and the conservation of credits, and fails where
    they are wrong; then ``WrongAnswer`` is raised. ``settings`` reach server and folder alike.
    """
    command = [sys.executable, "-m", "drawdown", "bench", "--json", "--data", str(folder)]
    given = {"accounts": accounts, "grants": grants, "duration": seconds, "warmup": warmup, **options}
    for name, value in given.items():
        command += [f"--{name}", str(value)]
    environment = {f"DRAWDOWN_{name.upper()}": str(value) for name, value in (settings or {}).items()}
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise WrongAnswer(f"drawdown bench ended with {done.returncode}: {done.stderr.strip()[-600:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report
