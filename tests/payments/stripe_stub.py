"""A loopback server that answers as Stripe does, with recorded shapes of its answers.

It keeps payment intents by idempotency key, as Stripe does, and counts what money it moved. Stripe forgets
keys after a day or more, and intents never: ``forget_keys``.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

INTENT: dict[str, Any] = {
    "object": "payment_intent",
    "capture_method": "automatic",
    "confirmation_method": "automatic",
    "created": 1790000000,
    "currency": "usd",
    "last_payment_error": None,
    "latest_charge": "ch_3StubStubStub",
    "livemode": False,
    "metadata": {},
    "next_action": None,
    "payment_method_types": ["card"],
    "status": "succeeded",
}


def refusal(code: str, message: str) -> dict[str, Any]:
    """The body of a definite no that is about no card."""
    return {"error": {"type": "invalid_request_error", "code": code, "message": message}}


class StripeStub:
    """``with StripeStub() as stub``: ``stub.url`` takes the place of Stripe's API."""

    def __init__(self) -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.by_key: dict[str, tuple[tuple[str, str], tuple[int, dict[str, Any]]]] = {}
        self.fail_next: list[int] = []
        self.lose_next = 0
        """Answers that are lost on their way, behind what was done."""
        self.fail_reads = 0
        self.has_search = True
        self.requests = 0
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
                self._answer(*stub.post(self.path, form, self.headers.get("idempotency-key", "")))

            def do_GET(self) -> None:
                self._answer(*stub.get(self.path))

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                encoded = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> StripeStub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def forget_keys(self) -> None:
        """A day and more has passed."""
        self.by_key.clear()

    def post(self, path: str, form: dict[str, str], key: str) -> tuple[int, dict[str, Any]]:
        self.requests += 1
        if self.fail_next:
            status = self.fail_next.pop(0)
            return status, {"error": {"type": "api_error", "message": "try again"}}
        if path == "/v1/refunds":
            intent = self.intents[form["payment_intent"]]
            if int(form["amount"]) > intent["amount"] - intent.get("refunded", 0):
                return 400, {
                    "error": {
                        "type": "invalid_request_error",
                        "message": "Refund amount is greater than charge",
                    }
                }
            intent["refunded"] = intent.get("refunded", 0) + int(form["amount"])
            return 200, {
                "id": f"re_{self.requests}",
                "object": "refund",
                "amount": int(form["amount"]),
                "currency": intent["currency"],
            }
        if path.endswith("/cancel"):
            return self._cancel(path.split("/")[-2])
        answer = self._charge(form, key)
        if self.lose_next:
            self.lose_next -= 1
            return 500, {"error": {"type": "api_error", "message": "lost"}}
        return answer

    def _cancel(self, name: str) -> tuple[int, dict[str, Any]]:
        intent = self.intents[name]
        if intent["status"] in ("succeeded", "processing", "canceled"):
            return 400, refusal("payment_intent_unexpected_state", "You cannot cancel this PaymentIntent")
        intent["status"] = "canceled"
        return 200, intent

    def _charge(self, form: dict[str, str], key: str) -> tuple[int, dict[str, Any]]:
        asked = (form["amount"], form["payment_method"])
        if key in self.by_key:
            before, answer = self.by_key[key]
            if before != asked:
                return 400, {"error": {"type": "idempotency_error", "message": "other parameters, same key"}}
            return answer
        answer = self._create(form)
        self.by_key[key] = (asked, answer)
        return answer

    def _create(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if form["payment_method"] == "pm_detached":
            return 400, refusal("resource_missing", "No such PaymentMethod: 'pm_detached'")
        if int(form["amount"]) < 50:
            return 400, refusal("amount_too_small", "Amount must be at least $0.50 usd")
        intent = {
            **INTENT,
            "id": f"pi_{len(self.intents) + 1}",
            "amount": int(form["amount"]),
            "currency": form["currency"],
            "customer": form.get("customer"),
            "payment_method": form["payment_method"],
            "metadata": {k[9:-1]: v for k, v in form.items() if k.startswith("metadata[")},
        }
        self.intents[intent["id"]] = intent
        method = form["payment_method"]
        if method == "pm_processing":
            intent["status"] = "processing"
        elif method in ("pm_declined", "pm_authenticate"):
            declined = method == "pm_declined"
            error = {
                "type": "card_error",
                "code": "card_declined" if declined else "authentication_required",
                "decline_code": "insufficient_funds" if declined else "authentication_required",
                "message": "Your card was declined.",
            }
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = error
            return 402, {"error": {**error, "payment_intent": intent}}
        return 200, intent

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        self.requests += 1
        if self.fail_reads:
            self.fail_reads -= 1
            return 500, {"error": {"type": "api_error", "message": "try again"}}
        parts = urlsplit(path)
        if parts.path == "/v1/payment_intents":
            newest = list(reversed(self.intents.values()))
            return 200, {"object": "list", "data": newest, "has_more": False, "url": parts.path}
        if parts.path == "/v1/payment_intents/search" and not self.has_search:
            return 400, refusal("", "Search is not available to this account")
        if parts.path == "/v1/payment_intents/search":
            query = parse_qs(parts.query)["query"][0]
            found = [i for i in self.intents.values() if f"'{i['metadata'].get('drawdown_key')}'" in query]
            return 200, {"object": "search_result", "data": found, "has_more": False, "url": parts.path}
        if parts.path.startswith("/v1/payment_methods/"):
            name = parts.path.rsplit("/", 1)[1]
            if name != "pm_card":
                return 404, {"error": {"type": "invalid_request_error", "message": "No such PaymentMethod"}}
            card = {"brand": "visa", "last4": "4242"}
            return 200, {"id": name, "object": "payment_method", "type": "card", "card": card}
        intent = self.intents.get(parts.path.rsplit("/", 1)[1])
        if intent is None:
            return 404, {"error": {"type": "invalid_request_error", "message": "No such payment_intent"}}
        return 200, intent
