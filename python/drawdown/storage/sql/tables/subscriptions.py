"""Customers, account profiles and subscriptions."""

from sqlalchemy import Boolean, Column, String, Table

from drawdown.storage.sql.metadata import body, metadata

customer = Table("customer", metadata, Column("customer_id", String(128), primary_key=True), body())

account_profile = Table(
    "account_profile",
    metadata,
    Column("account", String(128), primary_key=True),
    Column("customer_id", String(128), nullable=False, index=True),
    body(),
)

subscription = Table(
    "subscription",
    metadata,
    Column("subscription_id", String(128), primary_key=True),
    Column("account", String(128), nullable=False, index=True),
    Column("plan_id", String(128), nullable=False, index=True),
    Column("live", Boolean, nullable=False),
    body(),
)

account_closing = Table(
    "account_closing",
    metadata,
    Column("account", String(128), primary_key=True),
    Column("customer_id", String(128), nullable=False, index=True),
    body(),
)
