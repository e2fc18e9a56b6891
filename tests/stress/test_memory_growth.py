"""Whether the judge of the soak tells a leak from breathing, and says when it cannot."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.stress.memory_growth import BLOCKS_MIN, Sample, Verdict, growth, longest_life

MIB = 1 << 20
LIMIT = 1.0
LEVEL = 450 * MIB


def series(minutes: float, resident: Callable[[float], float], life: int = 0) -> list[Sample]:
    """A sample a second; ``resident`` in MiB at a time in hours."""
    return [
        Sample(float(second), life, int(resident(second / 3600) * MIB)) for second in range(int(minutes * 60))
    ]


def breath(seed: int, kept: float, wide: float) -> Callable[[], float]:
    """Noise that remembers: ``kept`` of it from one second to the next, ``wide`` MiB of it in all."""
    source = random.Random(seed)
    state = 0.0

    def following() -> float:
        nonlocal state
        state = kept * state + (1 - kept**2) ** 0.5 * source.gauss(0, wide)
        return state

    return following


def test_a_leak_of_5_percent_an_hour_is_found_under_noise() -> None:
    noise = breath(1, 0.9, 4.0)
    found = growth(series(120, lambda hour: 450 * (1 + 0.05 * hour) + noise()), 30.0)
    assert found.verdict(LIMIT) is Verdict.GROWS
    assert found.percent_per_hour == pytest.approx(5.0, abs=1.0)
    assert "grows" in found.complaints(LIMIT)[0]
    assert found.unshown(LIMIT) == []


def test_flat_memory_under_the_same_noise_is_told_to_be_flat() -> None:
    noise = breath(2, 0.9, 4.0)
    found = growth(series(120, lambda hour: 450 + noise()), 30.0)
    assert found.verdict(LIMIT) is Verdict.FLAT
    assert found.complaints(LIMIT) == found.unshown(LIMIT) == []
    assert found.level == pytest.approx(LEVEL, rel=0.01)


def test_a_leak_just_beyond_the_goal_is_hardly_ever_called_flat() -> None:
    """By design at most 1 time in 40, whatever the noise remembers."""
    wrong = 0
    for seed in range(100):
        noise = breath(seed, 0.97, 4.0)
        found = growth(series(60, lambda hour, noise=noise: 450 * (1 + 0.012 * hour) + noise()), 30.0)
        wrong += found.verdict(LIMIT) is Verdict.FLAT
    assert wrong <= 5


def test_a_run_that_is_too_short_for_its_noise_says_so() -> None:
    noise = breath(3, 0.99, 20.0)
    found = growth(series(12, lambda hour: 450 + noise()), 30.0)
    assert found.verdict(LIMIT) is Verdict.UNKNOWN
    assert found.complaints(LIMIT) == []
    assert "not long enough to tell" in found.unshown(LIMIT)[0]
    assert found.hours_wanted(LIMIT) > 3 * found.hours


def test_a_run_of_a_few_blocks_says_nothing_however_flat_it_looks() -> None:
    found = growth(series((BLOCKS_MIN - 1) * 0.75, lambda hour: 450.0), 30.0)
    assert found.verdict(LIMIT) is Verdict.UNKNOWN
    assert found.summary(LIMIT)["error"] is None
    assert found.complaints(LIMIT) == []
    assert "not long enough to tell" in found.unshown(LIMIT)[0]
    assert growth([], 30.0).verdict(LIMIT) is Verdict.UNKNOWN


def test_what_rises_and_falls_for_minutes_is_not_taken_for_many_observations() -> None:
    """Steps of five minutes: 30 blocks of half a minute are no 30 observations."""
    steps = [0.0, 25.0, -20.0, 30.0, -25.0, 10.0, -30.0, 20.0]
    found = growth(series(40, lambda hour: 450 + steps[int(hour * 12)]), 30.0)
    assert found.verdict(LIMIT) is Verdict.UNKNOWN


def test_spikes_do_not_move_the_slope() -> None:
    found = growth(series(40, lambda hour: 450 + (200.0 if round(hour * 3600) % 10 == 0 else 0.0)), 30.0)
    assert found.percent_per_hour == pytest.approx(0.0)
    assert found.verdict(LIMIT) is Verdict.FLAT


def test_warm_up_does_not_count() -> None:
    """The first third, or longer where it is known that a table still fills."""
    filling = series(60, lambda hour: 200 + min(hour * 60, 40) * 6)
    assert growth(filling, 30.0).verdict(LIMIT) is not Verdict.FLAT
    assert growth(filling, 30.0, warm_from_s=40 * 60).verdict(LIMIT) is Verdict.FLAT


def test_the_longest_life_is_judged() -> None:
    short, long = series(5, lambda hour: 700.0, life=0), series(30, lambda hour: 450.0, life=1)
    assert longest_life([*short, *long]) == long
    assert longest_life([]) == []
