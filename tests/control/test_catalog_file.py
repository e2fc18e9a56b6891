"""The catalog lives in a file: loaded, compared, dumped, through every door and both formats."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import msgspec
import pytest
from drawdown.catalog.toml_text import toml_text
from drawdown.cli.catalog_file_commands import content_of, text_of
from drawdown.client.interface import Database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..tidy.tree import ROOT
from .catalog_file_kills import NOBODY
from .conftest import SMALL, START
from .plans import published

Name = Callable[[str], str]

FILE = """
[[credit_types]]
name = "gems"
scale = 2

[[meters]]
key = "%(id)s-images"
unit = "image"
dimensions = ["size"]

[[rate_cards]]
card_id = "%(id)s-card"
credit_type = "gems"
rates = [
  { meter = "%(id)s-images", credits = "0.50" },
  { meter = "%(id)s-images", credits = "2", match = { size = "large" } },
]

[[products]]
product_id = "%(id)s"
name = "Images"

[[packs]]
pack_id = "%(id)s-pack"
name = "Twenty"
credit_type = "gems"
amount = "20"
prices = [{ currency = "USD", amount = "60" }]

[[plans]]
plan_id = "%(id)s-plan"
product_id = "%(id)s"
name = "Images monthly"
state = "published"
base_fee = [{ currency = "USD", amount = "12.50" }]
rate_card = "%(id)s-card"
[plans.credits]
credit_type = "gems"
amount = "100"
cadence = "monthly"
[plans.credits.lifetime]
count = 2
"""


def actions(diff: Any) -> dict[str, str]:
    return {f"{each.kind} {each.id}": each.action for each in diff.changes if each.action != "keep"}


def test_a_file_is_loaded_once_and_changed_by_new_versions(db: Database, name: Name, tmp_path: Path) -> None:
    """A dry run says what it would do; loading does it, once; a change is a new version."""
    key = name("shop")
    path = tmp_path / "catalog.toml"
    path.write_text(FILE % {"id": key}, "utf-8")
    content = content_of(path)
    expected = {
        f"meter {key}-images": "create",
        f"rate_card {key}-card": "create",
        f"product {key}": "create",
        f"pack {key}-pack": "create",
        f"plan {key}-plan": "create",
    }
    would = db.load_catalog(content, dry_run=True)
    assert actions(would).items() >= expected.items() and not would.applied
    assert not [plan for plan in db.plans() if plan.product_id == key]
    assert actions(db.load_catalog(content)).items() >= expected.items()
    assert not actions(db.load_catalog(content))
    plan = db.plan(f"{key}-plan")
    assert (plan.state, plan.version, plan.rate_card) == ("published", 1, f"{key}-card@1")

    content["plans"][0]["base_fee"][0]["amount"] = "15"
    assert actions(db.load_catalog(content)) == {f"plan {key}-plan": "new_version"}
    assert (db.plan(f"{key}-plan").version, db.plan(f"{key}-plan").base_fee[0].amount) == (2, Decimal(15))


def test_creating_never_overwrites_what_a_file_made(db: Database, name: Name) -> None:
    """The same content is the original; other content is refused, and its price stays."""
    pack = {
        "pack_id": name("pack"),
        "name": "Ten",
        "credit_type": "credits",
        "amount": "10",
        "prices": [{"currency": "USD", "amount": "5"}],
    }
    product = {"product_id": name("product"), "name": "Images"}
    assert db.load_catalog({"packs": [pack], "products": [product]}).applied
    with pytest.raises(drawdown.AlreadyExistsError):
        db.create_pack(name("pack"), name="Ten", amount="10", prices=[{"currency": "USD", "amount": "7"}])
    with pytest.raises(drawdown.AlreadyExistsError):
        db.create_product(name("product"), "Pictures")
    (there,) = [each for each in db.packs() if each.pack_id == name("pack")]
    assert there.prices[0].amount == 5
    assert db.create_pack(name("pack"), name="Ten", amount="10", prices=pack["prices"]) == there
    assert db.create_product(name("product"), "Images").name == "Images"


def test_a_repeated_creation_answers_what_a_file_changed_since(db: Database, name: Name) -> None:
    """A retry changes nothing back, and says the price that is in force."""
    first = [{"currency": "USD", "amount": "5"}]
    db.create_pack(name("pack"), name="Ten", amount="10", prices=first)
    changed = {"pack_id": name("pack"), "name": "Ten", "credit_type": "credits", "amount": "10"}
    db.load_catalog({"packs": [{**changed, "prices": [{"currency": "USD", "amount": "7"}]}]})
    assert db.create_pack(name("pack"), name="Ten", amount="10", prices=first).prices[0].amount == 7


@pytest.mark.parametrize("form", ["toml", "yaml"])
def test_what_is_dumped_loads_without_a_change(db: Database, name: Name, tmp_path: Path, form: str) -> None:
    """Every setting survives the way through the file."""
    published(
        db,
        name("plan"),
        trial={"days": 7, "credits": "5.25", "survives": True},
        overage={"prices": [{"currency": "USD", "model": "per_unit", "amount": "0.02"}], "cap": "50"},
        minimum_spend=[{"currency": "USD", "amount": "30"}],
        features={"sso": "true", "regions": "eu, us"},
        metadata={"note": 'quotes " and \\ and ü'},
    )
    path = tmp_path / f"catalog.{form}"
    path.write_text(text_of(db.dump_catalog(), form), "utf-8")
    assert not actions(db.load_catalog(content_of(path)))
    # For version control: what changes is a line of its own.
    assert max(map(len, path.read_text("utf-8").splitlines())) < 200


def test_a_dry_run_shows_each_value_before_and_after(db: Database, name: Name) -> None:
    """Where it stands, what it was and what it would be; nothing changes."""
    published(db, name("plan"), trial={"days": 7})
    (plan,) = [each for each in db.dump_catalog().plans if each.plan_id == name("plan")]
    wanted = msgspec.to_builtins(plan)
    wanted["base_fee"][0]["amount"] = "99.50"
    wanted["description"] = "For teams"
    del wanted["trial"]
    (change,) = db.load_catalog({"plans": [wanted]}, dry_run=True).changes
    assert (change.action, set(change.fields)) == ("new_version", {"base_fee", "description", "trial"})
    found = {each.place: (each.before, each.after) for each in change.differences}
    assert found["base_fee[0].amount"][1] == '"99.50"'
    assert found["description"] == ("", '"For teams"')
    assert found["trial.days"] == ("7", "")
    assert db.plan(name("plan")) == msgspec.structs.replace(db.plan(name("plan")), version=1)


def test_what_a_file_archives_is_archived_in_all_versions(db: Database, name: Name) -> None:
    """Nobody begins on an older version at its old price; loaded again it changes nothing."""
    published(db, name("plan"), fee="10")
    published(db, name("plan"), fee="99")
    written = msgspec.to_builtins(db.dump_catalog())
    (dumped,) = [each for each in written["plans"] if each["plan_id"] == name("plan")]
    content = {"plans": [{**dumped, "state": "archived"}], "products": written["products"]}
    for action in ("archive", "keep"):
        changes = db.load_catalog(content).changes
        assert [each.action for each in changes if each.kind == "plan"] == [action]
        states = [each.state for each in db.plans() if each.plan_id == name("plan")]
        assert states == ["archived", "archived"]


def test_a_new_version_that_a_file_archives_leaves_none_before_it(db: Database, name: Name) -> None:
    published(db, name("plan"), fee="10")
    written = msgspec.to_builtins(db.dump_catalog())
    (dumped,) = [each for each in written["plans"] if each["plan_id"] == name("plan")]
    content = {"plans": [{**dumped, "name": "Last", "state": "archived"}], "products": written["products"]}
    db.load_catalog(content)
    states = [(each.version, each.state) for each in db.plans() if each.plan_id == name("plan")]
    assert states == [(1, "archived"), (2, "archived")]


def test_a_dump_makes_the_same_catalog_elsewhere(tmp_path: Path) -> None:
    """In an empty folder, meters of every kind among it; dimensions may stand in any order."""
    content = {
        "credit_types": [{"name": "credits"}],
        "meters": [
            {"key": "users", "aggregation": "unique", "unique_of": "user", "dimensions": ["team", "model"]},
            {"key": "seats", "aggregation": "max", "unit": "seat"},
        ],
        "rate_cards": [
            {"card_id": "card", "credit_type": "credits", "rates": [{"meter": "users", "credits": "1"}]}
        ],
        "products": [{"product_id": "ai", "name": "AI"}],
    }
    with (
        drawdown.open(tmp_path / "one", **SMALL) as first,
        drawdown.open(tmp_path / "two", **SMALL) as second,
    ):
        first.load_catalog(content)
        assert not actions(first.load_catalog(content))
        dumped = first.dump_catalog()
        assert [each.unique_of for each in dumped.meters] == ["user", ""]
        second.load_catalog(msgspec.to_builtins(dumped))
        assert second.dump_catalog() == dumped
        content["meters"][0] = {**content["meters"][0], "unique_of": "seat"}  # type: ignore[index]
        with pytest.raises(drawdown.AlreadyExistsError, match="users"):
            first.load_catalog(content)


def test_one_wrong_thing_loads_nothing_that_is_sold(db: Database, name: Name, tmp_path: Path) -> None:
    key = name("shop")
    path = tmp_path / "catalog.toml"
    path.write_text((FILE % {"id": key}).replace('cadence = "monthly"', 'cadence = "daily"'), "utf-8")
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.load_catalog(content_of(path))
    assert raised.value.field == "credits.cadence"
    assert key not in {each.product_id for each in db.products()}
    assert f"{key}-pack" not in {each.pack_id for each in db.packs()}


def test_what_only_the_engine_can_judge_loads_nothing_either(
    db: Database, name: Name, tmp_path: Path
) -> None:
    """The last thing of a file is wrong by the engine's rules: it has not heard of the first ones."""
    key = name("shop")
    scale = 'name = "gems"\nscale = 2'
    good = (
        (FILE % {"id": key})
        .replace(scale, f'name = "{key}-type"\nscale = 3')
        .replace('"gems"', f'"{key}-type"')
    )
    another = good[good.index("[[plans]]") :].replace(f"{key}-plan", f"{key}-last")
    path = tmp_path / "catalog.toml"
    for wrong, with_what, field in (
        ('amount = "100"', 'amount = "0.0001"', "credits.amount"),
        (f'rate_card = "{key}-card"', f'rates = [{{ meter = "{key}-none", credits = "1" }}]', "meter"),
        (f"{key}-last", f"{key}-plan", "plans"),
    ):
        assert wrong in another
        path.write_text(good + another.replace(wrong, with_what), "utf-8")
        for dry_run in (True, False):
            with pytest.raises(drawdown.DrawdownError) as raised:
                db.load_catalog(content_of(path), dry_run=dry_run)
            assert raised.value.field == field, raised.value
        catalog = db.dump_catalog()
        assert f"{key}-type" not in {each.name for each in catalog.credit_types}
        assert f"{key}-images" not in {each.key for each in catalog.meters}
        assert key not in {each.product_id for each in catalog.products}
    path.write_text(good + another, "utf-8")
    assert {f"plan {key}-plan", f"plan {key}-last"} <= set(actions(db.load_catalog(content_of(path))))
    assert db.plan(f"{key}-last").rate_card == f"{key}-card@1"


def test_a_kill_anywhere_leaves_all_of_a_file_or_nothing(tmp_path: Path) -> None:
    """Killed at each point; opened again there is the whole file or none of it, in rows and in engine."""
    path = tmp_path / "catalog.toml"
    path.write_text(FILE % {"id": "shop"}, "utf-8")
    command = [sys.executable, "-m", "tests.control.catalog_file_kills", str(tmp_path), str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert msgspec.json.decode(done.stdout) == {
        "call.decided": False,
        "call.committed": True,
        "group.delivering": True,
        "group.applied": True,
        "groups.durable": True,
        NOBODY: True,
    }


@pytest.mark.parametrize("text", ["a = 1\nplans = x\n", "- a\n- b: [", "plans: 1.5"])
def test_a_file_that_cannot_be_read_says_where(text: str, tmp_path: Path) -> None:
    path = tmp_path / ("catalog.toml" if "=" in text else "catalog.yaml")
    path.write_text(text, "utf-8")
    if text == "plans: 1.5":
        assert content_of(path) == {"plans": "1.5"}
        return
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        content_of(path)
    assert raised.value.field == "file" and "line" in raised.value.message


_plain = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)


# How long a draw takes says how busy the machine is, nothing about the writer.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=8), _plain, max_size=5))
def test_the_toml_writer_is_read_back(content: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(content)) == content


@pytest.mark.behaviour("S3-10", "S3-15")
def test_a_subscription_keeps_the_rates_it_began_with(db: Database, account: str, name: Name) -> None:
    """The card's second version is for plans published later; who subscribed before pays the old rate."""
    first = db.put_rate_card(name("card"), rates=[{"meter": "calls", "credits": "2"}])
    plan = published(db, name("plan"), rates=[], rate_card=name("card"))
    assert (first.version, plan.rate_card) == (1, f"{name('card')}@1")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    assert db.record(account, "calls", quantity=1, time=START).charged == Decimal(2)
    second = db.put_rate_card(name("card"), rates=[{"meter": "calls", "credits": "3"}])
    assert second.version == 2
    assert db.record(account, "calls", quantity=1, time=START).charged == Decimal(2)
    later = published(db, name("later"), rates=[], rate_card=name("card"))
    assert db.record(account, "calls", quantity=1, time=START).charged == Decimal(2)
    db.cancel_subscription(name("sub"), when="now")
    db.subscribe(account, later.plan_id, subscription_id=name("second"))
    assert db.record(account, "calls", quantity=1, time=START).charged == Decimal(3)


def test_a_card_of_another_type_burns_that_type(db: Database, account: str, name: Name) -> None:
    """The plan gives credits, its card prices calls in minutes: a call takes minutes and no credits."""
    db.put_rate_card(name("card"), credit_type="minutes", rates=[{"meter": "calls", "credits": "2"}])
    plan = published(db, name("plan"), credits="10", rates=[], rate_card=name("card"))
    assert plan.rate_credit_type == "minutes"
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.create_grant(account, "minutes", amount="5", grant_id="minutes")
    for merged in (False, True):
        if merged:
            published(db, name("other"), rates=[{"meter": "tokens", "credits": "1"}])
            db.subscribe(account, name("other"), subscription_id=name("second"))
        assert db.record(account, "calls", quantity=1).charged == Decimal(2)
    assert db.balance(account, "minutes").available == Decimal(1)
    assert db.balance(account, "credits").available == Decimal(1010)


def test_prices_that_stand_twice_on_a_card_are_refused(db: Database, name: Name) -> None:
    rates = [{"meter": "calls", "credits": "2"}, {"meter": "calls", "credits": "3"}]
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.put_rate_card(name("card"), rates=rates)
    assert raised.value.field == "rates"
    assert name("card") not in {each.card_id for each in db.rate_cards()}


def test_the_newest_subscription_prices_a_meter_that_two_price(
    db: Database, account: str, name: Name
) -> None:
    """Each brings its own meters; where both price one, the newer wins."""
    published(
        db, name("one"), rates=[{"meter": "calls", "credits": "2"}, {"meter": "tokens", "credits": "1"}]
    )
    published(db, name("two"), rates=[{"meter": "calls", "credits": "5"}])
    db.subscribe(account, name("one"), subscription_id=name("first"))
    db.advance_clock(account, START.replace(hour=1))
    db.subscribe(account, name("two"), subscription_id=name("second"))
    now = START.replace(hour=1)
    assert db.record(account, "calls", quantity=1, time=now).charged == Decimal(5)
    assert db.record(account, "tokens", quantity=1, time=now).charged == Decimal(1)
    assert db.record(account, "calls", quantity=1, time=START).charged == Decimal(2)
    assert msgspec.json.encode(db.subscription(name("first")))
