"""Whole calls that mean harm: metadata, deadlines, streams, floods, and what typed calls are asked."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
from drawdown.v1 import account_pb2, admin_pb2, entitlement_pb2
from drawdown.v1 import usage_pb2 as pb

from tests.stress.hostile.case import CHECK, EXECUTE, QUERY, RECORD, STREAM, Code, Target, case

GET_ACCOUNT = "/drawdown.v1.AccountService/GetAccount"
LIST_ACCOUNTS = "/drawdown.v1.AccountService/ListAccounts"
ANY_BODY = entitlement_pb2.CheckRequest(account_id="target", meter="tokens").SerializeToString()


def metadata_case(name: str, *metadata: tuple[str, str | bytes], says: str, quick: bool = False) -> None:
    """Register a case of metadata that is refused before any handler sees it, or passed over."""

    def run(target: Target) -> None:
        options = [("grpc.max_metadata_size", 64 << 20), ("grpc.absolute_max_metadata_size", 64 << 20)]
        with target.channel(options=options) as channel:
            target.on(channel, CHECK, ANY_BODY, metadata=metadata)

    run.__doc__ = says
    case(name, quick=quick)(run)


metadata_case("metadata-one-mebibyte", ("x-much", "y" * (1 << 20)), says="one value of 1 MiB", quick=True)
metadata_case("metadata-ten-thousand-keys", *((f"x-{n}", "y") for n in range(10_000)), says="10,000 keys")
metadata_case("metadata-just-below-the-limit", ("x-much", "y" * 7_000), says="7,000 bytes, which are taken")
metadata_case(
    "authorization-64-kibibyte", ("authorization", "Bearer " + "A" * 65_536), says="a key of 64 KiB"
)
metadata_case(
    "authorization-nonsense", ("authorization", "Bearer ddk_'; DROP TABLE"), says="a key with SQL in it"
)
metadata_case("binary-metadata", ("x-y-bin", bytes(range(256))), says="bytes in metadata")


def deadline_case(name: str, seconds: float, *, quick: bool = False) -> None:
    """Register a case of a deadline that makes no sense."""

    def run(target: Target) -> None:
        with target.channel() as channel:
            for _ in range(50 * target.scale):
                target.on(channel, RECORD, b"", timeout=seconds)

    run.__doc__ = f"deadlines of {seconds:g} s"
    case(name, quick=quick)(run)


deadline_case("deadline-zero", 0.0, quick=True)
deadline_case("deadline-negative", -5.0)
deadline_case("deadline-one-millisecond", 0.001)
deadline_case("deadline-ten-years", 10 * 365 * 86_400.0)


@case("cancel-storm", quick=True)
def cancel_storm(target: Target) -> None:
    """Calls cancelled at random points of their life; 10,000 in the long tier."""
    dice = random.Random(7)
    with target.channel() as channel:
        record = channel.unary_unary(RECORD)
        for _ in range(200 if target.scale == 1 else 10_000):
            call = record.future(b"", timeout=10)
            time.sleep(dice.random() * 0.002)
            call.cancel()


def _batches(label: str, count: int, then_wait: threading.Event | None = None) -> Iterator[bytes]:
    for number in range(count):
        event = pb.UsageEvent(event_id=f"{label}-{number}", account_id="target", meter="tokens", quantity=0)
        yield pb.UsageBatch(batch_id=number, events=[event]).SerializeToString()
    if then_wait is not None:
        then_wait.wait(60)


@case("streams-cut-off", quick=True)
def streams_cut_off(target: Target) -> None:
    """Usage streams cancelled before, while and after they are answered."""
    with target.channel() as channel:
        for number in range(40 * target.scale):
            answers = channel.stream_stream(STREAM)(_batches(f"cut-{random.getrandbits(60)}", 20), timeout=20)
            if number % 2:
                next(answers, None)
            answers.cancel()


@case("idle-streams", quick=True)
def idle_streams(target: Target) -> None:
    """Streams that are opened and say nothing; 2,000 in the long tier, over 10 connections."""
    hold = threading.Event()
    count = 100 if target.scale == 1 else 2_000
    with contextlib.ExitStack() as stack:
        channels = [stack.enter_context(target.channel()) for _ in range(10)]
        opened = [
            channels[number % 10].stream_stream(STREAM)(_waiting(hold), timeout=30) for number in range(count)
        ]
        time.sleep(0.5)
        for each in opened:
            each.cancel()
        hold.set()


def _waiting(hold: threading.Event) -> Iterator[bytes]:
    hold.wait(30)
    yield from ()


@case("streams-never-read", quick=True)
def streams_never_read(target: Target) -> None:
    """Senders that read no ack: back-pressure holds them, memory stays."""
    hold = threading.Event()
    with target.channel() as channel:
        opened = [
            channel.stream_stream(STREAM)(_batches(f"stuck-{random.getrandbits(60)}", 400, hold), timeout=60)
            for _ in range(8 * min(target.scale, 10))
        ]
        time.sleep(0.5)
        for each in opened:
            each.cancel()
        hold.set()


@case("batches-that-are-no-batches-on-a-stream", quick=True)
def garbage_on_a_stream(target: Target) -> None:
    """One bad message ends its own stream with INVALID_ARGUMENT."""
    with target.channel() as channel:
        answers = channel.stream_stream(STREAM)(iter([b"\xff" * 100]), timeout=20)
        try:
            list(answers)
        except grpc.RpcError as failure:
            assert failure.code() == Code.INVALID_ARGUMENT
        else:
            raise AssertionError("garbage was taken for a batch")


@case("unary-method-called-as-a-stream")
def unary_as_stream(target: Target) -> None:
    """A hundred messages to a method that takes one."""
    with target.channel() as channel:
        answers = channel.stream_stream(RECORD)(iter([b""] * 100), timeout=10)
        with contextlib.suppress(grpc.RpcError):
            list(answers)


@case("unknown-methods", quick=True)
def unknown_methods(target: Target) -> None:
    """Methods and services that do not exist."""
    for path in (
        "/drawdown.v1.UsageService/Nothing",
        "/Nothing/At.All",
        "/",
        "//",
        "/a/b/c",
        "/drawdown.v1.UsageService",
    ):
        answer = target.call(path, b"")
        assert answer in (Code.UNIMPLEMENTED, Code.UNAVAILABLE), (path, answer)


@case("typed-calls-flood")
def typed_calls_flood(target: Target) -> None:
    """Far more typed calls at once than are taken: the rest is shed before any work."""
    body = account_pb2.GetAccountRequest(account_id="target").SerializeToString()
    with target.channel() as channel:
        call = channel.unary_unary(GET_ACCOUNT)
        waiting = [call.future(body, timeout=30) for _ in range(400 * min(target.scale, 10))]
        codes = {each.code() for each in waiting}
    assert codes <= {Code.OK, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE}, codes


def wrong_json(name: str, method: str, body: bytes, *, quick: bool = False) -> None:
    """Register a case of JSON that means harm."""

    def run(target: Target) -> None:
        message = (
            admin_pb2.ExecuteCommandsRequest(commands_json=body)
            if method == EXECUTE
            else admin_pb2.QueryRequest(query_json=body)
        )
        answer = target.call(method, message.SerializeToString())
        if isinstance(answer, bytes) and method == EXECUTE:
            outcomes = json.loads(admin_pb2.ExecuteCommandsResponse.FromString(answer).outcomes_json)
            assert not any(each["status"] == "OK" for each in outcomes), outcomes

    run.__doc__ = "JSON that means harm: refused, nothing applied"
    case(name, quick=quick)(run)


def create_grant(**changes: Any) -> bytes:
    grant = {"grant_id": "g", "credit_type": "credits", "amount": "1", **changes}
    return json.dumps([{"type": "create_grant", "account": "target", "grant": grant}]).encode()


wrong_json("json-nested-hundred-thousand", EXECUTE, b"[" * 100_000, quick=True)
wrong_json("json-query-nested", QUERY, b'{"type":' * 50_000)
wrong_json("json-not-utf8", EXECUTE, b'[{"type":"\xff\xfe"}]')
wrong_json("json-type-twice", EXECUTE, b'[{"type":"create_account","account":"x","type":"suspend_account"}]')
wrong_json("amount-1e999999", EXECUTE, create_grant(amount="1e999999"), quick=True)
wrong_json("amount-of-a-million-digits", EXECUTE, create_grant(amount="9" * 1_000_000))
wrong_json("amount-negative", EXECUTE, create_grant(amount="-1"))
wrong_json("amount-nan", EXECUTE, create_grant(amount="NaN"))
wrong_json("priority-huge", EXECUTE, create_grant(priority=10**30))
wrong_json("metadata-one-mebibyte-in-a-grant", EXECUTE, create_grant(metadata={"k": "v" * (2 << 20)}))


@case("page-tokens-of-nonsense")
def page_tokens(target: Target) -> None:
    """Tokens and sizes that no answer gave."""
    for token, size in (("\x00", 1), ("x" * 100_000, 1), ("", -1), ("", 2**31 - 1), ("\U0010ffff", 5)):
        request = account_pb2.ListAccountsRequest(page_token=token, page_size=size)
        target.call(LIST_ACCOUNTS, request.SerializeToString())


@case("health-watchers", quick=True)
def health_watchers(target: Target) -> None:
    """Many watchers of health that stay."""
    with target.channel() as channel:
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
        opened = [watch(b"", timeout=20) for _ in range(100 * min(target.scale, 10))]
        time.sleep(0.3)
        for each in opened:
            each.cancel()


@case("reflection-flood")
def reflection_flood(target: Target) -> None:
    """Reflection asked for everything, over and over, and for what is not there."""
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    with target.channel() as channel:
        for body in (b"\x3a\x00", b"\x22\x05a.b.c", b"\xff\xff", b"\x1a\x80\x80\x40" + bytes(1 << 20)):
            answers = channel.stream_stream(path)(iter([body] * 50), timeout=20)
            with contextlib.suppress(grpc.RpcError):
                list(answers)
