"""``drawdown notices`` and ``webhook``: what changed, and who is told."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import DatabaseOptions, JsonOption
from drawdown.cli.output import console, print_json, print_table, print_value, text_of
from drawdown.notices.endpoint import WebhookDelivery, WebhookEndpoint
from drawdown.notices.requests import FeedNotice

webhooks = CommandGroup(help="Notices sent to a URL, signed.")

EndpointArgument = Annotated[str, typer.Argument(help="Endpoint id.")]
KindOption = Annotated[
    list[str] | None, typer.Option("--kind", help="Like balance.low or grant.*; repeatable; default: all.")
]


def notices(
    account: Annotated[str, typer.Argument(help="Account id; none: all.")] = "",
    kinds: KindOption = None,
    after: Annotated[int | None, typer.Option(min=0, help="Only those after this cursor.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most this many.")] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing notices as they come.")
    ] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List what changed, oldest first, with the cursor to continue from. With --follow, keep printing."""
    with options.open() as database:
        if follow:
            with database.watch_notices(account, kinds=kinds or (), after=after) as watch:
                for notice in watch:
                    _print(notice, json)
            return
        page = database.notices(account, kinds=kinds or (), after=after or 0, limit=limit)
    if json:
        print_json(page)
        return
    rows = [
        (each.cursor, each.at, each.account, each.sequence, each.kind, _said(each)) for each in page.notices
    ]
    print_table("Notices", ["cursor", "at", "account", "number", "kind", "what"], rows)
    if page.more:
        console.print(f"more: --after {page.next}", markup=False)


def _print(notice: FeedNotice, as_json: bool) -> None:
    if as_json:
        print_json(notice)
        return
    console.print(
        f"{notice.cursor}  {text_of(notice.at)}  {notice.account}  {notice.kind}  {_said(notice)}",
        markup=False,
        soft_wrap=True,
    )


def _said(notice: FeedNotice) -> str:
    return " ".join(f"{name}={value}" for name, value in notice.data.items())


@webhooks.command("create")
def create(
    endpoint_id: EndpointArgument,
    url: Annotated[str, typer.Argument(help="HTTPS, to a public address.")],
    kinds: KindOption = None,
    prefix: Annotated[str, typer.Option(help="Only accounts whose id starts with this.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Send notices from now on. The secret that verifies them is printed only this once."""
    with options.open() as database:
        made = database.create_webhook_endpoint(endpoint_id, url, kinds=kinds or (), account_prefix=prefix)
    _show(made, json)


@webhooks.command("list")
def list_endpoints(
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List the endpoints."""
    with options.open() as database:
        found = database.webhook_endpoints()
    if json:
        print_json(found)
        return
    rows = [(e.endpoint_id, e.url, e.kinds or "all", e.account_prefix or None, e.enabled) for e in found]
    print_table("Webhook endpoints", ["endpoint", "url", "kinds", "accounts", "enabled"], rows)


@webhooks.command("update")
def update(
    endpoint_id: EndpointArgument,
    url: Annotated[str, typer.Option(help="Another URL.")] = "",
    kinds: KindOption = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="A disabled endpoint gets no notices.")
    ] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Change an endpoint; what is not given stays."""
    with options.open() as database:
        found = database.update_webhook_endpoint(endpoint_id, url=url, kinds=kinds or (), enabled=enabled)
    _show(found, json)


@webhooks.command("rotate")
def rotate(
    endpoint_id: EndpointArgument,
    overlap_s: Annotated[
        int, typer.Option(min=0, help="For how many seconds those before sign as well; 0: not any more.")
    ] = 86_400,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Make a new secret; it is printed only this once."""
    with options.open() as database:
        found = database.rotate_webhook_secret(endpoint_id, overlap_s=overlap_s)
    _show(found, json)


@webhooks.command("deliveries")
def deliveries(
    endpoint_id: EndpointArgument,
    state: Annotated[str, typer.Option(help="pending, delivered or parked.")] = "",
    after: Annotated[int, typer.Option(min=0, help="Only those after this one.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most this many.")] = 100,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List what was delivered to the endpoint, what is waiting and what was parked."""
    with options.open() as database:
        page = database.webhook_deliveries(endpoint_id, state=state, after=after, limit=limit)
    if json:
        print_json(page)
        return
    print_table(
        f"Deliveries to {endpoint_id}",
        ["notice", "kind", "account", "state", "attempts", "HTTP", "error", "next attempt"],
        [_delivery_row(each) for each in page.deliveries],
    )


def _delivery_row(each: WebhookDelivery) -> tuple[Any, ...]:
    waits = each.next_attempt_at if each.state == "pending" else None
    return (
        each.notice_id,
        each.kind,
        each.account,
        each.state,
        each.attempts,
        each.status or None,
        each.error or None,
        waits,
    )


@webhooks.command("redeliver")
def redeliver(
    endpoint_id: EndpointArgument,
    notice_id: Annotated[str, typer.Argument(help="Notice id.")],
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Send a notice once more, now."""
    with options.open() as database:
        found = database.redeliver(endpoint_id, notice_id)
    print_value(found, f"{found.notice_id} goes to {found.endpoint_id} again", json)


def _show(found: WebhookEndpoint, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows: list[tuple[str, Any]] = [
        ("url", found.url),
        ("kinds", found.kinds or "all"),
        ("accounts", found.account_prefix or "all"),
        ("enabled", found.enabled),
        ("secret", found.secret or None),
    ]
    print_table(
        f"Webhook endpoint {found.endpoint_id}",
        ["what", "value"],
        [row for row in rows if row[1] is not None],
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("notices")(notices)
    app.add_typer(webhooks, name="webhook")
