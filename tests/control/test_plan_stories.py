"""Whatever a customer does, in whatever order: told in one go or in pieces, it comes to the same, and the
laws of ``plan_laws`` hold.

Many, and others each time:

    DRAWDOWN_PLAN_STORIES=3000 python -m pytest tests/control/test_plan_stories.py
"""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from .plan_laws import broken_laws
from .plan_stories import Step, prepare, state_of, stories, telling_of

QUICK = 12
ASKED = os.environ.get("DRAWDOWN_PLAN_STORIES")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan-stories") / "prepared"
    prepare(folder)
    return folder


def differences(plain: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What one state has and the other has not, by name."""
    found = []
    for name, of in plain.items():
        ours, theirs = (msgspec.to_builtins(each) for each in (of, other[name]))
        if ours != theirs:
            found += [f"{name}, in one go: {each}" for each in ours if each not in theirs]
            found += [f"{name}, in pieces: {each}" for each in theirs if each not in ours]
            found += [f"{name}: {ours} and {theirs}"] if not found else []
    return found


@given(story=stories)
@settings(
    max_examples=int(ASKED or QUICK),
    derandomize=ASKED is None,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    # A story is a second of work: only who asks for many has them made shorter.
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if ASKED else [])],
)
def test_a_story_in_pieces_is_the_story_in_one_go(prepared: Path, story: list[tuple[int, Step]]) -> None:
    number = next(_numbers)
    with telling_of(prepared, prepared.with_name(f"one-go-{number}")) as plain:
        plain.tell(story)
        wrong = broken_laws(plain.db, plain.now, plain.by_hand)
        assert not wrong, "\n".join(wrong)
        expected = state_of(plain)
    with telling_of(prepared, prepared.with_name(f"pieces-{number}"), random.Random(repr(story))) as pieces:
        pieces.tell(story)
        assert pieces.answers == plain.answers
        found = differences(expected, state_of(pieces))
        assert not found, "\n".join(found)
