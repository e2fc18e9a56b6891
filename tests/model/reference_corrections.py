"""Corrections by the contract's text (§7): of a usage event only the difference moves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.model.reference_account import Account, AppliedEvent, Draw, Pool
from tests.model.reference_counters import READING_ALL, burns, counted_in
from tests.model.reference_inputs import (
    Command,
    Facts,
    account_of,
    check_ids,
    check_not_negative,
    units_of,
)
from tests.model.reference_ledger import ReferenceLedger
from tests.model.reference_payment import Payment, Refused, pay, plan
from tests.model.reference_prices import I64_MAX

CANCEL = "cancel"


@dataclass(frozen=True)
class Target:
    """What the event is to be: its units, what it brings to the aggregate, its price."""

    quantity: int
    units: int
    value: int | str | None
    charge: int
    is_cancelled: bool


def correct(ledger: ReferenceLedger, command: Command) -> Facts:
    """Make the event's quantity (or credits) what is sent, or cancel it."""
    check_ids(command, "account", "event_id", "correction_id")
    basis = _basis(command)
    account = account_of(ledger, command)
    event = account.events.get(command["event_id"])
    if event is None or event.time < ledger.floor(account.now):
        raise Refused("EVENT_UNKNOWN", "event_id")
    _check_basis(event, basis)
    sent = (command["event_id"], basis, command[basis])
    correction_id = command.get("correction_id")
    if correction_id in account.corrections:
        return _repeated(account.corrections[correction_id] == sent)
    present = _is_present(ledger, event, basis, command)
    if correction_id is None and present:
        return _repeated(same=True)
    if event.is_cancelled:
        raise Refused("CONFLICT", "event_id")
    target = _target(ledger, account, event, basis, command)
    carried: dict[str, int] | None = {} if command.get("regrant") else None
    facts = _move(ledger, account, command["event_id"], event, target, carried)
    if carried:
        _regrant(ledger, account, account.pool(event.credit_type), carried, command["regranted"])
        facts["available"] = account.pool(event.credit_type).available(account.now)
    if correction_id is not None:
        account.corrections[correction_id] = sent
    return facts


def _basis(command: Command) -> str:
    sent = [name for name in ("quantity", "credits") if command.get(name) is not None]
    if command.get(CANCEL):
        sent.append(CANCEL)
    if len(sent) != 1:
        raise Refused("INVALID", "quantity")
    check_not_negative(command, "quantity")
    check_not_negative(command, "credits")
    return sent[0]


def _check_basis(event: AppliedEvent, basis: str) -> None:
    if basis != CANCEL and (basis == "credits") != (event.meter is None):
        raise Refused("INVALID", basis)


def _repeated(same: bool) -> Facts:
    if not same:
        raise Refused("CONFLICT", "correction_id")
    return {"status": "DUPLICATE"}


def _is_present(ledger: ReferenceLedger, event: AppliedEvent, basis: str, command: Command) -> bool:
    """The event already is what is asked for."""
    if basis == CANCEL:
        return event.is_cancelled
    if event.is_cancelled:
        return False
    if basis == "credits":
        return units_of(ledger, event.credit_type, command["credits"], "credits") == event.charge
    return bool(event.quantity == command["quantity"])


def _target(
    ledger: ReferenceLedger, account: Account, event: AppliedEvent, basis: str, command: Command
) -> Target:
    """Price and tier position are the event's own; each price is rounded, never the difference."""
    if basis == CANCEL:
        return Target(0, 0, None, 0, is_cancelled=True)
    if event.meter is None or event.rate is None:
        credits = units_of(ledger, event.credit_type, command["credits"], "credits")
        return Target(credits, credits, credits, credits, is_cancelled=False)
    meter = ledger.meters[event.meter]
    value: int | str | None = command["quantity"]
    units = command["quantity"]
    if meter.aggregation == "count":
        units = 1
    elif meter.aggregation in READING_ALL:
        assert event.counter is not None
        value = event.value if meter.aggregation == "unique" else value
        others = [e for e in counted_in(account.events.values(), event.counter) if e is not event]
        _, units = burns(meter.aggregation, others, (event.time, event.order, value))
    scale = ledger.credit_types[event.credit_type]
    charge = event.rate.charge(event.before, units, quantity_scale=meter.quantity_scale, scale=scale)
    stands = account.counters.get(event.counter, 0) if event.counter is not None else 0
    position = max(event.before + units, stands + units - event.units)
    if charge > I64_MAX or (event.rate.keeps_a_counter and position > I64_MAX):
        raise Refused("OVERFLOW")
    return Target(command["quantity"], units, value, charge, is_cancelled=False)


def _regrant(
    ledger: ReferenceLedger, account: Account, pool: Pool, carried: dict[str, int], ids: list[str]
) -> None:
    """A grant that is over goes on in a new one of its kind, valid from now and without end. The ids
    are the engine's; they end in the number of the old grant."""
    olds = sorted((pool.grants[grant_id] for grant_id in carried), key=lambda grant: grant.created)
    assert len(ids) == len(olds), f"carried {carried}, the engine made {ids}"
    for grant_id, old in zip(sorted(ids, key=_old_number), olds, strict=True):
        ledger.steps += 1
        pool.grants[grant_id] = replace(
            old,
            grant_id=grant_id,
            amount=carried[old.grant_id],
            effective_at=account.now,
            expires_at=None,
            pending=False,
            created=ledger.steps,
            held=0,
            burned=0,
            expired=0,
            voided=0,
            moved=0,
            is_void=False,
        )
    if pool.remaining > I64_MAX:
        raise Refused("OVERFLOW")
    pool.settle(account.now)


def _old_number(grant_id: str) -> int:
    return int(grant_id.rstrip("+").rsplit(":", 1)[1])


def _move(
    ledger: ReferenceLedger,
    account: Account,
    event_id: str,
    event: AppliedEvent,
    target: Target,
    carried: dict[str, int] | None,
) -> Facts:
    """Move the difference, let open debt take what returned, remember the event as it is now."""
    pool = account.pool(event.credit_type)
    difference = target.charge - event.charge
    returned = 0
    ledger.steps += 1
    if difference > 0:
        period = account.period_start(event.time)
        payers = ledger.payers_at(account, pool, event.meter, event.time)
        more = plan(pool, difference, payers, period=period, now=account.now, whole=True)
        pay(pool, event.meter, more, period=period, step=ledger.steps)
        payment = Payment(
            event.payment.draws + more.draws,
            event.payment.owed + more.owed,
            event.payment.overage + more.overage,
            event.payment.uncovered,
        )
    else:
        payment, returned = _unwind(ledger, account, pool, event, -difference, carried)
        pool.charged -= event.payment.charged - payment.charged
        pool.settle(account.now)
    if pool.remaining > I64_MAX:
        raise Refused("OVERFLOW")
    ledger.count(account, event.counter, target.units - event.units)
    account.events[event_id] = replace(
        event,
        units=target.units,
        value=target.value,
        charge=target.charge,
        payment=payment,
        quantity=target.quantity,
        is_cancelled=target.is_cancelled,
    )
    return {
        "status": "OK",
        "charged": payment.charged,
        "difference": payment.charged - event.payment.charged,
        "returned": returned,
        "available": pool.available(account.now),
    }


def _unwind(
    ledger: ReferenceLedger,
    account: Account,
    pool: Pool,
    event: AppliedEvent,
    amount: int,
    carried: dict[str, int] | None,
) -> tuple[Payment, int]:
    """Uncovered, overage, the meter's debt (open, then settled, latest first), own grants reversed.

    The event's payment afterwards, and what went back to grants or was forfeited by them.
    """
    now, grace = account.now, ledger.settings.late_grace
    paid = event.payment
    left = amount
    from_uncovered = min(left, paid.uncovered)
    left -= from_uncovered
    from_overage = min(left, paid.overage)
    pool.count_overage(-from_overage, account.period_start(event.time))
    left -= from_overage
    from_owed = min(left, paid.owed)
    left -= from_owed
    returned = from_owed - _forgive(pool, event.meter, from_owed)
    settled = pool.settled.get(event.meter, [])
    _return_latest_first(pool, settled, returned, now, grace, carried)
    draws = list(paid.draws)
    _return_latest_first(pool, draws, left, now, grace, carried)
    returned += left
    unwound = Payment(
        tuple(draws), paid.owed - from_owed, paid.overage - from_overage, paid.uncovered - from_uncovered
    )
    return unwound, returned


def _forgive(pool: Pool, meter: str | None, amount: int) -> int:
    """Less open debt of the meter; how much of it there was."""
    debt = pool.debts.get(meter)
    if debt is None:
        return 0
    part = min(amount, debt.amount)
    debt.amount -= part
    if debt.amount == 0:
        del pool.debts[meter]
    return part


def _return_latest_first(
    pool: Pool, draws: list[Draw], amount: int, now: int, late_grace: int, carried: dict[str, int] | None
) -> None:
    """Back to the grants of these draws, the last draw first; the draws keep what is not returned."""
    left = amount
    while left > 0:
        grant_id, drawn = draws.pop()
        part = min(left, drawn)
        gone = pool.grants[grant_id].unburn(part, now, late_grace, regrant=carried is not None)
        if carried is not None and gone > 0:
            carried[grant_id] = carried.get(grant_id, 0) + gone
        left -= part
        if part < drawn:
            draws.append((grant_id, drawn - part))
