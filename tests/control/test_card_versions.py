"""Which version of a rate card prices a plan, by calls and by catalog files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import drawdown
import msgspec
import pytest
from drawdown.client.interface import Database

from .conftest import SMALL, prepare
from .plans import paid_plan, published
from .test_catalog_file import actions

Name = Callable[[str], str]


def test_a_plan_that_names_a_version_of_its_card_has_that_versions_prices(db: Database, name: Name) -> None:
    """By the call and by a file; with no version named it keeps the one it has until the version is named."""
    for credits in ("2", "30"):
        db.put_rate_card(name("card"), rates=[{"meter": "calls", "credits": credits}])
    card = {"rates": [], "rate_card": f"{name('card')}@1"}
    plan = published(db, name("plan"), **card)
    assert (plan.rate_card, plan.rates[0].credits) == (f"{name('card')}@1", 2)
    assert db.create_plan(**paid_plan(name("plan"), **{**card, "rate_card": name("card")})) == plan
    written = {**msgspec.to_builtins(plan), "plan_id": name("file"), "rates": []}
    assert actions(db.load_catalog({"plans": [written]})) == {f"plan {name('file')}": "create"}
    assert db.plan(name("file")).rates == plan.rates

    for wanted, action in ((f"{name('card')}@2", "new_version"), (name("card"), "keep")):
        (change,) = db.load_catalog({"plans": [{**written, "rate_card": wanted}]}).changes
        assert change.action == action
        there = db.plan(name("file"))
        assert (there.version, there.rate_card, there.rates[0].credits) == (2, f"{name('card')}@2", 30)
    assert published(db, name("plan"), **{**card, "rate_card": f"{name('card')}@2"}).version == 2


@pytest.mark.parametrize(
    ("version", "rates", "error"),
    [
        ("3", [], drawdown.NotFoundError),
        ("01", [], drawdown.InvalidRequestError),
        ("newest", [], drawdown.InvalidRequestError),
        ("1", [{"meter": "calls", "credits": "7"}], drawdown.InvalidRequestError),
    ],
)
def test_a_card_that_cannot_price_the_plan_is_refused(
    db: Database, name: Name, version: str, rates: list[Any], error: type[drawdown.DrawdownError]
) -> None:
    """A version that there is not, what is no version, and prices of the plan's own beside the card's."""
    db.put_rate_card(name("card"), rates=[{"meter": "calls", "credits": "2"}])
    settings = {"rates": rates, "rate_card": f"{name('card')}@{version}"}
    with pytest.raises(error) as raised:
        published(db, name("plan"), **settings)
    assert raised.value.field == "rate_card"
    written = {**paid_plan(name("file"), **settings), "product_id": "ai", "state": "published"}
    del written["product"]
    with pytest.raises(error) as raised:
        db.load_catalog({"plans": [written]})
    assert raised.value.field == "rate_card"


@pytest.mark.parametrize("state", ["published", "draft"])
def test_a_dry_run_shows_the_prices_that_a_new_version_takes_from_its_card(
    db: Database, name: Name, state: str
) -> None:
    """The file changes the description only; the card has moved on, and the new version with it."""
    db.put_rate_card(name("card"), rates=[{"meter": "calls", "credits": "2"}])
    plan = published(db, name("plan"), rates=[], rate_card=name("card"))
    db.put_rate_card(name("card"), credit_type="minutes", rates=[{"meter": "calls", "credits": "200"}])
    wanted = {**msgspec.to_builtins(plan), "description": "For teams", "rate_card": name("card"), "rates": []}
    content = {"plans": [{**wanted, "state": state}]}
    would = db.load_catalog(content, dry_run=True)
    (change,) = would.changes
    assert set(change.fields) == {"description", "rate_card", "rates", "rate_credit_type"}
    found = {each.place: (each.before, each.after) for each in change.differences}
    assert found == {
        "description": ("", '"For teams"'),
        "rate_card": (f'"{name("card")}@1"', f'"{name("card")}@2"'),
        "rates[0].credits": ('"2"', '"200"'),
        "rate_credit_type": ('"credits"', '"minutes"'),
    }
    assert db.load_catalog(content).changes == would.changes
    assert db.plans(plan.product_id)[-1].version == 2


def test_a_dry_run_shows_no_prices_where_the_card_stayed(db: Database, name: Name) -> None:
    db.put_rate_card(name("card"), rates=[{"meter": "calls", "credits": "2"}])
    plan = published(db, name("plan"), rates=[], rate_card=name("card"))
    wanted = {**msgspec.to_builtins(plan), "description": "For teams", "rate_card": name("card"), "rates": []}
    (change,) = db.load_catalog({"plans": [wanted]}, dry_run=True).changes
    assert change.fields == ("description",)


def test_a_dump_has_elsewhere_the_prices_that_it_has_here(tmp_path: Path) -> None:
    """Though the card has moved on, in another credit type too; here the dump changes nothing."""
    with (
        drawdown.open(tmp_path / "one", **SMALL) as first,
        drawdown.open(tmp_path / "two", **SMALL) as second,
    ):
        prepare(first)
        for card, types in (("own", ["credits", "credits"]), ("other", ["minutes", "credits"])):
            for credit_type, credits in zip(types, ("2", "200"), strict=True):
                rates = [{"meter": "calls", "credits": credits}]
                first.put_rate_card(card, credit_type=credit_type, rates=rates)
                if credits == "2":
                    published(first, card, rates=[], rate_card=card)
                    first.create_plan(**paid_plan(f"{card}-draft", rates=[], rate_card=f"{card}@1"))
        published(first, "newest", rates=[], rate_card="own")
        content = msgspec.to_builtins(first.dump_catalog())
        assert not actions(first.load_catalog(content))
        second.load_catalog(content)
        assert not actions(second.load_catalog(content))
        for plan_id, credits, burns in (
            ("own", 2, "credits"),
            ("other", 2, "minutes"),
            ("newest", 200, "credits"),
            ("own-draft", 2, "credits"),
            ("other-draft", 2, "minutes"),
        ):
            if plan_id.endswith("draft"):
                second.publish_plan(plan_id)
            there = second.plan(plan_id)
            assert (there.rates[0].credits, there.burns, there.state) == (credits, burns, "published")
        assert second.plan("newest").rate_card == "own@1"
