"""The honest client beside the hostile ones: usage with ids of its own, every answer checked and timed.

``python -m tests.stress.hostile.honest HOST:PORT ACCOUNT`` records one event every 10 ms until its standard
input ends, repeats what got no answer with the same id, and prints one JSON line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from drawdown.client.channel import OPTIONS
from drawdown.engine import decode_ack
from drawdown.v1 import usage_pb2

from tests.stress.hostile.case import RECORD

PAUSE_S = 0.01
CALL_S = 10.0


def record_until_told(address: str, account: str) -> dict[str, object]:
    """Figures: calls, failures, events applied, and latencies in ms; samples with their instants."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    calls = failures = applied = 0
    latencies: list[float] = []
    samples: list[tuple[float, float]] = []
    codes: dict[str, int] = {}
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        stub = channel.unary_unary(RECORD)
        while not ended.is_set():
            event = usage_pb2.UsageEvent(
                event_id=f"honest-{calls}", account_id=account, meter="tokens", quantity=1
            )
            body = usage_pb2.UsageBatch(batch_id=calls, events=[event]).SerializeToString()
            calls += 1
            began, began_at = time.perf_counter(), time.monotonic()
            try:
                ack = decode_ack(stub(body, timeout=CALL_S))
                applied += ack[2]
                latencies.append((time.perf_counter() - began) * 1000)
                samples.append((began_at, latencies[-1]))
            except grpc.RpcError as failure:
                failures += 1
                codes[failure.code().name] = codes.get(failure.code().name, 0) + 1
                again = decode_ack(answered(stub, body))
                applied += again[2] + again[3]
            ended.wait(PAUSE_S)
    latencies.sort()
    return {
        "calls": calls,
        "failures": failures,
        "applied": applied,
        "codes": codes,
        "p50_ms": latencies[len(latencies) // 2] if latencies else None,
        "p99_ms": latencies[len(latencies) * 99 // 100] if latencies else None,
        "samples": samples,
    }


def answered(stub: Callable[..., bytes], body: bytes) -> bytes:
    """The answer to a repeat, which may be refused for a while. Raises ``RpcError`` after ten seconds."""
    deadline = time.monotonic() + CALL_S
    while True:
        try:
            return stub(body, timeout=CALL_S, wait_for_ready=True)
        except grpc.RpcError as failure:
            if failure.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > deadline:
                raise
            time.sleep(5 * PAUSE_S)


@dataclass
class HonestClient:
    """It, in a process of its own."""

    address: str
    account: str

    def __enter__(self) -> HonestClient:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stress.hostile.honest", self.address, self.account],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def figures(self) -> dict[str, object]:
        """Tell it to stop; what it found."""
        found, _ = self._process.communicate("", timeout=60)
        report: dict[str, object] = json.loads(found)
        return report

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    print(json.dumps(record_until_told(*sys.argv[1:3])))
