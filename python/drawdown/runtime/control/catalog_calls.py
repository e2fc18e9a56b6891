"""Products, plans and packs: create, publish, archive, read."""

from collections.abc import Callable
from functools import partial

import msgspec

from drawdown import errors
from drawdown.catalog.pack import Pack, check_pack
from drawdown.catalog.plan import Plan, check_plan, check_publishable
from drawdown.catalog.product import Product, check_product
from drawdown.catalog.rate_card import RateCard
from drawdown.catalog.requests import (
    ArchivePlan,
    CreatePack,
    CreatePlan,
    CreateProduct,
    GetPlan,
    ListPacks,
    ListPlans,
    ListProducts,
    Packs,
    Plans,
    Products,
    PublishPlan,
)
from drawdown.model.commands import Command
from drawdown.model.credits import units_from_credits
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.tables.catalog import plan as plan_table
from drawdown.storage.sql.tables.catalog import rate_card as card_table
from drawdown.subscriptions.entitling import rate_commands, rate_table_name


@handles(CreateProduct)
def create_product(step: Step, request: CreateProduct) -> Product:
    """A product is known by its id; the answer is the product as it stands."""
    product = request.product
    check_product(product)
    known = step.work.products.get(product_id=product.product_id)
    if known is not None and known == product:
        return known
    if step.work.first_time(request, product.product_id, exists=known is not None):
        return step.work.products.put(product)
    # A catalog file may have changed it since.
    return known or product


@handles(ListProducts)
def list_products(step: Step, request: ListProducts) -> Products:
    """All products by id."""
    return Products(products=tuple(step.work.products.find()))


@handles(CreatePlan)
def create_plan(step: Step, request: CreatePlan) -> Plan:
    """A draft of version 1, or of the version after the latest.

    The same content as the latest version answers that; an id whose latest version is a draft of other
    content is ``ALREADY_EXISTS``.
    """
    check_plan(request.plan)
    wanted = as_written(request.plan)
    if step.work.products.get(product_id=wanted.product_id) is None:
        raise errors.NotFoundError(
            f"there is no product {wanted.product_id!r}; create it first",
            reason="PRODUCT_UNKNOWN",
            field="product_id",
        )
    latest = latest_plan(step, wanted.plan_id)
    if latest is not None:
        if as_written(latest) == priced_like(latest, wanted):
            return latest
        if latest.state == "draft":
            raise errors.AlreadyExistsError(
                f"plan {wanted.plan_id!r} has a draft of other content; publish it or use another id",
                field="plan_id",
            )
        wanted = msgspec.structs.replace(wanted, version=latest.version + 1)
    return step.work.plans.put(wanted)


@handles(PublishPlan)
def publish_plan(step: Step, request: PublishPlan) -> Plan:
    """From now on the version can be subscribed to and never changes."""
    plan = latest_plan(step, request.plan_id)
    if plan is None:
        raise _unknown(request.plan_id)
    if plan.state == "published":
        return plan
    if plan.state == "archived":
        raise errors.PreconditionError(
            f"plan {plan.plan_id!r} is archived; create its next version with other content,"
            " or load it as published from a catalog file",
            reason="PLAN_ARCHIVED",
        )
    plan, group = published(plan, step.engine.scale, partial(card_named, step))
    if group:
        step.command_if_taken("", *group)
    return step.work.plans.put(plan)


def published(
    plan: Plan, scale_of: Callable[[str], int], card_of: Callable[[str], RateCard]
) -> tuple[Plan, list[Command]]:
    """The draft in force: priced by the card it names, in its newest version where it names none.

    Its rates are the engine's.
    """
    # Drafts of earlier versions of the program were stored by fewer rules.
    check_plan(plan)
    check_publishable(plan)
    plan = _check_scales(plan, scale_of)
    if plan.rate_card:
        plan = priced_by(card_of(plan.rate_card), plan)
    group: list[Command] = []
    if plan.rates:
        table = rate_table_name(plan)
        group = rate_commands(table, plan)
        plan = msgspec.structs.replace(plan, rate_table=table)
    return msgspec.structs.replace(plan, state="published"), group


def priced_by(card: RateCard, plan: Plan) -> Plan:
    """The plan with the prices of this version of a card."""
    return msgspec.structs.replace(
        plan,
        rates=card.rates,
        rate_card=card.key,
        rate_credit_type=card.credit_type,
    )


def _check_scales(plan: Plan, scale_of: Callable[[str], int]) -> Plan:
    """The plan with the scale of its credit type, which every number of credits fits."""
    charge = plan.credits
    if charge is None:
        return plan
    scale = scale_of(charge.credit_type)
    units_from_credits(charge.amount, scale, "credits.amount")
    if plan.trial is not None:
        units_from_credits(plan.trial.credits, scale, "trial.credits")
    if plan.signup_grant is not None:
        units_from_credits(plan.signup_grant.amount, scale, "signup_grant.amount")
    cap = None if plan.overage is None else plan.overage.cap
    rolls = charge.rollover
    for field, amount in (
        ("overage.cap", cap),
        ("at_zero.limit", plan.at_zero.limit),
        ("credits.rollover.amount", None if rolls is None else rolls.amount),
        ("credits.rollover.min", None if rolls is None else rolls.min),
    ):
        if amount is not None:
            units_from_credits(amount, scale, field)
    return msgspec.structs.replace(plan, credit_scale=scale)


@handles(ArchivePlan)
def archive_plan(step: Step, request: ArchivePlan) -> Plan:
    """Nobody can begin on the plan any more."""
    plan = latest_plan(step, request.plan_id)
    if plan is None:
        raise _unknown(request.plan_id)
    for each in step.work.plans.find(plan_id=request.plan_id, order="version"):
        if each.state != "archived":
            plan = step.work.plans.put(msgspec.structs.replace(each, state="archived"))
    return plan


@handles(GetPlan)
def get_plan(step: Step, request: GetPlan) -> Plan:
    """A version, or the one in force."""
    if request.version:
        return step.work.plan(request.plan_id, request.version)
    return plan_in_force(step, request.plan_id)


@handles(ListPlans)
def list_plans(step: Step, request: ListPlans) -> Plans:
    """Every version, by order of creation."""
    where = [plan_table.c.product_id == request.product_id] if request.product_id else []
    return Plans(plans=tuple(step.work.plans.find(*where, order="row")))


@handles(CreatePack)
def create_pack(step: Step, request: CreatePack) -> Pack:
    """A pack is known by its id; the answer is the pack as it stands."""
    pack = request.pack
    check_pack(pack)
    units_from_credits(pack.amount, step.engine.scale(pack.credit_type), "amount")
    known = step.work.packs.get(pack_id=pack.pack_id)
    if known is not None and known == pack:
        return known
    if step.work.first_time(request, pack.pack_id, exists=known is not None):
        return step.work.packs.put(pack)
    # A catalog file may have changed it since.
    return known or pack


@handles(ListPacks)
def list_packs(step: Step, request: ListPacks) -> Packs:
    """All packs by id."""
    return Packs(packs=tuple(step.work.packs.find()))


def as_written(plan: Plan) -> Plan:
    """The plan as its author wrote it, without what publishing sets but for the version of its card."""
    return msgspec.structs.replace(
        plan,
        version=1,
        state="draft",
        rate_table="",
        rate_credit_type="" if plan.rate_card else plan.rate_credit_type,
        credit_scale=9,
        rates=() if plan.rate_card else plan.rates,
    )


def priced_like(there: Plan, wanted: Plan) -> Plan:
    """``wanted`` with the card's version that prices ``there``, where it asks for no other prices.

    A card that has moved on changes no plan; who wants its new prices names the version.
    """
    card, _, version = there.rate_card.partition("@")
    if version and there.rate_table and wanted.rate_card == card:
        return msgspec.structs.replace(wanted, rate_card=there.rate_card)
    is_same = bool(wanted.rates) and (wanted.rates, wanted.burns) == (there.rates, there.burns)
    if version and is_same and not wanted.rate_card:
        return msgspec.structs.replace(wanted, rate_card=there.rate_card, rates=(), rate_credit_type="")
    return wanted


def card_named(step: Step, name: str) -> RateCard:
    """The newest version of a card, or the one that ``card@2`` says. Raises ``NotFoundError``."""
    card_id, _, version = name.partition("@")
    where = [card_table.c.version == int(version)] if version else []
    found = step.work.rate_cards.find(*where, card_id=card_id, order="version", descending=True, limit=1)
    if not found:
        raise unknown_card(name)
    return found[0]


def unknown_card(card_id: str) -> errors.NotFoundError:
    """What is answered where there is no such card."""
    return errors.NotFoundError(
        f"there is no rate card {card_id[:128]!r}", reason="RATE_CARD_UNKNOWN", field="rate_card"
    )


def latest_plan(step: Step, plan_id: str) -> Plan | None:
    """The newest version of a plan, in whatever state."""
    found = step.work.plans.find(plan_id=plan_id, order="version", descending=True, limit=1)
    return found[0] if found else None


def plan_in_force(step: Step, plan_id: str) -> Plan:
    """The newest published version, else the newest of all. Raises ``NotFoundError``."""
    published = step.work.plans.find(
        plan_id=plan_id, state="published", order="version", descending=True, limit=1
    )
    if published:
        return published[0]
    latest = latest_plan(step, plan_id)
    if latest is None:
        raise _unknown(plan_id)
    return latest


def _unknown(plan_id: str) -> errors.NotFoundError:
    return errors.NotFoundError(f"there is no plan {plan_id[:128]!r}", reason="PLAN_UNKNOWN", field="plan_id")
