"""Products, plan versions, rate-card versions, packs."""

from sqlalchemy import Column, Integer, String, Table, UniqueConstraint

from drawdown.storage.sql.metadata import RowNumber, body, metadata

product = Table("product", metadata, Column("product_id", String(128), primary_key=True), body())

plan = Table(
    "plan",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("plan_id", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("product_id", String(128), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    body(),
    UniqueConstraint("plan_id", "version"),
)

rate_card = Table(
    "rate_card",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("card_id", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    body(),
    UniqueConstraint("card_id", "version"),
)

pack = Table("pack", metadata, Column("pack_id", String(128), primary_key=True), body())
