"""Watches over gRPC that are closed in an awkward moment, or never begin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import drawdown
import grpc
import pytest
from drawdown.errors import UnavailableError


class _Silent(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Takes every call, and says nothing until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def service(self, handler_call_details: Any) -> Any:
        def wait(body: bytes, context: Any) -> Any:
            self.let_go.wait(20)
            yield from ()

        return grpc.unary_stream_rpc_method_handler(wait)


@pytest.fixture
def silent() -> Iterator[str]:
    """Where a server takes calls and hangs, as one behind a proxy may."""
    handler = _Silent()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    handler.let_go.set()
    server.stop(0).wait()


def ends(run: Callable[[], object]) -> bool:
    """Whether it comes to its end in some seconds."""
    running = threading.Thread(target=run, daemon=True)
    running.start()
    running.join(10)
    return not running.is_alive()


@pytest.mark.parametrize("of", ["notices", "balances"])
def test_a_close_while_the_call_is_being_opened_ends_the_watch(silent: str, of: str) -> None:
    """There is no call to cancel yet, and nothing may ever come on the one that follows."""
    with drawdown.connect(silent) as connection:
        watch: Any = (
            connection.watch_notices(after=0) if of == "notices" else connection.watch_balances(["nobody"])
        )
        opens = watch._open_stream

        def opened(*asked: Any) -> Any:
            watch.close()
            return opens(*asked)

        watch._open_stream = opened
        assert ends(lambda: list(watch))


def test_a_watch_of_notices_that_does_not_begin_in_time_says_so(silent: str) -> None:
    """Also where the server has taken the call."""
    found: list[str] = []

    def watch() -> None:
        with drawdown.connect(silent, timeout_s=0.5) as connection:
            try:
                connection.watch_notices()
            except UnavailableError as raised:
                found.append(str(raised))

    assert ends(watch)
    assert "did not begin within 0.5 s" in found[0]
