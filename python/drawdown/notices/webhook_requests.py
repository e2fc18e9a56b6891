"""Calls on webhook endpoints and what is delivered to them."""

from drawdown.model.request import Request, Value
from drawdown.notices.endpoint import WebhookDelivery, WebhookEndpoint


class WebhookEndpoints(Value, frozen=True):
    """Endpoints by id, without their secrets."""

    endpoints: tuple[WebhookEndpoint, ...] = ()


class WebhookDeliveries(Value, frozen=True):
    """Deliveries, oldest first, and where the next page begins."""

    deliveries: tuple[WebhookDelivery, ...] = ()
    next: int = 0


class CreateWebhookEndpoint(Request, frozen=True):
    """Notices from now on go to ``url``; the same call again answers the same endpoint and secret."""

    rpc = "NoticeService/CreateWebhookEndpoint"
    right = "manage"
    answer = WebhookEndpoint
    endpoint_id: str
    url: str
    kinds: tuple[str, ...] = ()
    """Kinds like balance.low, families like balance.*; none: all."""
    account_prefix: str = ""
    secret: str = ""
    """whsec_ and base64; empty: one is made."""


class ListWebhookEndpoints(Request, frozen=True):
    """Every endpoint that the caller may see, by id."""

    rpc = "NoticeService/ListWebhookEndpoints"
    right = "manage"
    answer = WebhookEndpoints


class UpdateWebhookEndpoint(Request, frozen=True):
    """Changes what is given; the rest stays."""

    rpc = "NoticeService/UpdateWebhookEndpoint"
    right = "manage"
    answer = WebhookEndpoint
    endpoint_id: str
    url: str = ""
    kinds: tuple[str, ...] = ()
    """None: as they are. For all kinds give *."""
    enabled: bool | None = None


class RotateWebhookSecret(Request, frozen=True):
    """A new secret; those before sign as well until the overlap is over."""

    rpc = "NoticeService/RotateWebhookSecret"
    right = "manage"
    answer = WebhookEndpoint
    endpoint_id: str
    secret: str = ""
    """Empty: one is made. The present one again changes nothing."""
    overlap_s: int = 86_400


class ListWebhookDeliveries(Request, frozen=True):
    """What went to an endpoint and what waits, oldest first."""

    rpc = "NoticeService/ListWebhookDeliveries"
    right = "manage"
    answer = WebhookDeliveries
    endpoint_id: str
    state: str = ""
    """pending, delivered or parked; empty: all."""
    after: int = 0
    limit: int = 100


class Redeliver(Request, frozen=True):
    """Sends a notice to the endpoint once more, now, whatever became of it."""

    rpc = "NoticeService/Redeliver"
    right = "manage"
    answer = WebhookDelivery
    endpoint_id: str
    notice_id: str
