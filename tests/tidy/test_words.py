"""What no file of the project contains: paths of a machine, work marks, banned calls and words."""

from __future__ import annotations

import re

from .tree import PACKAGE, shown, sources, tracked

TEXT = (".py", ".pyi", ".rs", ".toml", ".md", ".proto", ".sh", ".txt", ".in", ".yml", ".json")
FILES_AT_LEAST = 60
# Spelt in pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile(r"(^|[^\w.])/(?:wo" + r"rk|ro" + r"ot|home/\w+|Users/\w+|tmp/te" + r"am)/")
WORK_MARKS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
SYNONYMS = re.compile(r"\b(?:wal" + r"lets?|tar" + r"iffs?|water" + r"fall)\b", re.IGNORECASE)
PICKLE = re.compile(r"^\s*(?:import|from)\s+(?:pick" + r"le|mar" + r"shal|she" + r"lve)\b", re.MULTILINE)

AUTHORS = re.compile(
    r"\b(?:clau" + r"de|anthro" + r"pic|chat" + r"gpt|co" + r"pilot|open" + r"ai)\b", re.IGNORECASE
)


def found(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    hits: list[str] = []
    for path in sources(*suffixes):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                hits.append(f"{shown(path)}:{number}: {line.strip()[:120]}")
    return hits


def test_no_path_of_a_machine() -> None:
    """The tree works on any machine: no absolute path of one stands in it."""
    assert len(sources(*TEXT)) >= FILES_AT_LEAST, "the guard saw too few files"
    assert not found(MACHINE_PATHS, *TEXT)


def test_no_tools_of_the_trade_are_named() -> None:
    """Files speak about the product, not about who or what wrote them."""
    assert not found(AUTHORS, *TEXT)


def test_no_work_marks_are_left() -> None:
    """Work that is open is an issue, not a mark in a source file."""
    assert not found(WORK_MARKS, ".py", ".pyi", ".rs", ".toml", ".proto", ".sh")


def test_no_synonyms_of_the_terms() -> None:
    """The terms of the glossary have no second names in code and schema."""
    assert not found(SYNONYMS, ".py", ".pyi", ".rs", ".proto")


def test_amounts_become_text_in_one_way() -> None:
    """``str`` and the JSON encoder write 0.000000001 as 1E-9, which no door takes back."""
    by_str = re.compile(r"\bstr\((?:credits_from_units|optional_credits)\(")
    encoded = re.compile(r"\bmsgspec\.json\.encode\(")
    assert not found(by_str, ".py")
    assert not [hit for hit in found(encoded, ".py") if hit.startswith("python/drawdown/cli/")]


def test_no_format_that_executes_code() -> None:
    """Nothing stored or sent is read by a format that can run code."""
    hits = [shown(path) for path in sources(".py") if PICKLE.search(path.read_text(encoding="utf-8"))]
    assert not hits


def test_no_module_is_a_drawer() -> None:
    """Every module is named by its concept."""
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager"}
    modules = [path for path in tracked() if path.suffix == ".py" and path.is_relative_to(PACKAGE)]
    assert modules
    assert not [shown(path) for path in modules if path.stem in drawers]
