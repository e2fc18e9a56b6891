"""The engine as the model tests see it: the same calls as the reference, through the real door."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from drawdown import _engine
from drawdown.v1 import usage_pb2

from tests.model.reference_ledger import Entitlement, Event, Outcome
from tests.model.views import GrantView, HoldView, PoolView

SETTINGS: dict[str, Any] = {"fsync": "os", "segment_bytes": 1 << 20, "segments_ahead": 1, "reserve_bytes": 0}
"""No test here loses power, and none needs room: folders stay small and quick."""

SMALL = json.dumps({**SETTINGS, "fsync": "always"}).encode()


def rows_message(events: list[Event]) -> bytes:
    """An encoded ``UsageBatch`` that wants every result; takes events that no encoder would."""
    batch = usage_pb2.UsageBatch(batch_id=7, detail=usage_pb2.RESULT_DETAIL_ALL)
    for event in events:
        row = batch.events.add(event_id=event.event_id, account_id=event.account, force=event.force)
        if event.direct:
            row.credit_type, row.credits = event.subject, event.quantity
        else:
            row.meter, row.quantity = event.subject, event.quantity
        if event.time is not None:
            row.time_us = event.time
        row.dimensions.update(event.dimensions)
    return batch.SerializeToString()


def columns_message(events: list[Event]) -> bytes | None:
    """The same facts as columns; None where the encoder refuses an event."""
    encoder = _engine.BatchEncoder("columns", "all")
    try:
        for e in events:
            encoder.add(e.account, e.subject, e.quantity, e.event_id, e.time, e.dimensions, e.direct, e.force)
    except _engine.InvalidRequestError:
        return None
    return encoder.take(7)


class EngineSide:
    """One engine on one folder, opened without waiting for the disk: no test here loses power."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = json.dumps({**SETTINGS, **settings}).encode()
        self.engine = _engine.Engine.open(str(folder), self.settings)

    def execute(self, group: list[dict[str, Any]]) -> list[dict[str, Any]]:
        _seq, outcomes = self.engine.execute(json.dumps(group).encode())
        answer: list[dict[str, Any]] = json.loads(outcomes)
        return answer

    def record(self, event: Event) -> Outcome:
        """One event; what the typed call raises for is what a batch answers as INVALID."""
        try:
            recorded = self.engine.record(
                event.account,
                event.subject,
                event.quantity,
                event.event_id,
                event.time,
                event.dimensions,
                direct=event.direct,
                force=event.force,
            )
        except _engine.InvalidRequestError as error:
            assert error.definite
            return Outcome("INVALID")
        return Outcome(
            recorded.status, recorded.charged, recorded.uncovered, recorded.available, recorded.shortfall
        )

    def record_batch(self, events: list[Event], encoding: str = "rows") -> list[Outcome]:
        """One batch: rows as any protobuf library writes them, columns by the native encoder."""
        message = columns_message(events) if encoding == "columns" else None
        _seq, ack = self.engine.submit(message or rows_message(events), may_force=True)
        _batch_id, _seq, applied, duplicates, refused, results = _engine.decode_ack(ack)
        assert applied + duplicates + refused == len(results) == len(events)
        assert [result[0] for result in results] == list(range(len(events)))
        return [Outcome(*result[1:]) for result in results]

    def query(self, **request: Any) -> Any:
        _seq, answer = self.engine.query(json.dumps(request).encode())
        return json.loads(answer)

    def grants(self, account: str) -> dict[str, GrantView]:
        """Every grant of the account, by id."""
        found: dict[str, GrantView] = {}
        page = {"type": "grants", "account": account, "limit": 7}
        while True:
            answer = self.query(**page)
            for grant in answer["grants"]:
                assert grant["grant_id"] not in found, "a grant was listed twice"
                found[grant["grant_id"]] = GrantView(*(grant[name] for name in GrantView.__annotations__))
            if answer["next"] is None:
                return found
            page["after"] = answer["next"]

    def reservations(self, account: str) -> dict[str, HoldView]:
        """Every open hold of the account, by id."""
        found: dict[str, HoldView] = {}
        after: dict[str, str] | None = None
        while True:
            page = {"type": "reservations", "account": account, "limit": 3}
            answer = self.query(**(page if after is None else {**page, "after": after}))
            for hold in answer["reservations"]:
                assert hold["reservation_id"] not in found, "a reservation was listed twice"
                parts = tuple((part["grant_id"], part["amount"]) for part in hold["parts"])
                assert hold["held"] == sum(amount for _, amount in parts)
                found[hold["reservation_id"]] = HoldView(
                    hold["credit_type"], parts, hold["headroom"], hold["expires_at"]
                )
                after = {"account": account, "reservation_id": hold["reservation_id"]}
            if not answer["more"]:
                return found

    def balance(self, account: str, credit_type: str) -> PoolView:
        answer = self.query(type="balance", account=account, credit_type=credit_type)
        return PoolView(answer["available"], answer["overdraft"], answer["overage"])

    def assert_conserves(self) -> None:
        """The engine's own conservation check finds nothing, and it looked at something."""
        answer = self.query(type="conservation")
        assert answer["violations"] == [] and answer["holds"] is True
        assert answer["accounts"] > 0

    def check(
        self, account: str, meter: str, quantity: int, dimensions: tuple[tuple[str, str], ...]
    ) -> Entitlement:
        answer = self.engine.check(account, meter, quantity, dimensions)
        assert bool(answer) == answer.allowed
        return Entitlement(answer.allowed, answer.reason, answer.available, answer.units)

    def reopen(self) -> None:
        """A clean stop and start."""
        self.engine.close()
        self.engine = _engine.Engine.open(str(self.folder), self.settings)

    def reopen_from_copy(self, folder: Path) -> None:
        """Go on from a copy of the folder taken while the engine runs, as after a sudden end."""
        assert self.engine.wait_durable(self.engine.applied_seq())
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("LOCK"))
        copied = _engine.Engine.open(str(folder), self.settings)
        self.engine.close()
        self.engine, self.folder = copied, folder

    def close(self) -> None:
        self.engine.close()
