"""The reasons of every fault that this package raises, read from its sources, for docs/errors.md."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

from drawdown import errors
from drawdown.server.status import code_of

SOURCES = Path(__file__).resolve().parent.parent / "python" / "drawdown"
DOMAIN = "drawdown"


class Raised(NamedTuple):
    """One place that raises."""

    reason: str
    kind: str
    text: str


def kinds(root: type[errors.DrawdownError] = errors.DrawdownError) -> list[type[errors.DrawdownError]]:
    """Every exception, a base before what is derived from it."""
    found = [] if root is errors.DrawdownError else [root]
    for each in root.__subclasses__():
        found += kinds(each)
    return found


def kinds_table() -> str:
    """What a caller's program decides by."""
    rows = [
        "| `reason` | gRPC code | Exception | Applied? | The same again | Means |",
        "|---|---|---|---|---|---|",
    ]
    for kind in kinds():
        definite = "certainly not" if kind.definite else "not known"
        again = "may succeed" if kind.retryable else "does not help"
        means = " ".join((kind.__doc__ or "").split())
        code = code_of(kind("")).name
        rows.append(f"| `{kind.reason}` | {code} | `{kind.__name__}` | {definite} | {again} | {means} |")
    return "\n".join(rows) + "\n"


def reasons_table() -> str:
    """Reasons that stand only for one cause, each under its exception, with its words."""
    own = {kind.reason for kind in kinds()}
    rows = ["| `reason` | Exception | Says |", "|---|---|---|"]
    seen: dict[str, Raised] = {}
    for each in sorted(_raised()):
        if each.reason not in own:
            seen.setdefault(each.reason, each)
    rows += [f"| `{each.reason}` | `{each.kind}` | {each.text} |" for _, each in sorted(seen.items())]
    return "\n".join(rows) + "\n"


def _raised() -> list[Raised]:
    names = {kind.__name__ for kind in kinds()}
    found: list[Raised] = []
    for path in sorted(SOURCES.rglob("*.py")):
        if "v1" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            reason = next((each.value for each in node.keywords if each.arg == "reason"), None)
            if called in names and isinstance(reason, ast.Constant) and isinstance(reason.value, str):
                found.append(Raised(reason.value, called, _words(node.args[0]) if node.args else ""))
    return found


def _words(text: ast.expr) -> str:
    """A message with a dash-like … where a value stands."""
    if isinstance(text, ast.Constant):
        return str(text.value).replace("|", "/")
    if isinstance(text, ast.JoinedStr):
        return "".join("…" if isinstance(part, ast.FormattedValue) else _words(part) for part in text.values)
    return "…"
