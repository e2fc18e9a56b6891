"""Webhook endpoints and the deliveries to them. The notices themselves are in ``flow``."""

from sqlalchemy import Column, String, Table, UniqueConstraint

from drawdown.storage.sql.metadata import RowNumber, body, index_of, instant, metadata

webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    Column("endpoint_id", String(128), primary_key=True),
    body(),
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("endpoint_id", String(128), nullable=False),
    Column("notice_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    instant("next_attempt_at"),
    body(),
    UniqueConstraint("endpoint_id", "notice_id"),
    index_of("ix_webhook_delivery_due", "next_attempt_at", where="state = 'pending'"),
    index_of(
        "ix_webhook_delivery_due_endpoint", "endpoint_id", "next_attempt_at", "row", where="state = 'pending'"
    ),
    index_of("ix_webhook_delivery_delivered", "next_attempt_at", where="state = 'delivered'"),
)
