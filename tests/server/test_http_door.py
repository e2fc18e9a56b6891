"""The HTTP door itself: checks, keys and rights, bounds on hostile input, health, drain, figures."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from tests.server.calls import Calls, available, set_up
from tests.server.http_calls import EVENT, Http, event
from tests.server.processes import ServerProcess, eventually, serving

BODY_MAX = 64 << 10


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, KeyFile, str]]:
    """A server that wants keys, with accounts a-one and b-one, and the text of a key for everything."""
    data: Path = tmp_path_factory.mktemp("door") / "data"
    keys = KeyFile(data)
    _, text = keys.create("root", set(Right))
    flags = {"http": "127.0.0.1:0", "metrics": "127.0.0.1:0", "http_body_bytes_max": BODY_MAX}
    with serving(data, **flags) as server:
        calls = Calls(server.address, text)
        for account in ("a-one", "b-one", "acme"):
            set_up(calls, account)
        calls.close()
        yield server, keys, text


@pytest.fixture
def http(door: tuple[ServerProcess, KeyFile, str]) -> Http:
    return Http(door[0].announced["http"], door[2])


def keyed(door: tuple[ServerProcess, KeyFile, str], name: str, rights: set[Right], **bounds: object) -> Http:
    """Requests with a new key, once the server knows it."""
    server, keys, _ = door
    _, text = keys.create(name, rights, **bounds)  # type: ignore[arg-type]
    made = Http(server.announced["http"], text)
    eventually(lambda: made.check({}).status != 401, "the server took the new key")
    return made


# Checks


def test_a_check_says_what_a_record_would(http: Http) -> None:
    answer = http.ask("GET", "/v1/check?account=acme&meter=tokens&quantity=100")
    assert answer.status == 200
    assert answer.json == {**answer.json, "allowed": True, "reason": "OK", "available": "100", "units": 100}
    refused = http.ask("GET", "/v1/check?account=acme&meter=tokens&quantity=101&dimension.model=large").json
    assert (refused["allowed"], refused["reason"]) == (False, "INSUFFICIENT")
    unknown = http.check({"account": "nobody", "meter": "tokens"}).json
    assert (unknown["allowed"], unknown["reason"], "available" in unknown) == (
        False,
        "ACCOUNT_UNKNOWN",
        False,
    )
    many = http.check([{"account": "acme", "meter": "tokens", "quantity": each} for each in (1, 1000)])
    assert [each["reason"] for each in many.json["results"]] == ["OK", "INSUFFICIENT"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("meter=tokens", "account"),
        ("account=acme", "meter"),
        ("account=acme&meter=tokens&quantity=x", "quantity"),
        ("account=acme&meter=tokens&quantity=1.5", "quantity"),
        ("account=acme&meter=tokens&quantity=9223372036854775808", "quantity"),
        ("account=acme&meter=tokens&account=b", "account"),
        ("account=acme&meter=tokens&color=red", "color"),
        ("account=acme&meter=tokens&dimension.model=a&dimension.model=b", "dimension.model"),
    ],
)
def test_a_wrong_question_in_the_address_is_named(http: Http, query: str, field: str) -> None:
    answer = http.ask("GET", f"/v1/check?{query}")
    assert (answer.status, answer.json["field"]) == (400, field)


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"meter": "tokens"}, "account"),
        ({"account": 5, "meter": "tokens"}, "account"),
        ({"account": "acme", "meter": "tokens", "quantity": "1"}, "quantity"),
        ({"account": "acme", "meter": "tokens", "quantity": 2**64}, "quantity"),
        ({"account": "acme", "meter": "tokens", "dimensions": {"model": 1}}, "dimensions"),
        ({"account": "acme", "meter": "tokens", "colour": 1}, "colour"),
        ([], "body"),
        ([{}] * 1001, "body"),
        ("text", "body"),
        ([{"account": "acme", "meter": "tokens"}, {"account": "acme"}], "[1].meter"),
    ],
)
def test_a_wrong_question_in_the_body_is_named(http: Http, question: object, field: str) -> None:
    answer = http.check(question)
    assert (answer.status, answer.json["field"]) == (400, field), answer.body


# Keys


def test_without_a_live_key_only_health_answers(door: tuple[ServerProcess, KeyFile, str]) -> None:
    for key in ("", "ddk_wrong", "x" * 1000):
        stranger = Http(door[0].announced["http"], key)
        for answer in (stranger.events(event("s")), stranger.check({"account": "acme", "meter": "tokens"})):
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert stranger.ask("GET", "/health").json == {"status": "SERVING"}


def test_rights_and_prefix_are_those_of_grpc(door: tuple[ServerProcess, KeyFile, str]) -> None:
    reader = keyed(door, "reader", {Right.READ})
    refused = reader.events(event("r"))
    assert (refused.status, refused.json["reason"]) == (403, "PERMISSION_DENIED")
    sender = keyed(door, "sender", {Right.INGEST}, account_prefix="a-")
    assert sender.check({"account": "a-one", "meter": "tokens"}).status == 403
    assert sender.events(event("p", subject="a-one")).result["status"] == "OK"
    foreign = sender.events(event("p", subject="b-one")).result
    assert (foreign["status"], "available" in foreign) == ("ACCOUNT_UNKNOWN", False)
    bound = keyed(door, "bound reader", {Right.READ}, account_prefix="a-")
    asked = bound.check([{"account": account, "meter": "tokens"} for account in ("a-one", "b-one")])
    assert [each["reason"] for each in asked.json["results"]] == ["OK", "ACCOUNT_UNKNOWN"]


def test_a_key_beyond_its_rate_is_told_when_to_come_back(door: tuple[ServerProcess, KeyFile, str]) -> None:
    slow = keyed(door, "slow", {Right.INGEST, Right.READ}, calls_per_s=1)
    answers = [slow.check({"account": "acme", "meter": "tokens"}) for _ in range(5)]
    limited = [answer for answer in answers if answer.status == 429]
    assert limited
    assert limited[0].json["reason"] == "RATE_LIMITED"
    assert limited[0].json["definite"] is True
    assert limited[0].headers["retry-after"] == "1"


def test_off_loopback_it_wants_tls_and_keys(tmp_path: Path) -> None:
    code, log = ServerProcess(data=str(tmp_path / "data"), http="0.0.0.0:0").wait()
    assert code == 64
    assert "http: 0.0.0.0:0 is not loopback" in log
    flags = {"http": "0.0.0.0:0", "insecure_listen": True}
    code, log = ServerProcess(data=str(tmp_path / "data"), access="open", **flags).wait()
    assert code == 64
    assert "calls without keys are for loopback" in log
    with serving(tmp_path / "data", **flags) as server:
        port = server.announced["http"].rpartition(":")[2]
        assert Http(f"127.0.0.1:{port}").events(event("x")).status == 401


def test_a_taken_port_refuses_to_start(door: tuple[ServerProcess, KeyFile, str], tmp_path: Path) -> None:
    code, log = ServerProcess(data=str(tmp_path / "data"), http=door[0].announced["http"]).wait()
    assert code == 69
    assert "cannot serve" in log


# Hostile input


def test_bodies_have_a_bound(http: Http) -> None:
    """Declared or not, more than the bound is not read."""
    headers = {"Content-Type": EVENT}
    assert http.ask("POST", "/v1/events", b" " * (BODY_MAX + 1), headers).status == 413
    with connected(http) as plain:
        plain.sendall(request_head(http, "Transfer-Encoding: chunked"))
        said = b""
        try:
            for _ in range(64):
                plain.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
        except OSError:
            pass
        said = plain.recv(4096)
    assert b" 413 " in said.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nul", b"\xff\xfe", b'{"id":"\xff"}', b'{"id":"\\ud800"}', b"NaN", b"[" * 20_000,
        b'{"data":' * 5_000, b'"' + b"x" * 50_000, b"1e999999999", b"[1e999999999]"[:12],
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_is_a_400(http: Http, body: bytes) -> None:
    answer = http.ask("POST", "/v1/events", body, {"Content-Type": EVENT})
    assert answer.status == 400, answer.body
    assert answer.json["definite"] is True
    assert http.ask("POST", "/v1/check", body).status == 400


def test_numbers_of_absurd_size_cost_nothing(http: Http) -> None:
    started = time.process_time()
    for number in ("1e999999999", "1e-999999999", "9" * 5_000, "0." + "0" * 5_000 + "1"):
        body = json.dumps(event("absurd", "N")).replace('"N"', number).encode()
        answer = http.ask("POST", "/v1/events", body, {"Content-Type": EVENT})
        assert answer.status == 400, answer.body
    assert time.process_time() - started < 5


def test_what_is_no_http_and_what_never_ends_is_cut(door: tuple[ServerProcess, KeyFile, str]) -> None:
    server, _, text = door
    http = Http(server.announced["http"], text)
    with connected(http) as plain:
        plain.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert plain.recv(4096).startswith(b"HTTP/1.1 400")
    with connected(http) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (40 << 10))
        assert b" 400 " in plain.recv(4096).partition(b"\r\n")[0]
    with connected(http) as plain:
        # Headers that come a byte at a time never become a request.
        plain.settimeout(30)
        started = time.monotonic()
        sender = threading.Thread(target=trickle, args=(plain,))
        sender.start()
        with contextlib.suppress(ConnectionError):
            assert plain.recv(4096) == b""
        assert time.monotonic() - started < 20
        sender.join()
    assert http.ask("GET", "/health").status == 200


def test_many_callers_at_once_apply_each_event_once(
    door: tuple[ServerProcess, KeyFile, str], http: Http
) -> None:
    """Eight callers send the same fifty events, in batches that overlap."""
    server, _, text = door
    calls = Calls(server.address, text)
    set_up(calls, "crowd")

    def send(first: int) -> None:
        for start in range(0, 50, 10):
            ids = [(first * 7 + start + each) % 50 for each in range(10)]
            answer = http.events([event(f"crowd-{each}", subject="crowd") for each in ids])
            assert answer.json["applied"] + answer.json["duplicates"] == 10

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert available(calls, "crowd") == "50"
    calls.close()


# The process


def test_figures_count_the_calls(door: tuple[ServerProcess, KeyFile, str], http: Http) -> None:
    http.ask("GET", "/health")
    http.ask("GET", "/etc/passwd")
    http.check({"account": "acme", "meter": "tokens"})
    with urllib.request.urlopen(f"http://{door[0].announced['metrics']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'drawdown_server_http_calls_total{call="/v1/check 200"}' in text
    assert 'drawdown_server_http_calls_total{call="other 404"}' in text
    assert "passwd" not in text


def test_drain_answers_what_is_in_hand_and_takes_no_more(tmp_path: Path) -> None:
    with serving(tmp_path / "data", http="127.0.0.1:0") as server:
        calls = Calls(server.address)
        set_up(calls, amount="1000000")
        calls.close()
        http = Http(server.announced["http"])
        applied = 0
        refused = threading.Event()

        def send() -> None:
            nonlocal applied
            for number in range(100_000):
                try:
                    answer = http.events(event(f"d{number}"))
                except OSError:
                    break
                if answer.status != 200:
                    assert (answer.status, answer.json["reason"]) == (503, "DRAINING")
                    break
                applied += answer.json["applied"]
            refused.set()

        sender = threading.Thread(target=send)
        sender.start()
        eventually(lambda: applied >= 20, "events are taken")
        server.send(signal.SIGTERM)
        assert refused.wait(20)
        sender.join()
        code, _ = server.wait()
    assert code == 0
    with drawdown.open(tmp_path / "data") as database:
        assert database.balance("acme", "credits").available == 1_000_000 - applied


def test_a_second_signal_does_not_wait_for_a_body(tmp_path: Path) -> None:
    with serving(tmp_path / "data", http="127.0.0.1:0", drain_s=300) as server:
        http = Http(server.announced["http"])
        with connected(http) as slow:
            slow.sendall(request_head(http, "Content-Length: 400") + b"{")
            eventually(lambda: http.ask("GET", "/health").status == 200, "the door is open")
            server.send(signal.SIGTERM)
            time.sleep(1)
            assert server.process.poll() is None, "one signal waits for the body"
            server.send(signal.SIGTERM)
            began = time.monotonic()
            code, log = server.wait()
        assert code == 0, log
        assert time.monotonic() - began < 10


def connected(http: Http) -> socket.socket:
    host, _, port = http.address.rpartition(":")
    return socket.create_connection((host, int(port)), 20)


def request_head(http: Http, *lines: str) -> bytes:
    head = [
        "POST /v1/events HTTP/1.1",
        "Host: x",
        f"Content-Type: {EVENT}",
        f"Authorization: Bearer {http.key}",
    ]
    return "\r\n".join([*head, *lines, "", ""]).encode()


def trickle(plain: socket.socket) -> None:
    try:
        for byte in b"GET /health HTTP/1.1\r\n" + b"X-Slow: y\r\n" * 10:
            plain.sendall(bytes([byte]))
            time.sleep(0.25)
    except OSError:
        pass


def test_a_path_with_a_slash_too_many_is_no_call(http: Http) -> None:
    answer = http.ask("POST", "/v1/events/", b"{}", {"Content-Type": "application/json"})
    assert (answer.status, answer.json["field"]) == (404, "path")


def test_head_is_answered_as_get_without_the_body(http: Http) -> None:
    path = "/v1/check?account=acme&meter=tokens"
    get, head = http.ask("GET", path), http.ask("HEAD", path)
    assert (get.status, head.status, head.body) == (200, 200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize("path", ["/v1/events", "/health", "/nowhere"])
def test_a_connection_ends_behind_a_request_with_two_lengths(http: Http, path: str) -> None:
    """What stands behind it may be part of it to a proxy in between: it is not looked at."""
    sent = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\n"
        f"Authorization: Bearer {http.key}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    with connected(http) as connection:
        connection.sendall(sent.encode())
        answers = b""
        while part := connection.recv(65536):
            answers += part
    assert answers.count(b"HTTP/1.1 ") == 1, answers
