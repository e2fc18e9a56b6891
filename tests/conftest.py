"""For every test: skips are on a list that is printed; one that is not on it fails the run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ALLOWED = Path(__file__).resolve().parent / "skips_allowed.txt"
_skipped: dict[str, str] = {}
# Servers and commands started by tests set little disk space aside: there are hundreds of folders.
SMALL_FOLDERS = {"DRAWDOWN_SEGMENT_BYTES": str(1 << 20), "DRAWDOWN_RESERVE_BYTES": "0"}


def pytest_configure() -> None:
    for name, value in SMALL_FOLDERS.items():
        os.environ.setdefault(name, value)


def allowed_reasons() -> list[str]:
    """Reasons that may stand behind a skip, one per line; ``#`` begins a remark."""
    lines = ALLOWED.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
        _skipped[report.nodeid] = report.longrepr[2].removeprefix("Skipped: ")


def _unlisted() -> dict[str, str]:
    reasons = allowed_reasons()
    return {
        test: reason
        for test, reason in _skipped.items()
        if not any(reason.startswith(each) for each in reasons)
    }


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _unlisted() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _skipped:
        return
    terminalreporter.section(f"{len(_skipped)} skipped; allowed reasons: tests/skips_allowed.txt")
    unlisted = _unlisted()
    for test, reason in sorted(_skipped.items()):
        mark = "NOT ALLOWED" if test in unlisted else "allowed"
        terminalreporter.write_line(f"{mark}: {test}: {reason}")
