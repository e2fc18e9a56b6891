"""``drawdown import``: opening balances and open subscriptions from a file."""

from __future__ import annotations

import csv
import json as json_text
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from drawdown.cli import exit_codes
from drawdown.cli.options import DatabaseOptions, JsonOption
from drawdown.cli.output import print_json, print_table
from drawdown.errors import InvalidRequestError
from drawdown.subscriptions.opening_rows import OpeningImport, OpeningRow

SHOWN_MAX = 1_000


def import_opening(
    file: Annotated[Path, typer.Argument(help="CSV with a column kind, or JSON lines.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")
    ] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Import customers, accounts, balances and subscriptions begun elsewhere: all rows, or none.

    Exits with 1 when a row cannot be taken; every one is named by line and field, and nothing is changed.
    The same file again changes nothing.
    """
    rows = tuple(rows_of(file))
    with options.open() as database:
        done = database.import_opening(rows, dry_run=dry_run)
    if json:
        print_json(done)
    else:
        _print(done, dry_run)
    if done.problems:
        raise typer.Exit(exit_codes.REFUSED)


def _print(done: OpeningImport, dry_run: bool) -> None:
    if done.problems:
        print_table(
            "Nothing was imported",
            ["line", "field", "problem"],
            [(each.line, each.field, each.message) for each in done.problems[:SHOWN_MAX]],
        )
        return
    new = sum(each.state == "new" for each in done.actions)
    print_table(
        f"{'Would import' if dry_run else 'Imported'} {new} of {len(done.actions)} rows; the others known",
        ["line", "kind", "id", "state"],
        [(each.line, each.kind, each.id, each.state) for each in done.actions[:SHOWN_MAX]],
    )


def rows_of(file: Path) -> Iterator[OpeningRow]:
    """The rows of a file, told apart by its name. Raises ``InvalidRequestError`` naming the line."""
    try:
        suffix = file.suffix.lower()
        if suffix == ".csv":
            yield from _csv_rows(file)
        elif suffix in (".jsonl", ".ndjson", ".json"):
            yield from _json_rows(file)
        else:
            raise InvalidRequestError(f"file: {file.name} is neither .csv nor .jsonl", field="file")
    except OSError as raised:
        raise InvalidRequestError(f"file: {file}: {raised.strerror}", field="file") from raised
    except UnicodeDecodeError as raised:
        raise InvalidRequestError(f"file: {file} is not UTF-8", field="file") from raised


def _csv_rows(file: Path) -> Iterator[OpeningRow]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened, strict=True)
        try:
            if "kind" not in (reader.fieldnames or ()):
                raise InvalidRequestError("file: line 1 has no column kind", field="file")
            for row in reader:
                if None in row or None in row.values():
                    raise InvalidRequestError(
                        f"file: line {reader.line_num} does not have as many cells as line 1", field="file"
                    )
                fields = {name: text for name, text in row.items() if name != "kind" and text != ""}
                yield OpeningRow(line=reader.line_num, kind=row["kind"], fields=fields)
        except csv.Error as raised:
            line = max(1, reader.line_num)
            raise InvalidRequestError(f"file: line {line}: {raised}", field="file") from raised


def _json_rows(file: Path) -> Iterator[OpeningRow]:
    with file.open(encoding="utf-8-sig") as opened:
        for line, text in enumerate(opened, 1):
            if not text.strip():
                continue
            try:
                # Numbers stay the text they are: none of them becomes a float.
                found = json_text.loads(text, parse_float=str, parse_int=str, parse_constant=str)
            except (ValueError, RecursionError) as raised:
                raise InvalidRequestError(f"file: line {line}: {raised}", field="file") from raised
            if not isinstance(found, dict):
                raise InvalidRequestError(f"file: line {line} is not an object", field="file")
            fields = {name: _text(value, line, name) for name, value in found.items() if value is not None}
            yield OpeningRow(line=line, kind=fields.pop("kind", ""), fields=fields)


def _text(value: Any, line: int, name: str) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ";".join(value)
    if isinstance(value, str):
        return value
    raise InvalidRequestError(f"file: line {line}: {name} is neither text nor a number", field=name)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("import")(import_opening)
