"""Unary calls with raw bytes at a fixed concurrency, and the server that does nothing to compare with."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from drawdown.client.channel import open_aio_channel

from benches.figures import WrongAnswer

ROOT = Path(__file__).parent.parent


@contextmanager
def empty_server() -> Iterator[str]:
    """Target of a server that answers every call with nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benches.empty_server"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        target = process.stdout.readline().strip()
        if not target:
            raise WrongAnswer("the empty server did not come up")
        yield target
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def call_all(target: str, method: str, requests: list[bytes], callers: int) -> tuple[float, list[bytes]]:
    """Send every request once, ``callers`` at a time on one connection: seconds, and answers in no order."""
    return uvloop.run(_call_all(target, method, requests, callers))


async def _call_all(
    target: str, method: str, requests: list[bytes], callers: int
) -> tuple[float, list[bytes]]:
    answers: list[bytes] = []
    async with open_aio_channel(target, None) as channel:
        await channel.channel_ready()
        call = channel.unary_unary(method)
        waiting = iter(requests)

        async def one_caller() -> None:
            for request in waiting:
                answers.append(await call(request))

        began = time.perf_counter()
        await asyncio.gather(*(one_caller() for _ in range(callers)))
        return time.perf_counter() - began, answers
