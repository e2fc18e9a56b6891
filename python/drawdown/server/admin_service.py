"""AdminService: for operators. Also the engine's whole command and read surface as JSON."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from drawdown import errors
from drawdown.engine import Engine
from drawdown.model import commands
from drawdown.runtime.snapshotter import SnapshotPassReport
from drawdown.server import convert
from drawdown.server.access import Principal, Right
from drawdown.server.refusals import apply, require_visible
from drawdown.v1 import admin_pb2 as pb


class AdminService:
    """Methods of ``drawdown.v1.AdminService``; each runs in a worker thread and may block."""

    DESCRIPTOR: Final = pb.DESCRIPTOR.services_by_name["AdminService"]
    RIGHTS: Final = {
        "SnapshotNow": Right.ADMIN,
        "Checkpoint": Right.ADMIN,
        "Verify": Right.ADMIN,
        "GetStats": Right.ADMIN,
        "AdvanceClock": Right.MANAGE,
        "ExecuteCommands": Right.ADMIN,
        "Query": Right.ADMIN,
    }

    def __init__(
        self,
        engine: Engine,
        *,
        snapshot_now: Callable[[bool], SnapshotPassReport] | None,
        server_stats: Callable[[], dict[str, Any]],
        before: Callable[..., None],
    ) -> None:
        """``before`` does what the control plane has to do ahead of a group of commands."""
        self._engine = engine
        self._snapshot_now = snapshot_now
        self._server_stats = server_stats
        self._before = before

    def SnapshotNow(self, request: pb.SnapshotNowRequest, _: Principal) -> pb.SnapshotNowResponse:
        if self._snapshot_now is None:
            raise errors.PreconditionError(
                "no remote snapshot store is configured; start the server with --redis URL",
                reason="SNAPSHOT_NOT_CONFIGURED",
            )
        taken = self._snapshot_now(request.full)
        return pb.SnapshotNowResponse(
            snapshot_seq=taken.snapshot_seq,
            accounts_written=taken.accounts_written,
            generation=taken.generation,
        )

    def Checkpoint(self, _: pb.CheckpointRequest, __: Principal) -> pb.CheckpointResponse:
        return pb.CheckpointResponse(checkpoint_seq=self._engine.checkpoint())

    def Verify(self, request: pb.VerifyRequest, principal: Principal) -> pb.VerifyResponse:
        account_id = request.account_id
        if account_id:
            require_visible(account_id, principal)
        found = self._engine.conservation(account_id or None)
        self._engine.wait_durable(found.seq)
        return pb.VerifyResponse(
            holds=found.holds,
            accounts=found.accounts,
            pools=found.pools,
            grants=found.grants,
            violations=found.violations,
            digest=self._engine.digest() if request.digest else "",
            seq=found.seq,
        )

    def GetStats(self, _: pb.GetStatsRequest, __: Principal) -> pb.GetStatsResponse:
        return pb.GetStatsResponse(
            engine_json=msgspec.json.encode(self._engine.stats()),
            server_json=msgspec.json.encode(self._server_stats()),
        )

    def AdvanceClock(self, request: pb.AdvanceClockRequest, principal: Principal) -> pb.AdvanceClockResponse:
        command = commands.AdvanceClock(account=request.account_id, to=convert.instant_us(request.to, "to"))
        self._before(commands.encode_group([command]), account_prefix=principal.account_prefix)
        return pb.AdvanceClockResponse(seq=apply(self._engine, command, principal).seq)

    def ExecuteCommands(
        self, request: pb.ExecuteCommandsRequest, principal: Principal
    ) -> pb.ExecuteCommandsResponse:
        self._before(request.commands_json, account_prefix=principal.account_prefix)
        seq, outcomes = self._engine.execute_json(
            request.commands_json, account_prefix=principal.account_prefix
        )
        return pb.ExecuteCommandsResponse(outcomes_json=outcomes, seq=seq)

    def Query(self, request: pb.QueryRequest, principal: Principal) -> pb.QueryResponse:
        if principal.account_prefix:
            raise errors.PermissionDeniedError("a credential bound to accounts cannot query at large")
        seq, answer = self._engine.query_json(request.query_json)
        self._engine.wait_durable(seq)
        return pb.QueryResponse(answer_json=answer, seq=seq)
