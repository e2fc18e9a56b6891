"""What commands print: tables and sentences for people, one JSON value for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drawdown.cli import exit_codes
from drawdown.model import CommandResult
from drawdown.model.ids import visible
from drawdown.model.plain_json import plain_json


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """What reads standard output has gone: ``main`` tells by its exit code, which would be 1 here."""
        raise BrokenPipeError


console = _Console(highlight=False)


def print_json(value: Any) -> None:
    """One line of JSON on standard output; amounts are decimal strings, instants RFC 3339."""
    typer.echo(plain_json(value).decode())


def text_of(value: Any) -> str:
    """A cell: absent is a dash, instants lose their zero fraction, amounts keep every digit."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        text = value.isoformat().replace("+00:00", "Z")
        # Midnight is how a date looks as an instant, and a table is narrow.
        return text.removesuffix("T00:00:00Z")
    if isinstance(value, dict):
        return ", ".join(f"{key}={text_of(each)}" for key, each in value.items()) or "–"
    if isinstance(value, tuple | list):
        return ", ".join(text_of(each) for each in value)
    # Some of it was said by others, and a terminal obeys what it is shown.
    return visible(str(value))


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, if_any: Sequence[str] = ()
) -> Table:
    """A table with numbers to the right; columns of ``if_any`` only where a row has something in them."""
    built = Table(title=Text(title, style="table.title"), title_justify="left", header_style="bold")
    filled = [list(row) for row in rows]
    shown = [
        position
        for position, name in enumerate(columns)
        if name not in if_any or any(row[position] for row in filled)
    ]
    for position in shown:
        cells = [row[position] for row in filled if row[position] is not None]
        numeric = bool(cells) and all(isinstance(each, int | Decimal) for each in cells)
        built.add_column(columns[position], justify="right" if numeric else "left", overflow="fold")
    for row in filled:
        # As Text: a name with brackets in it is a name, not a style.
        built.add_row(*(Text(text_of(row[position])) for position in shown))
    return built


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, if_any: Sequence[str] = ()
) -> None:
    """A table on standard output."""
    console.print(table(title, columns, rows, if_any=if_any))


def print_value(value: Any, sentence: str, as_json: bool) -> None:
    """The value for programs, what it comes to in one sentence for people."""
    if as_json:
        print_json(value)
    else:
        console.print(sentence, markup=False)


def print_result(result: CommandResult, done: str, as_json: bool) -> None:
    """Say how a command went; ends the process with code 1 when a rule refused it."""
    if as_json:
        print_json(result)
    elif result.status == "OK":
        console.print(done, markup=False)
    elif result.applied:
        console.print(f"{done} (already so: nothing changed)", markup=False)
    else:
        reason = f": {result.reason}" if result.reason else ""
        typer.echo(f"refused: {result.status}{reason}", err=True)
    if not result.applied:
        raise typer.Exit(exit_codes.REFUSED)
