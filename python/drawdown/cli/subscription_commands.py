"""``drawdown subscription`` and ``drawdown customer``: who is on what plan."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from drawdown.cli.options import (
    ApiKeyOption,
    DataOption,
    JsonOption,
    TargetOption,
    instant_from,
    open_database,
    pairs_from,
)
from drawdown.cli.output import console, print_json, print_table
from drawdown.subscriptions.subscription import Subscription

subscriptions = typer.Typer(help="Who is on what plan.", no_args_is_help=True)
customers = typer.Typer(help="Who buys.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(help="Subscription id.")]


@subscriptions.command("create")
def create(
    account: Annotated[str, typer.Argument(help="Account id.")],
    plan: Annotated[str, typer.Argument(help="Plan id.")],
    subscription_id: Annotated[
        str, typer.Option("--id", help="Your id of it; the same again changes nothing.")
    ],
    quantity: Annotated[int, typer.Option(help="Seats or units.")] = 1,
    payment_method: Annotated[str, typer.Option(help="At the payment provider.")] = "",
    currency: Annotated[str, typer.Option(help="Default: the customer's.")] = "",
    term: Annotated[int, typer.Option(help="Billing periods of a term; 0: none.")] = 0,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Put an account on a plan."""
    with open_database(data, target, api_key, create=False) as database:
        found = database.subscribe(
            account,
            plan,
            subscription_id=subscription_id,
            quantity=quantity,
            payment_method=payment_method,
            currency=currency,
            term=term,
        )
    _show(found, json)


@subscriptions.command("list")
def list_subscriptions(
    account: Annotated[str, typer.Option(help="Only of this account.")] = "",
    after: Annotated[str, typer.Option(help="Behind this id.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.")] = 100,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """List subscriptions by id."""
    with open_database(data, target, api_key, create=False) as database:
        found = database.subscriptions(account, after=after, limit=limit)
    if json:
        print_json(found)
        return
    print_table(
        "Subscriptions",
        ["subscription", "account", "plan", "version", "quantity", "state", "renews"],
        [
            (
                each.subscription_id,
                each.account,
                each.plan_id,
                each.version,
                each.quantity,
                each.state,
                each.billing.edge(each.billing_next) if each.live else None,
            )
            for each in found
        ],
    )


@subscriptions.command("show")
def show(
    subscription_id: IdArgument,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Show one subscription."""
    with open_database(data, target, api_key, create=False) as database:
        _show(database.subscription(subscription_id), json)


@subscriptions.command("change")
def change(
    subscription_id: IdArgument,
    plan: Annotated[str, typer.Argument(help="The new plan.")],
    change_id: Annotated[
        str, typer.Option("--id", help="Your id of the change; the same again changes nothing.")
    ] = "",
    quantity: Annotated[int, typer.Option(help="Seats or units.")] = 1,
    policy: Annotated[str, typer.Option(help="void_replace, keep_until_expiry or prorate.")] = "",
    when: Annotated[str, typer.Option(help="now or period_end.")] = "now",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would do now.")] = False,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Move a subscription to another plan or quantity."""
    with open_database(data, target, api_key, create=False) as database:
        if not dry_run:
            changed = database.change_plan(
                subscription_id,
                plan,
                change_id=change_id,
                quantity=quantity,
                policy=policy,
                when=when,
            )
            _show(changed, json)
            return
        preview = database.preview_change(subscription_id, plan, quantity=quantity, policy=policy)
    if json:
        print_json(preview)
        return
    rows: list[tuple[str, Any]] = [
        ("due now", str(preview.due_now)),
        ("policy", preview.policy),
        ("grants voided", preview.grants_voided),
        ("credits forfeited", preview.credits_forfeited),
        ("credits granted", preview.credits_granted),
    ]
    print_table(f"{subscription_id} to {plan}: nothing has changed", ["what", "value"], rows)


@subscriptions.command("cancel")
def cancel(
    subscription_id: IdArgument,
    when: Annotated[str, typer.Option(help="period_end or now.")] = "period_end",
    keep_credits: Annotated[
        bool, typer.Option("--keep-credits", help="Leave present credits to their own expiry.")
    ] = False,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """End a subscription."""
    with open_database(data, target, api_key, create=False) as database:
        _show(database.cancel_subscription(subscription_id, when=when, keep_credits=keep_credits), json)


@subscriptions.command("pause")
def pause(
    subscription_id: IdArgument,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Stop renewals until it is resumed."""
    with open_database(data, target, api_key, create=False) as database:
        _show(database.pause_subscription(subscription_id), json)


@subscriptions.command("resume")
def resume(
    subscription_id: IdArgument,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Go on with a paused subscription."""
    with open_database(data, target, api_key, create=False) as database:
        _show(database.resume_subscription(subscription_id), json)


@subscriptions.command("add-service")
def add_service(
    subscription_id: IdArgument,
    pack: Annotated[str, typer.Argument(help="Pack id.")],
    service_id: Annotated[str, typer.Option("--id", help="Your id of the service.")],
    schedule: Annotated[str, typer.Option(help="one_off, weekly or monthly.")] = "one_off",
    starts: Annotated[str | None, typer.Option("--from", help="First delivery; default now.")] = None,
    ends: Annotated[str | None, typer.Option("--to", help="No delivery at or after it.")] = None,
    quantity: Annotated[int, typer.Option(help="Packs per delivery.")] = 1,
    bill_later: Annotated[
        bool, typer.Option("--bill-later", help="Charge on the invoice after the delivery.")
    ] = False,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Deliver a pack on a schedule."""
    with open_database(data, target, api_key, create=False) as database:
        found = database.add_service(
            subscription_id,
            pack,
            service_id=service_id,
            schedule=schedule,
            starts_at=instant_from(starts, "from"),
            ends_at=instant_from(ends, "to"),
            quantity=quantity,
            bill_later=bill_later,
        )
        _show(found, json)


@subscriptions.command("terminate-service")
def terminate_service(
    subscription_id: IdArgument,
    service_id: Annotated[str, typer.Argument(help="Service id.")],
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Stop a service's deliveries, even if the subscription renews."""
    with open_database(data, target, api_key, create=False) as database:
        _show(database.terminate_service(subscription_id, service_id), json)


@customers.command("put")
def put_customer(
    customer_id: Annotated[str, typer.Argument(help="Customer id.")],
    facts: Annotated[
        list[str] | None,
        typer.Argument(help="FIELD=VALUE: name, email, currency, country, time_zone, payment_method …"),
    ] = None,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Create a customer or replace what is known about it."""
    with open_database(data, target, api_key) as database:
        found = database.put_customer(customer_id, **pairs_from(facts, "facts"))
    if json:
        print_json(found)
    else:
        console.print(f"customer {found.customer_id}: {found.currency}, {found.time_zone}", markup=False)


@customers.command("list")
def list_customers(
    prefix: Annotated[str, typer.Option(help="Only ids that begin so.")] = "",
    after: Annotated[str, typer.Option(help="Behind this id.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.")] = 100,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """List customers by id."""
    with open_database(data, target, api_key, create=False) as database:
        found = database.customers(prefix, after=after, limit=limit)
    if json:
        print_json(found)
        return
    print_table(
        "Customers",
        ["customer", "name", "currency", "country", "time zone", "payment method"],
        [
            (each.customer_id, each.name, each.currency, each.country, each.time_zone, each.payment_method)
            for each in found
        ],
        if_any=("name", "country", "payment method"),
    )


@customers.command("show")
def show_customer(
    customer_id: Annotated[str, typer.Argument(help="Customer id.")],
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Show what is known about a customer."""
    with open_database(data, target, api_key, create=False) as database:
        found = database.customer(customer_id)
    if json:
        print_json(found)
    else:
        print_table(f"Customer {customer_id}", ["what", "value"], msgspec.to_builtins(found).items())


@customers.command("erase")
def erase_customer(
    customer_id: Annotated[str, typer.Argument(help="Customer id.")],
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be had back.")] = False,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Forget who a customer was; its accounts are closed, their figures stay."""
    with open_database(data, target, api_key, create=False) as database:
        done = database.erase_customer(customer_id, confirm=yes)
    if json:
        print_json(done)
    else:
        console.print(
            f"customer {done.customer_id} is erased, in {done.texts} places beside its own row", markup=False
        )


def _show(found: Subscription, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    period = found.billing.period(max(0, found.billing_next - 1))
    rows: list[tuple[str, Any]] = [
        ("account", found.account),
        ("plan", f"{found.plan_id} version {found.version}"),
        ("quantity", found.quantity),
        ("state", found.state),
        ("billing period", f"{period.start:%Y-%m-%d %H:%M} – {period.end:%Y-%m-%d %H:%M} UTC"),
        ("renews by itself", found.auto_renew),
        ("ends", found.ends_at or found.ended_at),
        ("services", [each.service_id for each in found.services]),
    ]
    print_table(f"Subscription {found.subscription_id}", ["what", "value"], rows)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(subscriptions, name="subscription")
    app.add_typer(customers, name="customer")
