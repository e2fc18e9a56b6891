"""The README's tour works as typed, from top to bottom, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from drawdown.cli.server_process import free_port

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TOUR_PORT = "7070"
BLOCKS_AT_LEAST = 6


def tour() -> list[tuple[str, str]]:
    """Language and text of every block of the tour, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return BLOCK.findall(text.partition("## Five-minute tour")[2])


def test_the_tour_works_as_typed(tmp_path: Path) -> None:
    """Every block ends well; only the port is another, for this machine may use the one in the text."""
    blocks = tour()
    assert len(blocks) >= BLOCKS_AT_LEAST, "the guard saw too few blocks"
    port = str(free_port())
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said = []
    for language, text in blocks:
        command = ["bash", "-eu", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        ended = subprocess.run(
            [part.replace(TOUR_PORT, port) for part in command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        expected = 137 if "kill -9" in text and ended.returncode == 137 else 0
        assert ended.returncode == expected, f"{text}\n--- said:\n{ended.stdout}{ended.stderr}"
        said.append(ended.stdout)
    everything = "\n".join(said)
    assert "not allowed" in everything
    assert "OK 0.003" in everything
    assert "go ahead" in everything
    assert "0.003" in everything


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/operations.md"])
def test_links_and_targets_named_in_documents_exist(name: str) -> None:
    """Local links lead somewhere, and every ``make`` target that is named is one."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / name).parent.joinpath(link).exists(), link
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for target in re.findall(r"(?:^    |`)make ([a-z-]+)", text, re.MULTILINE):
        assert target in targets, target
