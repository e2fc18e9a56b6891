"""A secret planted in every field of every call, in every header and every setting, is in no output."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile
from drawdown.v1 import admin_pb2
from google.protobuf import message as messages
from google.protobuf import message_factory

from tests.server.calls import Calls, set_up
from tests.server.http_calls import Http
from tests.server.processes import ServerProcess, serving
from tests.server.test_permission_matrix import METHODS, SERVICES

CANARY = "canaryCANARYcanary"
DEPTH = 3
WATCH_S = 0.5
SECRETS = {
    "redis": f"redis://user:{CANARY}@127.0.0.1:1/0",
    "stripe_api_key": f"sk_test_{CANARY}",
    "stripe_webhook_secret": f"whsec_{CANARY}",
}


def filled(message: Any, *, depth: int = DEPTH, unprintable: bool = False) -> Any:
    """The message with something in every field; in every text, the canary."""
    text = f"{CANARY}\n\x1b[31m" if unprintable else CANARY
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            if field.message_type.GetOptions().map_entry:
                if field.message_type.fields_by_name["value"].type == field.TYPE_STRING:
                    getattr(message, field.name)[text] = text
            elif depth and field.is_repeated:
                filled(getattr(message, field.name).add(), depth=depth - 1, unprintable=unprintable)
            elif depth:
                filled(getattr(message, field.name), depth=depth - 1, unprintable=unprintable)
            continue
        value: Any = True if field.type == field.TYPE_BOOL else 1
        if field.type == field.TYPE_STRING:
            value = text
        elif field.type == field.TYPE_BYTES:
            value = text.encode()
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    return message


def ask(calls: Calls, service: str, method: str, body: bytes) -> str:
    """How the call ends: nothing, or all that its failure says."""
    descriptor = SERVICES[f"drawdown.v1.{service}"].methods_by_name[method]
    path = f"/drawdown.v1.{service}/{method}"
    metadata = (*calls.metadata, ("x-secret", CANARY), ("x-secret-bin", CANARY.encode()))
    try:
        if descriptor.client_streaming or descriptor.server_streaming:
            kind = "stream_stream" if descriptor.client_streaming else "unary_stream"
            given: Any = iter([body]) if descriptor.client_streaming else body
            # A watch of what is not there says nothing.
            next(getattr(calls.channel, kind)(path)(given, timeout=WATCH_S, metadata=metadata), None)
        else:
            calls.channel.unary_unary(path)(body, timeout=20, metadata=metadata)
    except grpc.RpcError as failure:
        return f"{failure.code()} {failure.details()}"
    return ""


@pytest.fixture(scope="module")
def log_of_everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The output of a server that was asked everything, and its pages of figures."""
    data: Path = tmp_path_factory.mktemp("planted") / "data"
    _, text = KeyFile(data).create("root", set(Right))
    server: ServerProcess
    with serving(data, log_level="debug", metrics="127.0.0.1:0", http="127.0.0.1:0", **SECRETS) as server:
        calls = Calls(server.address, text)
        set_up(calls)
        ends: list[str] = []
        for service, method in METHODS:
            request = message_factory.GetMessageClass(
                SERVICES[f"drawdown.v1.{service}"].methods_by_name[method].input_type
            )
            for made in (filled(request()), filled(request(), unprintable=True), filled(request(), depth=0)):
                assert isinstance(made, messages.Message)
                ends.append(ask(calls, service, method, made.SerializeToString()))
            ends.append(ask(calls, service, method, CANARY.encode()))
        faults = [end for end in ends if "StatusCode.INTERNAL" in end or "StatusCode.UNKNOWN" in end]
        door = Http(server.announced["http"], text)
        for path, body in (
            ("/v1/events", f'{{"id":"{CANARY}","{CANARY}":1'.encode()),
            ("/v1/check", f'{{"account":"{CANARY}","meter":"{CANARY}"}}'.encode()),
            ("/v1/payments/callback", CANARY.encode()),
            (f"/{CANARY}?x={CANARY}", b"{}"),
        ):
            assert door.ask("POST", path, body, {"x-secret": CANARY}).status < 500
        stats = calls.call("AdminService/GetStats", admin_pb2.GetStatsRequest())
        calls.close()
        host, _, port = server.announced["metrics"].rpartition(":")
        page = http.client.HTTPConnection(host, int(port), timeout=20)
        page.request("GET", "/metrics")
        figures = page.getresponse().read().decode()
        page.close()
        code, log = server.end()
    yield {
        "code": str(code),
        "faults": "\n".join(faults),
        "log": log,
        "stats": str(stats),
        "metrics": figures,
    }


def test_no_call_is_a_fault_whatever_its_fields_hold(log_of_everything: dict[str, str]) -> None:
    assert log_of_everything["faults"] == ""
    assert "Traceback" not in log_of_everything["log"]
    assert log_of_everything["code"] == "0"


@pytest.mark.parametrize("output", ["log", "stats", "metrics"])
def test_what_was_planted_is_in_no_output(log_of_everything: dict[str, str], output: str) -> None:
    text = log_of_everything[output]
    assert text
    assert [line[:400] for line in text.splitlines() if CANARY in line] == []
    assert "\x1b" not in text
