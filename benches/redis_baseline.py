"""The usual way in Redis: a Lua script that deduplicates, guards and burns three grants.

The client writes pipelines that were encoded beforehand to bare sockets and only counts replies, so
that the server's one thread is what is measured. One dedupe set stands for the set of a time bucket.
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from benches.figures import require
from tests.storage.valkey import ValkeyProcess

PIPELINE = 100
CONNECTIONS = 4
# Pipelines that one connection has on the way.
AHEAD = 2
COST = 3_000_000
GRANT = 10**13
APPLIED = b":1\r\n"
DUPLICATE = b":0\r\n"
REFUSED = b":-1\r\n"
SCRIPT = """
if redis.call('SADD', KEYS[2], ARGV[1]) == 0 then return 0 end
local left = redis.call('HMGET', KEYS[1], 'g0', 'g1', 'g2')
local need = tonumber(ARGV[2])
if left[1] + left[2] + left[3] < need then
  redis.call('SREM', KEYS[2], ARGV[1])
  return -1
end
for i = 1, 3 do
  local take = math.min(tonumber(left[i]), need)
  if take > 0 then
    redis.call('HINCRBY', KEYS[1], 'g' .. (i - 1), -take)
    need = need - take
  end
  if need == 0 then break end
end
return 1
"""


def _command(*parts: bytes) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _account(number: int) -> bytes:
    return b"acct-%08d" % number


class RedisBaseline:
    """A server of its own with ``accounts`` accounts of three grants."""

    def __init__(self, folder: Path, accounts: int, *, fsync_always: bool) -> None:
        durable = ("--appendonly", "yes", "--appendfsync", "always") if fsync_always else ()
        self.name = "redis Lua, appendfsync always" if fsync_always else "redis Lua, not durable"
        self._accounts = accounts
        self._fsync_always = fsync_always
        self._applied = 0
        self._random = Random(7)
        self.server = ValkeyProcess(folder, *durable)
        self._sha = b""

    def __enter__(self) -> Self:
        self.server.start()
        client = self.server.client()
        setting = client.config_get("appendfsync", "appendonly")
        really = setting.get("appendonly") == "yes" and setting.get("appendfsync") == "always"
        require(really == self._fsync_always, f"the server runs with {setting}")
        self._sha = client.script_load(SCRIPT).encode()
        grant = b"%d" % GRANT
        pipeline: list[bytes] = []
        for number in range(self._accounts):
            pipeline.append(_command(b"HSET", _account(number), b"g0", grant, b"g1", grant, b"g2", grant))
        self._send(self._pipelines(pipeline), b":3\r\n")
        self._check_refusal(client)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.kill()

    @staticmethod
    def _pipelines(commands: list[bytes]) -> list[tuple[bytes, int]]:
        parts = [commands[start : start + PIPELINE] for start in range(0, len(commands), PIPELINE)]
        return [(b"".join(part), len(part)) for part in parts]

    def _event(self, account: bytes, event_id: bytes, cost: int = COST) -> bytes:
        return _command(b"EVALSHA", self._sha, b"2", account, b"events", event_id, b"%d" % cost)

    def _events(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            event_id = str(uuid.UUID(int=self._random.getrandbits(128))).encode()
            yield self._event(_account(self._random.randrange(self._accounts)), event_id)

    def _check_refusal(self, client: Any) -> None:
        """The script refuses what is not covered, forgets its id, and takes an id once."""
        client.hset("short", mapping={"g0": 1, "g1": COST, "g2": 0})
        self._send([(self._event(b"short", b"too-much", COST + 2), 1)], REFUSED)
        self._send([(self._event(b"short", b"too-much", COST), 1)], APPLIED)
        self._send([(self._event(b"short", b"too-much", COST), 1)], DUPLICATE)
        left = client.hmget("short", "g0", "g1", "g2")
        require([int(each) for each in left] == [0, 1, 0], f"the script left {left}")
        client.delete("short")

    def _send(self, pipelines: list[tuple[bytes, int]], reply: bytes) -> float:
        """Send over all connections: seconds until the last reply. Each must be ``reply``."""
        shares = [pipelines[number::CONNECTIONS] for number in range(CONNECTIONS)]
        failures: list[BaseException] = []
        connections = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in shares]
        threads = [
            threading.Thread(target=_drive, args=(connection, share, reply, failures))
            for connection, share in zip(connections, shares, strict=True)
        ]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        for connection in connections:
            connection.close()
        require(not failures, f"the baseline failed: {failures[:1]}")
        return seconds

    def round(self, events: int) -> float:
        """Events per second of ``events`` fresh events; each must be applied."""
        pipelines = self._pipelines(list(self._events(events)))
        seconds = self._send(pipelines, APPLIED)
        self._applied += events
        self._send(pipelines[:1], DUPLICATE)
        return events / seconds

    def check(self) -> None:
        """Every credit is accounted for."""
        client = self.server.client()
        left = 0
        for start in range(0, self._accounts, 10_000):
            pipeline = client.pipeline(transaction=False)
            for number in range(start, min(start + 10_000, self._accounts)):
                pipeline.hmget(_account(number), "g0", "g1", "g2")
            left += sum(int(value) for row in pipeline.execute() for value in row)
        burned = self._accounts * 3 * GRANT - left
        require(burned == self._applied * COST, f"{self._applied:,} events burned {burned:,}")


def _drive(
    connection: socket.socket, pipelines: list[tuple[bytes, int]], reply: bytes, failures: list[BaseException]
) -> None:
    """Keep ``AHEAD`` pipelines on the way; every byte that comes back belongs to an expected reply."""
    try:
        connection.settimeout(60)
        sent = 0
        for position, (_, count) in enumerate(pipelines):
            while sent < min(len(pipelines), position + AHEAD):
                connection.sendall(pipelines[sent][0])
                sent += 1
            left = count * len(reply)
            answered = b""
            while left:
                chunk = connection.recv(min(left, 1 << 16))
                if not chunk:
                    raise ConnectionError("the server closed the connection")
                answered += chunk
                left -= len(chunk)
            if answered != reply * count:
                raise ValueError(f"expected {count} of {reply!r}, got {answered[:120]!r}")
    except (OSError, ValueError) as raised:
        failures.append(raised)
