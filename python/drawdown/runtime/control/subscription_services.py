"""Packs on a subscription: ordered, delivered, adjusted, terminated."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from drawdown import errors
from drawdown.billing.invoice import Invoice
from drawdown.billing.withdrawal import ADJUSTS, ALLOCATED
from drawdown.catalog.pack import Pack
from drawdown.model.commands import CreateGrant, Formula, VoidAndReplace, grant_input
from drawdown.model.credits import decimal_text, units_from_credits
from drawdown.model.ids import check_id
from drawdown.model.results import Grant
from drawdown.runtime.control.invoice_foot import sold_share
from drawdown.runtime.control.invoicing import add_lines, invoice_with_line, must_wait, release_instead
from drawdown.runtime.control.registry import carries_out, handles
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_steps import (
    deliveries_ahead,
    follow_services,
    pack_of,
    plan_of,
    release_with,
)
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.cost_basis import share_of_cost
from drawdown.subscriptions.identifiers import derived, lane_of
from drawdown.subscriptions.renewing import grant_input_of
from drawdown.subscriptions.requests import AddService, AdjustDelivery, ServiceOrder, TerminateService
from drawdown.subscriptions.servicing import (
    DELIVERY_JOB,
    delivery_amount,
    delivery_charge,
    delivery_charges,
    delivery_grant,
    delivery_grant_id,
    delivery_job,
    delivery_line_id,
    delivery_price,
    schedule_of,
    service_named,
    with_delivery,
    with_service,
)
from drawdown.subscriptions.subscription import Service, Subscription

# Weekly for two thousand years: what lies beyond has no date.
DELIVERIES_MAX: Final = 100_000
QUANTITY_MAX: Final = 1_000_000


def _reread(step: Step, request: AddService | TerminateService | AdjustDelivery) -> Subscription:
    return step.work.subscription(request.subscription_id)


@handles(AddService, reread=_reread)
def add_service(step: Step, request: AddService) -> Subscription:
    """The pack is on the subscription; what of the present period is left is invoiced."""
    subscription = subscription_for(step, request.subscription_id)
    step.run_now(lane_of(subscription.account))
    if not step.work.first_time(request, f"{request.subscription_id}:{request.service.service_id}"):
        return subscription
    require_live(subscription)
    return order_service(step, subscription, request.service, charge_now=True)


def order_service(
    step: Step, subscription: Subscription, order: ServiceOrder, *, charge_now: bool
) -> Subscription:
    """The service begins; without ``charge_now`` the opening of the billing period invoices it."""
    check_id(order.service_id, "service_id")
    if any(each.service_id == order.service_id for each in subscription.services):
        raise errors.AlreadyExistsError(f"service_id: {order.service_id!r} is taken", field="service_id")
    if not 1 <= order.quantity <= QUANTITY_MAX:
        raise errors.InvalidRequestError(f"quantity: 1–{QUANTITY_MAX}", field="quantity")
    pack = pack_of(step, order.pack_id)
    allowed = plan_of(step, subscription).packs
    if allowed and pack.pack_id not in allowed:
        raise errors.PreconditionError(
            f"plan {subscription.plan_id!r} does not sell pack {pack.pack_id!r}",
            reason="PACK_NOT_ON_PLAN",
            field="pack_id",
        )
    now = step.now_of(subscription.account)
    start = order.starts_at or now
    if subscription.state == "trialing" and subscription.trial_ends_at is not None:
        # During a trial nothing is charged, so nothing that is sold is delivered.
        start = max(start, subscription.trial_ends_at)
    until = order.ends_at
    if until is not None and until <= start:
        raise errors.InvalidRequestError("ends_at: must be after starts_at", field="ends_at")
    if until is None and order.schedule != "one_off":
        until = subscription.term_ends_at
    service = Service(
        service_id=order.service_id,
        pack_id=order.pack_id,
        schedule=order.schedule,
        deliveries=schedule_of(order.schedule, start, subscription.billing.zone),
        quantity=order.quantity,
        until=until,
        bill_later=order.bill_later,
        unbilled=(),
        until_given=order.ends_at is not None,
    )
    # Refused where it could not be billed: its line may be due only when it is delivered.
    delivery_price(subscription, service, pack)
    changed = step.work.subscriptions.put(with_service(subscription, service))
    # While it is paused nobody knows which deliveries of a rhythm there will be: each is charged when made.
    rests = subscription.state == "paused" and order.schedule != "one_off"
    if charge_now and not order.bill_later and not rests:
        _charge_rest(step, changed, service, min(now, start))
    job = delivery_job(changed, service, 0)
    if job is not None:
        step.decision.job(job)
    step.decision.notice(
        "subscription.service_added",
        changed.account,
        key=f"subscription.service_added:{changed.subscription_id}:{service.service_id}",
        subscription_id=changed.subscription_id,
        service_id=service.service_id,
        pack_id=pack.pack_id,
    )
    return changed


def _charge_rest(step: Step, subscription: Subscription, service: Service, now: datetime) -> None:
    """An invoice for the deliveries that the present billing period still has."""
    end = subscription.billing.edge(subscription.billing_next)
    pack = pack_of(step, service.pack_id)
    rest = Period(start=now, end=max(end, now))
    charges = delivery_charges(subscription, service, pack, rest)
    if charges:
        own_id = derived("inv", subscription.subscription_id, "service", service.service_id)
        add_lines(step, subscription, plan_of(step, subscription), rest, charges, own_id=own_id)


def go_on_delivering(step: Step, subscription: Subscription, change_id: str, now: datetime) -> None:
    """Deliveries of the period that a change of rhythm begins are on an invoice beside that of the change,
    which did not wait for them; those that the old rhythm has charged are made as they were."""
    follow_services(step, subscription, now)
    period = subscription.billing.period(0)
    charges = deliveries_ahead(step, subscription, period)
    if charges:
        own_id = derived("inv", subscription.subscription_id, "services", change_id)
        rest = Period(start=now, end=period.end)
        add_lines(step, subscription, plan_of(step, subscription), rest, charges, own_id=own_id)


@carries_out(DELIVERY_JOB)
def deliver(step: Step, job: StoredJob, _: object) -> None:
    """The credits of one delivery, at its date or when its invoice lets them go, whichever is later."""
    subscription = step.work.subscription(job.payload["subscription_id"])
    service = service_named(subscription, job.payload["service_id"])
    number = job.payload["number"]
    if not subscription.live or service.state != "active":
        return
    if service.until is not None and job.due_at >= service.until:
        return
    if _is_made(subscription, service, job.due_at):
        _give_delivery(step, subscription, service, number)
        service = with_delivery(subscription, service, number)
    following = msgspec.structs.replace(service, delivered=number + 1)
    changed = step.work.subscriptions.put(with_service(subscription, following))
    next_job = delivery_job(changed, following, number + 1)
    if next_job is not None:
        step.decision.job(next_job)


def _is_made(subscription: Subscription, service: Service, at: datetime) -> bool:
    """Whether a delivery that is due is made: of a rhythm none while it is paused, nor past a period that
    nobody paid for. What was ordered once is made whenever it is due."""
    if service.schedule == "one_off":
        return True
    return subscription.state != "paused" and subscription.has_period_at(at)


def _give_delivery(step: Step, subscription: Subscription, service: Service, number: int) -> None:
    pack, plan = pack_of(step, service.pack_id), plan_of(step, subscription)
    own = delivery_grant(subscription, service, pack, number)
    if own.amount:
        invoice = None if service.bill_later else _invoice_of(step, subscription, service, pack, number)
        waits = not service.bill_later and must_wait(plan, invoice)
        sold = sold_share(step, invoice, (delivery_line_id(subscription, service, number),))
        cost = None if own.cost is None else own.cost.times(sold)
        own = msgspec.structs.replace(own, cost=cost)
        grant = grant_input_of(subscription, own, delivery_amount(service, pack, number), pending=waits)
        step.decision.command(subscription.account, CreateGrant(account=subscription.account, grant=grant))
        if waits:
            release_with(step, plan, invoice, subscription.account, own.grant_id)


def _invoice_of(step: Step, subscription: Subscription, service: Service, pack: Pack, number: int) -> Invoice:
    """The invoice that has the delivery; where its period had no line for it, one of its own."""
    line_id = delivery_line_id(subscription, service, number)
    known = invoice_with_line(step, subscription, line_id)
    if known is not None:
        return known
    charge = delivery_charge(subscription, service, pack, number)
    own_id = derived("inv", subscription.subscription_id, "delivery", service.service_id, number)
    plan = plan_of(step, subscription)
    return add_lines(step, subscription, plan, charge.period, [charge], own_id=own_id)


@handles(TerminateService, reread=_reread)
def terminate_service(step: Step, request: TerminateService) -> Subscription:
    """No further deliveries; what was delivered stays."""
    subscription = subscription_for(step, request.subscription_id)
    service = service_named(subscription, request.service_id)
    if service.state == "terminated":
        return subscription
    require_live(subscription)
    now = step.now_of(subscription.account)
    until = now if service.until is None else min(now, service.until)
    ended = msgspec.structs.replace(service, state="terminated", until=until)
    step.decision.notice(
        "subscription.service_terminated",
        subscription.account,
        key=f"subscription.service_terminated:{subscription.subscription_id}:{service.service_id}",
        subscription_id=subscription.subscription_id,
        service_id=service.service_id,
    )
    return step.work.subscriptions.put(with_service(subscription, ended))


@handles(AdjustDelivery, reread=_reread)
def adjust_delivery(step: Step, request: AdjustDelivery) -> Subscription:
    """A delivery to come has this amount; one that was made is replaced, what was used stays used."""
    subscription = subscription_for(step, request.subscription_id)
    service = service_named(subscription, request.service_id)
    if request.amount < 0 or request.number < 0:
        field = "amount" if request.amount < 0 else "number"
        raise errors.InvalidRequestError(f"{field}: must not be negative", field=field)
    if request.number > DELIVERIES_MAX:
        raise errors.InvalidRequestError(f"number: must be at most {DELIVERIES_MAX}", field="number")
    require_live(subscription)
    pack = pack_of(step, service.pack_id)
    units_from_credits(request.amount, step.engine.scale(pack.credit_type), "amount")
    before = delivery_amount(service, pack, request.number)
    if before == request.amount:
        return subscription
    if request.number < service.delivered:
        service = _replace_delivered(step, subscription, service, request, before)
    adjusted = {**service.adjusted, str(request.number): decimal_text(request.amount)}
    return step.work.subscriptions.put(
        with_service(subscription, msgspec.structs.replace(service, adjusted=adjusted))
    )


def _replace_delivered(
    step: Step, subscription: Subscription, service: Service, request: AdjustDelivery, before: Decimal
) -> Service:
    """The delivered grant has another amount, what was used of it stays used; the ledger shows the void and
    the grant. Each adjustment has its number, so that one that is repeated after a crash is the same."""
    base = delivery_grant_id(subscription, service, request.number)
    counter = f"{request.number}.times"
    times = int(service.adjusted.get(counter, "0"))
    old = _standing_for(step, subscription, base, derived(base, "adjusted", times) if times else base)
    before = Decimal(old.metadata.get(ALLOCATED, "") or before)
    # The price of a delivery stays what it was: what is not used up of it goes along, be it for more or less.
    cost = share_of_cost(old, old.remaining - old.held)
    grant = grant_input(
        derived(base, "adjusted", times + 1),
        old.credit_type,
        Formula(of=old.grant_id, minus=decimal_text(before - request.amount)),
        priority=old.priority,
        effective_at=old.effective_at,
        expires_at=old.expires_at,
        pending=old.state == "pending",
        category=old.category,
        source="subscription",
        source_reference=subscription.subscription_id,
        cost_minor=0 if cost is None else cost.minor,
        cost_currency="" if not cost else cost.currency,
        reason="delivery adjusted by hand",
        metadata={ADJUSTS: base},
    )
    step.require(
        subscription.account,
        VoidAndReplace(account=subscription.account, void=[old.grant_id], create=[grant]),
    )
    if grant.pending:
        release_instead(step, subscription.account, old.grant_id, grant.grant_id)
    return msgspec.structs.replace(service, adjusted={**service.adjusted, counter: str(times + 1)})


def _standing_for(step: Step, subscription: Subscription, base: str, grant_id: str) -> Grant:
    """The delivery's grant, or the rest of it that a credit note left."""
    for each in step.engine.grants(subscription.account):
        is_rest = each.metadata.get(ADJUSTS) == base and ALLOCATED in each.metadata
        if is_rest and each.state != "voided":
            return each
    return step.engine.grant(subscription.account, grant_id)


def require_live(subscription: Subscription) -> None:
    """Raises ``PreconditionError`` for one that has ended."""
    if not subscription.live:
        raise errors.PreconditionError(
            f"subscription {subscription.subscription_id!r} has ended", reason="SUBSCRIPTION_ENDED"
        )


def subscription_for(step: Step, subscription_id: str) -> Subscription:
    """One that the caller may see. Raises ``NotFoundError``, ``AccountNotFoundError``."""
    return step.subscription(subscription_id)
