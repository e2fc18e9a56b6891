"""A story of the control plane that is killed at each of its points and told again.

    python -m tests.control.crash_story FOLDER [--every N] [--sql URL]

Each point: a child tells the story and is killed there; another child tells the same story again on
what is left, as a caller would repeat its calls; its end state must be the one of no crash at all.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

START = datetime(2026, 1, 31, tzinfo=UTC)
RELAYED = ("balance", "grant", "entitlement", "runway")
ENGINE = {
    "segment_bytes": 1 << 20,
    "reserve_bytes": 0,
    "scheduler_interval_ms": 3_600_000,
    "payments": "test",
}


def tell(path: Path) -> bytes:
    """The whole story, every call safe to repeat; answers the end state."""
    import drawdown

    with drawdown.open(path, **ENGINE) as db:
        prepare(db)
        db.put_customer("customer", payment_method="test_ok")
        db.create_account("acme", customer_id="customer", test_clock=START)
        db.subscribe("acme", "small", subscription_id="s")
        advance(db, START + timedelta(days=10))
        db.record("acme", "calls", quantity=20, event_id="one", time=START + timedelta(days=10))
        db.change_plan("s", "large", change_id="up")
        db.add_service("s", "pack", service_id="weekly", schedule="weekly")
        advance(db, START + timedelta(days=40))
        db.change_plan("s", "small", change_id="down", when="period_end")
        if db.account("acme").test_clock == START + timedelta(days=40):
            # Neither carries an id: told again later they would be another pause.
            db.pause_subscription("s")
            db.resume_subscription("s")
        advance(db, START + timedelta(days=70))
        db.cancel_subscription("s")
        db.subscribe("acme", "trial", subscription_id="t")
        advance(db, START + timedelta(days=100))
        assert db.verify("acme")
        return msgspec.json.encode(state(db))


def prepare(db: Any) -> None:
    """The catalog; repeating it changes nothing."""
    db.create_credit_type("credits")
    db.create_meter("calls")
    db.create_product("ai", "AI")
    rates = [{"meter": "calls", "credits": "2"}]
    for plan, credits, fee, more in (
        ("small", "100", "10", {"rollover": {"fraction": "0.5"}}),
        ("large", "500", "40", {}),
        ("trial", "50", "5", {}),
    ):
        settings: dict[str, Any] = {"trial": {"days": 7, "credits": "5"}} if plan == "trial" else {}
        db.create_plan(
            plan,
            product="ai",
            name=plan,
            base_fee=[{"currency": "USD", "amount": fee}],
            credits={"credit_type": "credits", "amount": credits, "cadence": "monthly", **more},
            rates=rates,
            **settings,
        )
        db.publish_plan(plan)
    db.create_pack(
        "pack", name="Pack", amount="10", prices=[{"currency": "USD", "amount": "3"}], lifetime={"count": 1}
    )


def advance(db: Any, to: datetime) -> None:
    """On, unless the story had come further before it was killed."""
    if db.account("acme").test_clock < to:
        db.advance_clock("acme", to)


def state(db: Any) -> dict[str, Any]:
    """All that a customer could see."""
    grants = [msgspec.structs.replace(each, seq=0) for each in db.grants("acme")]
    balances = [msgspec.structs.replace(each, seq=0) for each in db.balances("acme")]
    with db._control_plane().sql.transaction() as work:
        from drawdown.storage.sql.tables.flow import notice

        rows = work.connection.execute(
            notice.select().with_only_columns(notice.c.kind).order_by(notice.c.sequence)
        )
        # What the relay tells of the engine comes in between whenever it comes.
        notices = [kind for (kind,) in rows if kind.partition(".")[0] not in RELAYED]
    return {
        "subscriptions": list(db.subscriptions("acme")),
        "invoices": list(db.invoices("acme")),
        "grants": grants,
        "balances": balances,
        "notices": notices,
        "charges": sorted(each["charge"]["key"] for each in charges(db.path)),
    }


def charges(path: str) -> list[dict[str, Any]]:
    """What the provider was asked for, each once."""
    text = Path(path, "payments-test.jsonl").read_text("utf-8")
    return [msgspec.json.decode(line) for line in text.splitlines() if '"charge"' in line]


def in_child(folder: Path, point: int | None, answer: Path) -> bool:
    """Tell the story in a child that is killed at ``point``; True when it came to its end."""
    from drawdown.runtime.control import fault_points

    child = os.fork()
    if child == 0:
        try:
            if point is not None:
                fault_points.arm(point)
            told = tell(folder)
            fault_points.disarm()
            answer.write_bytes(told)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(3)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"point {point}: the story ended with {os.waitstatus_to_exitcode(status)}")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only each N-th point")
    parser.add_argument("--first", type=int, default=1)
    arguments = parser.parse_args()
    base: Path = arguments.folder
    base.mkdir(parents=True, exist_ok=True)
    answer = base / "answer.json"
    assert in_child(base / "whole", None, answer)
    expected = answer.read_bytes()
    killed = 0
    point = arguments.first
    while True:
        folder = base / f"point-{point}"
        if in_child(folder, point, answer):
            break
        killed += 1
        assert in_child(folder, None, answer)
        if answer.read_bytes() != expected:
            (base / "expected.json").write_bytes(expected)
            print(f"point {point}: another end state; see {base}")
            return 1
        shutil.rmtree(folder)
        point += arguments.every
    print(f"{killed} kills, the last at point {point - arguments.every}: one end state")
    return 0 if killed else 2


if __name__ == "__main__":
    sys.exit(main())
