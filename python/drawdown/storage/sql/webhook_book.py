"""Webhook endpoints and deliveries in one transaction's view."""

from __future__ import annotations

from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.model.instants import us_from_instant
from drawdown.notices.endpoint import HeldEndpoint, WebhookDelivery
from drawdown.storage.sql.documents import Documents
from drawdown.storage.sql.metadata import is_in
from drawdown.storage.sql.pending import Pending
from drawdown.storage.sql.tables.notices import webhook_delivery, webhook_endpoint
from drawdown.storage.sql.wakes import DELIVERIES, Written

_IS_PENDING = is_in(webhook_delivery.c.state, "pending")
_decoder = msgspec.json.Decoder(WebhookDelivery)


class WebhookBook:
    """Who wants to be told, and what was."""

    def __init__(self, connection: Connection, pending: Pending, written: Written) -> None:
        self._connection = connection
        self._written = written
        self.endpoints = Documents(
            connection,
            pending,
            webhook_endpoint,
            HeldEndpoint,
            lambda v: {"endpoint_id": v.endpoint.endpoint_id},
            ("endpoint_id",),
        )
        self.deliveries = Documents(
            connection,
            pending,
            webhook_delivery,
            WebhookDelivery,
            lambda v: {
                "endpoint_id": v.endpoint_id,
                "notice_id": v.notice_id,
                "state": v.state,
                "next_attempt_at": us_from_instant(v.next_attempt_at),
            },
            ("endpoint_id", "notice_id"),
        )

    def send(self, delivery: WebhookDelivery) -> WebhookDelivery:
        """Put a delivery down, and see that whoever sends looks at it when its time comes."""
        if delivery.state == "pending":
            self._written.note(DELIVERIES, us_from_instant(delivery.next_attempt_at))
        return self.deliveries.put(delivery)

    def next_attempt_us(self, after: datetime) -> int | None:
        """When something is to be sent next, of what is not due at ``after``."""
        self.deliveries.write_out()
        found = self._connection.execute(
            sa.select(sa.func.min(webhook_delivery.c.next_attempt_at)).where(
                _IS_PENDING,
                webhook_delivery.c.next_attempt_at > us_from_instant(after),
            )
        ).scalar_one()
        return None if found is None else int(found)

    def endpoints_due(self, at: datetime) -> list[str]:
        """Endpoints to which something is to be sent now."""
        self.deliveries.write_out()
        rows = self._connection.execute(
            sa.select(webhook_delivery.c.endpoint_id)
            .where(
                _IS_PENDING,
                webhook_delivery.c.next_attempt_at <= us_from_instant(at),
            )
            .distinct()
        )
        return [endpoint_id for (endpoint_id,) in rows]

    def first_due(self, endpoint_id: str, at: datetime) -> WebhookDelivery | None:
        """What goes next to the endpoint: what waits longest."""
        self.deliveries.write_out()
        body = self._connection.execute(
            sa.select(webhook_delivery.c.body)
            .where(
                _IS_PENDING,
                webhook_delivery.c.endpoint_id == endpoint_id,
                webhook_delivery.c.next_attempt_at <= us_from_instant(at),
            )
            .order_by(webhook_delivery.c.next_attempt_at, webhook_delivery.c.row)
            .limit(1)
        ).scalar_one_or_none()
        return None if body is None else _decoder.decode(body)

    def page(self, endpoint_id: str, state: str, after: int, limit: int) -> tuple[list[WebhookDelivery], int]:
        """Deliveries of an endpoint behind a row, oldest first, and the row of the last."""
        self.deliveries.write_out()
        statement = (
            sa.select(webhook_delivery.c.row, webhook_delivery.c.body)
            .where(webhook_delivery.c.endpoint_id == endpoint_id, webhook_delivery.c.row > after)
            .order_by(webhook_delivery.c.row)
            .limit(limit)
        )
        if state:
            statement = statement.where(webhook_delivery.c.state == state)
        rows = self._connection.execute(statement).all()
        return [_decoder.decode(body) for _, body in rows], rows[-1][0] if rows else after
