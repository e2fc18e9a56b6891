"""Bytes that are no request, or one that means harm: the answer is an ack or a definite refusal."""

from __future__ import annotations

import gzip
import random

import grpc
from drawdown.engine import decode_ack
from drawdown.v1 import usage_pb2 as pb

from tests.stress.hostile.case import CHECK, RECORD, Code, Target, case
from tests.stress.hostile.http2 import PATH
from tests.stress.hostile.windowed import WindowedPeer

ACCOUNT = "target"
# Their requests have a message in field 1, or in one that a text would stand in.
TYPED = (
    "/drawdown.v1.GrantService/CreateGrant",
    "/drawdown.v1.GrantService/VoidAndReplace",
    "/drawdown.v1.CatalogService/CreatePlan",
)
BATCH_CHECK = "/drawdown.v1.EntitlementService/BatchCheck"


def event(**changes: object) -> pb.UsageEvent:
    given = {"event_id": "e", "account_id": ACCOUNT, "meter": "tokens", "quantity": 1, **changes}
    return pb.UsageEvent(**{name: value for name, value in given.items() if value is not None})


def batch(*events: pb.UsageEvent) -> bytes:
    return pb.UsageBatch(batch_id=1, events=events).SerializeToString()


def refused_as_invalid(target: Target, body: bytes) -> None:
    """The whole message cannot be understood."""
    for method in (RECORD, CHECK, BATCH_CHECK):
        answer = target.call(method, body)
        assert isinstance(answer, bytes) or answer == Code.INVALID_ARGUMENT, (method, answer)
    assert target.call(RECORD, body) == Code.INVALID_ARGUMENT


def status_of(target: Target, refused: pb.UsageEvent) -> str:
    """What the ack says of one event; its neighbours must not suffer."""
    before = event(event_id=f"before-{random.getrandbits(60)}", quantity=0)
    after = event(event_id=f"after-{random.getrandbits(60)}", quantity=0)
    answer = target.call(RECORD, batch(before, refused, after))
    assert isinstance(answer, bytes), answer
    ack = decode_ack(answer)
    assert (ack[2], ack[4]) == (2, 1), ack
    (exception,) = ack[5]
    assert exception[0] == 1
    return exception[1]


def wrong_event(name: str, *, quick: bool = False, status: str = "INVALID", **changes: object) -> None:
    """Register a case of one event that is refused by its status."""

    def run(target: Target) -> None:
        found = status_of(target, event(**changes))
        assert found == status, f"{found} instead of {status}"

    run.__doc__ = f"an event with {', '.join(changes)} out of line is {status}; its neighbours are applied"
    case(name, quick=quick)(run)


wrong_event("quantity-negative", quick=True, quantity=-1)
wrong_event("quantity-i64-min", quantity=-(2**63))
wrong_event("quantity-i64-max", quick=True, quantity=2**63 - 1, status="OVERFLOW")
wrong_event("time-i64-min", time_us=-(2**63), status="TOO_LATE")
wrong_event("time-i64-max", quick=True, time_us=2**63 - 1, status="TOO_EARLY")
wrong_event("event-id-empty", event_id="")
wrong_event("event-id-129-bytes", event_id="x" * 129)
wrong_event("event-id-one-mebibyte", quick=True, event_id="x" * (1 << 20))
wrong_event("event-id-with-nul", event_id="a\x00b")
wrong_event("event-id-writes-log-lines", quick=True, event_id='x\n{"level":"error","message":"forged"}\r\n')
wrong_event("event-id-escape-sequences", event_id="\x1b[2J\x1b]0;owned\x07")
wrong_event("event-id-c1-controls", event_id="a\x9b31mb")
wrong_event("account-empty", account_id="")
wrong_event("account-with-control-characters", account_id="tar\x00get")
wrong_event("account-path-traversal", account_id="../../../etc/passwd", status="ACCOUNT_UNKNOWN")
wrong_event("account-redis-injection", account_id="x FLUSHALL", status="ACCOUNT_UNKNOWN")
wrong_event("account-128-bytes-of-others", account_id="\N{WHITE SMILING FACE}" * 42, status="ACCOUNT_UNKNOWN")
wrong_event("meter-unknown-one-kibibyte", meter="m" * 1024)
wrong_event("dimension-value-one-mebibyte", dimensions={"model": "x" * (1 << 20)})
wrong_event("dimensions-ten-thousand", quick=True, dimensions={f"k{n}": "v" for n in range(10_000)})
wrong_event("credits-negative", meter=None, quantity=None, credit_type="credits", credits=-5)
wrong_event("credit-type-unknown", meter=None, quantity=None, credit_type="gold", credits=5, status="INVALID")


@case("sums-overflow-only-together", quick=True)
def sums_overflow(target: Target) -> None:
    """Many charges that fit one by one and not together: each is refused or covered, none wraps."""
    events = [event(event_id=f"sum-{random.getrandbits(60)}", quantity=2**62 // 10**6) for _ in range(64)]
    answer = target.call(RECORD, batch(*events))
    assert isinstance(answer, bytes)
    assert decode_ack(answer)[2] == 0


@case("event-id-not-utf8", quick=True)
def not_utf8(target: Target) -> None:
    """Bytes that are no UTF-8 where text belongs."""
    body = bytearray(batch(event(event_id="abcdefgh")))
    body[body.index(b"abcdefgh")] = 0xFF
    answer = target.call(RECORD, bytes(body))
    assert answer == Code.INVALID_ARGUMENT or (isinstance(answer, bytes) and decode_ack(answer)[2] == 0)


@case("both-subjects")
def both_subjects(target: Target) -> None:
    """Meter and credit type in one event: the last one wins or it is refused, never both."""
    body = batch(event(event_id=f"both-{random.getrandbits(60)}", quantity=0))
    inner = (
        event(event_id=f"both-{random.getrandbits(60)}", quantity=0).SerializeToString() + b"\x22\x07credits"
    )
    body += b"\x1a" + bytes([len(inner)]) + inner
    answer = target.call(RECORD, body)
    assert isinstance(answer, bytes) or answer == Code.INVALID_ARGUMENT


def raw_bytes(name: str, body: bytes, says: str, *, quick: bool = False) -> None:
    """Register a case of bytes that are no message."""

    def run(target: Target) -> None:
        refused_as_invalid(target, body)

    run.__doc__ = says
    case(name, quick=quick)(run)


raw_bytes("varint-never-ends", b"\x08" + b"\xff" * 64, "a number of 64 continued bytes", quick=True)
raw_bytes("varint-cut-off", b"\x08\xff", "a number that ends in the middle")
raw_bytes("length-beyond-the-end", b"\x1a\xff\xff\xff\xff\x0f", "a field of 4 GiB in six bytes", quick=True)
raw_bytes("length-of-2-to-the-63", b"\x1a" + b"\xff" * 8 + b"\x7f", "a field longer than memory")
raw_bytes("group-never-closed", b"\x1b" * 1000, "a thousand groups opened")
raw_bytes("group-closed-only", b"\x1c", "a group closed that nobody opened")
raw_bytes("field-number-zero", b"\x00\x01", "field 0")
raw_bytes("wire-type-seven", b"\x0f", "a wire type that does not exist")
raw_bytes("fixed64-cut-off", b"\x39\x01", "eight bytes announced, one there")


@case("nested-hundred-thousand", quick=True)
def nested(target: Target) -> None:
    """Messages in messages 100,000 deep, as an unknown field and as a known one."""
    for tag in (b"\x1a", b"\x22", b"\x7a"):
        inner = b""
        for _ in range(100_000 if target.scale > 1 else 3_000):
            size, head = len(inner), b""
            while size >= 128:
                head += bytes([size % 128 + 128])
                size //= 128
            inner = tag + head + bytes([size]) + inner
            if len(inner) > 500_000:
                break
        answer = target.call(RECORD, inner)
        assert isinstance(answer, bytes) or answer == Code.INVALID_ARGUMENT


@case("unknown-fields-one-mebibyte")
def unknown_fields(target: Target) -> None:
    """A mebibyte of fields that nobody knows: passed over."""
    answer = target.call(RECORD, b"\xa2\x06\x80\x80\x40" + bytes(1 << 20))
    assert isinstance(answer, bytes) or answer == Code.INVALID_ARGUMENT


@case("too-many-events-in-a-message")
def too_many_events(target: Target) -> None:
    """Two million empty events in four megabytes: refused or answered, in bounded memory."""
    answer = target.call(RECORD, b"\x1a\x00" * 2_000_000, timeout=60)
    assert isinstance(answer, bytes) or answer in (Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED)


def wrong_columns(name: str, says: str, **changes: object) -> None:
    """Register a case of columns that do not go together."""

    def run(target: Target) -> None:
        given: dict[str, object] = {
            "accounts": [ACCOUNT],
            "meters": ["tokens"],
            "account_index": [0, 0],
            "subject_index": [0, 0],
            "quantity": [0, 0],
            "event_ids": b"aabb",
            "event_id_width": 2,
            **changes,
        }
        body = pb.UsageBatch(batch_id=1, columns=pb.UsageColumns(**given)).SerializeToString()
        answer = target.call(RECORD, body)
        assert answer == Code.INVALID_ARGUMENT or (isinstance(answer, bytes) and decode_ack(answer)[2] == 0)

    run.__doc__ = says
    case(name, quick=name == "columns-account-out-of-range")(run)


wrong_columns("columns-account-out-of-range", "an index beyond the dictionary", account_index=[0, 7])
wrong_columns("columns-subject-out-of-range", "a meter beyond the dictionary", subject_index=[9, 9])
wrong_columns("columns-of-unequal-length", "more quantities than events", quantity=[0, 0, 0])
wrong_columns("columns-ids-too-short", "fewer id bytes than events need", event_ids=b"a")
wrong_columns("columns-id-width-4-gibibyte", "an id width that no id has", event_id_width=2**32 - 1)
wrong_columns(
    "columns-id-lengths-overflow",
    "lengths whose sum wraps",
    event_id_width=0,
    event_id_length=[2**32 - 1] * 2,
)


@case("mutated-batches", quick=True)
def mutated(target: Target) -> None:
    """Batches of rows and columns with some bytes changed, cut out or added; 50,000 in the long tier."""
    dice = random.Random(20261121)
    rows = batch(*(event(event_id=f"m{n}", quantity=0, dimensions={"model": "x"}) for n in range(6)))
    columns = pb.UsageBatch(
        columns=pb.UsageColumns(
            accounts=[ACCOUNT, "b"],
            meters=["tokens"],
            account_index=[0, 1, 0],
            subject_index=[0, 0, 0],
            quantity=[0, 0, 0],
            event_ids=b"aabbcc",
            event_id_width=2,
        )
    ).SerializeToString()
    with target.channel() as channel:
        for _ in range(300 if target.scale == 1 else 50_000):
            target.on(channel, RECORD, _mutated(dice, dice.choice((rows, columns))))


def _mutated(dice: random.Random, whole: bytes) -> bytes:
    body = bytearray(whole)
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(len(body)) if body else 0
        action = dice.randrange(3)
        if action == 0 and body:
            body[place] = dice.randrange(256)
        elif action == 1:
            del body[place : place + dice.randint(1, 9)]
        else:
            body[place:place] = dice.randbytes(dice.randint(1, 9))
    return bytes(body)


@case("message-beyond-the-limit", quick=True)
def beyond_the_limit(target: Target) -> None:
    """A message of 9 MiB where 8 are taken."""
    assert target.call(RECORD, bytes(9 << 20)) == Code.RESOURCE_EXHAUSTED


def compressed(name: str, kind: grpc.Compression, *, quick: bool = False) -> None:
    """Register a case of a compression bomb."""

    def run(target: Target) -> None:
        with target.channel(compression=kind) as channel:
            answer = target.on(channel, RECORD, bytes(64 << 20), timeout=60)
        assert answer in (Code.UNIMPLEMENTED, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE), answer

    run.__doc__ = f"64 MiB of zeros by {name}: refused before they are zeros again"
    case(name, quick=quick)(run)


compressed("gzip-bomb", grpc.Compression.Gzip, quick=True)
compressed("deflate-bomb", grpc.Compression.Deflate)


def bomb(size: int, *, quick: bool = False) -> None:
    """Register a case of a gzip stream that would be so many bytes."""

    def run(target: Target) -> None:
        piece = gzip.compress(bytes(min(size, 64 << 20)))
        stream = piece * max(1, size >> 26)
        peer = WindowedPeer(target.host_and_port)
        try:
            peer.read(0.05)
            peer.open(1, len(stream), PATH, (b"grpc-encoding", b"gzip"), is_compressed=True)
            while stream and 1 not in peer.ended and not peer.is_closed:
                stream = stream[peer.send_more(1, len(stream), stream) :]
                peer.read(0.01)
            if 1 not in peer.ended:
                peer.read(10)
            assert 1 in peer.ended, "nobody refused it"
        finally:
            peer.close()
        target.note("refused")

    run.__doc__ = f"{size >> 20} MiB of zeros in a gzip stream that keeps to its windows: the call ends"
    case(f"gzip-bomb-{size >> 20}-mebibyte", quick=quick)(run)


bomb(1 << 20)
bomb(1 << 30, quick=True)


@case("nested-in-typed-calls", quick=True)
def nested_in_typed(target: Target) -> None:
    """Groups and messages in messages, to the decoder that typed calls use: INVALID_ARGUMENT, no crash."""
    for body in (b"\x0b" * 100_000, b"\x1b" * 100_000 + b"\x1c" * 100_000, _nested(100_000)):
        for path in TYPED:
            answer = target.call(path, body)
            assert answer == Code.INVALID_ARGUMENT, (path, answer)


def _nested(depth: int) -> bytes:
    """Field 1, a message, in field 1, a message; lengths as they fit."""
    inner = b""
    for _ in range(depth):
        if len(inner) > 100_000:
            break
        size, head = len(inner), b""
        while size >= 128:
            head += bytes([size % 128 + 128])
            size //= 128
        inner = b"\x0a" + head + bytes([size]) + inner
    return inner
