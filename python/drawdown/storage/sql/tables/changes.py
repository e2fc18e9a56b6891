"""What the relay of changes knows: when grants are to be told of next, and what accounts may use."""

from sqlalchemy import Column, Index, String, Table

from drawdown.storage.sql.metadata import body, instant, metadata

# One row per grant that somebody is to be told of again; `clock` is its account where that has a clock of
# its own.
grant_instant = Table(
    "grant_instant",
    metadata,
    Column("account", String(128), primary_key=True),
    Column("grant_id", String(128), primary_key=True),
    Column("clock", String(128), nullable=False),
    instant("at"),
    Index("ix_grant_instant_clock_at", "clock", "at"),
)

entitlement_state = Table(
    "entitlement_state",
    metadata,
    Column("account", String(128), primary_key=True),
    body(),
)

# Pools that last for less time than was set, and whose holders have been told so.
runway_told = Table(
    "runway_told",
    metadata,
    Column("account", String(128), primary_key=True),
    Column("credit_type", String(128), primary_key=True),
)
