"""The products of a catalog file are those that a call would make."""

from __future__ import annotations

from collections.abc import Callable

import drawdown
import pytest
from drawdown.client.interface import Database

from .plans import paid_plan

Name = Callable[[str], str]


@pytest.mark.parametrize("wrong", ["two\nlines", "x" * 300])
def test_a_products_id_is_judged_as_every_id_is(db: Database, wrong: str) -> None:
    for take in (
        lambda: db.create_product(wrong, "Images"),
        lambda: db.load_catalog({"products": [{"product_id": wrong, "name": "Images"}]}),
    ):
        with pytest.raises(drawdown.InvalidRequestError) as raised:
            take()
        assert raised.value.field == "product_id"
    assert wrong not in {each.product_id for each in db.products()}


def test_the_plan_of_new_accounts_is_there_or_in_the_file(db: Database, name: Name) -> None:
    """A plan that nobody knows would give new accounts nothing."""
    product = {"product_id": name("shop"), "name": "Shop", "signup_plan": name("plan")}
    with pytest.raises(drawdown.NotFoundError) as raised:
        db.load_catalog({"products": [product]}, dry_run=True)
    assert (raised.value.field, raised.value.reason) == ("signup_plan", "SIGNUP_PLAN_UNKNOWN")
    plan = {**paid_plan(name("plan")), "product_id": name("shop")}
    del plan["product"]
    db.load_catalog({"products": [product], "plans": [plan]})
    assert db.load_catalog({"products": [{**product, "name": "Other"}]}).applied
    # The other tests' new accounts are not to come to a plan.
    db.load_catalog({"products": [{**product, "signup_plan": ""}]})
