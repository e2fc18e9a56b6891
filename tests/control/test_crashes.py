"""A kill between any two things that must not come apart leaves the same end state as none.

``make stress`` runs every point.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ..tidy.tree import ROOT


def run(folder: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.control.crash_story", str(folder), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_kill_at_some_points_changes_nothing(tmp_path: Path) -> None:
    """Every 53rd point of the story of subscribing, changing, delivering, renewing and cancelling."""
    assert "one end state" in run(tmp_path / "crashes", "--every", "53", "--first", "7")
