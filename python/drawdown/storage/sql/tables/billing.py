"""Invoices, and the numbers they get."""

from sqlalchemy import BigInteger, Column, String, Table

from drawdown.storage.sql.metadata import RowNumber, body, instant, metadata
from drawdown.storage.sql.stored_keys import SERIES_CHARACTERS_MAX

invoice = Table(
    "invoice",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("invoice_id", String(160), nullable=False, unique=True),
    Column("account", String(128), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("number", String(64), nullable=True, unique=True),
    instant("created_at"),
    body(),
)

number_series = Table(
    "number_series",
    metadata,
    Column("series", String(SERIES_CHARACTERS_MAX), primary_key=True),
    Column("last", BigInteger, nullable=False),
)
