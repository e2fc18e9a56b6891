"""How long a message may take, and which of too many is cut off."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from drawdown.errors import InvalidRequestError, OverloadedError
from drawdown.server.receptions import Receptions


class Sender:
    """What a handler reads from: a message that comes when it is told to."""

    def __init__(self) -> None:
        self.whole: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def read(self) -> Any:
        return await self.whole


def test_a_message_that_does_not_come_is_cut_off_and_others_are_received() -> None:
    async def story() -> None:
        receptions = Receptions(asyncio.get_running_loop(), within_s=1.2)
        slow, quick = Sender(), Sender()
        waiting = asyncio.create_task(receptions.message(slow))  # type: ignore[arg-type]
        quick.whole.set_result(b"whole")
        assert await receptions.message(quick) == b"whole"  # type: ignore[arg-type]
        with pytest.raises(OverloadedError, match="nothing was applied"):
            await asyncio.wait_for(waiting, 20)
        assert len(receptions) == 0

    asyncio.run(story())


def test_of_too_many_the_oldest_is_cut_off() -> None:
    async def story() -> None:
        receptions = Receptions(asyncio.get_running_loop(), at_once=2)
        senders = [Sender() for _ in range(3)]
        tasks = []
        for each in senders:
            tasks.append(asyncio.create_task(receptions.message(each)))  # type: ignore[arg-type]
            await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await tasks[0]
        for each in senders[1:]:
            each.whole.set_result(b"whole")
        assert await asyncio.gather(*tasks[1:]) == [b"whole", b"whole"]

    asyncio.run(story())


def test_a_caller_that_goes_and_one_that_says_nothing() -> None:
    async def story() -> None:
        receptions = Receptions(asyncio.get_running_loop())
        gone, silent = Sender(), Sender()
        task = asyncio.create_task(receptions.message(gone))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        silent.whole.set_result(grpc.aio.EOF)
        with pytest.raises(InvalidRequestError):
            await receptions.message(silent)  # type: ignore[arg-type]
        assert len(receptions) == 0

    asyncio.run(story())
