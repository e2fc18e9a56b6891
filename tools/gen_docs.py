"""Write the generated parts of docs/: settings, command line, exit codes. ``--check`` only compares.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drawdown.cli.exit_codes import MEANINGS
from drawdown.cli.main import app
from drawdown.cli.settings_command import settings_table, variables_table
from typer.main import get_command

sys.path.insert(0, str(Path(__file__).resolve().parent))

from error_reference import kinds_table, reasons_table

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (
    ROOT / "docs" / "operations.md",
    ROOT / "docs" / "settings.md",
    ROOT / "docs" / "errors.md",
)


def exit_codes_table() -> str:
    rows = ["| Exit code | Means |", "|---|---|"]
    rows += [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(rows) + "\n"


def commands_table() -> str:
    rows = ["| Command | Does |", "|---|---|"]
    group: Any = get_command(app)
    for name, command in sorted(group.commands.items()):
        inner = getattr(command, "commands", None) or {"": command}
        for inner_name, each in sorted(inner.items()):
            first = (each.help or "").strip().partition("\n")[0]
            rows.append(f"| `drawdown {f'{name} {inner_name}'.strip()}` | {first} |")
    return "\n".join(rows) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "variables": variables_table,
    "exit codes": exit_codes_table,
    "commands": commands_table,
    "kinds of errors": kinds_table,
    "reasons of errors": reasons_table,
}


def rendered(text: str) -> str:
    """The document with every generated part made anew. Raises ``ValueError`` for an unknown part."""

    def fill(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in PARTS:
            raise ValueError(f"there is no generated part {name!r}")
        return f"<!-- generated: {name} -->\n{PARTS[name]()}<!-- end -->"

    return re.sub(r"<!-- generated: ([a-z ]+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


def main() -> int:
    stale = False
    for document in DOCUMENTS:
        before = document.read_text(encoding="utf-8")
        after = rendered(before)
        if before == after:
            continue
        if "--check" in sys.argv[1:]:
            print(f"docs/{document.name} is not what the code says; run: make docs", file=sys.stderr)
            stale = True
        else:
            document.write_text(after, encoding="utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
