"""Webhook endpoints, as methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drawdown.client.control.door import ControlDoor
from drawdown.notices import webhook_requests as webhooking
from drawdown.notices.endpoint import WebhookDelivery, WebhookEndpoint
from drawdown.notices.webhook import new_secret


class WebhookMethods(ControlDoor):
    """Notices, carried to where they are wanted."""

    def create_webhook_endpoint(
        self,
        endpoint_id: str,
        url: str,
        *,
        kinds: Iterable[str] = (),
        account_prefix: str = "",
        secret: str = "",
    ) -> WebhookEndpoint:
        """Send notices from now on to ``url``, signed as Standard Webhooks; keep the ``secret`` answered.

        Raises ``ForbiddenAddressError`` for a URL that is not HTTPS to a public address.
        """
        answer: WebhookEndpoint = self.control(
            webhooking.CreateWebhookEndpoint(
                endpoint_id=endpoint_id,
                url=url,
                kinds=tuple(kinds),
                account_prefix=account_prefix,
                secret=secret,
            )
        )
        return answer

    def webhook_endpoints(self) -> Sequence[WebhookEndpoint]:
        """Every endpoint by id, without its secret."""
        answer: webhooking.WebhookEndpoints = self.control(webhooking.ListWebhookEndpoints())
        return answer.endpoints

    def update_webhook_endpoint(
        self, endpoint_id: str, *, url: str = "", kinds: Iterable[str] = (), enabled: bool | None = None
    ) -> WebhookEndpoint:
        """Change what is given. A disabled endpoint gets nothing; the feed has it."""
        answer: WebhookEndpoint = self.control(
            webhooking.UpdateWebhookEndpoint(
                endpoint_id=endpoint_id, url=url, kinds=tuple(kinds), enabled=enabled
            )
        )
        return answer

    def rotate_webhook_secret(
        self, endpoint_id: str, *, secret: str = "", overlap_s: int = 86_400
    ) -> WebhookEndpoint:
        """A new secret, answered; those before sign as well for ``overlap_s`` seconds, 0: not any more.

        A repeat without ``secret`` makes another one. Raises ``PreconditionError`` where eight are in force.
        """
        answer: WebhookEndpoint = self.control(
            webhooking.RotateWebhookSecret(
                endpoint_id=endpoint_id,
                # Drawn here, as the call is repeated where its answer is lost: then it is the present one.
                secret=secret or new_secret(),
                overlap_s=overlap_s,
            )
        )
        return answer

    def webhook_deliveries(
        self, endpoint_id: str, *, state: str = "", after: int = 0, limit: int = 100
    ) -> webhooking.WebhookDeliveries:
        """A page of what went to the endpoint and what waits; go on with ``after=page.next``."""
        answer: webhooking.WebhookDeliveries = self.control(
            webhooking.ListWebhookDeliveries(endpoint_id=endpoint_id, state=state, after=after, limit=limit)
        )
        return answer

    def redeliver(self, endpoint_id: str, notice_id: str) -> WebhookDelivery:
        """Send a notice to the endpoint once more, now. Raises ``NotFoundError``."""
        answer: WebhookDelivery = self.control(
            webhooking.Redeliver(endpoint_id=endpoint_id, notice_id=notice_id)
        )
        return answer
