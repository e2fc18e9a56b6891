"""What a catalog file says of a plan's state, and what becomes of the plan."""

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


def dumped(db: Database, plan_id: str, **changed: Any) -> dict[str, Any]:
    """The plan as the dump has it, with other values."""
    (plan,) = [each for each in db.dump_catalog().plans if each.plan_id == plan_id]
    return {**msgspec.to_builtins(plan), **changed}


def versions(db: Database, plan_id: str) -> list[tuple[int, str]]:
    return [(each.version, each.state) for each in db.plans() if each.plan_id == plan_id]


def test_an_archived_plan_that_a_file_publishes_is_sold_again_as_its_next_version(
    db: Database, account: str, name: Name
) -> None:
    """What the answer says is done, once."""
    published(db, name("plan"))
    db.archive_plan(name("plan"))
    content = {"plans": [dumped(db, name("plan"), state="published")]}
    would = db.load_catalog(content, dry_run=True)
    assert actions(would) == {f"plan {name('plan')}": "new_version"}
    assert db.load_catalog(content).changes == would.changes
    assert versions(db, name("plan")) == [(1, "archived"), (2, "published")]
    assert not actions(db.load_catalog(content))
    assert db.subscribe(account, name("plan"), subscription_id=name("sub")).version == 2


@pytest.mark.parametrize("there", [False, True])
def test_a_state_that_is_none_is_refused(db: Database, name: Name, there: bool) -> None:
    """A slip in the word is neither a draft nor an archived plan."""
    published(db, name("plan"))
    wrong = dumped(db, name("plan"), state="publised")
    if not there:
        wrong["plan_id"] = name("other")
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.load_catalog({"plans": [wrong]})
    assert raised.value.field == "state"
    assert (versions(db, name("plan")), versions(db, name("other"))) == ([(1, "published")], [])


def test_a_draft_that_waits_behind_what_is_on_sale_stays_behind(tmp_path: Path) -> None:
    """The dump has what is on sale, at its price, here and elsewhere; here the draft stays as it was."""
    with (
        drawdown.open(tmp_path / "one", **SMALL) as first,
        drawdown.open(tmp_path / "two", **SMALL) as second,
    ):
        prepare(first)
        published(first, "plan")
        first.create_plan(**paid_plan("plan", fee="30"))
        content = msgspec.to_builtins(first.dump_catalog())
        assert not actions(first.load_catalog(content))
        assert versions(first, "plan") == [(1, "published"), (2, "draft")]
        second.load_catalog(content)
        assert versions(second, "plan") == [(1, "published")]
        assert second.plan("plan").base_fee == first.plan("plan").base_fee
        draft = {**content["plans"][0], "base_fee": [{"currency": "USD", "amount": "30"}]}
        assert actions(first.load_catalog({"plans": [draft]})) == {"plan plan": "publish"}


def test_an_archived_draft_that_never_was_complete_keeps_no_file_from_loading(tmp_path: Path) -> None:
    """It is archived elsewhere too; a complete one is there with its prices."""
    with (
        drawdown.open(tmp_path / "one", **SMALL) as first,
        drawdown.open(tmp_path / "two", **SMALL) as second,
    ):
        prepare(first)
        first.create_plan(**paid_plan("incomplete", credits=None))
        first.create_plan(**paid_plan("complete"))
        content = msgspec.to_builtins(first.dump_catalog())
        for plan in content["plans"]:
            plan["state"] = "archived"
        assert set(actions(first.load_catalog(content)).values()) == {"archive"}
        for database in (first, second):
            database.load_catalog(content)
            assert not actions(database.load_catalog(content))
            assert {each.plan_id: each.state for each in database.plans()} == {
                "incomplete": "archived",
                "complete": "archived",
            }
        assert second.plan("complete").rate_table
