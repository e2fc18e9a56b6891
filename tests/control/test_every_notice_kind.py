"""Every kind of notice happens in a story and is in the feed: once, of its account, with its facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.notices import KINDS

from . import notice_stories_of_credits, notice_stories_of_money, notice_stories_of_subscriptions
from .conftest import SMALL, START, prepare
from .notice_story import STORIES, Facts, Scene, Story
from .plans import published
from .waiting import wait_until

__all__ = ["notice_stories_of_credits", "notice_stories_of_money", "notice_stories_of_subscriptions"]

Name = Callable[[str], str]


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedDatabase]:
    """A database whose every notice comes of these stories."""
    settings = {**SMALL, "runway_days": 5, "runway_interval_s": 1}
    with drawdown.open(tmp_path_factory.mktemp("kinds") / "data", **settings) as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        yield opened


@pytest.fixture
def scene(fed: EmbeddedDatabase, name: Name) -> Scene:
    fed.put_customer(name("customer"), payment_method="test_ok")
    fed.create_account(name("account"), customer_id=name("customer"), test_clock=START)
    return Scene(db=fed, account=name("account"), customer=name("customer"), name=name)


def test_every_kind_has_a_story() -> None:
    """A kind that nothing is seen to tell is a promise that nobody keeps."""
    told = {kind for story in STORIES for kind in story.kinds}
    assert sorted(set(KINDS) - told) == []


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title)
def test_what_happens_is_told_once_with_its_facts(story: Story, scene: Scene) -> None:
    # Of nobody there is nothing, behind all that is told so far.
    before = scene.db.notices(scene.name("nobody")).next
    expected: dict[str, list[Facts]] = {kind: [] for kind in story.kinds}
    for kind, facts in story.play(scene):
        expected[kind].append(facts)
    assert all(expected.values()), "the story tells nothing of a kind that it names"
    for kind, facts_told in expected.items():
        scene.until_told(kind, len(facts_told))
    until_the_relay_has_been_round(scene)
    for kind, facts_told in expected.items():
        agree(kind, scene.told(kind), facts_told)
    everything_is_told_to_whom_it_concerns(scene, before)


def test_an_approval_is_told_before_what_follows_from_it(scene: Scene) -> None:
    published(scene.db, scene.name("plan"), type="custom", release="on_approval")
    scene.db.subscribe(scene.account, scene.name("plan"), subscription_id=scene.name("sub"))
    scene.db.approve_invoice(scene.db.invoices(scene.account)[0].invoice_id)
    told = [each.kind for each in scene.db.notices(scene.account, kinds=["invoice.*", "payment.*"]).notices]
    assert told == [
        "invoice.created",
        "invoice.approved",
        "invoice.finalized",
        "payment.succeeded",
        "invoice.paid",
    ]


def test_grants_whose_ids_look_alike_are_each_told(scene: Scene) -> None:
    """An account and a grant in it may make up the same text as another account and its grant."""
    one, other = scene.account, f"{scene.account}:west"
    scene.db.create_account(other)
    scene.db.create_grant(one, "credits", "1", grant_id="west:g")
    scene.db.create_grant(other, "credits", "2", grant_id="g")
    until_the_relay_has_been_round(scene)
    for account, amount in ((one, "1"), (other, "2")):
        created = scene.db.notices(account, kinds=["grant.created"]).notices
        assert [each.data["amount"] for each in created] == [amount]


def until_the_relay_has_been_round(scene: Scene) -> None:
    """It reads the journal in order, crossings before grants: what the second grant follows is all told."""
    for number in range(2):
        account = scene.name(f"marker{number}")
        scene.db.create_account(account)
        scene.db.create_grant(account, "credits", "1", grant_id="marker")
        until_created(scene.db, account)


def until_created(db: EmbeddedDatabase, account: str) -> None:
    wait_until(lambda: db.notices(account, kinds=["grant.created"]).notices, 10)


def agree(kind: str, told: list[Facts], expected: list[Facts]) -> None:
    """As many as expected, in order, each with at least the facts expected of it."""
    assert len(told) == len(expected), f"{kind}: {told}"
    for data, facts in zip(told, expected, strict=True):
        assert {name: data.get(name, "(not told)") for name in facts} == facts, f"{kind}: {data}"


def everything_is_told_to_whom_it_concerns(scene: Scene, before: int) -> None:
    """Whatever a notice names is its account's own."""
    owner = {
        "subscription_id": lambda given: scene.db.subscription(given).account,
        "invoice_id": lambda given: scene.db.invoice(given).account,
        "purchase_id": lambda given: scene.db.purchase(given).account,
    }
    page = scene.db.notices(after=before, limit=1_000)
    assert not page.more and page.notices
    named = {
        (each.account, fact, each.data[fact])
        for each in page.notices
        for fact in owner.keys() & each.data.keys()
    }
    for account, fact, given in named:
        assert owner[fact](given) == account, f"{fact} {given}"
