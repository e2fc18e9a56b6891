"""Usage traces in files: one row per request, one or more metered columns. CSV, JSON lines, Parquet.

Quantities are whole numbers, times are ISO 8601 (UTC where no zone is named) or seconds since the
epoch. A row that cannot be read names file, row and column.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from drawdown.errors import InvalidRequestError
from drawdown.model import us_from_instant
from drawdown.model.instants import INSTANT_US_MAX, INSTANT_US_MIN

_HASH_CHUNK_BYTES = 1 << 20
# Whatever has more is beyond 64 bits.
QUANTITY_DIGITS_MAX = 19
QUANTITY_MAX = 2**63 - 1
# Finer than microseconds is cut off, the same way every time.
_FRACTION = re.compile(r"(\.\d{6})\d+")


class TraceRow(NamedTuple):
    """One row: when, whose, and how much of each meter."""

    number: int
    """From 1, the first row of data."""
    time_us: int
    account: str | None
    quantities: tuple[int, ...]
    """In the order of the columns asked for."""
    dimensions: tuple[tuple[str, str], ...] = ()


class TraceFile:
    """A file of usage rows. Reading it twice yields the same rows."""

    def __init__(
        self,
        path: Path,
        *,
        time_column: str,
        account_column: str | None,
        quantity_columns: list[str],
        dimension_columns: Mapping[str, str] | None = None,
    ) -> None:
        if not path.is_file():
            raise InvalidRequestError(f"file: there is no file {path}", field="file")
        self.path = path
        self._time_column = time_column
        self._account_column = account_column
        self._quantity_columns = quantity_columns
        self._dimension_columns = dict(dimension_columns or {})

    def content_hash(self) -> str:
        """SHA-256 of the bytes, the first 32 hex digits: what event ids are made of."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while chunk := file.read(_HASH_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()[:32]

    def rows(self) -> Iterator[TraceRow]:
        """Every row in order. Raises ``InvalidRequestError`` at the first that cannot be read."""
        for number, values in enumerate(self._records(), 1):
            account = self._account_column
            yield TraceRow(
                number,
                self._time(number, self._cell(number, values, self._time_column)),
                None if account is None else str(self._cell(number, values, account)),
                tuple(
                    self._quantity(number, column, self._cell(number, values, column))
                    for column in self._quantity_columns
                ),
                tuple(
                    (key, str(self._cell(number, values, column)))
                    for key, column in self._dimension_columns.items()
                ),
            )

    def _records(self) -> Iterator[dict[str, Any]]:
        try:
            yield from self._read()
        except (UnicodeDecodeError, csv.Error) as error:
            raise InvalidRequestError(f"{self.path} cannot be read: {error}", field="file") from None

    def _read(self) -> Iterator[dict[str, Any]]:
        suffix = self.path.suffix.lower()
        if suffix == ".csv":
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                yield from csv.DictReader(file)
        elif suffix in (".jsonl", ".ndjson"):
            with self.path.open(encoding="utf-8-sig") as file:
                for number, line in enumerate(file, 1):
                    try:
                        yield json.loads(line, parse_float=Decimal)
                    except (ValueError, ArithmeticError, RecursionError) as error:
                        raise InvalidRequestError(f"{self.path}, row {number}: not JSON: {error}") from None
        elif suffix == ".parquet":
            yield from self._parquet_records()
        else:
            raise InvalidRequestError(
                f"file: {self.path.name} is not one of .csv, .jsonl, .ndjson, .parquet", field="file"
            )

    def _parquet_records(self) -> Iterator[dict[str, Any]]:
        try:
            import pyarrow.parquet as parquet
            from pyarrow import ArrowException
        except ImportError:
            raise InvalidRequestError(
                "file: reading Parquet needs pyarrow; install it, or give the trace as CSV or JSON lines",
                field="file",
            ) from None
        columns = [self._time_column, *self._quantity_columns, *self._dimension_columns.values()]
        if self._account_column is not None:
            columns.append(self._account_column)
        try:
            for batch in parquet.ParquetFile(self.path).iter_batches(columns=columns):
                yield from _in_microseconds(batch).to_pylist()
        except (ArrowException, OSError) as raised:
            raise InvalidRequestError(
                f"{self.path} cannot be read as Parquet: {raised}", field="file"
            ) from None

    def _cell(self, number: int, values: dict[str, Any], column: str) -> Any:
        if not isinstance(values, dict) or values.get(column) is None:
            known = ", ".join(map(str, values)) if isinstance(values, dict) else "none"
            raise InvalidRequestError(
                f"{self.path}, row {number}: no value in column {column!r}; columns: {known}", field=column
            )
        return values[column]

    def _time(self, number: int, value: Any) -> int:
        time_us = self._microseconds(number, value)
        if INSTANT_US_MIN <= time_us <= INSTANT_US_MAX:
            return int(time_us)
        raise InvalidRequestError(
            f"{self.path}, row {number}, column {self._time_column!r}: "
            f"{str(value)[:64]!r} is outside the years 1–9999",
            field=self._time_column,
        )

    def _microseconds(self, number: int, value: Any) -> int | Decimal:
        if isinstance(value, datetime):
            return us_from_instant(value if value.tzinfo else value.replace(tzinfo=UTC))
        text = str(value).strip()
        try:
            if re.fullmatch(r"-?\d+(\.\d+)?", text):
                # Whole only once it is known to be a time: there may be any number of digits.
                return Decimal(text) * 1_000_000
            instant = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
        except ValueError:
            raise InvalidRequestError(
                f"{self.path}, row {number}, column {self._time_column!r}: {text!r} is not a time; "
                "expected ISO 8601 or seconds since the epoch",
                field=self._time_column,
            ) from None
        return us_from_instant(instant if instant.tzinfo else instant.replace(tzinfo=UTC))

    def _quantity(self, number: int, column: str, value: Any) -> int:
        try:
            quantity = Decimal(str(value).strip())
        except InvalidOperation:
            quantity = Decimal("NaN")
        # Of a large exponent a whole number would be made digit by digit.
        if quantity.is_finite() and quantity.adjusted() >= QUANTITY_DIGITS_MAX:
            raise InvalidRequestError(
                f"{self.path}, row {number}, column {column!r}: a quantity has at most "
                f"{QUANTITY_DIGITS_MAX} digits",
                field=column,
            )
        if not quantity.is_finite() or quantity != quantity.to_integral_value() or quantity < 0:
            raise InvalidRequestError(
                f"{self.path}, row {number}, column {column!r}: {value!r} is not a whole number of 0 or more",
                field=column,
            )
        if quantity > QUANTITY_MAX:
            raise InvalidRequestError(
                f"{self.path}, row {number}, column {column!r}: {quantity} is more than {QUANTITY_MAX}",
                field=column,
            )
        return int(quantity)


def _in_microseconds(batch: Any) -> Any:
    """The batch, finer times cut off as those of text are: a ``datetime`` has no nanoseconds."""
    import pyarrow

    fields = [
        field.with_type(pyarrow.timestamp("us", tz=field.type.tz)) if _is_finer(field.type) else field
        for field in batch.schema
    ]
    return pyarrow.Table.from_batches([batch]).cast(pyarrow.schema(fields), safe=False)


def _is_finer(column: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_timestamp(column) and bool(column.unit == "ns")
