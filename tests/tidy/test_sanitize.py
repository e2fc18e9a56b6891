"""`make sanitize` says what it could not ask, and does not count it as passed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_NIGHTLY = "#!/bin/sh\nexit 1\n"


@pytest.mark.parametrize("part", ["miri", "thread", "address"])
@pytest.mark.parametrize("has_stable", [True, False])
def test_a_part_without_its_toolchain_is_not_asked(part: str, has_stable: bool, tmp_path: Path) -> None:
    if has_stable:
        for name in ("cargo", "rustc"):
            (tmp_path / name).write_text(NO_NIGHTLY, encoding="utf-8")
            (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "sanitize.py", part],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith(f"{part:<8} NOT ASKED, ")
    assert has_stable == ("rustup toolchain install nightly" in done.stdout)
