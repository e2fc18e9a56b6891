"""Huge pages are asked for once, and never against the caller's word."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawdown.runtime import memory


@pytest.fixture
def supported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    answer = tmp_path / "enabled"
    answer.write_text("always [madvise] never\n", encoding="ascii")
    monkeypatch.setattr(memory, "SUPPORT", answer)
    return answer


def test_the_heap_asks_for_huge_pages_beside_other_tunables(supported: Path) -> None:
    again = memory.environment_for_huge_pages({"GLIBC_TUNABLES": "glibc.malloc.check=0", "A": "1"})
    assert again == {"GLIBC_TUNABLES": "glibc.malloc.check=0:glibc.malloc.hugetlb=1", "A": "1"}
    assert memory.environment_for_huge_pages(again) is None


def test_the_callers_choice_stands(supported: Path) -> None:
    assert memory.environment_for_huge_pages({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}) is None


def test_nothing_is_changed_where_the_kernel_has_none(supported: Path) -> None:
    supported.write_text("always madvise [never]\n", encoding="ascii")
    assert memory.environment_for_huge_pages({}) is None
    supported.unlink()
    assert memory.environment_for_huge_pages({}) is None
