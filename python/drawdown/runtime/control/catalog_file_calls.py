"""The catalog from and to a file, and rate cards."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from drawdown import errors
from drawdown.catalog.catalog_file import (
    CatalogChange,
    CatalogContent,
    CatalogDiff,
    CreditTypeEntry,
    MeterEntry,
    differing,
)
from drawdown.catalog.pack import Pack, check_pack
from drawdown.catalog.plan import Plan, check_plan, check_publishable
from drawdown.catalog.product import Product
from drawdown.catalog.rate_card import RateCard, check_card
from drawdown.catalog.requests import DumpCatalog, ListRateCards, LoadCatalog, PutRateCard, RateCards
from drawdown.model.commands import Command, CreateCreditType, CreateMeter
from drawdown.model.credits import require_scale
from drawdown.runtime.control.catalog_calls import as_written, latest_plan, publish
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.entitling import card_commands
from drawdown.subscriptions.identifiers import derived


class Entry(NamedTuple):
    """One thing of a file: what becomes of it, what the engine is told, and what is stored then."""

    change: CatalogChange
    commands: tuple[Command, ...] = ()
    store: Callable[[], object] = bool


@handles(PutRateCard)
def put_rate_card(step: Step, request: PutRateCard) -> RateCard:
    """The latest version has this content."""
    wanted = msgspec.structs.replace(request.rate_card, version=1, rate_table="")
    check_card(wanted)
    latest = _latest_card(step, wanted.card_id)
    if latest is not None and _card_as_written(latest) == wanted:
        return latest
    version = _next_version(step, wanted)
    step.require("", *card_commands(version.rate_table, version))
    return step.work.rate_cards.put(version)


def _next_version(step: Step, wanted: RateCard) -> RateCard:
    latest = _latest_card(step, wanted.card_id)
    version = 1 if latest is None else latest.version + 1
    table = derived("card", wanted.card_id, version)
    return msgspec.structs.replace(wanted, version=version, rate_table=table)


def _latest_card(step: Step, card_id: str) -> RateCard | None:
    found = step.work.rate_cards.find(card_id=card_id, order="version", descending=True, limit=1)
    return found[0] if found else None


def _card_as_written(card: RateCard) -> RateCard:
    return msgspec.structs.replace(card, version=1, rate_table="")


@handles(ListRateCards)
def list_rate_cards(step: Step, request: ListRateCards) -> RateCards:
    """Every version, in order of creation."""
    return RateCards(rate_cards=tuple(step.work.rate_cards.find(order="row")))


@handles(LoadCatalog)
def load_catalog(step: Step, request: LoadCatalog) -> CatalogDiff:
    """All of the file or, where one thing is wrong, nothing of it.

    Everything is judged before anything is applied, and what the engine judges goes there as one group.
    """
    content, dry_run = request.content, request.dry_run
    known_products = {each.product_id for each in content.products}
    entries = [
        *(_credit_type(step, each) for each in content.credit_types),
        *(_meter(step, each) for each in content.meters),
        *(_rate_card(step, each) for each in content.rate_cards),
        *(_product(step, each) for each in content.products),
        *(_pack(step, each) for each in content.packs),
        *(_plan(step, each, known_products) for each in content.plans),
    ]
    changing = [entry for entry in entries if entry.change.action != "keep"]
    if not dry_run:
        group = [command for entry in changing for command in entry.commands]
        if group:
            step.require("", *group)
        for entry in changing:
            entry.store()
    return CatalogDiff(changes=tuple(entry.change for entry in entries), applied=not dry_run)


def _credit_type(step: Step, entry: CreditTypeEntry) -> Entry:
    require_scale(entry.scale, "scale")
    known = {each.name: each.scale for each in step.engine.catalog().credit_types}
    if entry.name in known and known[entry.name] != entry.scale:
        raise errors.AlreadyExistsError(
            f"credit_types: {entry.name!r} has scale {known[entry.name]}, which is declared once",
            field="scale",
        )
    action = "keep" if entry.name in known else "create"
    change = CatalogChange(kind="credit_type", id=entry.name, action=action)
    return Entry(change, (CreateCreditType(name=entry.name, scale=entry.scale),))


def _meter(step: Step, entry: MeterEntry) -> Entry:
    require_scale(entry.quantity_scale, "quantity_scale")
    command = CreateMeter(
        key=entry.key,
        unit=entry.unit,
        quantity_scale=entry.quantity_scale,
        aggregation=entry.aggregation,
        dimensions=list(entry.dimensions),
        unique_of=entry.unique_of or None,
    )
    known = {each.key: each for each in step.engine.catalog().meters}.get(entry.key)
    if known is not None:
        same = (known.unit, known.quantity_scale, known.aggregation, tuple(known.dimensions)) == (
            entry.unit,
            entry.quantity_scale,
            entry.aggregation,
            entry.dimensions,
        )
        if not same:
            raise errors.AlreadyExistsError(
                f"meters: {entry.key!r} exists with other content, which is declared once", field="key"
            )
    action = "keep" if known is not None else "create"
    return Entry(CatalogChange(kind="meter", id=entry.key, action=action), (command,))


def _rate_card(step: Step, card: RateCard) -> Entry:
    check_card(card)
    latest = _latest_card(step, card.card_id)
    wanted = _card_as_written(card)
    fields = () if latest is None else differing(_card_as_written(latest), wanted)
    action = "create" if latest is None else "new_version" if fields else "keep"
    change = CatalogChange(kind="rate_card", id=card.card_id, action=action, fields=fields)
    version = _next_version(step, wanted)
    commands = tuple(card_commands(version.rate_table, version))
    return Entry(change, commands, lambda: step.work.rate_cards.put(version))


def _product(step: Step, product: Product) -> Entry:
    if not product.product_id or not product.name:
        raise errors.InvalidRequestError("products: each has product_id and name", field="name")
    known = step.work.products.get(product_id=product.product_id)
    fields = () if known is None else differing(known, product)
    action = "create" if known is None else "change" if fields else "keep"
    change = CatalogChange(kind="product", id=product.product_id, action=action, fields=fields)
    return Entry(change, store=lambda: step.work.products.put(product))


def _pack(step: Step, pack: Pack) -> Entry:
    check_pack(pack)
    known = step.work.packs.get(pack_id=pack.pack_id)
    fields = () if known is None else differing(known, pack)
    action = "create" if known is None else "change" if fields else "keep"
    change = CatalogChange(kind="pack", id=pack.pack_id, action=action, fields=fields)
    return Entry(change, store=lambda: step.work.packs.put(pack))


def _plan(step: Step, plan: Plan, known_products: set[str]) -> Entry:
    check_plan(plan)
    if plan.product_id not in known_products and step.work.products.get(product_id=plan.product_id) is None:
        raise errors.NotFoundError(
            f"plans: {plan.plan_id!r} names product {plan.product_id!r}, which there is not",
            reason="PRODUCT_UNKNOWN",
            field="product_id",
        )
    if plan.state == "published":
        check_publishable(plan)
    latest = latest_plan(step, plan.plan_id)
    wanted = as_written(plan)
    fields = () if latest is None else differing(as_written(latest), wanted)
    action = _plan_action(latest, plan, fields)
    change = CatalogChange(kind="plan", id=plan.plan_id, action=action, fields=fields)
    return Entry(change, store=lambda: _apply_plan(step, latest, wanted, plan.state, bool(fields)))


def _plan_action(latest: Plan | None, plan: Plan, fields: tuple[str, ...]) -> str:
    if latest is None:
        return "create"
    if fields:
        return "change" if latest.state == "draft" else "new_version"
    if latest.state == plan.state or plan.state == "draft":
        return "keep"
    return "publish" if plan.state == "published" else "archive"


def _apply_plan(step: Step, latest: Plan | None, wanted: Plan, state: str, differs: bool) -> None:
    plan = latest
    if latest is None:
        plan = step.work.plans.put(wanted)
    elif differs:
        version = latest.version + (latest.state != "draft")
        plan = step.work.plans.put(msgspec.structs.replace(wanted, version=version))
    assert plan is not None
    if state in ("published", "archived") and plan.state == "draft":
        plan = publish(step, plan)
    if state == "archived":
        step.work.plans.put(msgspec.structs.replace(plan, state="archived"))


@handles(DumpCatalog)
def dump_catalog(step: Step, request: DumpCatalog) -> CatalogContent:
    """What ``LoadCatalog`` would find nothing to change in."""
    catalog = step.engine.catalog()
    cards = {card.card_id: card for card in step.work.rate_cards.find(order="row")}
    plans = {plan.plan_id: plan for plan in step.work.plans.find(order="row")}
    return CatalogContent(
        credit_types=tuple(
            CreditTypeEntry(name=each.name, scale=each.scale) for each in catalog.credit_types
        ),
        meters=tuple(
            MeterEntry(
                key=each.key,
                unit=each.unit,
                quantity_scale=each.quantity_scale,
                aggregation=each.aggregation,
                dimensions=tuple(each.dimensions),
                unique_of=getattr(each, "unique_of", None) or "",
            )
            for each in catalog.meters
        ),
        rate_cards=tuple(_card_as_written(card) for card in cards.values()),
        products=tuple(step.work.products.find()),
        packs=tuple(step.work.packs.find()),
        plans=tuple(msgspec.structs.replace(as_written(plan), state=plan.state) for plan in plans.values()),
    )
