"""The quick tier of the hostile cases; ``make stress`` runs all of them, twenty times as large."""

from __future__ import annotations

import pytest

from tests.stress.hostile.case import CASES
from tests.stress.hostile.run import Outcome, judged, run

QUICK = [each for each in CASES.values() if each.quick]


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """All quick cases in turn against one server, an honest client beside them."""
    return run(QUICK, scale=1, alone_s=0.5)


def test_there_are_cases_of_every_kind() -> None:
    assert len(CASES) >= 100
    assert len(QUICK) >= 20
    assert all(each.says for each in CASES.values())


@pytest.mark.parametrize("name", [each.name for each in QUICK])
def test_hostile(outcome: Outcome, name: str) -> None:
    assert name in outcome.seconds, outcome.failed
    assert name not in outcome.failed, outcome.failed[name]


def test_the_honest_client_and_the_books_are_as_they_should_be(outcome: Outcome) -> None:
    assert judged(outcome) == []
    assert int(str(outcome.beside["calls"])) > 50
