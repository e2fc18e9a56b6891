"""``POST /v1/payments/callback``: a provider without a key of ours is believed for its signature alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.model.rights import Right
from drawdown.payments import ChargeState, ScriptedProvider
from drawdown.storage.key_file import KeyFile

from tests.server.http_calls import Http
from tests.server.processes import ServerProcess, serving

GRANTED = {"purchase_id": "p1", "invoice_id": "inv.purchase:p1", "state": "granted"}
PATH = "/v1/payments/callback"
WEBHOOK_SECRET = "whsec_of_a_test"


class Shop:
    """A server that wants keys, somebody who waits for a payment, and the provider's own book."""

    def __init__(self, server: ServerProcess, data: Path, db: Database) -> None:
        self.http = Http(server.announced["http"])
        self.data, self.db = data, db

    def provider(self) -> ScriptedProvider:
        """As it stands at the provider: the book that the server's process writes."""
        return ScriptedProvider(self.data / "payments-test.jsonl")

    def buy(self, purchase_id: str) -> str:
        bought = self.db.buy_pack("acme", "ten", purchase_id=purchase_id, payment_method="test_action")
        return bought.state

    def available(self) -> Decimal:
        return self.db.balance("acme", "credits").available

    def say(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
        answer = self.http.ask("POST", PATH, body, headers)
        return answer.status, answer.json


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    data = tmp_path_factory.mktemp("shop") / "data"
    _, key = KeyFile(data).create("root", set(Right))
    with (
        serving(data, http="127.0.0.1:0", payments="test") as server,
        drawdown.connect(server.address, api_key=key) as db,
    ):
        db.create_credit_type("credits")
        db.put_customer("c", currency="USD")
        db.create_account("acme", customer_id="c")
        db.create_pack("ten", name="Ten", amount="10", prices=[{"currency": "USD", "amount": "5"}])
        yield Shop(server, data, db)


def test_a_signed_word_makes_credits_once(shop: Shop) -> None:
    """Late, twice and out of order: 200 each time, credits once."""
    assert shop.buy("p1") == "action_required"
    before = shop.available()
    provider = shop.provider()
    body, headers = provider.finish("purchase:p1")
    for _ in range(3):
        assert shop.say(body, headers) == (200, GRANTED)
    late = provider.finish("purchase:p1", ChargeState.FAILED)
    assert shop.say(*late)[1]["state"] == "granted"
    assert shop.available() == before + 10


def test_an_unsigned_word_changes_nothing(shop: Shop) -> None:
    """Neither without a signature, nor with one of other bytes, nor with a live key instead."""
    assert shop.buy("p2") == "action_required"
    before = shop.available()
    body, headers = shop.provider().finish("purchase:p2")
    for forged, shown in (
        (body, {}),
        (body + b" ", headers),
        (body, {name: "0" * 64 for name in headers}),
        (b"\xff\xfe", headers),
        (b"", headers),
    ):
        status, said = shop.say(forged, shown)
        assert (status, said["definite"], said["field"] in ("signature", "body")) == (400, True, True)
    assert shop.db.purchase("p2").state == "action_required"
    assert shop.available() == before
    lines = (shop.data / "access" / "audit.jsonl").read_text("utf-8").splitlines()
    outcomes = {(each["caller"], each["outcome"]) for each in map(json.loads, lines) if "caller" in each}
    assert ("provider test", "UNAUTHENTICATED") in outcomes
    assert shop.say(body, headers)[1]["state"] == "granted"
    lines = (shop.data / "access" / "audit.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[-1])["call"] == "BillingService/ProviderCallback"


def test_only_small_bodies_are_read(shop: Shop) -> None:
    status, said = shop.say(b"x" * (300 << 10), {})
    assert (status, said["field"]) == (413, "body")
    assert shop.http.ask("GET", PATH).status == 405


@pytest.mark.parametrize("tricklers", [16, 64])
def test_bodies_that_never_come_whole_do_not_keep_the_provider_out(shop: Shop, tricklers: int) -> None:
    """Whoever can connect may begin as many as he likes; the oldest of too many are told to go."""
    purchase = f"beside-{tricklers}"
    assert shop.buy(purchase) == "action_required"
    host, _, port = shop.http.address.rpartition(":")
    begun = f"POST {PATH} HTTP/1.1\r\nHost: shop\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    with ExitStack() as open_sockets:
        sockets = [
            open_sockets.enter_context(socket.create_connection((host, int(port)), timeout=20))
            for _ in range(tricklers)
        ]
        for each in sockets:
            each.sendall(begun.encode())
            # Told to go on: the server is waiting for this body.
            assert each.recv(64).startswith(b"HTTP/1.1 100 ")
            each.sendall(b"{")
        status, said = shop.say(*shop.provider().finish(f"purchase:{purchase}"))
        assert (status, said.get("state")) == (200, "granted"), said
        answer = b"".join(iter(lambda: sockets[0].recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 408 ") and b"connection: close" in answer.lower()


def signed(body: bytes, secret: str) -> dict[str, str]:
    """As Stripe's documentation says, without its library."""
    stamp = int(time.time())
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={digest}"}


def test_stripes_signature_is_what_counts(tmp_path: Path) -> None:
    """With Stripe's own library behind the door; an event about nothing of ours is taken and forgotten."""
    settings = {
        "payments": "stripe",
        "stripe_api_key": "sk_test_of_a_test",
        "stripe_webhook_secret": WEBHOOK_SECRET,
    }
    event = {"id": "evt_1", "object": "event", "type": "customer.created", "data": {"object": {"id": "cus"}}}
    body = json.dumps(event).encode()
    with serving(tmp_path / "data", http="127.0.0.1:0", **settings) as server:
        http = Http(server.announced["http"])
        taken = http.ask("POST", PATH, body, signed(body, WEBHOOK_SECRET))
        assert (taken.status, taken.json) == (200, {})
        forged = http.ask("POST", PATH, body, signed(body, "whsec_of_somebody_else"))
        assert (forged.status, forged.json["field"]) == (400, "signature")


def test_a_provider_without_callbacks_says_so(tmp_path: Path) -> None:
    with serving(tmp_path / "data", http="127.0.0.1:0", payments="manual") as server:
        answer = Http(server.announced["http"]).ask("POST", PATH, b"{}")
        assert (answer.status, "mark the purchase as paid" in answer.json["detail"]) == (400, True)
