"""The commands reserve, settle and release of the reference (§6)."""

from __future__ import annotations

from tests.model.reference_account import Account, Match
from tests.model.reference_inputs import (
    Command,
    Facts,
    account_of,
    check_ids,
    check_not_negative,
    units_of,
)
from tests.model.reference_ledger import DAY, MINUTE, Event, Price, ReferenceLedger
from tests.model.reference_payment import Refused, pay
from tests.model.reference_reservations import Reservation, plan_settle, take_holds

BASES = ("quantity", "credits")


def _basis(command: Command) -> str:
    """Which of quantity and credits was sent; exactly one must be."""
    sent = [name for name in BASES if command.get(name) is not None]
    if len(sent) != 1:
        raise Refused("INVALID", "quantity")
    check_not_negative(command, sent[0])
    return sent[0]


def _match(command: Command) -> Match:
    return tuple(sorted(command.get("dimensions", {}).items()))


def reserve(ledger: ReferenceLedger, command: Command) -> Facts:
    """Hold what a use of this size would cost, from now until ``ttl_us`` later."""
    check_ids(command, "account", "reservation_id", "meter", "credit_type")
    basis = _basis(command)
    ttl = command.get("ttl_us", MINUTE)
    if not 1 <= ttl <= DAY:
        raise Refused("INVALID", "ttl_us")
    meter, credit_type = command.get("meter"), command.get("credit_type")
    if (meter is None) == (credit_type is None) or (meter is None and basis == "quantity"):
        raise Refused("INVALID", "meter")
    if credit_type is not None and credit_type not in ledger.credit_types:
        raise Refused("INVALID", "credit_type")
    known_meter = ledger.meters.get(meter or "")
    if basis == "quantity" and known_meter is not None and known_meter.aggregation != "sum":
        raise Refused("INVALID", "quantity")
    account = account_of(ledger, command)
    content = (meter, credit_type, _match(command), basis, command[basis], ttl)
    known = account.reservations.get(command["reservation_id"])
    if known is not None:
        if known.content != content:
            raise Refused("CONFLICT")
        return {"status": "DUPLICATE"}
    if account.is_suspended:
        raise Refused("ACCOUNT_SUSPENDED")
    price = _price_of_reserve(ledger, account, command, basis)
    pool = account.pool(price.credit_type)
    period = account.period_start(account.now)
    held, kind = take_holds(pool, price.meter, price.charge, period=period, now=account.now)
    ledger.steps += 1
    account.reservations[command["reservation_id"]] = Reservation(
        reservation_id=command["reservation_id"],
        content=content,
        reserved_at=account.now,
        expires_at=account.now + ttl,
        credit_type=price.credit_type,
        meter=price.meter,
        rate=price.rate,
        match=_match(command),
        by_quantity=basis == "quantity",
        parts=held.draws,
        headroom=held.owed + held.overage,
        headroom_kind=kind,
        uncovered=held.uncovered,
    )
    return {
        "status": "OK",
        "held": sum(amount for _, amount in held.draws),
        "headroom": held.owed + held.overage,
        "uncovered": held.uncovered,
        "available": pool.available(account.now),
        "expires_at": account.now + ttl,
        "credit_type": price.credit_type,
    }


def _price_of_reserve(ledger: ReferenceLedger, account: Account, command: Command, basis: str) -> Price:
    """By quantity what a record of it would cost now; by credits those, of the meter's credit type."""
    meter = command.get("meter")
    if meter is None:
        charge = units_of(ledger, command["credit_type"], command["credits"], "credits")
        return Price(command["credit_type"], None, charge)
    quantity = command["quantity"] if basis == "quantity" else 0
    probe = Event("reserve", account.account, meter, quantity, dimensions=_match(command))
    if meter not in ledger.meters:
        raise Refused("METER_UNKNOWN")
    rate = ledger.rate_for(account, ledger.meters[meter], probe.dimensions, account.now)
    if rate is None:
        raise Refused("NOT_ENTITLED")
    if basis == "quantity":
        return ledger.price_at(account, ledger.meters[meter], rate, probe, account.now)
    charge = units_of(ledger, rate.credit_type, command["credits"], "credits")
    return Price(rate.credit_type, meter, charge, rate)


def _open_or_refused(account: Account, command: Command) -> Reservation:
    hold = account.reservations.get(command["reservation_id"])
    if hold is None:
        raise Refused("RESERVATION_UNKNOWN", "reservation_id")
    return hold


def settle(ledger: ReferenceLedger, command: Command) -> Facts:
    """Charge what the work took, return the rest of the hold, in one step."""
    check_ids(command, "account", "reservation_id")
    basis = _basis(command)
    account = account_of(ledger, command)
    hold = _open_or_refused(account, command)
    if basis == "quantity" and (hold.meter is None or ledger.meters[hold.meter].aggregation != "sum"):
        raise Refused("INVALID", "quantity")
    if basis == "credits" and hold.by_quantity:
        raise Refused("INVALID", "credits")
    sent = (basis, command[basis])
    if not hold.is_open:
        if hold.state == "settled" and hold.settled_as == sent:
            return {"status": "DUPLICATE"}
        raise Refused("CONFLICT")
    price = _price_of_settle(ledger, account, hold, command, basis)
    pool = account.pool(hold.credit_type)
    period = account.period_start(account.now)
    plan = plan_settle(
        hold,
        pool,
        price.charge,
        period=period,
        now=account.now,
        refuse_extra=command.get("refuse_extra", False),
    )
    ledger.steps += 1
    returned = hold.end("settled", pool, account.now, ledger.settings.late_grace, burned=plan.own)
    assert 0 <= returned == hold.held - plan.own, "a settle returned more than was held"
    hold.settled_as = sent
    pool.charged += plan.own
    pay(pool, hold.meter, plan.payment, period=period, step=ledger.steps)
    ledger.count(account, price.counter, price.units)
    pool.settle(account.now)
    charged = plan.own + plan.payment.charged
    return {
        "status": "OK",
        "charged": charged,
        "returned": returned + hold.headroom - plan.from_headroom,
        "extra": max(0, charged - hold.held - hold.headroom),
        "uncovered": plan.payment.uncovered,
        "available": pool.available(account.now),
    }


def _price_of_settle(
    ledger: ReferenceLedger, account: Account, hold: Reservation, command: Command, basis: str
) -> Price:
    """At the rate of the reserve, counted in the period of the settle."""
    if basis == "credits":
        charge = units_of(ledger, hold.credit_type, command["credits"], "credits")
        return Price(hold.credit_type, hold.meter, charge, hold.rate)
    assert hold.meter is not None and hold.rate is not None
    event = Event("settle", account.account, hold.meter, command["quantity"], dimensions=hold.match)
    return ledger.price_at(account, ledger.meters[hold.meter], hold.rate, event, account.now)


def release(ledger: ReferenceLedger, command: Command) -> Facts:
    """Return all that is held."""
    check_ids(command, "account", "reservation_id")
    account = account_of(ledger, command)
    hold = _open_or_refused(account, command)
    if hold.state == "settled":
        raise Refused("CONFLICT")
    if not hold.is_open:
        return {"status": "DUPLICATE"}
    pool = account.pool(hold.credit_type)
    returned = hold.headroom + hold.end("released", pool, account.now, ledger.settings.late_grace)
    pool.settle(account.now)
    return {"status": "OK", "returned": returned, "available": pool.available(account.now)}
