"""Services: packs on a subscription, delivered between From and To.

Delivery n is due at From + n × schedule while that is before To. A part month delivers in full. Money:
each delivery is one line, on the invoice of the billing period that holds it (in advance) or, bill-later,
once it is made, on the next invoice of the subscription.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from drawdown.catalog.pack import Pack, price_of_packs
from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.model.decision import Job
from drawdown.model.money import Money, zero
from drawdown.subscriptions.calendar import Interval, Period, Schedule, lifetime_end, step
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.identifiers import derived, lane_of
from drawdown.subscriptions.renewing import lifetime_of, price_of
from drawdown.subscriptions.subscription import OwnGrant, Service, Subscription

DELIVERY_JOB = "subscription.delivery"
# Ids of grants of deliveries begin so.
DELIVERY_GRANT: Final = "svc"
# Behind the opening of the period that begins at the same instant, which puts the delivery onto an invoice.
_DELIVERY_RANK: Final = 60
SCHEDULES: Final = {"one_off": None, "weekly": Interval(1, "week"), "monthly": Interval(1, "month")}


def schedule_of(schedule: str, start: datetime, zone: str) -> Schedule:
    """The edges of a service's deliveries. Raises ``InvalidRequestError`` naming ``schedule``."""
    if schedule not in SCHEDULES:
        raise InvalidRequestError(
            f"schedule: {schedule!r} is not one of {', '.join(SCHEDULES)}", field="schedule"
        )
    return Schedule(
        start=start, anchor=start, interval=SCHEDULES[schedule] or Interval(1, "month"), zone=zone
    )


def delivery_edge(service: Service, number: int) -> datetime | None:
    """When delivery ``number`` is due; ``None`` where there is none."""
    if service.schedule == "one_off" and number > 0:
        return None
    edge = service.deliveries.edge(number)
    if service.until is not None and edge >= service.until:
        return None
    return edge


def deliveries_in(service: Service, period: Period) -> list[int]:
    """Numbers of the deliveries due inside a period."""
    number = max(0, service.deliveries.number_at(period.start))
    found = []
    while (edge := delivery_edge(service, number)) is not None and edge < period.end:
        if edge >= period.start:
            found.append(number)
        number += 1
    return found


def delivery_amount(service: Service, pack: Pack, number: int) -> Decimal:
    """Credits of a delivery: the pack's, or what was set by hand."""
    by_hand = service.adjusted.get(str(number))
    return pack.amount * service.quantity if by_hand is None else Decimal(by_hand)


def delivery_price(subscription: Subscription, service: Service, pack: Pack) -> Money:
    """What one delivery costs. Raises ``PreconditionError`` where there is no price in the currency."""
    price = price_of(pack.prices, subscription, "pack.prices", f"pack {pack.pack_id!r}")
    if price is None:
        return zero(subscription.currency)
    return price_of_packs(price, service.quantity)


def delivery_charges(
    subscription: Subscription, service: Service, pack: Pack, period: Period
) -> list[Charge]:
    """One line per delivery to come inside the period, of a service that is paid in advance."""
    if service.bill_later or service.state != "active":
        return []
    start = period.start if service.charged_until is None else max(period.start, service.charged_until)
    return [
        delivery_charge(subscription, service, pack, number)
        for number in deliveries_in(service, Period(start=start, end=period.end))
        if number >= service.delivered
    ]


def made_charges(subscription: Subscription, service: Service, pack: Pack) -> list[Charge]:
    """One line per delivery that was made and is billed later, whatever its service does by now."""
    numbers = _unbilled(subscription, service) if service.bill_later else ()
    return [delivery_charge(subscription, service, pack, number) for number in numbers]


def _unbilled(subscription: Subscription, service: Service) -> tuple[int, ...]:
    if service.unbilled is not None:
        return service.unbilled
    opened = subscription.billing.period(max(0, subscription.billing_next - 1))
    return tuple(number for number in deliveries_in(service, opened) if number < service.delivered)


def with_delivery(subscription: Subscription, service: Service, number: int) -> Service:
    """The service when delivery ``number`` was made: one that is billed later is still to be billed."""
    if not service.bill_later:
        return service
    return msgspec.structs.replace(service, unbilled=(*_unbilled(subscription, service), number))


def with_all_billed(subscription: Subscription) -> Subscription:
    """The subscription when an invoice has every delivery that was made."""
    return _with_each(subscription, lambda service: msgspec.structs.replace(service, unbilled=()))


def with_charged_until(subscription: Subscription, until: datetime) -> Subscription:
    """The subscription when its rhythm changes: deliveries before ``until`` are on its invoices so far."""

    def charged(service: Service) -> Service:
        return msgspec.structs.replace(service, charged_until=max(service.charged_until or until, until))

    return _with_each(subscription, charged)


def _with_each(subscription: Subscription, change: Callable[[Service], Service]) -> Subscription:
    return msgspec.structs.replace(subscription, services=tuple(map(change, subscription.services)))


def delivery_line_id(subscription: Subscription, service: Service, number: int) -> str:
    """The line of delivery ``number``, whichever invoice has it."""
    return f"{subscription.subscription_id}:service:{service.service_id}:{number}"


def delivery_charge(subscription: Subscription, service: Service, pack: Pack, number: int) -> Charge:
    """What delivery ``number`` costs."""
    edge = service.deliveries.edge(number)
    end = (
        service.deliveries.edge(number + 1) if service.schedule != "one_off" else _one_off_end(service, pack)
    )
    return Charge(
        charge_id=delivery_line_id(subscription, service, number),
        kind="pack",
        description=f"{pack.name}, {edge:%Y-%m-%d}",
        amount=delivery_price(subscription, service, pack),
        quantity=Decimal(service.quantity),
        period=Period(start=edge, end=end),
        subscription_id=subscription.subscription_id,
        plan_key=f"{subscription.plan_id}@{subscription.version}",
        reference=pack.pack_id,
        in_advance=not service.bill_later,
    )


def _one_off_end(service: Service, pack: Pack) -> datetime:
    lifetime = lifetime_of(pack.lifetime) or Interval(1, "month")
    return step(service.deliveries.start, 1, lifetime, service.deliveries.zone)


def delivery_grant(subscription: Subscription, service: Service, pack: Pack, number: int) -> OwnGrant:
    """The grant of a delivery; its lifetime is the pack's."""
    edge = service.deliveries.edge(number)
    lifetime = lifetime_of(pack.lifetime)
    return OwnGrant(
        grant_id=delivery_grant_id(subscription, service, number),
        credit_type=pack.credit_type,
        amount=delivery_amount(service, pack, number),
        period=Period(start=edge, end=service.deliveries.edge(number + 1)),
        expires_at=lifetime_end(service.deliveries, number, lifetime, cadence_default=False),
        priority=pack.priority,
        cost=None if pack.category == "promotional" else delivery_price(subscription, service, pack),
        kind="service",
    )


def delivery_grant_id(subscription: Subscription, service: Service, number: int) -> str:
    """The grant of delivery ``number``."""
    return derived(DELIVERY_GRANT, subscription.subscription_id, service.service_id, number)


def delivery_job(subscription: Subscription, service: Service, number: int) -> Job | None:
    """The delivery as work, due at its edge; ``None`` where there is none."""
    edge = delivery_edge(service, number)
    if edge is None:
        return None
    return Job(
        kind=DELIVERY_JOB,
        key=f"{DELIVERY_JOB}:{subscription.subscription_id}:{service.service_id}:{number}",
        lane=lane_of(subscription.account),
        account=subscription.account,
        due_at=edge,
        rank=_DELIVERY_RANK,
        payload={
            "subscription_id": subscription.subscription_id,
            "service_id": service.service_id,
            "number": number,
        },
    )


def service_named(subscription: Subscription, service_id: str) -> Service:
    """One service. Raises ``PreconditionError`` naming the field."""
    for service in subscription.services:
        if service.service_id == service_id:
            return service
    raise PreconditionError(
        f"subscription {subscription.subscription_id!r} has no service {service_id!r}",
        reason="SERVICE_UNKNOWN",
        field="service_id",
    )


def with_service(subscription: Subscription, service: Service) -> Subscription:
    """The subscription with this service instead of the one of its id."""
    others = [each for each in subscription.services if each.service_id != service.service_id]
    return msgspec.structs.replace(subscription, services=(*others, service))


def extended(subscription: Subscription, old_end: datetime, new_end: datetime) -> Subscription:
    """A term with another end carries on every service that ended with it for want of a To of its own and
    was not terminated."""

    def carried_on(service: Service) -> Service:
        if service.state != "active" or service.until_given or service.until != old_end:
            return service
        return msgspec.structs.replace(service, until=new_end)

    return _with_each(subscription, carried_on)


def following_delivery(subscription: Subscription, service: Service, since: datetime) -> Job | None:
    """The first delivery at or after ``since`` that was not made yet; ``None`` where there is none."""
    if service.state != "active":
        return None
    number = max(0, service.deliveries.number_at(since))
    number += service.deliveries.edge(number) < since
    return delivery_job(subscription, service, max(number, service.delivered))
