"""One round of every network fault between retrying clients and a real server."""

from __future__ import annotations

from tests.stress.network_faults import run


def test_a_broken_network_loses_and_doubles_nothing() -> None:
    said, counted = run(1, seed=7, fault_s=0.4, sound_s=0.2)
    assert said.wrong == []
    assert len(said.acknowledged) > 50
    assert sum(counted.values()) == len(said.times)
