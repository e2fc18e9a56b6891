"""What the stateful tests draw of reservations and corrections: amounts beside those that matter."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.model.generators import (
    CREDIT_TYPES,
    dimension_sets,
    mostly,
    one_in,
    quantities,
    telling_instants,
)
from tests.model.reference_account import Account, AppliedEvent
from tests.model.reference_ledger import ReferenceLedger
from tests.model.reference_prices import I64_MAX
from tests.model.reference_reservations import Reservation
from tests.model.worlds import DAY, HOUR, MINUTE, SECOND

held_credits = mostly(
    st.one_of(st.integers(0, 300), st.sampled_from([0, 1, 10, 100, "0.5", "12.5"])),
    st.sampled_from([I64_MAX, 2**62, 10**9, -1]),
)


def lifetimes(account: Account) -> st.SearchStrategy[int]:
    """A minute, the limits, or until exactly (or beside) an instant that means something."""
    ahead = [at - account.now for at in telling_instants(account) if 0 < at - account.now <= DAY]
    common = st.sampled_from([MINUTE, SECOND, HOUR, HOUR + 1, DAY, DAY])
    exact = st.sampled_from(ahead or [HOUR]).flatmap(lambda us: st.sampled_from([us, us, us, us + 1]))
    return mostly(
        st.one_of(common, exact, exact).map(lambda us: min(us, DAY)), st.sampled_from([0, DAY + 1]), 25
    )


@st.composite
def reserves(draw: st.DrawFn, account: Account, serial: int) -> dict[str, Any]:
    """A fresh reserve: by quantity, by credits of a meter, or by credits of a credit type."""
    command: dict[str, Any] = {
        "type": "reserve",
        "account": account.account,
        "reservation_id": f"hold-{serial}",
    }
    form = draw(st.sampled_from(["quantity", "quantity", "quantity", "meter", "type"]))
    if form == "type":
        command["credit_type"] = draw(st.sampled_from(CREDIT_TYPES))
    else:
        rare = st.sampled_from(["disk", "unheard-of", "seats"])
        command["meter"] = draw(mostly(st.sampled_from(["calls", "calls", "tokens", "bytes"]), rare, 15))
        command["dimensions"] = dict(draw(dimension_sets))
    if form == "quantity":
        command["quantity"] = draw(quantities)
    else:
        command["credits"] = draw(held_credits)
    if draw(one_in(2)):
        command["ttl_us"] = draw(lifetimes(account))
    return command


@st.composite
def settles(draw: st.DrawFn, ledger: ReferenceLedger, account: Account, hold: Reservation) -> dict[str, Any]:
    """Below, exactly and above what is held; by quantity where it was reserved so."""
    command: dict[str, Any] = {
        "type": "settle",
        "account": account.account,
        "reservation_id": hold.reservation_id,
    }
    sums = hold.meter is not None and ledger.meters[hold.meter].aggregation == "sum"
    if hold.by_quantity or (sums and draw(one_in(3))):
        reserved = hold.content[4] if hold.by_quantity else 10
        assert isinstance(reserved, int)
        beside = [reserved, reserved, reserved - 1, reserved + 1, reserved // 2, 2 * reserved + 3, 0]
        command["quantity"] = min(I64_MAX, max(0, draw(mostly(st.sampled_from(beside), quantities))))
    else:
        total = hold.held + hold.headroom
        beside = [total, total, total - 1, total + 1, hold.held, hold.held // 2, total + 50, 0]
        command["credits"] = min(I64_MAX, max(0, draw(st.sampled_from(beside))))
    if draw(one_in(5)):
        command["refuse_extra"] = True
    return command


@st.composite
def corrections(
    draw: st.DrawFn, ledger: ReferenceLedger, account: Account, event_id: str, serial: int
) -> dict[str, Any]:
    """Less, more, the same, nothing at all; with an id of its own or without."""
    event: AppliedEvent = account.events[event_id]
    command: dict[str, Any] = {"type": "correct", "account": account.account, "event_id": event_id}
    if draw(one_in(6)):
        command["cancel"] = True
    else:
        now = event.quantity
        beside = [0, now - 1, now + 1, now // 2, now // 3, 2 * now + 1, now + 10, now + 100, now]
        wanted = draw(mostly(st.sampled_from(beside), st.sampled_from([I64_MAX, 10**9])))
        name = "credits" if event.meter is None else "quantity"
        command[name] = min(I64_MAX, max(0, wanted))
    if draw(one_in(4)):
        command["regrant"] = True
    if draw(st.booleans()):
        command["correction_id"] = f"correction-{serial}"
    return command
