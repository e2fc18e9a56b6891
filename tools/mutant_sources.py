"""Rust sources in which every condition is ready to be turned round: which one is, the environment says.

::

    if left < right && known {
    if (((if m(7) { left <= right } else { left < right }) != m(8)) && ((known) != m(9))) {

Each clause of a condition is one mutant, its opposite; each comparison in one another, with its bound moved
by one. All are in one build, which takes minutes, where a build for each would take days. Conditions over
several lines, with ``let``, or in functions that are constant or prefetch are left as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CONDITION = re.compile(r"\b(?:if|while) (?!let\b)")
COMPARISONS = {" < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > "}
JOINED = (" && ", " || ")
OPENING, CLOSING = "([{", ")]}"
# A planted bug is a condition of the build, and what is only asserted is a test.
LEFT_OUT = ("cfg!(", " let ", "debug_assert")
# What is constant cannot ask, and what only asks memory for something ahead changes nothing.
FUNCTION_LEFT_OUT = re.compile(r"\bconst (unsafe )?fn |\bfn prefetch")
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|//.*$')


@dataclass(frozen=True)
class Mutant:
    """One change that a test should notice."""

    number: int
    path: str
    line: int
    change: str


def at_depth_0(text: str, wanted: tuple[str, ...]) -> list[tuple[int, str]]:
    """Where which of the wanted stand outside of all brackets."""
    found, depth = [], 0
    for place, sign in enumerate(text):
        here = next((each for each in wanted if depth == 0 and text.startswith(each, place)), None)
        if here is not None:
            found.append((place, here))
        depth += (sign in OPENING) - (sign in CLOSING)
        if depth < 0:
            break
    return found


class Turned:
    """Mutants made so far, and the sources that have them."""

    def __init__(self, question: str) -> None:
        self.question = question
        """The function to ask, by its path from the sources that are changed."""
        self.mutants: list[Mutant] = []

    def source(self, text: str, path: str, first_test_line: int) -> str:
        """The file with its mutants; its lines keep their numbers."""
        lines, depth_left_out = text.split("\n"), 0
        for number, line in enumerate(lines, 1):
            if number >= first_test_line:
                break
            if depth_left_out or FUNCTION_LEFT_OUT.search(line):
                bare = TEXT.sub("", line)
                depth_left_out += bare.count("{") - bare.count("}")
                continue
            lines[number - 1] = self._line(line, path, number)
        return "\n".join(lines)

    def _line(self, line: str, path: str, number: int) -> str:
        # Of the same length, so that places are those of the line.
        bare = TEXT.sub(lambda text: "_" * len(text[0]), line)
        for start in reversed([match.end() for match in CONDITION.finditer(bare)]):
            ends = at_depth_0(bare[start:], (" {", " =>"))
            if not ends:
                continue
            end = start + ends[0][0]
            if any(word in f" {bare[start:end]}" for word in LEFT_OUT):
                continue
            line = line[:start] + self._condition(line[start:end], bare[start:end], path, number) + line[end:]
        return line

    def _condition(self, text: str, bare: str, path: str, number: int) -> str:
        joints = at_depth_0(bare, JOINED)
        starts = [0, *(place + len(joint) for place, joint in joints)]
        ends = [*(place for place, _ in joints), len(text)]
        clauses = [
            self._clause(text[start:end], bare[start:end], path, number)
            for start, end in zip(starts, ends, strict=True)
        ]
        joined = clauses[0]
        for (_, joint), clause in zip(joints, clauses[1:], strict=True):
            joined += joint + clause
        return joined if len(clauses) == 1 else f"({joined})"

    def _clause(self, text: str, bare: str, path: str, number: int) -> str:
        compared = at_depth_0(bare, tuple(COMPARISONS))
        inner = text
        if len(compared) == 1:
            (place, sign), *_ = compared
            moved = text[:place] + COMPARISONS[sign] + text[place + len(sign) :]
            asked = self._mutant(path, number, f"{text} → {moved}")
            inner = f"if {asked} {{ {moved} }} else {{ {text} }}"
        turned = self._mutant(path, number, f"not ({text})")
        return f"(({inner}) != {turned})"

    def _mutant(self, path: str, line: int, change: str) -> str:
        number = len(self.mutants) + 1
        self.mutants.append(Mutant(number, path, line, change))
        return f"{self.question}({number})"
