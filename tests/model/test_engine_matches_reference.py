"""The engine and the reference, told the same random story, never differ in an answer or a read."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.model import generators
from tests.model.conftest import MODEL_PROFILE
from tests.model.correction_story import HoldsAndCorrections
from tests.model.reference_account import Account
from tests.model.reference_ledger import Event
from tests.model.side_by_side import SideBySide
from tests.model.worlds import DAY, HOUR, MINUTE, NOON


class EngineAndReference(HoldsAndCorrections):
    """Each rule is one thing a caller may do; each step ends by comparing everything readable."""

    @initialize(data=st.data())
    def open(self, data: st.DataObject) -> None:
        """The catalog, a policy and some grants for each account: stories begin in the middle."""
        self.root = Path(tempfile.mkdtemp(prefix="drawdown-model-"))
        self.folders = (self.root / f"data-{n}" for n in itertools.count())
        self.both = SideBySide(next(self.folders))
        self.serial = itertools.count()
        self.sent: list[Event] = []
        self.commands: list[dict[str, Any]] = []
        self.sent_holds: list[dict[str, Any]] = []
        self.sent_corrections: list[dict[str, Any]] = []
        self.both.execute(*generators.catalog_commands())
        for name in generators.ACCOUNTS:
            self.both.execute(data.draw(generators.policies(name), "policy"))
            for _ in range(data.draw(st.integers(1, 3), "grants")):
                self.create_grant_for(self.both.reference.accounts[name], data)

    def fresh(self, data: st.DataObject) -> Event:
        return data.draw(generators.events(self.both.reference, next(self.serial)), "event")

    @rule(data=st.data())
    def record(self, data: st.DataObject) -> None:
        event = self.fresh(data)
        self.both.record(event)
        self.sent.append(event)

    @rule(data=st.data())
    def record_and_grant_again(self, data: st.DataObject) -> None:
        """Weight: usage is what a story is mostly made of."""
        self.record(data)
        self.create_grant(data)
        self.record(data)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """The same id: mostly the same content, else one thing changed."""
        event = data.draw(st.sampled_from(self.sent), "again")
        changes: list[dict[str, Any]] = [
            {},
            {},
            {},
            {"force": not event.force},
            {"quantity": 7},
            {"subject": "tokens", "direct": False},
            {"dimensions": (("model", "large"),)},
            {"time": (event.time or NOON) + 1},
        ]
        again = Event(**{**event.__dict__, **data.draw(st.sampled_from(changes), "change")})
        if not self.forgettable(again):
            self.both.record(again)

    def forgettable(self, event: Event) -> bool:
        """An event without time whose key may be forgotten by now has lost its promise (§5.6)."""
        account = self.both.reference.accounts.get(event.account)
        known = account.events.get(event.event_id) if account else None
        return (
            account is not None and known is not None and known.time < self.both.reference.floor(account.now)
        )

    @rule(data=st.data(), encoding=st.sampled_from(["rows", "columns"]))
    def record_batch(self, data: st.DataObject, encoding: str) -> None:
        count = int(data.draw(st.integers(1, 8), "count"))
        batch = [self.fresh(data) for _ in range(count)]
        again = [event for event in self.sent[-3:] if not self.forgettable(event)]
        with_repeat: bool = data.draw(st.booleans(), "with a repeat")
        if with_repeat:
            repeat: Event = data.draw(st.sampled_from([*again, batch[0]]), "repeat")
            batch.append(repeat)
        self.both.record_batch(batch, encoding)
        self.sent += batch[:count]

    @rule(data=st.data())
    def create_grant(self, data: st.DataObject) -> None:
        self.create_grant_for(self.account(data), data)

    def create_grant_for(self, account: Account, data: st.DataObject) -> None:
        sent = data.draw(generators.grant_inputs(account, f"grant-{next(self.serial)}"), "grant")
        command = {"type": "create_grant", "account": account.account, "grant": sent}
        self.both.execute(command)
        self.commands.append(command)

    @precondition(lambda self: self.commands)
    @rule(data=st.data())
    def send_grant_again(self, data: st.DataObject) -> None:
        command = data.draw(st.sampled_from(self.commands), "command")
        if data.draw(st.booleans(), "changed"):
            command = {**command, "grant": {**command["grant"], "amount": 77}}
        self.both.execute(command)

    @rule(data=st.data())
    def void_and_replace(self, data: st.DataObject) -> None:
        self.both.execute(
            data.draw(generators.replacements(self.account(data), next(self.serial)), "replacement")
        )

    @rule(data=st.data())
    def void_or_release(self, data: st.DataObject) -> None:
        account = self.account(data)
        known = [g for pool in account.pools.values() for g in pool.grants.values()]
        if not known:
            return
        waiting = [g for g in known if g.pending and not g.is_void]
        grant = data.draw(st.sampled_from(waiting or known), "grant")
        kind = "release_grant" if grant.pending and not grant.is_void else "void_grant"
        self.both.execute({"type": kind, "account": account.account, "grant_id": grant.grant_id})

    @rule(data=st.data())
    def advance_clock(self, data: st.DataObject) -> None:
        account = self.account(data)
        to = data.draw(generators.later_instants(account), "to")
        self.both.execute({"type": "advance_clock", "account": account.account, "to": to})

    @rule(data=st.data())
    def change_terms(self, data: st.DataObject) -> None:
        """Policy, suspension, rate table, rate, or period edge."""
        account = self.account(data)
        of: dict[str, Any] = {"account": account.account}
        instant = generators.instants_near(account)
        kind = data.draw(
            st.sampled_from(["policy", "policy", "suspend", "resume", "table", "rate", "edge"]), "kind"
        )
        command: dict[str, Any]
        if kind == "policy":
            command = data.draw(generators.policies(account.account), "policy")
        elif kind in {"suspend", "resume"}:
            command = {"type": f"{kind}_account", **of}
        elif kind == "table":
            table = data.draw(st.sampled_from(generators.TABLES), "table")
            command = {"type": "assign_rate_table", **of, "table": table}
            if data.draw(st.booleans(), "dated"):
                command["valid_from"] = data.draw(instant, "valid_from")
        elif kind == "rate":
            credits = data.draw(st.sampled_from(["0", "1", "0.05", "0.15", "3"]), "credits")
            command = {"type": "set_rate", "table": "default", "meter": "calls", "credit_type": "credits"}
            command |= {"credits": credits, "valid_from": data.draw(instant, "valid_from")}
        else:
            ahead = st.sampled_from([5 * MINUTE, 5 * MINUTE + 1, HOUR, DAY])
            at = account.now + data.draw(ahead, "at")
            withdrawn = at in account.edges or (bool(account.edges) and data.draw(st.booleans(), "withdrawn"))
            if withdrawn and data.draw(st.booleans(), "told"):
                at = data.draw(st.sampled_from(account.edges), "edge")
            command = {"type": "set_period_edge", **of, "at": at, "withdrawn": withdrawn}
        self.both.execute(command)

    @rule(data=st.data())
    def group(self, data: st.DataObject) -> None:
        """Several commands as one step: all or nothing."""
        account = self.account(data)
        number = next(self.serial)
        grants = [
            data.draw(generators.grant_inputs(account, f"grant-{number}-g{n}"), "grant") for n in range(2)
        ]
        commands = [{"type": "create_grant", "account": account.account, "grant": sent} for sent in grants]
        self.both.execute(data.draw(generators.policies(account.account), "policy"), *commands)

    def use(self, account: Account, subject: str, quantity: int, **fields: Any) -> None:
        self.both.record(Event(f"event-{next(self.serial)}", account.account, subject, quantity, **fields))

    @rule(data=st.data())
    def owe_for_two_meters(self, data: st.DataObject) -> None:
        """Debts of different age, then a grant too small for both."""
        account = self.account(data)
        meters = data.draw(st.permutations(["calls", "seats", "tokens"]), "meters")
        for meter in meters[:2]:
            self.use(account, meter, data.draw(st.integers(1, 60), "quantity"), force=True)
        self.create_grant_for(account, data)

    @rule(data=st.data())
    def cross_an_edge(self, data: st.DataObject) -> None:
        """Stateful prices on both sides of a period's edge, and late into the one before."""
        account = self.account(data)
        edge = account.now + 5 * MINUTE + 1
        if edge in account.edges:
            return
        self.both.execute({"type": "set_period_edge", "account": account.account, "at": edge})
        large: dict[str, Any] = {"dimensions": (("model", "large"),)}
        quantity = data.draw(st.integers(1, 250), "quantity")
        self.use(account, "bytes", quantity, force=True)
        self.use(account, "tokens", quantity, force=True, **large)
        self.both.execute({"type": "advance_clock", "account": account.account, "to": edge})
        for at in (None, edge, edge - 1):
            self.use(account, "bytes", quantity, time=at, force=True)
            self.use(account, "tokens", quantity, time=at, force=True, **large)

    @rule(data=st.data())
    def grants_alike(self, data: st.DataObject) -> None:
        """Grants that differ in one term of the burn-down order only, and a use that meets them."""
        account = self.account(data)
        scopes = data.draw(st.permutations([["calls"], ["calls", "tokens"], None]), "scopes")
        for scope in scopes[: data.draw(st.integers(2, 3), "count")]:
            sent: dict[str, Any] = {"grant_id": f"grant-{next(self.serial)}", "credit_type": "credits"}
            sent["amount"] = data.draw(st.integers(1, 100), "amount")
            if scope is not None:
                sent["scope"] = scope
            self.both.execute({"type": "create_grant", "account": account.account, "grant": sent})
        self.use(account, "calls", data.draw(st.integers(1, 12), "quantity"))

    @rule(data=st.data())
    def check(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([*generators.ACCOUNTS, "nobody"]), "account")
        meter = data.draw(st.sampled_from([*generators.METERS, "unheard-of"]), "meter")
        quantity = data.draw(generators.quantities, "quantity")
        dimensions = data.draw(generators.dimension_sets, "dimensions")
        self.both.check(name, meter, quantity, dimensions)

    @rule()
    def sweep(self) -> None:
        self.both.sweep()

    @rule()
    def conservation_is_clean(self) -> None:
        self.both.engine.assert_conserves()

    @rule(how=st.sampled_from(["clean", "sudden", "checkpoint and sudden"]))
    def reopen(self, how: str) -> None:
        """A restart, clean or from a copy of the live folder, changes nothing readable."""
        digest = self.both.engine.engine.digest()
        if how == "checkpoint and sudden":
            self.both.engine.engine.checkpoint()
        if how != "clean":
            self.both.engine.reopen_from_copy(next(self.folders))
        else:
            self.both.engine.reopen()
        assert digest == self.both.engine.engine.digest()
        self.both.compare_reads()

    def teardown(self) -> None:
        if hasattr(self, "both"):
            self.both.engine.close()
            shutil.rmtree(self.root)


@pytest.mark.timeout(3_600)
def test_engine_matches_reference() -> None:
    """Random stories: same statuses, charges, balances, grants; restarts anywhere change nothing."""
    run_state_machine_as_test(EngineAndReference, settings=settings.get_profile(MODEL_PROFILE))
