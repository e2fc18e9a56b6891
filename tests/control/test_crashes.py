"""A kill between any two things that must not come apart leaves the same end state as none.

``make stress`` kills at every point of every story, and at any moment from outside.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..tidy.tree import ROOT
from .crash_stories import STORIES


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.behaviour("S2-20")
def test_a_kill_at_some_points_changes_nothing(story: str, tmp_path: Path) -> None:
    """Two or three points of each story, other ones for each, and one moment."""
    number = list(STORIES).index(story)
    options = ["--first", str(5 + 3 * number), "--every", "41", "--random", "1", "--seed", str(number)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.control.crash_story", str(tmp_path), "--story", story, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one end state" in done.stdout
