"""One round of the quick troubles with Redis; ``make stress`` has all of them, several times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stress.redis_faults import RedisFaults

QUICK = [
    "killed, back older",
    "out of memory",
    "connections cut",
    "cut before EXEC",
    "wrong password",
    "another store",
    "wrong types",
]


@pytest.mark.timeout(240)
def test_redis_may_do_what_it_likes(tmp_path: Path) -> None:
    found = RedisFaults(tmp_path)
    found.run(QUICK, hold_s=0.5)
    assert found.wrong == []
    assert [each.name for each in found.results] == QUICK
    assert all(each.healed_s is not None for each in found.results)
    # No longer than after any other trouble: a lost namespace is looked at again as soon.
    assert max(each.healed_s or 0 for each in found.results) < 20
    assert found.sent > 0
