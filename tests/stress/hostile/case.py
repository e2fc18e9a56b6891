"""What a case is, and what it has to work with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc

Code = grpc.StatusCode
Run = Callable[["Target"], None]

RECORD = "/drawdown.v1.UsageService/RecordUsage"
STREAM = "/drawdown.v1.UsageService/StreamUsage"
CHECK = "/drawdown.v1.EntitlementService/Check"
QUERY = "/drawdown.v1.AdminService/Query"
EXECUTE = "/drawdown.v1.AdminService/ExecuteCommands"

# What a server may say of bytes that are not a request it can serve. Never INTERNAL, never UNKNOWN.
REFUSED = frozenset(
    {
        Code.INVALID_ARGUMENT,
        Code.RESOURCE_EXHAUSTED,
        Code.UNIMPLEMENTED,
        Code.DEADLINE_EXCEEDED,
        Code.CANCELLED,
        Code.UNAVAILABLE,
        Code.NOT_FOUND,
        Code.FAILED_PRECONDITION,
        Code.ALREADY_EXISTS,
    }
)


@dataclass
class Target:
    """The server under attack, and how much of everything to send."""

    address: str
    scale: int = 1
    """1 in the quick tier; the long one sends as many times more."""
    answers: dict[str, int] = field(default_factory=dict)

    @property
    def host_and_port(self) -> tuple[str, int]:
        host, _, port = self.address.rpartition(":")
        return host, int(port)

    @contextlib.contextmanager
    def channel(self, **options: Any) -> Iterator[grpc.Channel]:
        """A connection of its own, closed afterwards."""
        given = [("grpc.use_local_subchannel_pool", 1), *options.pop("options", [])]
        channel = grpc.insecure_channel(self.address, options=given, **options)
        try:
            yield channel
        finally:
            channel.close()

    def call(self, method: str, body: bytes, *, timeout: float | None = 20, **options: Any) -> bytes | Code:
        """One unary call: its answer, or its code. Fails on a code that only a fault gives."""
        with self.channel() as channel:
            return self.on(channel, method, body, timeout=timeout, **options)

    def on(
        self, channel: grpc.Channel, method: str, body: bytes, *, timeout: float | None = 20, **options: Any
    ) -> bytes | Code:
        """``call`` on an open channel."""
        try:
            answer: bytes = channel.unary_unary(method)(body, timeout=timeout, **options)
        except grpc.RpcError as failure:
            code: Code = failure.code()
            self.note(code.name)
            assert code in REFUSED, f"{method}: {code.name}: {failure.details()}"
            return code
        self.note("OK")
        return answer

    def note(self, what: str) -> None:
        """Count an answer, for the report."""
        self.answers[what] = self.answers.get(what, 0) + 1


@dataclass(frozen=True)
class Case:
    name: str
    run: Run
    quick: bool
    says: str


CASES: dict[str, Case] = {}


def case(name: str, *, quick: bool = False) -> Callable[[Run], Run]:
    """Register a case; its docstring says what it sends and what must come of it."""

    def register(run: Run) -> Run:
        assert name not in CASES, name
        CASES[name] = Case(name, run, quick, (run.__doc__ or "").strip())
        return run

    return register
