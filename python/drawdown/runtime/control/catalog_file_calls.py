"""The catalog from and to a file, and rate cards."""

from collections.abc import Sequence

import msgspec

from drawdown import errors
from drawdown.catalog.catalog_file import (
    CatalogChange,
    CatalogContent,
    CatalogDiff,
    CreditTypeEntry,
    MeterEntry,
)
from drawdown.catalog.pack import Pack, check_pack
from drawdown.catalog.product import Product, check_product
from drawdown.catalog.rate_card import RateCard, check_card
from drawdown.catalog.requests import DumpCatalog, ListRateCards, LoadCatalog, PutRateCard, RateCards
from drawdown.model.commands import CreateCreditType, CreateMeter
from drawdown.model.credits import require_scale, units_from_credits
from drawdown.model.results import Meter
from drawdown.runtime.control.catalog_calls import latest_plan
from drawdown.runtime.control.catalog_file_entry import Entry, Known, compared
from drawdown.runtime.control.catalog_file_plans import dumped_plans, plan_entry
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step, refusal
from drawdown.subscriptions.entitling import card_commands
from drawdown.subscriptions.identifiers import derived


@handles(PutRateCard)
def put_rate_card(step: Step, request: PutRateCard) -> RateCard:
    """The latest version has this content."""
    wanted = msgspec.structs.replace(request.rate_card, version=1, rate_table="")
    check_card(wanted)
    latest = _latest_card(step, wanted.card_id)
    if latest is not None and _card_as_written(latest) == wanted:
        return latest
    version = _next_version(step, wanted)
    step.command_if_taken("", *card_commands(version.rate_table, version))
    return step.work.rate_cards.put(version)


def _next_version(step: Step, wanted: RateCard) -> RateCard:
    return _version_after(_latest_card(step, wanted.card_id), wanted)


def _version_after(latest: RateCard | None, wanted: RateCard) -> RateCard:
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

    Everything is judged, by the engine too, before anything is applied; a dry run is judged alike. The rows
    and one group for the engine are one transaction: after a crash there is all of it or nothing.
    """
    content = request.content
    known = _known(step, content)
    entries = [
        *(_credit_type(step, each) for each in content.credit_types),
        *(_meter(step, each) for each in content.meters),
        *(_rate_card(step, each) for each in content.rate_cards),
        *(_product(step, each, content) for each in content.products),
        *(_pack(step, each, known) for each in content.packs),
        *(plan_entry(step, each, known) for each in content.plans),
    ]
    _check_once(entries)
    changing = [entry for entry in entries if entry.change.action != "keep"]
    group = [command for entry in changing for command in entry.commands]
    refused = step.would_refuse("", group) if group else None
    if refused is not None:
        raise refusal(refused[1])
    if not request.dry_run:
        if group:
            step.decision.command("", *group)
        for entry in changing:
            entry.store()
    return CatalogDiff(changes=tuple(entry.change for entry in entries), applied=not request.dry_run)


def _check_once(entries: Sequence[Entry]) -> None:
    seen: set[tuple[str, str]] = set()
    for change in (entry.change for entry in entries):
        if (change.kind, change.id) in seen:
            raise errors.InvalidRequestError(
                f"{change.kind}s: {change.id[:128]!r} occurs twice in the file", field=f"{change.kind}s"
            )
        seen.add((change.kind, change.id))


def _known(step: Step, content: CatalogContent) -> Known:
    """With the file as it will be."""
    scales = {each.name: each.scale for each in step.engine.catalog().credit_types}
    cards: dict[str, RateCard] = {}
    for card in step.work.rate_cards.find(order="row"):
        cards[card.card_id] = cards[card.key] = card
    for card in content.rate_cards:
        latest, wanted = cards.get(card.card_id), _card_as_written(card)
        if latest is None or _card_as_written(latest) != wanted:
            version = _version_after(latest, wanted)
            cards[card.card_id] = cards[version.key] = version
    return Known(
        {**scales, **{each.name: each.scale for each in content.credit_types}},
        cards,
        {each.product_id for each in (*content.products, *step.work.products.find())},
    )


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
    if known is not None and known != _meter_as_written(entry):
        raise errors.AlreadyExistsError(
            f"meters: {entry.key!r} exists with other content, which is declared once", field="key"
        )
    action = "keep" if known is not None else "create"
    return Entry(CatalogChange(kind="meter", id=entry.key, action=action), (command,))


def _meter_as_written(entry: MeterEntry) -> Meter:
    return Meter(
        key=entry.key,
        unit=entry.unit,
        quantity_scale=entry.quantity_scale,
        aggregation=entry.aggregation,
        # As the engine keeps them.
        dimensions=tuple(sorted(set(entry.dimensions))),
        unique_of=entry.unique_of,
    )


def _rate_card(step: Step, card: RateCard) -> Entry:
    check_card(card)
    latest = _latest_card(step, card.card_id)
    wanted = _card_as_written(card)
    fields, details = compared(None if latest is None else _card_as_written(latest), wanted)
    action = "create" if latest is None else "new_version" if fields else "keep"
    change = CatalogChange(
        kind="rate_card", id=card.card_id, action=action, fields=fields, differences=details
    )
    version = _next_version(step, wanted)
    commands = tuple(card_commands(version.rate_table, version))
    return Entry(change, commands, lambda: step.work.rate_cards.put(version))


def _product(step: Step, product: Product, content: CatalogContent) -> Entry:
    known = step.work.products.get(product_id=product.product_id)
    fields, details = compared(known, product)
    action = "create" if known is None else "change" if fields else "keep"
    if action != "keep":
        check_product(product)
        _check_signup_plan(step, product, content)
    change = CatalogChange(
        kind="product", id=product.product_id, action=action, fields=fields, differences=details
    )
    return Entry(change, store=lambda: step.work.products.put(product))


def _check_signup_plan(step: Step, product: Product, content: CatalogContent) -> None:
    plan_id = product.signup_plan
    in_file = plan_id in {each.plan_id for each in content.plans}
    if plan_id and not in_file and latest_plan(step, plan_id) is None:
        raise errors.NotFoundError(
            f"products: {product.product_id!r} gives new accounts plan {plan_id[:128]!r}, which there is not;"
            " name it under plans",
            reason="SIGNUP_PLAN_UNKNOWN",
            field="signup_plan",
        )


def _pack(step: Step, pack: Pack, known: Known) -> Entry:
    there = step.work.packs.get(pack_id=pack.pack_id)
    fields, details = compared(there, pack)
    action = "create" if there is None else "change" if fields else "keep"
    if action != "keep":
        check_pack(pack)
        units_from_credits(pack.amount, known.scale_of(pack.credit_type), "amount")
    change = CatalogChange(kind="pack", id=pack.pack_id, action=action, fields=fields, differences=details)
    return Entry(change, store=lambda: step.work.packs.put(pack))


@handles(DumpCatalog)
def dump_catalog(step: Step, request: DumpCatalog) -> CatalogContent:
    """What ``LoadCatalog`` would find nothing to change in, and makes the same prices elsewhere."""
    catalog = step.engine.catalog()
    versions = {card.key: card for card in step.work.rate_cards.find(order="row")}
    cards = {card.card_id: card for card in versions.values()}
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
                unique_of=each.unique_of,
            )
            for each in catalog.meters
        ),
        rate_cards=tuple(_card_as_written(card) for card in cards.values()),
        products=tuple(step.work.products.find()),
        packs=tuple(step.work.packs.find()),
        plans=dumped_plans(step.work.plans.find(order="row"), versions),
    )
