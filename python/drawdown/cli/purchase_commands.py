"""``drawdown purchase`` and ``recharge``: credits for money."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from drawdown.billing.purchase import Purchase
from drawdown.billing.recharge_requests import Recharge
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption, money_from_text
from drawdown.cli.output import print_json, print_table

purchases = CommandGroup(help="Credits bought: by pack or by amount.")
recharges = CommandGroup(help="Automatic recharge below a threshold.")

PurchaseArgument = Annotated[str, typer.Argument(help="Purchase id.")]
CreditTypeArgument = Annotated[str, typer.Argument(help="Credit type.")]
IdOption = Annotated[str, typer.Option("--id", help="Purchase id: the same again buys nothing more.")]
MethodOption = Annotated[str, typer.Option(help="Payment method; default: the customer's.")]
LaterOption = Annotated[bool, typer.Option("--bill-later", help="Credits now, money on the next invoice.")]


@purchases.command("pack")
def buy_pack(
    account: AccountArgument,
    pack: Annotated[str, typer.Argument(help="Pack id.")],
    purchase_id: IdOption,
    quantity: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    payment_method: MethodOption = "",
    bill_later: LaterOption = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Buy packs: the payment is asked for at once, the credits are there when it succeeds."""
    with options.open() as database:
        bought = database.buy_pack(
            account,
            pack,
            purchase_id=purchase_id,
            quantity=quantity,
            payment_method=payment_method,
            bill_later=bill_later,
        )
    _show(bought, json)


@purchases.command("top-up")
def top_up(
    account: AccountArgument,
    credit_type: CreditTypeArgument,
    credits: Annotated[str, typer.Argument(help="Credits, a decimal.")],
    purchase_id: IdOption,
    payment_method: MethodOption = "",
    bill_later: LaterOption = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Buy an amount of credits at the top-up price of the account's plan."""
    with options.open() as database:
        bought = database.top_up(
            account,
            credit_type,
            credits,
            purchase_id=purchase_id,
            payment_method=payment_method,
            bill_later=bill_later,
        )
    _show(bought, json)


@purchases.command("show")
def show_purchase(
    purchase_id: PurchaseArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show a purchase and its state."""
    with options.open() as database:
        found = database.purchase(purchase_id)
    _show(found, json)


@purchases.command("list")
def list_purchases(
    account: AccountArgument,
    after: Annotated[str, typer.Option(help="Only those after this purchase.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most this many.")] = 100,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List an account's purchases, oldest first."""
    with options.open() as database:
        found = database.purchases(account, after=after, limit=limit)
    if json:
        print_json(found)
        return
    rows = [(p.purchase_id, p.kind, p.credits, p.credit_type, p.price, p.state, p.created_at) for p in found]
    print_table(
        f"Purchases of {account}", ["purchase", "kind", "credits", "type", "price", "state", "begun"], rows
    )


@purchases.command("refund")
def refund(
    purchase_id: PurchaseArgument,
    policy: Annotated[
        str, typer.Option(help="take_unspent, into_debt or freeze: what becomes of the credits.")
    ] = "take_unspent",
    amount: Annotated[str, typer.Option(help="Money like '12.50 USD'; default: what was paid.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Refund a purchase."""
    money = money_from_text(amount, "amount") if amount else None
    with options.open() as database:
        found = database.refund_purchase(purchase_id, policy=policy, amount=money)
    _show(found, json)


@purchases.command("mark-paid")
def mark_paid(
    purchase_id: PurchaseArgument,
    failed: Annotated[
        bool, typer.Option("--failed", help="It will not be paid; the provider stops its charge.")
    ] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Record that a purchase was paid, or will not be, where no provider reports it."""
    with options.open() as database:
        found = database.mark_purchase_paid(purchase_id, failed=failed)
    _show(found, json)


def _show(found: Purchase, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows: list[tuple[str, Any]] = [
        ("account", found.account),
        ("state", found.state + (f": {found.reason}" if found.reason else "")),
        ("credits", f"{found.credits:,f} {found.credit_type}"),
        ("price", found.price),
        ("charged", found.charged),
        ("invoice", found.invoice_id or None),
        ("pack", f"{found.quantity} × {found.pack_id}" if found.pack_id else None),
        ("to confirm at", found.action_url or None),
        ("refunded", found.refunded),
        ("begun", found.created_at),
    ]
    print_table(
        f"Purchase {found.purchase_id}", ["what", "value"], [row for row in rows if row[1] is not None]
    )


@recharges.command("set")
def set_recharge(
    account: AccountArgument,
    credit_type: CreditTypeArgument,
    threshold: Annotated[str, typer.Option(help="Fires when available is at or below this.")],
    to: Annotated[str | None, typer.Option(help="Buy as many credits as bring the balance to this.")] = None,
    amount: Annotated[str | None, typer.Option(help="Buy this many credits.")] = None,
    pack: Annotated[str, typer.Option(help="Buy this pack.")] = "",
    cap_count: Annotated[int | None, typer.Option(help="At most this many recharges a month.")] = None,
    cap_money: Annotated[str, typer.Option(help="At most this much money a month, like '200 USD'.")] = "",
    expires_after_days: Annotated[
        int | None, typer.Option(help="Days that the credits bought last; default: without end.")
    ] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Recharge automatically from now on, at once if due. Give one of --to, --amount and --pack."""
    given: dict[str, Any] = {
        "to": to,
        "amount": amount,
        "cap_count": cap_count,
        "cap_money": money_from_text(cap_money, "cap_money") if cap_money else None,
        "expires_after_days": expires_after_days,
    }
    rule: dict[str, Any] = {"threshold": threshold, "pack_id": pack}
    rule |= {name: value for name, value in given.items() if value is not None}
    with options.open() as database:
        found = database.set_recharge(account, credit_type, **rule)
    _show_recharge(found, json)


@recharges.command("off")
def switch_off(
    account: AccountArgument,
    credit_type: CreditTypeArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Stop recharging; the rule stays and ``on`` resumes it."""
    _switch(options, account, credit_type, enabled=False, as_json=json)


@recharges.command("on")
def switch_on(
    account: AccountArgument,
    credit_type: CreditTypeArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Resume recharging by the rule that is set, for example after a card failed; at once if due."""
    _switch(options, account, credit_type, enabled=True, as_json=json)


def _switch(
    options: DatabaseOptions, account: str, credit_type: str, *, enabled: bool, as_json: bool
) -> None:
    with options.open() as database:
        rule = database.recharge(account, credit_type).rule
        kept = {
            name: value
            for name, value in msgspec.structs.asdict(rule).items()
            if name not in ("account", "credit_type", "enabled") and value is not None
        }
        found = database.set_recharge(account, credit_type, enabled=enabled, **kept)
    _show_recharge(found, as_json)


@recharges.command("show")
def show_recharge(
    account: AccountArgument,
    credit_type: CreditTypeArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show the rule and its present state."""
    with options.open() as database:
        found = database.recharge(account, credit_type)
    _show_recharge(found, json)


def _show_recharge(found: Recharge, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rule, standing = found.rule, found.standing
    bought = f"pack {rule.pack_id}" if rule.pack_id else None
    if rule.to is not None:
        bought = f"up to {rule.to:,f}"
    elif rule.amount is not None:
        bought = f"{rule.amount:,f}"
    rows: list[tuple[str, Any]] = [
        ("enabled", rule.enabled),
        ("at or below", rule.threshold),
        ("buys", bought),
        ("recharges a month at most", rule.cap_count),
        ("money a month at most", rule.cap_money),
        ("credits last", None if rule.expires_after_days is None else f"{rule.expires_after_days} days"),
        ("this month", f"{standing.count}, for {standing.spent}" if standing.spent else None),
        ("state", standing.state + (f": {standing.reason}" if standing.reason else "")),
        ("on its way", standing.purchase_id or None),
    ]
    kept = [row for row in rows if row[1] is not None]
    print_table(f"Recharge of {rule.account}, {rule.credit_type}", ["what", "value"], kept)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(purchases, name="purchase")
    app.add_typer(recharges, name="recharge")
