"""What ``make mutants`` changes: each clause and each bound once, and nothing that would not compile."""

import pytest

from .tool_modules import tool_module

NEVER = 1 << 30


def turned(text: str, first_test_line: int = NEVER) -> tuple[str, list[str]]:
    """The text with its mutants, and what these are."""
    made = tool_module("mutant_sources").Turned("m")
    return made.source(text, "a.rs", first_test_line), [each.change for each in made.mutants]


def test_each_clause_is_its_opposite_once_and_each_bound_is_moved_once() -> None:
    text, changes = turned("    if left < right && has(a > b) {")
    assert text == (
        "    if (((if m(1) { left <= right } else { left < right }) != m(2)) && ((has(a > b)) != m(3))) {"
    )
    assert changes == ["left < right → left <= right", "not (left < right)", "not (has(a > b))"]


@pytest.mark.parametrize(
    "line",
    [
        "if let Some(found) = seen {",
        "if known && let Some(found) = seen {",
        'if cfg!(feature = "planted-bug") {',
        "// if it were so {",
        'let text = "if it were so {";',
        "if it_goes_on_in_the_next_line",
        "    fn prefetch_slot(&self) { if a > 1 { self.ask(); } }",
        "    const fn is(a: u8) -> bool { if a > 1 { true } else { false } }",
    ],
)
def test_what_would_not_compile_or_says_nothing_is_left_as_it_is(line: str) -> None:
    assert turned(line) == (line, [])


def test_a_constant_function_ends_and_tests_are_no_sources() -> None:
    lines = ["const fn one() -> u8 {", "    if A {", "    }", "}", "if b {", "mod tests {", "if c {"]
    text, changes = turned("\n".join(lines), first_test_line=6)
    assert changes == ["not (b)"]
    assert text.split("\n") == [*lines[:4], "if ((b) != m(1)) {", *lines[5:]]


def test_guards_loops_and_what_stands_behind_an_else() -> None:
    text, changes = turned("Some(n) if n >= 3 => { while n != 0 { } } \n } else if !done {")
    assert changes == ["not (n != 0)", "n >= 3 → n > 3", "not (n >= 3)", "not (!done)"]
    assert "while ((n != 0) != m(1)) {" in text and "else if ((!done) != m(4)) {" in text
