"""Every bench runs in its small form and its answer is right. Nothing here says how fast anything is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from drawdown import embedded

from benches import compare, curves, figures, goals, pairs
from benches.folders import Folders
from benches.form import SMALL
from benches.in_process import batches_of, ingest
from benches.postgres_baseline import PostgresBaseline, binaries
from benches.redis_baseline import RedisBaseline

# Quicker still than what a person runs: the answers are what counts here.
QUICK = msgspec.structs.replace(
    SMALL, seconds=0.2, warmup=0.0, accounts=200, calls=64, callers=8, dirty=(20, 80)
)
# Measured elsewhere, or known not to exist yet; every other measurement must come with figures.
WITHOUT_FIGURE = {"many_accounts"}


@pytest.fixture(scope="module")
def folders() -> Iterator[Folders]:
    with Folders() as opened:
        yield opened


@pytest.mark.parametrize("name", goals.MEASUREMENTS)
def test_a_goal_is_measured_with_the_right_answer(name: str, folders: Folders) -> None:
    found = goals.MEASUREMENTS[name](QUICK, folders)
    assert found, "a measurement without figures"
    assert any(figure.goal is not None for figure in found), "nothing stands beside a goal"
    for figure in found:
        # A rate may be beyond what so few events can tell; then the figure says so.
        told = figure.value is not None or "too few to tell" in figure.note
        assert told != (name in WITHOUT_FIGURE), figure
        if figure.value is not None:
            assert figure.value > 0
            assert figure.layer and figure.unit


def test_a_wrong_answer_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def lies(*_: object) -> list[figures.Figure]:
        figures.require(False, "one event of two was applied")
        return []

    monkeypatch.setitem(goals.MEASUREMENTS, "memory", lies)
    (figure,) = goals.measure(["memory"], QUICK)
    assert figure.value is None
    assert "one event of two was applied" in figure.note


def test_events_that_are_refused_are_no_figure(folders: Folders) -> None:
    """Half of the batch names accounts that do not exist."""
    with embedded.open(folders.copy(folders.prepared(10, 3))) as database:
        with pytest.raises(figures.WrongAnswer, match="applied"):
            ingest(database.engine, batches_of(accounts=100, batch=100, count=2), 100)
        twice = batches_of(accounts=10, batch=100, count=1) * 2
        with pytest.raises(figures.WrongAnswer, match="200 events were submitted, 100 applied"):
            ingest(database.engine, twice, 100)


@pytest.mark.parametrize("name", curves.CURVES)
def test_a_curve_has_its_points(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer of them over gRPC: each starts a server."""
    monkeypatch.setattr(curves, "MESSAGES", (1, 8_000))
    monkeypatch.setattr(curves, "STREAMS", (16,))
    sizes = curves.Sizes(accounts_max=500, accounts=100, rounds=1, batches=4, seconds=0.2, warmup=0.0)
    points = curves.curves([name], sizes)[name]
    expected = {"accounts": 1, "grants": len(curves.GRANTS), "message": 2, "streams": 1}[name]
    assert len(points) == expected
    assert all(point.value is not None and point.value > 0 for point in points)


@pytest.mark.parametrize("fsync_always", [False, True])
def test_the_redis_baseline_burns_what_it_counts(fsync_always: bool, folders: Folders) -> None:
    with RedisBaseline(folders.new("redis"), 50, fsync_always=fsync_always) as redis:
        assert redis.round(1_000) > 0
        redis.check()
        redis.server.client().hincrby("acct-00000007", "g1", 1)
        with pytest.raises(figures.WrongAnswer, match="burned"):
            redis.check()


def test_postgres_is_measured_or_reported_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """With PostgreSQL on the machine its answer is checked; without it the comparison says so."""
    binary = binaries()
    if binary is not None:
        with Folders() as own, PostgresBaseline(binary, own.new("postgres"), 50) as postgres:
            assert postgres.round(1) > 0
            postgres.check()
    monkeypatch.setattr(compare, "binaries", lambda: None)
    monkeypatch.setattr(compare, "SHAPES", {compare.ROWS_8000: compare.SHAPES[compare.ROWS_8000]})
    comparison = compare.Comparison(
        accounts=50, rounds=1, seconds=1, warmup=0.0, inflight=2, streams=1, redis_events=500
    )
    found = {figure.name: figure for figure in compare.compare(comparison)}
    assert found[PostgresBaseline.name].value is None
    ratio = found[f"{compare.ROWS_8000} ÷ redis Lua, not durable"]
    assert ratio.goal == figures.Goal(15)
    assert ratio.value is not None


def test_two_builds_are_measured_in_turn() -> None:
    """This tree beside itself; a tree without a build is a wrong answer, not a figure."""
    shape = pairs.PairShape(
        pairs=2, seconds=0.2, warmup=0.0, accounts=20, grants=3, batches=(100,), streams=1, inflight=2
    )
    tree = Path(sys.executable).parent.parent.parent
    before, after, ratio = pairs.pairs((tree, tree), shape)
    assert before.samples == after.samples == ratio.samples == 2
    assert ratio.goal == figures.Goal(0.95)
    with pytest.raises((figures.WrongAnswer, OSError)):
        pairs.pairs((Path(__file__).parent, tree), shape)


def test_a_debug_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "build_info", lambda: {"profile": "debug"})
    for main in (goals.main, compare.main, curves.main):
        with pytest.raises(SystemExit, match="debug build"):
            main([])
    with pytest.raises(SystemExit, match="debug build"):
        pairs.main(["."])


def test_a_report_holds_figures_goals_and_machine(tmp_path: Path) -> None:
    reached = figures.figure_of("a", "layer", [1.0, 3.0, 2.0], "s", figures.Goal(2, at_least=False))
    missed = figures.figure_of("b", "layer", [5.0], "s", figures.Goal(2, at_least=False))
    unknown = figures.absent("c", "layer", "s", "why", figures.Goal(2))
    facts = figures.machine_facts()
    path = figures.write_report("goals", QUICK, facts, [reached, missed, unknown], tmp_path)
    text = path.read_text("utf-8")
    assert "| a | layer | 2 s | 1–3 of 3 | ≤ 2 s | yes |" in text
    assert "| b | layer | 5 s |  | ≤ 2 s | no |" in text
    assert "| c | layer | – |  | ≥ 2 s | not measured | why |" in text
    for fact in ("processor", "cores", "memory", "system", "python", "rustc", "commit", "build", "command"):
        assert facts[fact]
        assert f"| {fact} |" in text
    report = json.loads(path.with_suffix(".json").read_bytes())
    assert [figure["value"] for figure in report["figures"]] == [2.0, 5.0, None]
