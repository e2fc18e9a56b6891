"""Rules of the stateful test for corrections; each ends by comparing all reads."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model import generators, hold_generators
from tests.model.hold_story import Holds, account_now
from tests.model.reference_account import Account, AppliedEvent
from tests.model.reference_ledger import Event


class HoldsAndCorrections(Holds):
    """What a story may do with usage that was wrong."""

    sent_corrections: list[dict[str, Any]]

    @rule(data=st.data())
    def correct(self, data: st.DataObject) -> None:
        account = self.account(data)
        if not account.events:
            return
        event_id = data.draw(st.sampled_from(sorted(account.events)), "event")
        serial = next(self.serial)
        command = data.draw(
            hold_generators.corrections(self.both.reference, account, event_id, serial), "correction"
        )
        self.both.execute(command)
        self.sent_corrections.append(command)

    @precondition(lambda self: self.sent_corrections)
    @rule(data=st.data())
    def correct_again(self, data: st.DataObject) -> None:
        """A retry, or another correction of an event that was corrected before."""
        command = data.draw(st.sampled_from(self.sent_corrections), "again")
        account = self.both.reference.accounts[command["account"]]
        if data.draw(st.booleans(), "other"):
            command = data.draw(
                hold_generators.corrections(
                    self.both.reference, account, command["event_id"], next(self.serial)
                ),
                "correction",
            )
        self.both.execute(command)

    @rule(data=st.data())
    def correct_after(self, data: st.DataObject) -> None:
        """Usage, one thing that happens to what paid for it, and corrections down, up and away."""
        account = self.account(data)
        name = account.account
        meter = data.draw(st.sampled_from(["calls", "bytes", "peak", "level", "seats"]), "meter")
        event_id = f"event-{next(self.serial)}"
        quantity = data.draw(st.integers(1, 60), "quantity")
        force = data.draw(generators.one_in(3), "force")
        self.both.record(Event(event_id, name, meter, quantity, force=force))
        event = account.events.get(event_id)
        if event is None:
            return
        happens = ["nothing", "void", "grant", "grants", "policy", "later", "another", "suspend"]
        self.happen(account, event, data.draw(st.sampled_from(happens), "meanwhile"), data)
        for _ in range(data.draw(st.integers(1, 3), "corrections")):
            command = data.draw(
                hold_generators.corrections(
                    self.both.reference, account_now(self.both, name), event_id, next(self.serial)
                ),
                "correction",
            )
            self.both.execute(command)
            self.sent_corrections.append(command)

    def happen(self, account: Account, event: AppliedEvent, what: str, data: st.DataObject) -> None:
        """Between an event and its correction."""
        name = account.account
        if what == "void":
            for grant_id, _ in event.payment.draws[-1:]:
                self.both.execute({"type": "void_grant", "account": name, "grant_id": grant_id})
        elif what in {"grant", "grants"}:
            for _ in range(2 if what == "grants" else 1):
                sent = data.draw(generators.grant_inputs(account, f"grant-{next(self.serial)}"), "grant")
                self.both.execute({"type": "create_grant", "account": name, "grant": sent})
        elif what == "policy":
            self.both.execute(data.draw(generators.policies(name), "policy"))
        elif what == "later":
            self.advance_to(account, data.draw(generators.later_instants(account), "to"))
        elif what == "another":
            quantity = data.draw(st.integers(1, 60), "quantity")
            self.both.record(Event(f"event-{next(self.serial)}", name, "calls", quantity))
        elif what == "suspend":
            self.both.execute({"type": "suspend_account", "account": name})
