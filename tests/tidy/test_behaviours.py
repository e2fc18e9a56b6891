"""Every numbered behaviour has a test that names it; those without one are listed, and only get fewer."""

from __future__ import annotations

import ast
from pathlib import Path

from .tree import ROOT, shown

HERE = Path(__file__).resolve().parent
BEHAVIOURS_COUNT = 159


def ids_in(name: str) -> list[str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def named_by_tests() -> dict[str, list[str]]:
    """Behaviour id to the tests whose ``behaviour`` mark names it."""
    named: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            for decorator in node.decorator_list:
                if not (
                    isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.behaviour"
                ):
                    continue
                for argument in decorator.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        named.setdefault(argument.value, []).append(f"{shown(path)}::{node.name}")
    return named


def test_the_list_of_behaviours_is_whole() -> None:
    """All numbered behaviours are on the list, each once."""
    every = ids_in("behaviours.txt")
    assert len(every) == len(set(every)) == BEHAVIOURS_COUNT


def test_every_behaviour_has_a_test_or_stands_on_the_list() -> None:
    """The list of missing ones is exact: it shrinks with each test that names one, and never grows."""
    every, missing, named = (
        set(ids_in("behaviours.txt")),
        set(ids_in("behaviours_missing.txt")),
        named_by_tests(),
    )
    unknown = sorted(set(named) - every)
    assert not unknown, f"tests name behaviours that do not exist: {unknown}"
    untested = sorted(every - set(named) - missing)
    assert not untested, f"behaviours lost their test: {untested}"
    stale = sorted(missing & set(named))
    assert not stale, f"these have a test now; take them off behaviours_missing.txt: {stale}"
    marks = sum(map(len, named.values()))
    print(f"{len(every) - len(missing)} of {len(every)} behaviours have a test, {marks} marks seen")
