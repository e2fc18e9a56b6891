"""Stories of a customer that chance puts together, each told twice.

The second telling differs in what must not matter: a wait is taken in parts, the database is closed and
opened in between, a call that carries an id is made once more, and what would happen is asked for before it
does. Both must answer alike and end in the same state.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import drawdown
from drawdown.client.interface import Database
from drawdown.errors import DrawdownError
from drawdown.model.money import Money
from hypothesis import strategies as st

from tests.control.crash_stories import START, named_alike, plan, state
from tests.control.crash_story import ENGINE
from tests.control.plan_laws import ALL

HOUR = timedelta(hours=1)
PLANS = ("small", "large", "trial", "metered", "dear", "topped", "licence", "packs", "yearly", "packed")
CARDS = ("test_ok", "test_decline", "test_insufficient")
POLICIES = ("", "void_replace", "keep_until_expiry", "prorate")

Step = tuple[Any, ...]


def catalog(db: Database) -> None:
    """Plans of every kind of billing."""
    db.create_credit_type("credits")
    db.create_meter("calls")
    db.create_product("ai", "AI")
    per_unit = [{"currency": "USD", "model": "per_unit", "amount": "1"}]
    dear = [{"currency": "USD", "model": "per_unit", "amount": "3"}]
    floor = [{"currency": "USD", "amount": "20"}]
    over = {"kind": "overage"}
    for name, of in (("pack", {"count": 1}), ("lasting", {"count": 6})):
        prices = [{"currency": "USD", "amount": "3", "model": "per_unit"}]
        db.create_pack(name, name=name, amount="10", prices=prices, lifetime=of)
    plan(db, "small", "100", "10", rollover={"fraction": "0.5"})
    plan(db, "large", "500", "40", proration="both", change_policy="prorate")
    plan(db, "trial", "50", "5", trial={"days": 7, "credits": "5"})
    plan(db, "metered", "10", "5", overage={"prices": per_unit}, at_zero=over, minimum_spend=floor)
    plan(db, "dear", "10", "5", overage={"prices": dear}, at_zero=over)
    plan(db, "topped", "10", "", type="free", top_up={"prices": per_unit})
    plan(db, "licence", "", "7", type="custom", release="on_approval")
    plan(db, "packs", "20", "4", top_up={"prices": per_unit}, trial={"days": 3, "end": "end"})
    plan(db, "yearly", "30", "90", billing_period="yearly", proration="both", change_policy="prorate")
    plan(
        db, "packed", "40", "8", anchor="first_of_month", proration="first", change_policy="keep_until_expiry"
    )


waits = st.sampled_from([0, 0, 1, 5, 24, 24 * 6, 24 * 13, 24 * 28, 24 * 31, 24 * 64])
which = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("subscribe"), st.sampled_from(PLANS), st.integers(1, 3), st.integers(0, 2)),
    st.tuples(st.just("subscribe"), st.sampled_from(PLANS), st.just(1), st.just(0)),
    st.tuples(
        st.just("change"),
        which,
        st.sampled_from(PLANS),
        st.integers(1, 3),
        st.sampled_from(POLICIES),
        st.sampled_from(["now", "period_end"]),
    ),
    st.tuples(st.just("cancel"), which, st.sampled_from(["now", "period_end"]), st.booleans()),
    st.tuples(st.just("pause"), which),
    st.tuples(st.just("resume"), which),
    st.tuples(st.just("auto_renew"), which, st.booleans()),
    st.tuples(
        st.just("service"),
        which,
        st.sampled_from(["one_off", "weekly", "monthly"]),
        st.sampled_from([0, 3, 40]),
        st.sampled_from([0, 20, 100]),
        st.booleans(),
    ),
    st.tuples(st.just("terminate"), which, which),
    st.tuples(st.just("pack"), st.integers(1, 2), st.sampled_from(CARDS), st.booleans()),
    st.tuples(st.just("top_up"), st.integers(1, 30), st.booleans()),
    st.tuples(st.just("refund"), which, st.sampled_from(["take_unspent", "into_debt"])),
    st.tuples(st.just("use"), st.integers(1, 40), st.sampled_from([0, 0, 1, 30, 24 * 20])),
    st.tuples(st.just("use"), st.integers(1, 40), st.just(0)),
    st.tuples(st.just("correct"), which, st.integers(0, 40)),
    st.tuples(st.just("card"), st.sampled_from(CARDS)),
    st.tuples(st.just("gift"), st.integers(1, 30)),
    st.tuples(st.just("approve"), which),
    st.tuples(st.just("retry"), which, st.sampled_from(CARDS)),
    st.tuples(st.just("close"), which, st.sampled_from(["void", "uncollectible"])),
    st.tuples(st.just("note"), which, st.integers(1, 900)),
    st.tuples(st.just("paid"), which),
)
begins = st.tuples(
    st.just(0), st.tuples(st.just("subscribe"), st.sampled_from(PLANS), st.just(1), st.integers(0, 2))
)
stories = st.builds(
    lambda first, rest: [first, *rest], begins, st.lists(st.tuples(waits, steps), min_size=8, max_size=40)
)
# Made again they are another one, or answer that it is done.
WITHOUT_ID = frozenset({"pause", "resume", "approve", "retry", "close", "refund", "card", "cancel", "paid"})


@dataclass
class Telling:
    """One database that a story is told to."""

    folder: Path
    chance: random.Random | None = None
    """Of what must not matter; absent: the plain telling."""
    answers: list[str] = field(default_factory=list)
    now: datetime = START
    by_hand: int = 0
    """Cents that reached the seller by another way than the provider."""
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Telling:
        self.db: Any = self._open.enter_context(drawdown.open(self.folder, **ENGINE))
        assert self.db._control_plane().restores == 0, "a restart was taken for a restored engine"
        return self

    def __exit__(self, *failure: object) -> None:
        self._open.close()

    def tell(self, story: list[tuple[int, Step]]) -> None:
        for number, (hours, step) in enumerate(story):
            self.wait(hours * HOUR)
            call = partial_of(self, number, step)
            answer = self.outcome(call)
            self.answers.append(answer)
            if self.chance is not None and step[0] not in WITHOUT_ID and self.chance.random() < 0.3:
                again = self.outcome(call)
                assert (again == "ok") == (answer == "ok"), (number, step, answer, again)
            self.disturb()

    def wait(self, span: timedelta) -> None:
        """On by ``span``, in one step or, disturbed, in several."""
        ends = self.now + span
        parts = sorted(self.chance.random() for _ in range(self.chance.randrange(4))) if self.chance else []
        for part in parts:
            between = self.now + (ends - self.now) * part
            self.go_to(between.replace(microsecond=0))
            self.disturb()
        self.go_to(ends)

    def go_to(self, to: datetime) -> None:
        if to > self.now:
            self.db.advance_clock("acme", to)
            self.now = to

    def disturb(self) -> None:
        """A restart, or a question."""
        if self.chance is None:
            return
        drawn = self.chance.random()
        if drawn < 0.1:
            self._open.close()
            self.__enter__()
        elif drawn < 0.3:
            self.db.preview_invoice("acme")
        elif drawn < 0.4:
            for each in self.db.subscriptions("acme"):
                self.outcome(lambda each=each: self.db.preview_change(each.subscription_id, "large"))

    def outcome(self, call: Callable[[], Any]) -> str:
        """``ok``, or why not: a fault of this software is no answer."""
        try:
            done = call()
        except DrawdownError as refusal:
            if refusal.reason == "INTERNAL":
                raise
            return type(refusal).__name__
        return done if done == nothing() else "ok"


def partial_of(telling: Telling, number: int, step: Step) -> Callable[[], Any]:
    """The call of a step; what it names is what is there when the call is first made."""
    kind, *given = step
    return CALLS[kind](telling, f"x{number}", *given)


def subscription_of(telling: Telling, which: int) -> Any:
    found = telling.db.subscriptions("acme")
    return found[which % len(found)] if found else None


def invoice_of(telling: Telling, which: int) -> Any:
    """Counted from the newest."""
    found = [each for each in telling.db.invoices("acme", limit=ALL) if not each.corrects]
    return found[-1 - which % len(found)] if found else None


def nothing() -> str:
    return "nothing to do it to"


def subscribe(telling: Telling, name: str, plan_id: str, quantity: int, services: int) -> Callable[[], Any]:
    orders = [
        {"service_id": f"{name}-{number}", "pack_id": "pack", "schedule": schedule, "bill_later": later}
        for number, (schedule, later) in enumerate((("weekly", False), ("monthly", True)))
    ]
    return lambda: telling.db.subscribe(
        "acme", plan_id, subscription_id=name, quantity=quantity, services=orders[:services]
    )


def change(
    telling: Telling, name: str, which: int, plan_id: str, quantity: int, policy: str, when: str
) -> Callable[[], Any]:
    of = subscription_of(telling, which)
    if of is None:
        return nothing
    return lambda: telling.db.change_plan(
        of.subscription_id, plan_id, change_id=name, quantity=quantity, policy=policy, when=when
    )


def cancel(telling: Telling, name: str, which: int, when: str, keep: bool) -> Callable[[], Any]:
    of = subscription_of(telling, which)
    if of is None:
        return nothing
    return lambda: telling.db.cancel_subscription(of.subscription_id, when=when, keep_credits=keep)


def pause(telling: Telling, name: str, which: int) -> Callable[[], Any]:
    of = subscription_of(telling, which)
    return nothing if of is None else lambda: telling.db.pause_subscription(of.subscription_id)


def resume(telling: Telling, name: str, which: int) -> Callable[[], Any]:
    of = subscription_of(telling, which)
    return nothing if of is None else lambda: telling.db.resume_subscription(of.subscription_id)


def auto_renew(telling: Telling, name: str, which: int, renews: bool) -> Callable[[], Any]:
    of = subscription_of(telling, which)
    return nothing if of is None else lambda: telling.db.set_auto_renew(of.subscription_id, renews)


def service(
    telling: Telling, name: str, which: int, schedule: str, begins: int, lasts: int, later: bool
) -> Callable[[], Any]:
    of = subscription_of(telling, which)
    if of is None:
        return nothing
    starts_at = telling.now + timedelta(days=begins) if begins else None
    ends_at = telling.now + timedelta(days=begins + lasts) if lasts and schedule != "one_off" else None
    return lambda: telling.db.add_service(
        of.subscription_id,
        "lasting",
        service_id=name,
        schedule=schedule,
        starts_at=starts_at,
        ends_at=ends_at,
        bill_later=later,
    )


def terminate(telling: Telling, name: str, which: int, number: int) -> Callable[[], Any]:
    of = subscription_of(telling, which)
    if of is None or not of.services:
        return nothing
    service_id = of.services[number % len(of.services)].service_id
    return lambda: telling.db.terminate_service(of.subscription_id, service_id)


def pack(telling: Telling, name: str, quantity: int, card: str, later: bool) -> Callable[[], Any]:
    return lambda: telling.db.buy_pack(
        "acme", "pack", purchase_id=name, quantity=quantity, payment_method=card, bill_later=later
    )


def top_up(telling: Telling, name: str, credits: int, later: bool) -> Callable[[], Any]:
    return lambda: telling.db.top_up("acme", "credits", str(credits), purchase_id=name, bill_later=later)


def refund(telling: Telling, name: str, which: int, policy: str) -> Callable[[], Any]:
    found = telling.db.purchases("acme")
    if not found:
        return nothing
    return lambda: telling.db.refund_purchase(found[which % len(found)].purchase_id, policy=policy)


def use(telling: Telling, name: str, quantity: int, hours_ago: int) -> Callable[[], Any]:
    at = max(START, telling.now - hours_ago * HOUR)
    return lambda: telling.db.record("acme", "calls", quantity=quantity, event_id=name, time=at)


def correct(telling: Telling, name: str, which: int, quantity: int) -> Callable[[], Any]:
    used = [each.event_id for each in telling.db.ledger("acme") if each.kind == "usage"]
    if not used:
        return nothing
    return lambda: telling.db.correct(
        "acme", used[-1 - which % len(used)], quantity=quantity, correction_id=name
    )


def card(telling: Telling, name: str, method: str) -> Callable[[], Any]:
    return lambda: telling.db.put_customer("customer", payment_method=method)


def gift(telling: Telling, name: str, amount: int) -> Callable[[], Any]:
    return lambda: telling.db.create_invoice_credit(
        "acme", name, amount=str(amount), currency="USD", name="Gift"
    )


def approve(telling: Telling, name: str, which: int) -> Callable[[], Any]:
    of = invoice_of(telling, which)
    return nothing if of is None else lambda: telling.db.approve_invoice(of.invoice_id)


def retry(telling: Telling, name: str, which: int, method: str) -> Callable[[], Any]:
    of = invoice_of(telling, which)
    if of is None:
        return nothing
    return lambda: telling.db.retry_payment(of.invoice_id, retry_id=name, payment_method=method)


def close(telling: Telling, name: str, which: int, as_what: str) -> Callable[[], Any]:
    of = invoice_of(telling, which)
    return nothing if of is None else lambda: telling.db.close_invoice(of.invoice_id, as_what)


def note(telling: Telling, name: str, which: int, cents: int) -> Callable[[], Any]:
    of = invoice_of(telling, which)
    if of is None or not of.lines:
        return nothing
    return lambda: telling.db.create_credit_note(
        name, of.invoice_id, of.lines[0].line_id, amount=Money(cents, "USD"), reason="agreed"
    )


def paid(telling: Telling, name: str, which: int) -> Callable[[], Any]:
    of = invoice_of(telling, which)
    if of is None:
        return nothing

    def mark() -> None:
        telling.db.mark_invoice_paid(of.invoice_id)
        if of.state != "paid":
            telling.by_hand += of.rest.minor

    return mark


CALLS: dict[str, Callable[..., Callable[[], Any]]] = {
    "subscribe": subscribe,
    "change": change,
    "cancel": cancel,
    "pause": pause,
    "resume": resume,
    "auto_renew": auto_renew,
    "service": service,
    "terminate": terminate,
    "pack": pack,
    "top_up": top_up,
    "refund": refund,
    "use": use,
    "correct": correct,
    "card": card,
    "gift": gift,
    "approve": approve,
    "retry": retry,
    "close": close,
    "note": note,
    "paid": paid,
}


@contextmanager
def telling_of(prepared: Path, folder: Path, chance: random.Random | None = None) -> Iterator[Telling]:
    """A database like the prepared one, gone afterwards."""
    shutil.copytree(prepared, folder)
    try:
        with Telling(folder, chance) as telling:
            yield telling
    finally:
        shutil.rmtree(folder)


def prepare(folder: Path) -> None:
    """A database with the catalog, the customer and the account."""
    with drawdown.open(folder, **ENGINE) as db:
        catalog(db)
        db.put_customer("customer", payment_method="test_ok")
        db.create_account("acme", customer_id="customer", test_clock=START)


def state_of(telling: Telling) -> dict[str, Any]:
    """All that a customer could see, however many invoices that is."""
    invoices = [named_alike(each) for each in telling.db.invoices("acme", limit=ALL)]
    return {**state(telling.db), "invoices": invoices}
