"""Plans from and to a catalog file."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec

from drawdown import errors
from drawdown.catalog.catalog_file import CatalogChange
from drawdown.catalog.plan import Plan, check_plan, check_publishable, check_words
from drawdown.catalog.rate_card import RateCard
from drawdown.model.commands import Command
from drawdown.runtime.control.catalog_calls import as_written, priced_like, published
from drawdown.runtime.control.catalog_file_entry import Entry, Known, compared
from drawdown.runtime.control.step import Step


def plan_entry(step: Step, plan: Plan, known: Known) -> Entry:
    """Where the plan is archived and the file publishes it, the same content is its next version.

    Raises as creating and publishing the plan do, also for a state that is none.
    """
    check_words(plan)
    versions = step.work.plans.find(plan_id=plan.plan_id, order="version")
    latest = versions[-1] if versions else None
    # Nobody begins on an older version of what is archived either.
    left = [each for each in versions[:-1] if plan.state == "archived" and each.state != "archived"]
    # Rates beside a card are not dropped unseen: they differ from what is there, and are refused.
    wanted = msgspec.structs.replace(as_written(plan), rates=plan.rates)
    same = wanted if latest is None else priced_like(known.priced(latest), wanted)
    differs = latest is not None and as_written(latest) != same
    if plan.state == "published" and _is_in_force(versions, wanted):
        return Entry(CatalogChange(kind="plan", id=plan.plan_id, action="keep"))
    action = _plan_action(latest, plan, differs)
    if left and action == "keep":
        action = "archive"
    if action == "keep":
        # By whatever rules it was taken: a dump loads where it came from.
        return Entry(CatalogChange(kind="plan", id=plan.plan_id, action=action))
    if action != "archive":
        _check_file_plan(plan, known)
    becomes, group = _becomes(latest, wanted, plan.state, action, known)
    # A new version of a plan may bring its card's new prices, which the file need not name.
    fields, details = compared(None if latest is None else known.shown(latest), known.shown(becomes))
    change = CatalogChange(kind="plan", id=plan.plan_id, action=action, fields=fields, differences=details)
    if plan.state == "archived" and latest is not None and latest.version != becomes.version:
        left.append(latest)
    return Entry(change, group, partial(_store_plan, step, becomes, left))


def _is_in_force(versions: Sequence[Plan], wanted: Plan) -> bool:
    """Whether that is on sale already; a draft that waits behind it is not the file's."""
    on_sale = [each for each in versions if each.state == "published"]
    return bool(on_sale) and as_written(on_sale[-1]) == priced_like(on_sale[-1], wanted)


def _check_file_plan(plan: Plan, known: Known) -> None:
    """Whether the plan can be taken in its state. Raises as creating and publishing it do."""
    check_plan(plan)
    if plan.product_id not in known.products:
        raise errors.NotFoundError(
            f"plans: {plan.plan_id!r} names product {plan.product_id!r}, which there is not",
            reason="PRODUCT_UNKNOWN",
            field="product_id",
        )
    if plan.state == "published":
        check_publishable(plan)


def _store_plan(step: Step, plan: Plan, left: list[Plan]) -> None:
    """The version is there, and those it leaves are archived."""
    for each in left:
        step.work.plans.put(msgspec.structs.replace(each, state="archived"))
    step.work.plans.put(plan)


def _plan_action(latest: Plan | None, plan: Plan, differs: bool) -> str:
    if latest is None:
        return "create"
    if differs:
        return "change" if latest.state == "draft" else "new_version"
    if latest.state == plan.state or plan.state == "draft":
        return "keep"
    if plan.state == "archived":
        return "archive"
    return "publish" if latest.state == "draft" else "new_version"


def _becomes(
    latest: Plan | None, wanted: Plan, state: str, action: str, known: Known
) -> tuple[Plan, list[Command]]:
    """The version that the file asks for, in its state, and what the engine is told of it."""
    plan, group = wanted if latest is None else latest, list[Command]()
    if latest is not None and action in ("change", "new_version"):
        plan = msgspec.structs.replace(wanted, version=latest.version + (action == "new_version"))
    if state == "published" and plan.state == "draft":
        plan, group = published(plan, known.scale_of, known.card_of)
    if state == "archived":
        if plan.state == "draft":
            plan, group = _published_if_complete(plan, known)
        plan = msgspec.structs.replace(plan, state="archived")
    return plan, group


def _published_if_complete(plan: Plan, known: Known) -> tuple[Plan, list[Command]]:
    """As subscriptions from elsewhere may be on it; what never could be published is archived as it is."""
    try:
        return published(plan, known.scale_of, known.card_of)
    except errors.DrawdownError:
        return plan, []


def dumped_plans(plans: Iterable[Plan], cards: Mapping[str, RateCard]) -> tuple[Plan, ...]:
    """Of each plan what is on sale, else its newest version, as written; ``cards``: every version by its key.

    Elsewhere a card begins anew at its newest version: who is priced by an older one has its rates instead.
    """
    newest: dict[str, Plan] = {}
    for plan in plans:
        there = newest.get(plan.plan_id)
        if there is None or there.state != "published" or plan.state == "published":
            newest[plan.plan_id] = plan
    latest = {card.card_id: card for card in cards.values()}
    return tuple(_dumped(plan, cards, latest) for plan in newest.values())


def _dumped(plan: Plan, cards: Mapping[str, RateCard], latest: Mapping[str, RateCard]) -> Plan:
    written = msgspec.structs.replace(as_written(plan), state=plan.state)
    card = cards.get(plan.rate_card)
    if card is None:
        return written
    if plan.rate_table and card == latest[card.card_id]:
        return msgspec.structs.replace(written, rate_card=card.card_id)
    priced = msgspec.structs.replace(written, rate_card="", rates=card.rates)
    other = "" if card.credit_type == priced.burns else card.credit_type
    return msgspec.structs.replace(priced, rate_credit_type=other)
