"""``drawdown subscription`` and ``drawdown customer``: who is on what plan."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from drawdown.cli import service_commands
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption, pairs_from
from drawdown.cli.output import print_json, print_table, print_value
from drawdown.cli.subscription_table import IdArgument, show_subscription
from drawdown.errors import InvalidRequestError

subscriptions = CommandGroup(help="Who is on what plan.")
customers = CommandGroup(help="Who buys.")


@subscriptions.command("create")
def create(
    account: AccountArgument,
    plan: Annotated[str, typer.Argument(help="Plan id.")],
    subscription_id: Annotated[
        str, typer.Option("--id", help="Your id of it; the same again changes nothing.")
    ],
    quantity: Annotated[int, typer.Option(help="Seats or units.")] = 1,
    payment_method: Annotated[str, typer.Option(help="Payment method at the provider.")] = "",
    currency: Annotated[str, typer.Option(help="Default: the customer's.")] = "",
    term: Annotated[int, typer.Option(help="Billing periods of a term; 0: none.")] = 0,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Put an account on a plan."""
    with options.open() as database:
        found = database.subscribe(
            account,
            plan,
            subscription_id=subscription_id,
            quantity=quantity,
            payment_method=payment_method,
            currency=currency,
            term=term,
        )
    show_subscription(found, json)


@subscriptions.command("list")
def list_subscriptions(
    account: Annotated[str, typer.Option(help="Only of this account.")] = "",
    after: Annotated[str, typer.Option(help="Only ids after this one.")] = "",
    limit: Annotated[int, typer.Option(help="At most this many.")] = 100,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List subscriptions by id."""
    with options.open() as database:
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
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show one subscription."""
    with options.open() as database:
        show_subscription(database.subscription(subscription_id), json)


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
    payment_method: Annotated[str, typer.Option(help="Payment method; default: the present one.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what the change would do.")] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Move a subscription to another plan or quantity."""
    with options.open() as database:
        if not dry_run:
            changed = database.change_plan(
                subscription_id,
                plan,
                change_id=change_id,
                quantity=quantity,
                policy=policy,
                when=when,
                payment_method=payment_method,
            )
            show_subscription(changed, json)
            return
        preview = database.preview_change(subscription_id, plan, quantity=quantity, policy=policy, when=when)
    if json:
        print_json(preview)
        return
    rows: list[tuple[str, Any]] = [
        ("at", preview.effective_at),
        ("due now", str(preview.due_now)),
        *((each.description, str(each.amount)) for each in preview.charges),
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
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """End a subscription."""
    with options.open() as database:
        show_subscription(
            database.cancel_subscription(subscription_id, when=when, keep_credits=keep_credits), json
        )


@subscriptions.command("pause")
def pause(
    subscription_id: IdArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Pause a subscription: no renewals until it is resumed."""
    with options.open() as database:
        show_subscription(database.pause_subscription(subscription_id), json)


@subscriptions.command("resume")
def resume(
    subscription_id: IdArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Resume a paused subscription."""
    with options.open() as database:
        show_subscription(database.resume_subscription(subscription_id), json)


@subscriptions.command("auto-renew")
def auto_renew(
    subscription_id: IdArgument,
    switch: Annotated[str, typer.Argument(help="on or off.")],
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Set whether another period or term follows the present one."""
    if switch not in ("on", "off"):
        raise InvalidRequestError(f"switch: {switch!r} is neither on nor off", field="switch")
    with options.open() as database:
        show_subscription(database.set_auto_renew(subscription_id, switch == "on"), json)


@customers.command("put")
def put_customer(
    customer_id: Annotated[str, typer.Argument(help="Customer id.")],
    facts: Annotated[
        list[str] | None,
        typer.Argument(help="FIELD=VALUE: name, email, currency, country, time_zone, payment_method …"),
    ] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Create a customer or replace what is known about it."""
    with options.open(create=True) as database:
        found = database.put_customer(customer_id, **pairs_from(facts, "facts"))
    print_value(found, f"customer {found.customer_id}: {found.currency}, {found.time_zone}", json)


@customers.command("list")
def list_customers(
    prefix: Annotated[str, typer.Option(help="Only ids that start with this.")] = "",
    after: Annotated[str, typer.Option(help="Only ids after this one.")] = "",
    limit: Annotated[int, typer.Option(help="At most this many.")] = 100,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List customers by id."""
    with options.open() as database:
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
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show what is known about a customer."""
    with options.open() as database:
        found = database.customer(customer_id)
    if json:
        print_json(found)
    else:
        print_table(f"Customer {customer_id}", ["what", "value"], msgspec.to_builtins(found).items())


@customers.command("erase")
def erase_customer(
    customer_id: Annotated[str, typer.Argument(help="Customer id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Confirm: it cannot be undone.")] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Forget who a customer was; its accounts are closed, their figures stay."""
    with options.open() as database:
        done = database.erase_customer(customer_id, confirm=yes)
    print_value(
        done, f"customer {done.customer_id} is erased, in {done.texts} places besides its own row", json
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this file, and those on services."""
    service_commands.add_to(subscriptions)
    app.add_typer(subscriptions, name="subscription")
    app.add_typer(customers, name="customer")
