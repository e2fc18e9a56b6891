"""AdminService: for operators. Also the engine's whole command and read surface as JSON."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from drawdown import errors
from drawdown.engine import Engine, answers
from drawdown.model import commands
from drawdown.model.api_key import check_overlap
from drawdown.model.instants import now_us
from drawdown.model.rights import rights_from
from drawdown.server import convert
from drawdown.server.access import Principal, Right
from drawdown.server.api_keys import api_key_message
from drawdown.server.raw_surface import permitted_query, require_commands, shown_answer
from drawdown.server.refusals import applied, require_visible
from drawdown.storage.key_file import KeyFile
from drawdown.v1 import admin_pb2 as pb

if TYPE_CHECKING:
    from drawdown.runtime.snapshotter import SnapshotPassReport


class AdminService:
    """Methods of ``drawdown.v1.AdminService``; each runs in a worker thread and may block."""

    DESCRIPTOR: Final = pb.DESCRIPTOR.services_by_name["AdminService"]
    RIGHTS: Final = {
        "SnapshotNow": Right.ADMIN,
        "Checkpoint": Right.ADMIN,
        "Verify": Right.ADMIN,
        "GetStats": Right.ADMIN,
        "AdvanceClock": Right.MANAGE,
        "CreateApiKey": Right.ADMIN,
        "ListApiKeys": Right.ADMIN,
        "RotateApiKey": Right.ADMIN,
        "RevokeApiKey": Right.ADMIN,
        # And more, by what is asked: see raw_surface.py.
        "ExecuteCommands": Right.MANAGE,
        "Query": Right.READ,
    }

    def __init__(
        self,
        engine: Engine,
        *,
        snapshot_now: Callable[[bool], "SnapshotPassReport"] | None,
        server_stats: Callable[[], dict[str, Any]],
        execute: Callable[..., tuple[int, bytes]],
        keys: KeyFile,
    ) -> None:
        """``execute`` is the engine's ``execute_json`` with what the control plane has to do around it."""
        self._engine = engine
        self._snapshot_now = snapshot_now
        self._server_stats = server_stats
        self._execute = execute
        self._keys = keys

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
        seq, outcomes = self._execute(
            commands.encode_group([command]), account_prefix=principal.account_prefix
        )
        (result,) = answers.outcomes_from_json(outcomes, seq)
        return pb.AdvanceClockResponse(seq=applied(result).seq)

    def CreateApiKey(self, request: pb.CreateApiKeyRequest, principal: Principal) -> pb.CreateApiKeyResponse:
        rights = rights_from(request.rights)
        for right in rights:
            principal.require(right)
        made, text = self._keys.create(
            request.name,
            rights,
            account_prefix=request.account_prefix,
            certificate=request.certificate,
            calls_per_s=request.calls_per_s,
            expires_at=convert.optional_us(request, "expires_at"),
        )
        return pb.CreateApiKeyResponse(key=api_key_message(made, now_us()), text=text)

    def ListApiKeys(self, _: pb.ListApiKeysRequest, __: Principal) -> pb.ListApiKeysResponse:
        now = now_us()
        return pb.ListApiKeysResponse(keys=[api_key_message(each, now) for each in self._keys.all_keys()])

    def RotateApiKey(self, request: pb.RotateApiKeyRequest, principal: Principal) -> pb.RotateApiKeyResponse:
        for key in self._keys.all_keys():
            # Whoever gets the text has the rights: nobody comes to one that he lacks. They never change.
            if key.key_id == request.key_id:
                for right in key.rights:
                    principal.require(right)
        rotated, text = self._keys.rotate(request.key_id, check_overlap(request.overlap_s))
        return pb.RotateApiKeyResponse(key=api_key_message(rotated, now_us()), text=text)

    def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, _: Principal) -> pb.RevokeApiKeyResponse:
        return pb.RevokeApiKeyResponse(key=api_key_message(self._keys.revoke(request.key_id), now_us()))

    def ExecuteCommands(
        self, request: pb.ExecuteCommandsRequest, principal: Principal
    ) -> pb.ExecuteCommandsResponse:
        require_commands(request.commands_json, principal)
        seq, outcomes = self._execute(request.commands_json, account_prefix=principal.account_prefix)
        return pb.ExecuteCommandsResponse(outcomes_json=outcomes, seq=seq)

    def Query(self, request: pb.QueryRequest, principal: Principal) -> pb.QueryResponse:
        seq, answer = self._engine.query_json(permitted_query(request.query_json, principal))
        self._engine.wait_durable(seq)
        return pb.QueryResponse(answer_json=shown_answer(answer, request.query_json, principal), seq=seq)
