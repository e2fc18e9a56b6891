"""Rules of the stateful test for reservations; each ends by comparing all reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.model import generators, hold_generators
from tests.model.reference_account import Account
from tests.model.reference_ledger import Event
from tests.model.reference_reservations import Reservation
from tests.model.side_by_side import SideBySide
from tests.model.worlds import MINUTE


class Holds(RuleBasedStateMachine):
    """What a story may do with work in progress."""

    both: SideBySide
    serial: Iterator[int]
    sent_holds: list[dict[str, Any]]

    def account(self, data: st.DataObject) -> Account:
        return self.both.reference.accounts[data.draw(st.sampled_from(generators.ACCOUNTS), "account")]

    def advance_to(self, account: Account, to: int) -> None:
        self.both.execute({"type": "advance_clock", "account": account.account, "to": to})

    def is_forgotten(self, command: dict[str, Any]) -> bool:
        """A reservation's id may be forgotten once the dedupe window has passed it (§6)."""
        account = self.both.reference.accounts[command["account"]]
        hold = account.reservations.get(command["reservation_id"])
        return hold is not None and hold.reserved_at < self.both.reference.floor(account.now)

    def send_hold(self, command: dict[str, Any]) -> None:
        if not self.is_forgotten(command):
            self.both.execute(command)
            self.sent_holds.append(command)

    @rule(data=st.data())
    def reserve(self, data: st.DataObject) -> None:
        self.reserve_of(self.account(data), data)

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """Mostly an open hold, seldom one that has ended."""
        account = self.account(data)
        holds = list(account.reservations.values())
        open_holds = [hold for hold in holds if hold.is_open]
        if not open_holds:
            self.reserve_of(account, data)
            return
        hold = data.draw(generators.mostly(st.sampled_from(open_holds), st.sampled_from(holds)), "hold")
        self.settle_of(account, hold, data)

    def reserve_of(self, account: Account, data: st.DataObject) -> Reservation | None:
        """A fresh hold, if it was taken."""
        command = data.draw(hold_generators.reserves(account, next(self.serial)), "reserve")
        self.send_hold(command)
        return account_now(self.both, account.account).reservations.get(command["reservation_id"])

    def settle_of(self, account: Account, hold: Reservation, data: st.DataObject) -> None:
        self.send_hold(data.draw(hold_generators.settles(self.both.reference, account, hold), "settle"))

    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        """A hold to its end, and one thing that happens meanwhile to what it stands on."""
        account = self.account(data)
        name = account.account
        hold = self.reserve_of(account, data)
        meanwhile = data.draw(
            st.sampled_from(["nothing", "void", "owe", "policy", "grant", "suspend", "another", "later"]),
            "meanwhile",
        )
        if hold is None or not hold.is_open:
            return
        if meanwhile == "void" and hold.parts:
            grant_id = data.draw(st.sampled_from([grant_id for grant_id, _ in hold.parts]), "grant")
            self.both.execute({"type": "void_grant", "account": name, "grant_id": grant_id})
        elif meanwhile == "owe":
            quantity = data.draw(st.integers(1, 90), "quantity")
            self.both.record(Event(f"event-{next(self.serial)}", name, "calls", quantity, force=True))
        elif meanwhile == "policy":
            self.both.execute(data.draw(generators.policies(name), "policy"))
        elif meanwhile == "grant":
            sent = data.draw(generators.grant_inputs(account, f"grant-{next(self.serial)}"), "grant")
            self.both.execute({"type": "create_grant", "account": name, "grant": sent})
        elif meanwhile == "suspend":
            self.both.execute({"type": "suspend_account", "account": name})
        elif meanwhile == "another":
            self.reserve_of(account_now(self.both, name), data)
        elif meanwhile == "later":
            self.advance_to(account, data.draw(generators.later_instants(account), "to"))
        account = account_now(self.both, name)
        self.settle_of(account, account.reservations[hold.reservation_id], data)
        if meanwhile == "suspend":
            self.both.execute({"type": "resume_account", "account": name})

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        account = self.account(data)
        holds = list(account.reservations.values())
        open_ids = [hold.reservation_id for hold in holds if hold.is_open]
        known = [hold.reservation_id for hold in holds]
        ids = generators.mostly(st.sampled_from(open_ids or known or ["nothing"]), st.just("nothing"), 20)
        command = {"type": "release", "account": account.account}
        self.send_hold({**command, "reservation_id": data.draw(ids, "hold")})

    @precondition(lambda self: self.sent_holds)
    @rule(data=st.data())
    def send_hold_again(self, data: st.DataObject) -> None:
        """A retry of a reserve, settle or release, seldom with other content."""
        command = data.draw(st.sampled_from(self.sent_holds), "again")
        basis = next((name for name in ("quantity", "credits") if name in command), None)
        if basis is not None and data.draw(generators.one_in(4), "changed"):
            command = {**command, basis: 7}
        self.send_hold(command)

    @rule(data=st.data())
    def reserve_and_lapse(self, data: st.DataObject) -> None:
        """A hold on a grant that expires before, with or after the hold, lived through step by step."""
        account = self.account(data)
        name = account.account
        begins = account.now
        lifetime = data.draw(st.sampled_from([MINUTE - 1, MINUTE, MINUTE + 1]), "lifetime")
        sent = {"grant_id": f"grant-{next(self.serial)}", "credit_type": "credits", "priority": 1}
        amount = data.draw(st.integers(1, 100), "amount")
        self.both.execute(
            {
                "type": "create_grant",
                "account": name,
                "grant": {**sent, "amount": amount, "expires_at": begins + lifetime},
            }
        )
        wanted = data.draw(st.sampled_from([amount, amount // 2, amount + 5]), "credits")
        reserve = {"type": "reserve", "account": name, "reservation_id": f"hold-{next(self.serial)}"}
        self.send_hold({**reserve, "credit_type": "credits", "credits": wanted, "ttl_us": MINUTE})
        meanwhile = data.draw(st.sampled_from(["nothing", "void", "owe"]), "meanwhile")
        if meanwhile == "void":
            self.both.execute({"type": "void_grant", "account": name, "grant_id": sent["grant_id"]})
        elif meanwhile == "owe":
            event = Event(f"event-{next(self.serial)}", name, "calls", 5, force=True)
            self.both.record(event)
        for step in (MINUTE - 1, MINUTE, MINUTE + 1):
            self.advance_to(account_now(self.both, name), begins + step)


def account_now(both: SideBySide, name: str) -> Account:
    """The account as it is now: a command group may have replaced the object."""
    return both.reference.accounts[name]
