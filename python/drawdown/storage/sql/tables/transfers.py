"""Credits moved between accounts of one customer."""

from sqlalchemy import Column, String, Table

from drawdown.storage.sql.metadata import RowNumber, body, metadata

transfer = Table(
    "transfer",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("transfer_id", String(128), nullable=False, unique=True),
    Column("from_account", String(128), nullable=False, index=True),
    Column("to_account", String(128), nullable=False, index=True),
    body(),
)
