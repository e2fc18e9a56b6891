"""Invoice credits, money balances of accounts, and overage that stands on invoices."""

from sqlalchemy import Column, String, Table, UniqueConstraint

from drawdown.storage.sql.metadata import RowNumber, body, metadata

invoice_credit = Table(
    "invoice_credit",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("credit_id", String(128), nullable=False, unique=True),
    Column("account", String(128), nullable=False, index=True),
    body(),
)

money_balance = Table(
    "money_balance",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("account", String(128), nullable=False),
    Column("currency", String(3), nullable=False),
    body(),
    UniqueConstraint("account", "currency"),
)

overage_billed = Table(
    "overage_billed",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("account", String(128), nullable=False),
    Column("credit_type", String(128), nullable=False),
    body(),
    UniqueConstraint("account", "credit_type"),
)
