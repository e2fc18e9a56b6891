"""Purchases, what the provider told of them, and the rules of automatic recharge."""

from sqlalchemy import Column, String, Table, UniqueConstraint

from drawdown.storage.sql.metadata import RowNumber, body, instant, metadata

purchase = Table(
    "purchase",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("purchase_id", String(128), nullable=False, unique=True),
    Column("account", String(128), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("charge_key", String(160), nullable=False, unique=True),
    Column("pack_id", String(128), nullable=False, index=True),
    instant("created_at"),
    body(),
)

recharge = Table(
    "recharge",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("account", String(128), nullable=False),
    Column("credit_type", String(128), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    body(),
    UniqueConstraint("account", "credit_type"),
)
