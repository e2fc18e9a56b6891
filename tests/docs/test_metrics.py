"""docs/metrics.md and docs/alerts.yml name what a server serves, in the kind that it serves it."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown.cli.server_process import free_port

from tests.server.processes import serving

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
NAME = re.compile(r"drawdown_(?:engine|server)_\w+")
# Served only while the wall clock stands apart.
SOMETIMES = {"drawdown_engine_clock_held_us"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Kind by name, of a server with every door open; its Redis is not there, which is a metric too."""
    flags = {"http": "127.0.0.1:0", "metrics": "127.0.0.1:0", "redis": f"redis://127.0.0.1:{free_port()}"}
    with serving(tmp_path_factory.mktemp("metrics") / "data", **flags) as server:
        # Calls are counted by name, once there was one.
        with drawdown.connect(server.address) as connection:
            connection.create_account("acme")
            connection.grants("acme")
        url = f"http://{server.announced['http']}/v1/check?account=acme&meter=tokens"
        urllib.request.urlopen(url, timeout=10).close()
        with urllib.request.urlopen(f"http://{server.announced['metrics']}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    rows = [line.split() for line in text.splitlines() if line.startswith("# TYPE ")]
    yield {name: kind for _, _, name, kind in rows}


def documented() -> dict[str, str]:
    rows = [
        line.split("|") for line in (DOCS / "metrics.md").read_text().splitlines() if line.startswith("| `")
    ]
    return {name: row[2].split(",")[0].strip() for row in rows for name in NAME.findall(row[1])}


def test_every_documented_metric_is_served_in_its_kind(served: dict[str, str]) -> None:
    names = documented()
    assert len(names) > 40
    wrong = {name: served.get(name) for name, kind in names.items() if served.get(name) != kind}
    assert not wrong.keys() - SOMETIMES, wrong


def test_alerts_ask_for_documented_metrics() -> None:
    rules = [line for line in (DOCS / "alerts.yml").read_text().splitlines() if "expr:" in line]
    asked = {name.removesuffix("_bucket") for line in rules for name in NAME.findall(line)}
    assert len(asked) >= 8
    assert not asked - documented().keys()
