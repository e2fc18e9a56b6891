"""What ships has no bug planted in it, and every planted bug is on the list of the runner."""

from __future__ import annotations

import tomllib

from drawdown.engine import build_info

from tests.stress.planted_bugs import BUGS, ROOT


def test_the_shipped_build_has_no_planted_bug() -> None:
    info = build_info()
    assert info["planted_bugs"] == ""
    assert info["profile"] == "release"


def test_the_runner_knows_every_planted_bug() -> None:
    manifest = tomllib.loads((ROOT / "rust/drawdown-node/Cargo.toml").read_text())
    features = {name for name in manifest["features"] if name.startswith("planted-")}
    assert features == {f"planted-{bug.name}" for bug in BUGS}
    assert [bug.number for bug in BUGS] == list(range(1, 21))
