"""A batch is n events, a restart is nothing: neither is visible in any balance."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model import generators
from tests.model.engine_side import EngineSide
from tests.model.engine_world import EngineWorld
from tests.model.reference_ledger import Event, ReferenceLedger
from tests.model.worlds import DAY, NOON, World, advance, create_grant, policy, void

TERMS = [
    create_grant("first", "30", expires_at=NOON + DAY),
    create_grant("calls-only", "5", scope=["calls"]),
    policy("overdraft", limit="12"),
]


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """Up to forty events of both accounts, some sent twice."""
    side = ReferenceLedger()
    from tests.model.reference_commands import execute

    execute(side, generators.catalog_commands())
    events = [draw(generators.events(side, serial)) for serial in range(draw(st.integers(2, 40)))]
    for again in draw(st.lists(st.sampled_from(events), max_size=5)):
        events.insert(draw(st.integers(0, len(events))), again)
    return events


@settings(derandomize=True, deadline=None, database=None, max_examples=25)
@given(
    story=stories(),
    cuts=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    encoding=st.sampled_from(["rows", "columns"]),
)
def test_one_batch_of_n_is_n_batches_of_one(
    tmp_path_factory: pytest.TempPathFactory, story: list[Event], cuts: list[int], encoding: str
) -> None:
    """However a story is cut into batches, its answers and the state after it are the same."""
    root = tmp_path_factory.mktemp("cuts")
    sides = [EngineSide(root / name) for name in ("whole", "cut", "single")]
    for side in sides:
        side.execute(generators.catalog_commands())
        side.execute(TERMS)
    whole = sides[0].record_batch(story, encoding)
    cut = []
    begin = 0
    while begin < len(story):
        size = cuts[begin % len(cuts)]
        cut += sides[1].record_batch(story[begin : begin + size], "rows")
        begin += size
    single = [sides[2].record(event) for event in story]
    assert whole == cut == single
    for account in generators.ACCOUNTS:
        assert sides[0].grants(account) == sides[1].grants(account) == sides[2].grants(account)
    for side in sides:
        side.assert_conserves()
        side.close()
    shutil.rmtree(root)


def test_a_clean_restart_changes_nothing(engine: EngineWorld) -> None:
    engine.do(*TERMS)
    engine.use("calls", 37)
    engine.do(advance(NOON + 2 * DAY), create_grant("g", "3"), void("calls-only"))
    before = (engine.grants(), engine.pool(), engine.side.engine.digest())
    for _ in range(3):
        engine.reopen()
        assert before == (engine.grants(), engine.pool(), engine.side.engine.digest())


def test_a_sudden_end_loses_nothing_durable(engine: EngineWorld, tmp_path: Path) -> None:
    """A copy of the folder taken under a running engine opens to the same state."""
    engine.do(*TERMS)
    engine.use("calls", 37, event_id="e", time=NOON)
    digest = engine.side.engine.digest()
    engine.side.reopen_from_copy(tmp_path / "copy")
    assert digest == engine.side.engine.digest()
    assert engine.use("calls", 37, event_id="e", time=NOON).status == "DUPLICATE"


def test_a_checkpoint_changes_nothing(engine: EngineWorld, tmp_path: Path) -> None:
    """Journal alone and checkpoint plus journal tell one story."""
    engine.do(*TERMS)
    engine.use("calls", 20, event_id="before", time=NOON)
    engine.side.engine.checkpoint()
    engine.use("calls", 10, event_id="after", time=NOON)
    digest = engine.side.engine.digest()
    engine.side.reopen_from_copy(tmp_path / "copy")
    assert digest == engine.side.engine.digest()
    assert [
        engine.use("calls", quantity, event_id=event_id, time=NOON).status
        for quantity, event_id in ((20, "before"), (10, "after"))
    ] == ["DUPLICATE", "DUPLICATE"]


@pytest.mark.parametrize("restart", ["journal", "checkpoint", "clean"])
def test_breakage_due_before_a_restart_is_booked_after_it(
    engine: EngineWorld, tmp_path: Path, restart: str
) -> None:
    """The sweep finds what was due and not yet booked, however the state came back."""
    engine.do(advance(NOON + DAY), create_grant("g", "5", effective_at=NOON - DAY, expires_at=NOON))
    if restart == "clean":
        engine.reopen()
    else:
        if restart == "checkpoint":
            engine.side.engine.checkpoint()
        engine.side.reopen_from_copy(tmp_path / "copy")
    engine.sweep()
    assert (engine.grants()["g"].remaining, engine.grants()["g"].expired) == (0, 500)


def test_conservation_holds_through_every_way_credits_leave(world: World) -> None:
    """§4.8: burned, expired, voided, moved, owed: each grant and each pool adds up."""
    world.do(*TERMS)
    world.use("calls", 37)
    world.use("calls", 8)
    world.do(create_grant("pays-debt", "20"))
    assert world.pool().overdraft == 0
    world.do(advance(NOON + 2 * DAY))
    world.sweep()
    world.do(void("pays-debt"))
    assert world.conserves()
