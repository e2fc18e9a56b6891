"""Secrets of webhooks, rotated more than once: whoever knows one in force goes on verifying."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import drawdown
import grpc
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.errors import PreconditionError, UnauthenticatedError
from drawdown.notices import new_secret, verify
from drawdown.notices.endpoint import SECRETS_MAX, HeldEndpoint, WebhookEndpoint, rotated

from tests.client.forwarder import forwarding
from tests.notices.receiver import Receiver

from .conftest import SMALL, prepare
from .waiting import wait_until

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_a_secret_that_receivers_know_outlives_a_second_rotation(tmp_path: Path, db_url: str) -> None:
    """The answer to the first may have been lost: nobody has that secret then."""
    settings = {**SMALL, "db": db_url, "webhook_allow_private": True}
    with Receiver() as receiver, drawdown.open(tmp_path / "data", **settings) as db:
        prepare(db)
        db.create_account("acme")
        known = [db.create_webhook_endpoint("hook", receiver.url, kinds=["grant.created"]).secret]
        known += [db.rotate_webhook_secret("hook").secret for _ in range(2)]
        db.create_grant("acme", "credits", amount="1", grant_id="first")
        wait_until(lambda: receiver.got)
        last = db.rotate_webhook_secret("hook", overlap_s=0).secret
        db.create_grant("acme", "credits", amount="1", grant_id="second")
        wait_until(lambda: len(receiver.got) == 2)
        (first, its_headers), (second, headers) = receiver.got
        for secret in known:
            assert read(first, its_headers, secret)["data"]["grant_id"] == "first"
            with pytest.raises(UnauthenticatedError):
                read(second, headers, secret)
        assert read(second, headers, last)["data"]["grant_id"] == "second"


def read(body: bytes, headers: Any, secret: str) -> dict[str, Any]:
    return verify(body, {name.lower(): value for name, value in headers.items()}, secret)


def test_each_secret_ends_when_its_own_overlap_does() -> None:
    endpoint = WebhookEndpoint(endpoint_id="hook", url="https://example.com/", created_at=NOW)
    held = HeldEndpoint(endpoint=endpoint, secret="first")
    held = rotated(held, "second", NOW, 100)
    held = rotated(held, "third", NOW + timedelta(seconds=50), 100)
    for after_s, secrets in ((50, 3), (99, 3), (100, 2), (149, 2), (150, 1)):
        in_force = held.secrets_at(NOW + timedelta(seconds=after_s))
        assert in_force == ("third", "second", "first")[:secrets], after_s
    back = rotated(held, "first", NOW + timedelta(seconds=60), 100)
    assert back.secrets_at(NOW + timedelta(seconds=60)) == ("first", "third", "second")


def test_a_rotation_too_many_is_refused_and_cuts_nobody_off() -> None:
    endpoint = WebhookEndpoint(endpoint_id="hook", url="https://example.com/", created_at=NOW)
    held = HeldEndpoint(endpoint=endpoint, secret="0")
    for number in range(1, SECRETS_MAX):
        held = rotated(held, str(number), NOW, 100)
    assert set(held.secrets_at(NOW)) == {str(number) for number in range(SECRETS_MAX)}
    with pytest.raises(PreconditionError, match="2026-11-22T00:01:40") as raised:
        rotated(held, "more", NOW, 100)
    assert raised.value.reason == "SECRET_ROTATING"
    assert rotated(held, "more", NOW, 0).secrets_at(NOW) == ("more",)
    assert len(rotated(held, "more", NOW + timedelta(seconds=100), 100).ending_at(NOW)) == 1


def test_one_rotation_whose_answer_is_lost_is_one_rotation(server: ServerProcess, name: Any) -> None:
    """The client repeats it by itself, with the secret it drew: a second would be in force for nobody."""
    with forwarding(server.target) as proxy, drawdown.connect(proxy.address) as db:
        db.create_webhook_endpoint(name("hook"), "https://1.1.1.1/")
        proxy.after = lambda method, number: (
            grpc.StatusCode.UNAVAILABLE if method == "RotateWebhookSecret" and number == 1 else None
        )
        secret = db.rotate_webhook_secret(name("hook")).secret
        assert proxy.calls("RotateWebhookSecret") == 2
        assert db.rotate_webhook_secret(name("hook"), secret=secret).secret == secret
        for _ in range(SECRETS_MAX - 2):
            db.rotate_webhook_secret(name("hook"), secret=new_secret())
        with pytest.raises(PreconditionError, match=f"has {SECRETS_MAX} secrets in force"):
            db.rotate_webhook_secret(name("hook"))
