"""Is an error that calls itself definite right? A client that remembers what every error said.

One call in flight at a time: an event by ``RecordUsage`` or a grant by ``ExecuteCommands``, each with
an id of its own. Sent once more after the server's next start, an acknowledged one must be a
DUPLICATE, and one that was refused as *certainly not applied* must be new.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from drawdown.v1 import admin_pb2, admin_pb2_grpc, usage_pb2
from google.rpc import error_details_pb2, status_pb2

ACCOUNT = "probe"
PAUSE_S = 0.004


def is_definite(error: grpc.RpcError) -> bool:
    """Whether the error's details promise that nothing was applied; without details nothing is promised."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            for detail in status.details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info.metadata.get("definite") == "true"
    return False


@dataclass(frozen=True)
class Probe:
    """One call that can be repeated word for word."""

    number: int
    time_us: int

    @property
    def is_grant(self) -> bool:
        return self.number % 4 == 0

    def command(self) -> dict[str, Any]:
        grant = {"grant_id": f"probe-{self.number}", "credit_type": "credits", "amount": 1}
        return {"type": "create_grant", "account": ACCOUNT, "grant": grant}

    def batch(self) -> usage_pb2.UsageBatch:
        batch = usage_pb2.UsageBatch(batch_id=self.number, detail=usage_pb2.RESULT_DETAIL_ALL)
        event_id = f"probe-{self.number}"
        batch.events.add(
            event_id=event_id, account_id=ACCOUNT, meter="calls", quantity=1, time_us=self.time_us
        )
        return batch


@dataclass
class OutcomeProbe:
    """What each call was told, over all lives of the server."""

    made: int = 0
    open: list[tuple[Probe, str]] = field(default_factory=list)
    """Calls since the last ``check`` with what was said: ``applied``, ``definite`` or ``unknown``."""
    said: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def run(self, target: str) -> None:
        """Send until the server cannot be reached any more."""
        async with grpc.aio.insecure_channel(target) as channel:
            gone = False
            while not gone:
                self.made += 1
                probe = Probe(self.made, time.time_ns() // 1_000)
                said, gone = await self._send(channel, probe)
                self.open.append((probe, said))
                self.said[said] += 1

    async def _send(self, channel: grpc.aio.Channel, probe: Probe) -> tuple[str, bool]:
        try:
            status = await answer(channel, probe)
        except grpc.aio.AioRpcError as error:
            definite = is_definite(error)
            gone = error.code() == grpc.StatusCode.UNAVAILABLE and not definite
            return ("definite" if definite else "unknown"), gone
        if status != "OK":
            self.wrong.append(f"probe {probe.number}: {status} at its first sending")
        return "applied", False

    async def check(self, target: str) -> None:
        """Repeat what was sent since the last check, against a healthy server."""
        async with grpc.aio.insecure_channel(target) as channel:
            for probe, said in self.open:
                status = await answer(channel, probe)
                wanted = {"applied": {"DUPLICATE"}, "definite": {"OK"}}.get(said, {"OK", "DUPLICATE"})
                if status not in wanted:
                    self.wrong.append(f"probe {probe.number} was told {said!r} and is {status} now")
        self.open.clear()


async def answer(channel: grpc.aio.Channel, probe: Probe) -> str:
    """The status of one call. Raises ``AioRpcError``."""
    if probe.is_grant:
        request = admin_pb2.ExecuteCommandsRequest(commands_json=json.dumps([probe.command()]).encode())
        answered = await admin_pb2_grpc.AdminServiceStub(channel).ExecuteCommands(request, timeout=20)
        return str(json.loads(answered.outcomes_json)[0]["status"])
    call = channel.unary_unary("/drawdown.v1.UsageService/RecordUsage")
    raw: bytes = await call(probe.batch().SerializeToString(), timeout=20)
    ack = usage_pb2.UsageAck.FromString(raw)
    return usage_pb2.Status.Name(ack.results.status[0]).removeprefix("STATUS_")
