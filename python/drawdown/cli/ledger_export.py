"""Ledger entries into a file: CSV, JSON lines or Parquet, a few at a time whatever their number."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Protocol

from drawdown.cli.written_output import cannot_be_written, writing
from drawdown.errors import InvalidRequestError
from drawdown.model import LedgerEntry
from drawdown.model.credits import decimal_text
from drawdown.model.plain_json import plain_json

COLUMNS: Final = (
    "seq",
    "account",
    "kind",
    "received_at",
    "credit_type",
    "event_id",
    "meter",
    "quantity",
    "time",
    "charged",
    "draws",
    "facts",
)
# Rows of a Parquet row group: enough to compress well, little enough to hold.
ROWS_PER_GROUP: Final = 20_000
# Every amount of every credit type: 64 bits of 10^-12 at the finest.
AMOUNT_DIGITS: Final = 31
AMOUNT_SCALE: Final = 12


class EntryWriter(Protocol):
    """Takes entries one by one; ``close`` completes the file."""

    def write(self, entry: LedgerEntry) -> None: ...
    def close(self) -> None: ...


def _json_text(value: Any) -> str:
    return plain_json(value).decode()


class CsvWriter:
    """One row per entry; ``draws`` and ``facts`` are JSON in their cells, absent values are empty."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(COLUMNS)

    def write(self, entry: LedgerEntry) -> None:
        """Append a row."""
        self._rows.writerow(
            [
                entry.seq,
                entry.account,
                entry.kind,
                entry.received_at.isoformat(),
                entry.credit_type or "",
                entry.event_id or "",
                entry.meter or "",
                "" if entry.quantity is None else entry.quantity,
                "" if entry.time is None else entry.time.isoformat(),
                "" if entry.charged is None else decimal_text(entry.charged, "charged"),
                _json_text(entry.draws) if entry.draws else "",
                _json_text(entry.facts) if entry.facts else "",
            ]
        )

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


class JsonLinesWriter:
    """One JSON object per line; amounts are decimal texts."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, entry: LedgerEntry) -> None:
        """Append a line."""
        self._file.write(plain_json(entry) + b"\n")

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


class ParquetWriter:
    """Typed columns: instants in microseconds UTC, amounts as exact decimals, ``facts`` as JSON text."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as arrow
            from pyarrow import parquet
        except ImportError:
            raise InvalidRequestError(
                "output: writing Parquet needs pyarrow (pip install drawdown[parquet]); "
                "or name a .csv or .jsonl file",
                field="output",
            ) from None
        amount = arrow.decimal128(AMOUNT_DIGITS, AMOUNT_SCALE)
        instant = arrow.timestamp("us", tz="UTC")
        self._schema = arrow.schema(
            [
                ("seq", arrow.int64()),
                ("account", arrow.string()),
                ("kind", arrow.string()),
                ("received_at", instant),
                ("credit_type", arrow.string()),
                ("event_id", arrow.string()),
                ("meter", arrow.string()),
                ("quantity", arrow.int64()),
                ("time", instant),
                ("charged", amount),
                ("draws", arrow.list_(arrow.struct([("grant_id", arrow.string()), ("amount", amount)]))),
                ("facts", arrow.string()),
            ]
        )
        self._arrow = arrow
        self._file = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, entry: LedgerEntry) -> None:
        """Append a row; rows are written in groups."""
        row: dict[str, Any] = {name: getattr(entry, name) for name in COLUMNS}
        row["draws"] = [{"grant_id": grant_id, "amount": amount} for grant_id, amount in entry.draws]
        row["facts"] = _json_text(entry.facts)
        self._rows.append(row)
        if len(self._rows) >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def close(self) -> None:
        """Write what waits and complete the file."""
        self._flush()
        self._file.close()


WRITERS: Final[dict[str, Callable[[Path], EntryWriter]]] = {
    ".csv": CsvWriter,
    ".jsonl": JsonLinesWriter,
    ".ndjson": JsonLinesWriter,
    ".parquet": ParquetWriter,
}


def export(entries: Iterable[LedgerEntry], path: Path, advanced: Callable[[], None] = lambda: None) -> int:
    """Write every entry to ``path`` in the form its suffix names; how many there were.

    The file appears under its name only when it is complete. Raises ``InvalidRequestError`` for a file
    that cannot be written, and a suffix that is not one of ``.csv``, ``.jsonl``, ``.ndjson``, ``.parquet``.
    """
    kind = WRITERS.get(path.suffix.lower())
    if kind is None:
        raise InvalidRequestError(
            f"output: {path.name} is not one of {', '.join(sorted(WRITERS))}", field="output"
        )
    return _export(entries, path, kind, advanced)


def _export(
    entries: Iterable[LedgerEntry],
    path: Path,
    kind: Callable[[Path], EntryWriter],
    advanced: Callable[[], None],
) -> int:
    unfinished = path.with_name(path.name + ".part")
    with writing(path):
        writer = kind(unfinished)
    count = 0
    try:
        for entry in entries:
            # By hand, a million times: what goes wrong in the database is no matter of the file.
            try:
                writer.write(entry)
            except OSError as fault:
                raise cannot_be_written(path, fault) from fault
            count += 1
            advanced()
        with writing(path):
            writer.close()
            unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return count
