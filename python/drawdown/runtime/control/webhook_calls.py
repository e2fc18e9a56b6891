"""Webhook endpoints: made, changed, their secrets rotated; deliveries listed and sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from drawdown import errors
from drawdown.model.ids import check_id
from drawdown.notices.endpoint import STATES, HeldEndpoint, WebhookDelivery, WebhookEndpoint, rotated
from drawdown.notices.notice import check_patterns
from drawdown.notices.webhook import check_secret, new_secret
from drawdown.notices.webhook_requests import (
    CreateWebhookEndpoint,
    ListWebhookDeliveries,
    ListWebhookEndpoints,
    Redeliver,
    RotateWebhookSecret,
    UpdateWebhookEndpoint,
    WebhookDeliveries,
    WebhookEndpoints,
)
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.webhooks import new_delivery

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

OVERLAP_S_MAX = 30 * 86_400


def _judged(plane: ControlPlane, request: CreateWebhookEndpoint | UpdateWebhookEndpoint, _: str) -> None:
    """Names are resolved outside the transaction; every attempt judges the address anew."""
    if request.url or isinstance(request, CreateWebhookEndpoint):
        plane.webhook_policy.target(request.url)


@handles(CreateWebhookEndpoint, before=_judged)
def create_webhook_endpoint(step: Step, request: CreateWebhookEndpoint) -> WebhookEndpoint:
    """It gets notices from now on."""
    check_id(request.endpoint_id, "endpoint_id")
    if not request.account_prefix.startswith(step.account_prefix):
        raise errors.InvalidRequestError(
            f"account_prefix: has to begin with {step.account_prefix!r}, as your key's accounts do",
            field="account_prefix",
        )
    kinds = check_patterns(request.kinds)
    secret = check_secret(request.secret) if request.secret else new_secret()
    if not step.work.first_time(request, request.endpoint_id):
        held = _held(step, request.endpoint_id)
        return _with_secret(held)
    endpoint = WebhookEndpoint(
        endpoint_id=request.endpoint_id,
        url=request.url,
        created_at=step.real_now(),
        kinds=kinds,
        account_prefix=request.account_prefix,
    )
    return _with_secret(step.work.webhooks.endpoints.put(HeldEndpoint(endpoint=endpoint, secret=secret)))


@handles(ListWebhookEndpoints)
def list_webhook_endpoints(step: Step, _: ListWebhookEndpoints) -> WebhookEndpoints:
    """Without their secrets."""
    found = [held.endpoint for held in step.work.webhooks.endpoints.find()]
    return WebhookEndpoints(
        endpoints=tuple(each for each in found if each.account_prefix.startswith(step.account_prefix))
    )


@handles(UpdateWebhookEndpoint, before=_judged)
def update_webhook_endpoint(step: Step, request: UpdateWebhookEndpoint) -> WebhookEndpoint:
    """What waits goes to the new URL; what waits for a disabled one is parked."""
    held = _held(step, request.endpoint_id)
    endpoint = held.endpoint
    changed = msgspec.structs.replace(
        endpoint,
        url=request.url or endpoint.url,
        kinds=check_patterns(request.kinds) or endpoint.kinds,
        enabled=endpoint.enabled if request.enabled is None else request.enabled,
    )
    return step.work.webhooks.endpoints.put(msgspec.structs.replace(held, endpoint=changed)).endpoint


@handles(RotateWebhookSecret)
def rotate_webhook_secret(step: Step, request: RotateWebhookSecret) -> WebhookEndpoint:
    """Answers the new secret."""
    held = _held(step, request.endpoint_id)
    if not 0 <= request.overlap_s <= OVERLAP_S_MAX:
        raise errors.InvalidRequestError(
            f"overlap_s: must be between 0 and {OVERLAP_S_MAX}", field="overlap_s"
        )
    secret = check_secret(request.secret) if request.secret else new_secret()
    return _with_secret(
        step.work.webhooks.endpoints.put(rotated(held, secret, step.real_now(), request.overlap_s))
    )


@handles(ListWebhookDeliveries)
def list_webhook_deliveries(step: Step, request: ListWebhookDeliveries) -> WebhookDeliveries:
    """A page."""
    _held(step, request.endpoint_id)
    if request.state and request.state not in STATES:
        raise errors.InvalidRequestError(f"state: one of {', '.join(STATES)}", field="state")
    limit = min(max(request.limit, 1), 1_000)
    found, following = step.work.webhooks.page(request.endpoint_id, request.state, request.after, limit)
    return WebhookDeliveries(deliveries=tuple(found), next=following)


@handles(Redeliver)
def redeliver(step: Step, request: Redeliver) -> WebhookDelivery:
    """Its attempts begin anew."""
    held = _held(step, request.endpoint_id)
    found = step.work.notices.get(request.notice_id)
    if found is None or not found[1].account.startswith(held.endpoint.account_prefix):
        raise errors.NotFoundError(
            f"there is no notice {request.notice_id[:128]!r} for this endpoint",
            reason="NOTICE_UNKNOWN",
            field="notice_id",
        )
    if not held.endpoint.enabled:
        raise errors.PreconditionError("the endpoint is disabled; enable it first", reason="DISABLED")
    return step.work.webhooks.send(new_delivery(held, found[1], step.real_now()))


def _held(step: Step, endpoint_id: str) -> HeldEndpoint:
    found = step.work.webhooks.endpoints.get(endpoint_id=endpoint_id)
    if found is None or not found.endpoint.account_prefix.startswith(step.account_prefix):
        raise errors.NotFoundError(
            f"there is no webhook endpoint {endpoint_id[:128]!r}",
            reason="ENDPOINT_UNKNOWN",
            field="endpoint_id",
        )
    return found


def _with_secret(held: HeldEndpoint) -> WebhookEndpoint:
    return msgspec.structs.replace(held.endpoint, secret=held.secret)
