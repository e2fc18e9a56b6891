"""HTTP requests as a caller without this package would make them."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


class HttpAnswer:
    """Status, headers and JSON of an answer."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def result(self) -> dict[str, Any]:
        """The only result."""
        (found,) = self.json["results"]
        assert isinstance(found, dict)
        return found


class Http:
    """Requests to one address, a connection each."""

    def __init__(self, address: str, key: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.address, self.key, self.tls = address, key, tls

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, Any] | None = None
    ) -> HttpAnswer:
        """One request."""
        if self.tls is None:
            connection = http.client.HTTPConnection(self.address, timeout=20)
        else:
            connection = http.client.HTTPSConnection(self.address, timeout=20, context=self.tls)
        sent = dict(headers or {})
        if self.key:
            sent["Authorization"] = f"Bearer {self.key}"
        try:
            connection.request(method, path, body, sent)
            return HttpAnswer(connection.getresponse())
        finally:
            connection.close()

    def events(self, value: Any, content_type: str = "") -> HttpAnswer:
        """``POST /v1/events`` of an event or a list of them."""
        kind = content_type or (BATCH if isinstance(value, list) else EVENT)
        return self.ask("POST", "/v1/events", json.dumps(value).encode(), {"Content-Type": kind})

    def check(self, value: Any) -> HttpAnswer:
        """``POST /v1/check``."""
        return self.ask("POST", "/v1/check", json.dumps(value).encode())


def event(identifier: str, quantity: Any = 1, **others: Any) -> dict[str, Any]:
    """A CloudEvent that reports tokens of acme; ``None`` leaves an attribute out."""
    made = {
        "specversion": "1.0",
        "id": identifier,
        "source": "/tests",
        "type": "tests.usage",
        "subject": "acme",
        "data": {"meter": "tokens", "quantity": quantity},
        **others,
    }
    return {name: value for name, value in made.items() if value is not None}
