"""The interface awaited: ``db = drawdown.aio.connect("localhost:7070")``, then ``await db.balance(…)``."""

from drawdown.client.asyncio_connection import AioConnection, AioRecorder, connect

__all__ = ["AioConnection", "AioRecorder", "connect"]
