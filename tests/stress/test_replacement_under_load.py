"""Plan change under load: no debit ever sees both grants, or neither."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from drawdown import _engine

from tests.model.engine_side import SMALL
from tests.model.worlds import catalog, create_grant, grant, set_rate, void_and_replace

CLIENTS = 8
USES_MAX = 50_000
USES_BETWEEN = 500
OLD, NEW = 1_000_000, 9_000_000
CHANGES = 5


@pytest.mark.stress
@pytest.mark.behaviour("S0-35")
def test_no_debit_sees_both_grants_or_neither(tmp_path: Path) -> None:
    """Each use answers a balance below exactly one of the plans' amounts, never their sum, never 0."""
    engine = _engine.Engine.open(str(tmp_path / "data"), SMALL)
    enough = threading.Event()
    answers: list[tuple[str, int | None]] = []

    def execute(*group: dict[str, object]) -> list[dict[str, object]]:
        outcomes: list[dict[str, object]] = json.loads(engine.execute(json.dumps(group).encode())[1])
        return outcomes

    def taken(event_id: str) -> _engine.Recorded:
        while True:
            try:
                return engine.record("acme", "calls", 1, event_id)
            except _engine.OverloadedError:
                # The disk is behind, and nothing was applied.
                time.sleep(0.005)

    def use(client: int) -> None:
        for number in range(USES_MAX):
            if enough.is_set():
                return
            recorded = taken(f"use-{client}-{number}")
            answers.append((recorded.status, recorded.available))

    def wait_for_uses() -> None:
        wanted = len(answers) + USES_BETWEEN
        deadline = time.monotonic() + 60
        while len(answers) < wanted:
            assert time.monotonic() < deadline, "the load stands still"
            time.sleep(0.001)

    set_up = [
        *catalog(scale=0)[:3],
        set_rate("calls", credits="1"),
        {"type": "create_account", "account": "acme"},
    ]
    assert {"OK"} == {outcome["status"] for outcome in execute(*set_up, create_grant("plan-0", OLD))}
    threads = [threading.Thread(target=use, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for number in range(CHANGES):
        wait_for_uses()
        amount = NEW if number % 2 == 0 else OLD
        step = void_and_replace([f"plan-{number}"], grant(f"plan-{number + 1}", amount))
        assert [outcome["status"] for outcome in execute(step)] == ["OK"]
    wait_for_uses()
    enough.set()
    for thread in threads:
        thread.join(timeout=60)
    grants = json.loads(engine.query(b'{"type": "grants", "account": "acme", "limit": 100}')[1])["grants"]
    engine.close()

    total = len(answers)
    assert {"OK"} == {status for status, _ in answers}
    for _, available in answers:
        assert available is not None
        assert OLD - total <= available < OLD or NEW - total <= available < NEW
    assert total == sum(view["burned"] for view in grants)
    assert sorted(view["state"] for view in grants) == ["active"] + ["voided"] * CHANGES
    for view in grants:
        assert view["amount"] == view["remaining"] + view["burned"] + view["voided"]
        assert view["burned"] > 0, "a plan change fell outside the load"
