"""A report as a table, as CSV, JSON or Parquet, and as a picture."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from drawdown.cli.chart import Panel, bar_chart
from drawdown.cli.output import console, print_json, print_table
from drawdown.cli.written_output import writing
from drawdown.errors import InvalidRequestError
from drawdown.model.money import Money
from drawdown.model.plain_json import plain_json

CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to FILE.csv, .json, .parquet, or .svg for a picture."
    ),
]
SUFFIXES: Final = (".csv", ".json", ".parquet", ".svg")


class Part(msgspec.Struct, frozen=True):
    """Rows of one kind under a title."""

    title: str
    kind: type[msgspec.Struct]
    """Of the rows: its fields are the columns, also where there is no row."""
    rows: Sequence[msgspec.Struct]
    shown: tuple[str, ...] = ()
    """Columns of the table for people; none: all. Files have all."""
    if_any: tuple[str, ...] = ()
    """Columns that are left out where every row has nothing in them."""


class ReportText(msgspec.Struct, frozen=True):
    """A report, ready to be shown."""

    title: str
    value: Any
    """As JSON."""
    parts: tuple[Part, ...]
    """The first is what CSV and Parquet hold."""
    panels: Callable[[], Sequence[Panel]]


def check_file(file: Path | None) -> None:
    """Before anything is asked. Raises ``InvalidRequestError``."""
    if file is not None and file.suffix.lower() not in SUFFIXES:
        raise InvalidRequestError(
            f"output: {file.name!r} is not one of {', '.join('FILE' + each for each in SUFFIXES)}",
            field="output",
        )


def show(report: ReportText, *, file: Path | None, as_csv: bool, as_json: bool) -> None:
    """Print the report, or write it to the file."""
    if file is not None:
        with writing(file):
            _write(report, file)
        console.print(f"written to {file}", markup=False)
    elif as_json:
        print_json(report.value)
    elif as_csv:
        sys.stdout.write(_csv_of(report.parts[0]))
    else:
        for part in report.parts:
            names, cells = _cells(part, part.shown)
            headings = [name.replace("_", " ") for name in names]
            print_table(part.title, headings, cells, if_any=[each.replace("_", " ") for each in part.if_any])


def _write(report: ReportText, file: Path) -> None:
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        _write_parquet(report.parts[0], file)
    elif suffix == ".svg":
        file.write_text(bar_chart(report.title, report.panels()), "utf-8")
    elif suffix == ".json":
        file.write_bytes(plain_json(report.value) + b"\n")
    else:
        file.write_text(_csv_of(report.parts[0]), "utf-8", newline="")


def _cells(part: Part, shown: Sequence[str] = ()) -> tuple[list[str], list[list[Any]]]:
    names = list(shown) or [field.name for field in msgspec.structs.fields(part.kind)]
    return names, [[getattr(row, name) for name in names] for row in part.rows]


def _csv_of(part: Part) -> str:
    names, cells = _cells(part)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([["" if cell is None else _plain(cell) for cell in row] for row in cells])
    return text.getvalue()


def _plain(cell: Any) -> str:
    return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)


def _write_parquet(part: Part, file: Path) -> None:
    """Credits and money are decimals of their exact scale; money has its currency in a column of its own."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as absent:
        raise InvalidRequestError(
            "output: writing Parquet needs pyarrow (pip install drawdown[parquet]); CSV needs nothing",
            field="output",
        ) from absent
    names, cells = _cells(part)
    columns: dict[str, Any] = {}
    for at, name in enumerate(names):
        values = [row[at] for row in cells]
        if any(isinstance(value, Money) for value in values):
            amounts = [None if value is None else value.decimal() for value in values]
            columns[name] = _decimals(arrow, amounts)
            columns[f"{name}_currency"] = arrow.array(
                [None if value is None else value.currency for value in values], arrow.string()
            )
        elif any(isinstance(value, Decimal) for value in values):
            columns[name] = _decimals(arrow, values)
        else:
            columns[name] = arrow.array(values)
    parquet.write_table(arrow.table(columns), file, compression="zstd")


def _decimals(arrow: Any, values: Sequence[Decimal | None]) -> Any:
    scale = max((-int(value.as_tuple().exponent) for value in values if value is not None), default=0)
    return arrow.array(values, arrow.decimal128(38, max(scale, 0)))
