"""HTTP/2 that no library speaks. The connection may end; the server and all others go on."""

from __future__ import annotations

import random
import struct
import time

from tests.stress.hostile import http2
from tests.stress.hostile.case import Run, Target, case
from tests.stress.hostile.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    literal,
    message,
    peer,
    request_headers,
)

CLOSES_WITHIN_S = 10.0


def ends_the_connection(name: str, says: str, *content: bytes, quick: bool = False) -> None:
    """Register a case after which this connection must be over."""

    def run(target: Target) -> None:
        with peer(target.host_and_port) as attacker:
            for piece in content:
                attacker.send(piece)
            assert attacker.is_closed_within(CLOSES_WITHIN_S), "the connection stays open"
        target.note("closed")

    run.__doc__ = says
    case(name, quick=quick)(run)


def passes_over(name: str, says: str, *content: bytes, quick: bool = False) -> None:
    """Register a case that gRPC passes over, or ends the connection at."""

    def run(target: Target) -> None:
        with peer(target.host_and_port) as attacker:
            for piece in content:
                attacker.send(piece)
            attacker.read_some(0.3)
        target.note("sent")

    run.__doc__ = says
    case(name, quick=quick)(run)


def survives(name: str, says: str, *, quick: bool = False):  # type: ignore[no-untyped-def]
    """Register a case that only has to leave the server as it was."""

    def register(run: Run) -> Run:
        run.__doc__ = says
        return case(name, quick=quick)(run)

    return register


passes_over("data-on-stream-zero", "DATA where only settings belong", frame(DATA, 0, 0, b"x"), quick=True)
ends_the_connection(
    "frame-beyond-16-mebibyte", "a frame that announces 16 MiB", frame(DATA, 0, 1, b"x", length=0xFFFFFF)
)
ends_the_connection("settings-of-odd-length", "SETTINGS of five bytes", frame(SETTINGS, payload=b"12345"))
passes_over(
    "window-update-overflow", "a window beyond 2^31", *[frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")] * 3
)
passes_over("push-promise-from-a-client", "PUSH_PROMISE", frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2"))
passes_over(
    "even-stream-id", "a stream of the server's kind", frame(HEADERS, END_HEADERS, 2, request_headers())
)
ends_the_connection(
    "continuation-without-headers", "CONTINUATION of nothing", frame(CONTINUATION, 4, 1, b"x"), quick=True
)
ends_the_connection(
    "hpack-index-out-of-range", "a header from an empty table", frame(HEADERS, 5, 1, b"\xff\xff\x0f")
)
ends_the_connection(
    "hpack-integer-without-end", "an HPACK number that goes on", frame(HEADERS, 5, 1, b"\xff" + b"\xff" * 60)
)
ends_the_connection("ping-of-seven-bytes", "PING of the wrong length", frame(PING, 0, 0, b"1234567"))


def not_http2(name: str, content: bytes, *, quick: bool = False) -> None:
    """Register a case of another protocol on the port."""

    def run(target: Target) -> None:
        with peer(target.host_and_port, hello=False) as attacker:
            attacker.send(content)
            assert attacker.is_closed_within(CLOSES_WITHIN_S)
        target.note("closed")

    run.__doc__ = "something else than HTTP/2 on the port: the connection ends"
    case(name, quick=quick)(run)


not_http2("http-1-request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", quick=True)
not_http2("redis-command", b"*1\r\n$8\r\nFLUSHALL\r\n")
not_http2("random-bytes", bytes(range(256)) * 16)
not_http2("tls-hello-to-plaintext", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))


@survives("rapid-reset", "streams opened and reset at once; 100,000 in the long tier", quick=True)
def rapid_reset(target: Target) -> None:
    opened = 2_000 if target.scale == 1 else 100_000
    stream = 1
    block = request_headers()
    while opened > 0:
        with peer(target.host_and_port) as attacker:
            for _ in range(min(opened, 10_000)):
                both = frame(HEADERS, END_HEADERS, stream, block) + frame(
                    RST_STREAM, 0, stream, b"\0\0\0\x08"
                )
                if not attacker.send(both):
                    break
                stream += 2
                opened -= 1
            else:
                stream = 1
                continue
        stream = 1
        opened -= 100


@survives("continuation-flood", "headers that never end, in CONTINUATION frames", quick=True)
def continuation_flood(target: Target) -> None:
    with peer(target.host_and_port) as attacker:
        attacker.send(frame(HEADERS, 0, 1, request_headers()))
        piece = frame(CONTINUATION, 0, 1, literal(b"x-more", b"y" * 8_000))
        for _ in range(500 * target.scale):
            if not attacker.send(piece):
                return
        # Never ended: gRPC drops what is too much, and waits. The honest ones and the memory judge.
        attacker.read_some()


@survives("settings-flood", "SETTINGS that each want an answer, none of which is read")
def settings_flood(target: Target) -> None:
    _flood(target, frame(SETTINGS), 20_000)


@survives("ping-flood", "PINGs that each want an answer", quick=True)
def ping_flood(target: Target) -> None:
    _flood(target, frame(PING, 0, 0, b"12345678"), 20_000)


@survives("window-update-flood", "a window grown by one, over and over")
def window_update_flood(target: Target) -> None:
    _flood(target, frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"), 50_000)


@survives("empty-data-flood", "DATA frames without data on an open call")
def empty_data_flood(target: Target) -> None:
    with peer(target.host_and_port) as attacker:
        attacker.call(1, end=False)
        for _ in range(100 * target.scale):
            if not attacker.send(frame(DATA, 0, 1) * 200):
                return


@survives("priority-of-itself", "a stream that depends on itself")
def priority_of_itself(target: Target) -> None:
    with peer(target.host_and_port) as attacker:
        attacker.send(frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 16)))
        attacker.call(1, message(b""))
        attacker.read_some()


@survives("settings-ack-of-nothing", "acknowledgements that nobody asked for")
def settings_ack(target: Target) -> None:
    _flood(target, frame(SETTINGS, ACK), 5_000)


def _flood(target: Target, piece: bytes, count: int) -> None:
    with peer(target.host_and_port) as attacker:
        for _ in range(count * target.scale // 100):
            if not attacker.send(piece * 100):
                return


@survives(
    "declared-4-gibibyte-sent-slowly", "a message that announces 4 GiB and sends some; RSS stays", quick=True
)
def declared_huge(target: Target) -> None:
    with peer(target.host_and_port) as attacker:
        attacker.call(1, b"\0\xff\xff\xff\xff" + bytes(1000), end=False)
        for _ in range(50 * target.scale):
            if not attacker.send(frame(DATA, 0, 1, bytes(16_000))):
                break
        attacker.read_some()


@survives("one-byte-at-a-time", "a message in DATA frames of one byte", quick=True)
def one_byte(target: Target) -> None:
    with peer(target.host_and_port) as attacker:
        attacker.call(1, end=False)
        body = message(b"\x08\x01")
        for position, byte in enumerate(body):
            last = END_STREAM if position == len(body) - 1 else 0
            assert attacker.send(frame(DATA, last, 1, bytes([byte])))
            time.sleep(0.005)
        answer = b""
        while piece := attacker.read_some(2.0):
            answer += piece
            if b"grpc-status" in answer or len(answer) > 10_000:
                break
        assert answer, "an honest message in small pieces got no answer"


@survives("senders-of-a-byte-a-second", "calls that send a byte a second, and then are forgotten", quick=True)
def byte_a_second(target: Target) -> None:
    seconds = 3 if target.scale == 1 else 30
    opened = [http2.Peer(target.host_and_port).hello() for _ in range(20 * min(target.scale, 10))]
    for each in opened:
        each.call(1, message(b"", length=1000)[:5], end=False)
    for _ in range(seconds):
        time.sleep(1)
        for each in opened:
            each.send(frame(DATA, 0, 1, b"\x08"))
    for each in opened:
        each.close()


@survives(
    "path-that-is-no-utf8", "a path that is no text: grpcio's server dies of it, and another takes its port"
)
def path_that_is_no_text(target: Target) -> None:
    with peer(target.host_and_port) as attacker:
        attacker.send(
            frame(HEADERS, END_HEADERS | END_STREAM, 1, request_headers(b"/drawdown.v1.UsageService/\xf4"))
        )
        attacker.read_some(1.0)
    http2.reached(target.host_and_port).close()


@survives(
    "mutated-frames", "whole calls with some bytes of their frames changed, cut out or added", quick=True
)
def mutated_frames(target: Target) -> None:
    """50,000 in the long tier. Paths stay text but by accident: what others do is a case of its own."""
    dice = random.Random(20261122)
    for _ in range(5 if target.scale == 1 else 125 * target.scale):
        attacker = http2.reached(target.host_and_port).hello()
        for stream in range(1, 41, 2):
            head = frame(HEADERS, END_HEADERS, stream, request_headers())
            whole = head + frame(DATA, END_STREAM, stream, message(b"\x08\x01"))
            if not attacker.send(_mutated(dice, whole, head.index(http2.PATH))):
                break
        attacker.read_some(0.02)
        attacker.close()


def _mutated(dice: random.Random, whole: bytes, path_at: int) -> bytes:
    body = bytearray(whole)
    for _ in range(dice.randint(1, 4)):
        place = dice.choice([n for n in range(len(body)) if not path_at - 1 <= n < path_at + len(http2.PATH)])
        action = dice.randrange(4)
        if action < 2:
            body[place] = dice.randrange(256)
        elif action == 2 and place > path_at:
            del body[place : place + dice.randint(1, 9)]
        elif place > path_at:
            body[place:place] = dice.randbytes(dice.randint(1, 9))
    return bytes(body)


@survives("compressed-flag-without-encoding", "the compressed flag on plain bytes")
def compressed_flag(target: Target) -> None:
    with peer(target.host_and_port) as attacker:
        attacker.call(1, message(b"\x08\x01", flag=1))
        assert attacker.read_some(2.0)


@survives("never-reads", "answers that are not read: the window is closed")
def never_reads(target: Target) -> None:
    with peer(target.host_and_port, hello=False) as attacker:
        attacker.hello(struct.pack(">HI", 4, 0))
        for stream in range(1, 200, 2):
            attacker.call(stream, message(b"\x08\x01"))
        time.sleep(0.2)


@survives("connections-cut-in-the-middle", "connections that end inside a message", quick=True)
def cut_in_the_middle(target: Target) -> None:
    for _ in range(50 * target.scale):
        with peer(target.host_and_port) as attacker:
            attacker.call(1, message(b"\x08\x01", length=1000), end=False)


@survives("idle-connections", "connections that say hello and nothing else")
def idle_connections(target: Target) -> None:
    opened = [http2.Peer(target.host_and_port).hello() for _ in range(60 * min(target.scale, 8))]
    time.sleep(0.3)
    for each in opened:
        each.close()


@survives("silent-connections", "connections that say nothing at all")
def silent_connections(target: Target) -> None:
    opened = [http2.Peer(target.host_and_port) for _ in range(60 * min(target.scale, 8))]
    time.sleep(0.3)
    for each in opened:
        each.close()


def odd_headers(name: str, block: bytes, *, quick: bool = False) -> None:
    """Register a case of one call with headers that are wrong."""

    def run(target: Target) -> None:
        with peer(target.host_and_port) as attacker:
            attacker.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block))
            attacker.read_some(0.5)
        target.note("sent")

    run.__doc__ = "headers that are wrong: the call or the connection ends"
    case(name, quick=quick)(run)


odd_headers("header-name-in-capitals", request_headers(http2.PATH, (b"X-Capital", b"1")))
odd_headers("header-value-with-line-end", request_headers(http2.PATH, (b"x-a", b"1\r\nx-b: 2")), quick=True)
odd_headers("header-te-of-chunks", request_headers(http2.PATH, (b"te", b"chunked" * 500)))
odd_headers("header-te-past-8-kibibyte", request_headers(http2.PATH, (b"te", b"trailers," * 1000)))
odd_headers("scheme-past-8-kibibyte", literal(b":scheme", b"h" * 9_000) + request_headers())
odd_headers("pseudo-header-after-others", request_headers(http2.PATH, (b":path", b"/x")))
odd_headers("without-pseudo-headers", literal(b"content-type", b"application/grpc"))
odd_headers("content-type-of-html", request_headers(http2.PATH, (b"content-type", b"text/html")))
odd_headers("path-of-8-kibibyte", request_headers(b"/" + b"x" * 8_000))
odd_headers("path-with-nul", request_headers(b"/drawdown.v1.UsageService/\0"))
odd_headers("metadata-that-is-no-utf8", request_headers(http2.PATH, (b"x-a", b"\xff\xfe")), quick=True)
odd_headers("authority-that-is-no-utf8", request_headers(http2.PATH, (b":authority", b"\xff")))
odd_headers("timeout-nonsense", request_headers(http2.PATH, (b"grpc-timeout", b"99999999999999999999H")))
odd_headers("encoding-nobody-knows", request_headers(http2.PATH, (b"grpc-encoding", b"snappy")))
