"""The outside checker's book of reservations: what was asked, what was certainly answered, and what
must therefore be held, charged and returned, whatever happened to the server in between."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

LAPSE_SLACK_US = 2_000_000
"""Client and server read one clock; between sending and stamping little time passes, never this much."""


def now_us() -> int:
    return time.time_ns() // 1_000


@dataclass
class SentReservation:
    """One reservation through its life, as its client knows it."""

    reservation_id: str
    account: str
    meter: str
    quantity: int
    price: int
    ttl_us: int
    first_sent_us: int = 0
    last_sent_us: int = 0
    sendings: int = 0
    is_reserved: bool = False
    """An answer said so."""
    end: dict[str, Any] | None = None
    """The settle or release last sent, word for word."""
    end_sendings: int = 0
    ended_as: str = ""
    """``settled``, ``released`` or ``lapsed``, once an answer said so."""
    charged: int = 0

    @property
    def held(self) -> int:
        return self.quantity * self.price

    def reserve_command(self) -> dict[str, Any]:
        return {
            "type": "reserve",
            "account": self.account,
            "reservation_id": self.reservation_id,
            "meter": self.meter,
            "quantity": self.quantity,
            "ttl_us": self.ttl_us,
        }

    def settle_command(self, quantity: int) -> dict[str, Any]:
        end = {"type": "settle", "account": self.account, "reservation_id": self.reservation_id}
        return {**end, "quantity": quantity}

    def release_command(self) -> dict[str, Any]:
        return {"type": "release", "account": self.account, "reservation_id": self.reservation_id}

    def may_have_lapsed(self, now: int) -> bool:
        """It cannot have ended by itself before the first sending plus its time to live."""
        return now >= self.first_sent_us + self.ttl_us

    def must_have_lapsed(self, now: int) -> bool:
        return now >= self.last_sent_us + self.ttl_us + LAPSE_SLACK_US


@dataclass
class ReservationBook:
    """Every reservation that was ever sent, and every contradiction found so far."""

    sent: dict[str, SentReservation] = field(default_factory=dict)
    charged: Counter[str] = field(default_factory=Counter)
    """By account: settled, and acknowledged."""
    reserved: int = 0
    settled: int = 0
    released: int = 0
    lapsed: int = 0
    refused: int = 0
    duplicates: int = 0
    lost: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def answered_reserve(self, hold: SentReservation, outcome: dict[str, Any]) -> None:
        """Take in the answer to a reserve that had none before."""
        status = outcome["status"]
        held = outcome.get("held")
        if status == "INSUFFICIENT":
            self.refused += 1
            hold.ended_as = "refused"
            return
        if status == "DUPLICATE":
            self.duplicates += 1
            if hold.sendings < 2:
                self.wrong.append(f"{hold.reservation_id}: DUPLICATE at its first sending")
            if held == 0 < hold.held:
                self._ended_by_time(hold, "a repeated reserve")
        elif status != "OK":
            self.wrong.append(f"{hold.reservation_id}: reserve answered {status}")
            return
        hold.is_reserved = True
        self.reserved += 1
        if not hold.ended_as and held != hold.held:
            self.wrong.append(f"{hold.reservation_id}: holds {held}, asked for {hold.held}")

    def _ended_by_time(self, hold: SentReservation, told_by: str) -> None:
        if not hold.may_have_lapsed(now_us()):
            self.lost.append(f"{hold.reservation_id}: {told_by} says it ended, before its time")
        hold.ended_as = "lapsed"
        self.lapsed += 1

    def answered_end(self, hold: SentReservation, outcome: dict[str, Any]) -> None:
        """Take in the answer to a settle or release that had none before."""
        assert hold.end is not None
        status, kind = outcome["status"], hold.end["type"]
        if status == "CONFLICT" and kind == "settle":
            self._ended_by_time(hold, "a settle")
        elif status == "INSUFFICIENT" and kind == "settle":
            self.refused += 1
            hold.end, hold.end_sendings = None, 0
        elif status in ("OK", "DUPLICATE"):
            self._ended(hold, outcome)
        else:
            self.wrong.append(f"{hold.reservation_id}: {kind} answered {status}")

    def _ended(self, hold: SentReservation, outcome: dict[str, Any]) -> None:
        assert hold.end is not None
        is_repeat = outcome["status"] == "DUPLICATE"
        self.duplicates += is_repeat
        if hold.end["type"] == "release":
            if is_repeat and hold.end_sendings < 2:
                self._ended_by_time(hold, "a first release")
                return
            if not is_repeat and outcome["returned"] != hold.held:
                self.leaked.append(f"{hold.reservation_id}: {outcome['returned']} of {hold.held} returned")
            hold.ended_as = "released"
            self.released += 1
            return
        charge = hold.end["quantity"] * hold.price
        if is_repeat and hold.end_sendings < 2:
            self.wrong.append(f"{hold.reservation_id}: settle DUPLICATE at its first sending")
        if not is_repeat:
            returned = max(0, hold.held - charge)
            if (outcome["charged"], outcome["returned"]) != (charge, returned):
                self.wrong.append(f"{hold.reservation_id}: {outcome}, expected {charge} and {returned} back")
        hold.ended_as, hold.charged = "settled", charge
        self.charged[hold.account] += charge
        self.settled += 1

    def unanswered_charge(self, account: str) -> int:
        """Price of settles in flight: nobody knows whether they were applied."""
        open_ends = (h for h in self.sent.values() if h.account == account and not h.ended_as and h.end)
        return sum(h.end["quantity"] * h.price for h in open_ends if h.end and h.end["type"] == "settle")

    def compare(self, account: str, listed: list[dict[str, Any]], held: int, read_us: int) -> None:
        """Hold a durable reading of one account's open reservations against the book."""
        if sum(row["held"] for row in listed) != held:
            self.leaked.append(f"{account}: grants hold {held}, its reservations another sum")
        open_ids = {row["reservation_id"] for row in listed}
        for row in listed:
            hold = self.sent.get(row["reservation_id"])
            if hold is None or hold.account != account or hold.ended_as:
                self.leaked.append(f"{account}: {row['reservation_id']} is open after its end")
            elif row["held"] != hold.held or row["quantity"] != hold.quantity:
                self.wrong.append(f"{account}: {row['reservation_id']} holds {row['held']}")
            elif hold.must_have_lapsed(read_us):
                self.leaked.append(f"{account}: {row['reservation_id']} outlived its time")
        for hold in self.sent.values():
            is_certain = (
                hold.account == account and hold.is_reserved and not hold.ended_as and hold.end is None
            )
            if is_certain and hold.reservation_id not in open_ids and not hold.may_have_lapsed(read_us):
                self.lost.append(f"{account}: {hold.reservation_id} was acknowledged and is not held")

    def repeated(self, command: dict[str, Any], status: str, wanted: str) -> None:
        """Take in the answer to a command whose first answer is known."""
        if status != wanted:
            self.lost.append(f"{command['reservation_id']}: {command['type']} again answered {status}")

    @property
    def faults(self) -> list[str]:
        return [*self.lost, *self.leaked, *self.wrong]
