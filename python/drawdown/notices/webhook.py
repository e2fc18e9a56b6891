"""The bytes of a webhook and their signature, as Standard Webhooks has them.

::

    POST <url>
    content-type:       application/json
    webhook-id:         the notice's id, the same over every attempt
    webhook-timestamp:  seconds of this attempt
    webhook-signature:  v1,<base64 HMAC-SHA-256 of "id.timestamp.body"> [v1,… while a secret is rotated]

    {"type":"balance.low","timestamp":"…","account":"acme","sequence":7,"data":{…}}
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from drawdown.errors import InvalidRequestError, UnauthenticatedError
from drawdown.notices.notice import Notice

_PREFIX = "whsec_"


def new_secret() -> str:
    """A signing secret of 32 random bytes, in the form receivers' libraries take."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def check_secret(secret: str) -> str:
    """The secret as it is; raises ``InvalidRequestError`` unless ``whsec_`` and 24–64 bytes in base64."""
    try:
        size = len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True))
    except ValueError:
        size = 0
    if not secret.startswith(_PREFIX) or not 24 <= size <= 64:
        raise InvalidRequestError("secret: give whsec_ and base64 of 24 to 64 bytes", field="secret")
    return secret


def body_of(notice: Notice) -> bytes:
    """The JSON of a notice: the same bytes over every attempt."""
    return msgspec.json.encode(
        {
            "type": notice.kind,
            "timestamp": notice.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "account": notice.account,
            "sequence": notice.sequence,
            "data": notice.data,
        }
    )


def signed_request(notice: Notice, secrets_now: Sequence[str], at: datetime) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one attempt at ``at``, signed with every secret in force."""
    body = body_of(notice)
    stamp = at.astimezone(UTC)
    signatures = [Webhook(secret).sign(notice.notice_id, stamp, body.decode()) for secret in secrets_now]
    return body, {
        "content-type": "application/json",
        "webhook-id": notice.notice_id,
        "webhook-timestamp": str(int(stamp.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def verify(body: bytes, headers: Mapping[str, str], secret: str) -> dict[str, Any]:
    """What a receiver does: the JSON of a webhook that is ours and fresh (five minutes).

    Raises ``UnauthenticatedError`` for anything tampered, replayed late or from the future.
    """
    try:
        read: dict[str, Any] = Webhook(secret).verify(body, dict(headers))
    except (WebhookVerificationError, ValueError) as error:
        raise UnauthenticatedError(f"the webhook is not to be believed: {error}") from error
    return read
