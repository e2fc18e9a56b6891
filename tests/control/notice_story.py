"""Stories that end in notices: what happens to an account, and what its feed must then say, each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drawdown.embedded import EmbeddedDatabase
from drawdown.notices import KINDS
from drawdown.payments import ChargeState, ScriptedProvider

from .waiting import wait_until

Facts = dict[str, str]
Told = tuple[str, Facts]
"""A kind, and what a receiver must at least learn from it."""


@dataclass(frozen=True)
class Scene:
    """An account on a clock of its own, whose customer has a card that pays."""

    db: EmbeddedDatabase
    account: str
    customer: str
    name: Callable[[str], str]

    @property
    def provider(self) -> ScriptedProvider:
        """Who is asked for money."""
        provider = self.db.payment_provider()
        assert isinstance(provider, ScriptedProvider)
        return provider

    def told(self, kind: str) -> list[Facts]:
        """What the account was told of the kind so far, in order."""
        page = self.db.notices(self.account, kinds=[kind], limit=1_000)
        assert not page.more
        return [each.data for each in page.notices]

    def until_told(self, kind: str, times: int) -> None:
        """Relay and scheduler tell beside the calls."""
        wait_until(lambda: len(self.told(kind)) >= times, 10)

    def called_back(self, key: str, state: ChargeState = ChargeState.SUCCEEDED) -> None:
        """The provider's last word on a charge comes twice."""
        body, headers = self.provider.finish(key, state)
        for _ in range(2):
            self.db.provider_callback(body.decode(), headers)


@dataclass(frozen=True)
class Story:
    """``play`` makes it happen and answers what must be told, in order within each kind."""

    title: str
    kinds: tuple[str, ...]
    play: Callable[[Scene], Sequence[Told]]


STORIES: list[Story] = []


def tells(*kinds: str) -> Callable[[Callable[[Scene], Sequence[Told]]], Callable[[Scene], Sequence[Told]]]:
    """The story makes these kinds happen, and answers every notice of them that its account gets."""
    assert set(kinds) <= set(KINDS)

    def put_down(play: Callable[[Scene], Sequence[Told]]) -> Callable[[Scene], Sequence[Told]]:
        STORIES.append(Story(title=play.__name__, kinds=kinds, play=play))
        return play

    return put_down
