"""Webhooks as a receiver sees them: signed, the same over attempts, and nowhere they must not go."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from drawdown.errors import ForbiddenAddressError, InvalidRequestError, UnauthenticatedError
from drawdown.model.ids import is_control
from drawdown.notices import (
    KINDS,
    AddressPolicy,
    Notice,
    RetrySchedule,
    WebhookSender,
    matches,
    new_secret,
    next_attempt,
    sender,
    signed_request,
    verify,
)
from drawdown.notices.notice import check_patterns
from drawdown.notices.sender import _TlsConnection
from drawdown.notices.webhook import check_secret

from tests.notices.receiver import Receiver

LOOPBACK = AddressPolicy(allow_http=True, allow_private=True)
NOTICE = Notice(
    notice_id="n_1",
    account="acme",
    sequence=7,
    kind="balance.low",
    at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    data={"available": "4.5"},
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.mark.behaviour("S3-12")
def test_the_receivers_library_believes_it(receiver: Receiver) -> None:
    secret, older = new_secret(), new_secret()
    body, headers = signed_request(NOTICE, [secret, older], datetime.now(UTC))
    assert WebhookSender(LOOPBACK).post(receiver.url, body, headers).delivered
    got, got_headers = receiver.got[0]
    for each in (secret, older):
        read = verify(got, got_headers, each)
        assert read == {
            "type": "balance.low",
            "timestamp": "2026-01-02T03:04:05Z",
            "account": "acme",
            "sequence": 7,
            "data": {"available": "4.5"},
        }
    assert {k.lower(): v for k, v in got_headers.items()}["webhook-id"] == "n_1"


def test_tampered_stale_future_and_swapped_are_refused() -> None:
    secret = new_secret()
    now = datetime.now(UTC)
    body, headers = signed_request(NOTICE, [secret], now)
    spoiled = [
        (body.replace(b"4.5", b"9.5"), headers),
        (body, {**headers, "webhook-id": "n_2"}),
        (body, {**headers, "webhook-signature": ""}),
        (body, signed_request(NOTICE, [new_secret()], now)[1]),
        (body, signed_request(NOTICE, [secret], now - timedelta(minutes=6))[1]),
        (body, signed_request(NOTICE, [secret], now + timedelta(minutes=6))[1]),
    ]
    for its_body, its_headers in spoiled:
        with pytest.raises(UnauthenticatedError):
            verify(its_body, its_headers, secret)
    assert verify(body, headers, secret)["type"] == "balance.low"


@pytest.mark.parametrize(
    ("status", "headers", "delivered", "is_final", "wait"),
    [
        (200, {}, True, False, None),
        (204, {}, True, False, None),
        (302, {"location": "http://169.254.169.254/latest"}, False, False, None),
        (410, {}, False, True, None),
        (429, {"retry-after": "120"}, False, False, 120),
        (429, {"retry-after": "9" * 5000}, False, False, 86_400),
        (429, {"retry-after": "-1"}, False, False, None),
        (500, {}, False, False, None),
    ],
)
def test_what_an_answer_means(
    receiver: Receiver,
    status: int,
    headers: dict[str, str],
    delivered: bool,
    is_final: bool,
    wait: int | None,
) -> None:
    receiver.answers = [(status, headers, b"")]
    found = WebhookSender(LOOPBACK).post(receiver.url, b"{}", {})
    assert (found.delivered, found.status, found.is_final, found.retry_after_s) == (
        delivered,
        status,
        is_final,
        wait,
    )
    assert len(receiver.got) == 1, "a redirect was followed"


def test_floods_trickles_and_silence_end(receiver: Receiver) -> None:
    receiver.answers = [(200, {}, b"x" * 200_000)]
    assert "larger than" in WebhookSender(LOOPBACK).post(receiver.url, b"{}", {}).error
    receiver.answers = [(200, {}, b"x" * 50)]
    receiver.trickle_s = 0.05
    slow = WebhookSender(LOOPBACK, timeout_s=0.3).post(receiver.url, b"{}", {})
    assert not slow.delivered and slow.duration_ms < 2000
    receiver.answers = [(200, {f"x-{n}": "y" * 50 for n in range(50)}, b"")]
    receiver.headers_trickle_s = 0.05
    slow = WebhookSender(LOOPBACK, timeout_s=0.3).post(receiver.url, b"{}", {})
    assert not slow.delivered and slow.duration_ms < 2000 and "within 0.3 s" in slow.error
    refused = WebhookSender(LOOPBACK).post("http://127.0.0.1:9/", b"{}", {})
    assert not refused.delivered and refused.status is None and not refused.is_final


class _Cut(threading.Event):
    """Set once the time of an attempt is up and whatever it waited for has been shut down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        cut = sender._PlainConnection.cut

        def cutting(connection: sender._PlainConnection) -> None:
            cut(connection)
            self.set()

        monkeypatch.setattr(sender._PlainConnection, "cut", cutting)


def test_an_attempt_whose_time_is_up_while_it_connects_ends_there(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing could be shut down yet: else it would last as long as the receiver likes to trickle."""
    cut, connect = _Cut(monkeypatch), socket.create_connection

    def late(address: tuple[str, int], timeout: float) -> socket.socket:
        opened = connect(address, timeout)
        assert cut.wait(10)
        return opened

    monkeypatch.setattr(socket, "create_connection", late)
    found = WebhookSender(LOOPBACK, timeout_s=0.2).post(receiver.url, b"{}", {})
    assert not found.delivered and "within 0.2 s" in found.error
    assert not receiver.got


def test_an_attempt_whose_time_is_up_while_tls_begins_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain socket is TLS's by then, and shutting it down does nothing."""
    cut = _Cut(monkeypatch)

    class Late(ssl.SSLContext):
        def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:
            wrapped = super().wrap_socket(*given, **named)
            assert cut.wait(10)
            return wrapped

    trusted = Late(ssl.PROTOCOL_TLS_CLIENT)
    trusted.load_verify_locations(CERTIFICATES / "ca.pem")
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")
    with Receiver(shown) as receiver:
        url = f"https://localhost:{receiver.port}/hook"
        found = WebhookSender(LOOPBACK, context=trusted, timeout_s=0.2).post(url, b"{}", {})
        assert not found.delivered and "within 0.2 s" in found.error
        assert not receiver.got


def test_what_a_receiver_says_is_kept_without_controls() -> None:
    """It is shown to operators, and a terminal obeys some of them."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"\x1b]0;owned\x07\x9b2J\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        found = WebhookSender(LOOPBACK).post(url, b"{}", {})
        answering.join()
    assert "owned" in found.error
    assert not any(map(is_control, found.error)), found.error


CERTIFICATES = Path(__file__).parents[1] / "server" / "certificates"


def test_over_tls_the_certificate_must_be_the_names_and_the_handshake_ends() -> None:
    trusted = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")
    with Receiver(shown) as receiver:
        url = f"https://localhost:{receiver.port}/hook"
        assert WebhookSender(LOOPBACK, context=trusted).post(url, b"{}", {}).delivered
        stranger = WebhookSender(LOOPBACK).post(url, b"{}", {})
        assert not stranger.delivered and "certificate" in stranger.error
        other = WebhookSender(LOOPBACK, context=trusted, resolver=lambda *_: ["127.0.0.1"])
        assert "certificate" in other.post(f"https://other.example:{receiver.port}/", b"{}", {}).error
        assert len(receiver.got) == 1
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{silent.getsockname()[1]}/"
        never = WebhookSender(LOOPBACK, context=trusted, timeout_s=0.3).post(url, b"{}", {})
    assert not never.delivered and never.duration_ms < 2000


FORBIDDEN = [
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "https://",
    "https:///path",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://exa mple.com/",
    "https://example.com/\r\nx: y",
    "https://example.com:99999/",
    "https://" + "a" * 3000,
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://localhost/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[fec0::1]/",
    "https://[2001::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[64:ff9b:1:fffe::a00:1]/",
    "https://[2a00:1450::5efe:10.0.0.1]/",
    "https://[2a00:1450::200:5efe:a9fe:a9fe]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[4000::1]/",
    "https://192.0.0.8/",
    "https://192.88.99.1/",
    "https://127。0。0。1/",
    "https://①②⑦.0.0.1/",
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_addresses_that_are_not_public_are_not_called(url: str) -> None:
    with pytest.raises(ForbiddenAddressError) as raised:
        AddressPolicy().target(url)
    assert raised.value.field == "url"


@pytest.mark.parametrize(
    "url",
    [
        "https://93.184.215.14/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "https://[64:ff9b::5db8:d70e]/",
    ],
)
def test_public_addresses_are_called(url: str) -> None:
    assert AddressPolicy().target(url).scheme == "https"


def test_every_address_of_a_name_is_judged() -> None:
    with pytest.raises(ForbiddenAddressError, match=r"10\.0\.0\.7"):
        AddressPolicy().target("https://two.example/", lambda host, port: ["93.184.216.34", "10.0.0.7"])
    target = AddressPolicy().target("https://one.example/a?b=c", lambda host, port: ["93.184.216.34"])
    assert (target.address, target.port, target.path) == ("93.184.216.34", 443, "/a?b=c")


def test_a_name_that_changes_its_mind_gains_nothing(receiver: Receiver) -> None:
    """It is asked once an attempt, and the connection goes to the address that was judged."""
    asked: list[str] = []

    def loopback(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    url = f"http://rebinding.invalid:{receiver.port}/"
    assert WebhookSender(LOOPBACK, resolver=loopback).post(url, b"{}", {}).delivered
    assert asked == ["rebinding.invalid"]
    refused = WebhookSender(AddressPolicy(allow_http=True), resolver=loopback).post(url, b"{}", {})
    assert refused.is_final and "127.0.0.1" in refused.error
    assert len(receiver.got) == 1


def test_retries_grow_and_end() -> None:
    schedule = RetrySchedule()
    waits = [next_attempt(schedule, "d1", n, 0) for n in range(1, len(schedule.delays_s) + 1)]
    for wait, delay in zip(waits, schedule.delays_s, strict=True):
        assert wait is not None and delay * 1_000_000 <= wait <= delay * 1_100_000
    assert next_attempt(schedule, "d1", len(schedule.delays_s) + 1, 0) is None
    assert next_attempt(schedule, "d1", 1, 0) == waits[0]
    assert next_attempt(schedule, "d2", 1, 0) != waits[0]
    assert next_attempt(schedule, "d1", 1, 0, retry_after_s=60) == 60_000_000
    assert next_attempt(schedule, "d1", 1, 0, retry_after_s=10**9) == 86_400_000_000


def test_kinds_and_patterns() -> None:
    assert matches("balance.low", ()) and matches("balance.low", ("*",))
    assert matches("balance.low", ("grant.*", "balance.*")) and matches("balance.low", ("balance.low",))
    assert not matches("balance.low", ("balance.lo", "low", "balance"))
    assert check_patterns(["balance.*", "runway"]) == ("balance.*", "runway")
    with pytest.raises(InvalidRequestError, match="nothing is called 'balances"):
        check_patterns(["balances.*"])
    with pytest.raises(InvalidRequestError, match="no kind"):
        Notice(notice_id="n", account="a", sequence=1, kind="balance.odd", at=NOTICE.at)
    assert len(KINDS) > 30


# As good as any, but for the prefix.
UNPREFIXED = "lv0UDBMbtXa7rXqTXJKzikwfUe4jzCDOLTgoxPuZAFk="


@pytest.mark.parametrize("part", ["/\u00fc", "/x?a=\u00e9", ":0/x"])
def test_a_url_that_no_request_can_be_made_of_is_refused_when_it_is_given(part: str) -> None:
    with pytest.raises(ForbiddenAddressError) as raised:
        AddressPolicy().target(f"https://example.com{part}", lambda host, port: ["93.184.216.34"])
    assert raised.value.field == "url"
    there = AddressPolicy().target("https://example.com/%C3%BC", lambda host, port: ["93.184.216.34"])
    assert (there.path, there.port) == ("/%C3%BC", 443)


@pytest.mark.parametrize(
    ("port", "host"), [("", "example.com"), (":443", "example.com"), (":80", "example.com:80")]
)
def test_the_host_is_named_with_its_port_only_where_that_is_not_the_schemes(port: str, host: str) -> None:
    """Receivers that compare the header with their name would turn the webhook away."""
    target = AddressPolicy().target(f"https://example.com{port}/", lambda host, port: ["93.184.216.34"])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = _TlsConnection(target, 1.0, ssl.create_default_context())
        connection.sock = ours
        connection.request("POST", target.path, b"{}")
        sent = theirs.recv(4096)
    assert f"\r\nHost: {host}\r\n".encode() in sent


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "c2hvcnQ=", "whsec_§", UNPREFIXED])
def test_weak_secrets_are_refused(secret: str) -> None:
    with pytest.raises(InvalidRequestError, match="24 to 64 bytes"):
        check_secret(secret)
    assert check_secret(new_secret())
