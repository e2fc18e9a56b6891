"""One concept per file: files above the limit are listed with their size, and may only shrink."""

from __future__ import annotations

import ast

from .tree import PACKAGE, shown, sources

LINES_MAX = 450
FUNCTION_LINES_MAX = 70
# Files that were let through, with the lines they had; an entry goes when the file fits.
LARGER: dict[str, int] = {}
FILES_AT_LEAST = 60


def test_no_file_outgrows_one_concept() -> None:
    """Sources stay within the limit; those on the list do not grow."""
    wrong: list[str] = []
    seen = sources(".py", ".rs", ".pyi", ".proto", ".sh")
    for path in seen:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        limit = LARGER.get(shown(path), LINES_MAX)
        if lines > limit:
            wrong.append(f"{shown(path)}: {lines} lines, at most {limit}")
        if shown(path) in LARGER and lines <= LINES_MAX:
            wrong.append(f"{shown(path)}: fits now; take it off the list")
    assert not wrong, "\n".join(wrong)
    assert len(seen) >= FILES_AT_LEAST, "the guard saw too few files"


def test_python_functions_fit_on_a_screen() -> None:
    """No function of the package is longer than a screen."""
    wrong: list[str] = []
    seen = 0
    for path in sources(".py"):
        if not path.is_relative_to(PACKAGE):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                seen += 1
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    wrong.append(f"{shown(path)}:{node.lineno}: {node.name} has {lines} lines")
    assert not wrong, "\n".join(wrong)
    assert seen >= 200, "the guard saw too few functions"
