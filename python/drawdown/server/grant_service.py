"""GrantService: give credits, list and void them. A grant is never edited."""

from decimal import Decimal
from typing import Final

from drawdown import errors
from drawdown.engine import Engine
from drawdown.model import commands
from drawdown.model.command_methods import confirm_void
from drawdown.server import convert
from drawdown.server.access import Principal, Right
from drawdown.server.pages import page_size
from drawdown.server.refusals import apply, require_visible
from drawdown.v1 import grant_pb2 as pb


class GrantService:
    """Methods of ``drawdown.v1.GrantService``; each runs in a worker thread and may block."""

    DESCRIPTOR: Final = pb.DESCRIPTOR.services_by_name["GrantService"]
    RIGHTS: Final = {
        "CreateGrant": Right.MANAGE,
        "GetGrant": Right.READ,
        "ListGrants": Right.READ,
        "VoidGrant": Right.MANAGE,
        "ReleaseGrant": Right.MANAGE,
        "VoidAndReplace": Right.MANAGE,
    }

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def CreateGrant(self, request: pb.CreateGrantRequest, principal: Principal) -> pb.CreateGrantResponse:
        command = commands.CreateGrant(account=request.account_id, grant=convert.grant_input(request.grant))
        result = apply(self._engine, command, principal)
        return pb.CreateGrantResponse(
            grant=self._grant(request.account_id, request.grant.grant_id),
            already_existed=result.status == "DUPLICATE",
            seq=result.seq,
        )

    def GetGrant(self, request: pb.GetGrantRequest, principal: Principal) -> pb.GetGrantResponse:
        grant = self._engine.grant(require_visible(request.account_id, principal), request.grant_id)
        self._engine.wait_durable(grant.seq)
        return pb.GetGrantResponse(grant=convert.grant_message(grant), seq=grant.seq)

    def ListGrants(self, request: pb.ListGrantsRequest, principal: Principal) -> pb.ListGrantsResponse:
        account, size = require_visible(request.account_id, principal), page_size(request.page_size)
        try:
            grants, following = self._engine.grants_page(
                account,
                credit_type=request.credit_type or None,
                after=request.page_token or None,
                limit=size,
            )
        except errors.InvalidRequestError as refused:
            what = "page_token: not one that this call gave"
            raise errors.InvalidRequestError(what, field="page_token") from refused
        seq = grants[0].seq if grants else self._engine.durable_seq()
        self._engine.wait_durable(seq)
        return pb.ListGrantsResponse(
            grants=[convert.grant_message(each) for each in grants],
            next_page_token=following or "",
            seq=seq,
        )

    def VoidGrant(self, request: pb.VoidGrantRequest, principal: Principal) -> pb.VoidGrantResponse:
        confirm_void(request.confirm)
        command = commands.VoidGrant(
            account=request.account_id, grant_id=request.grant_id, reason=request.reason
        )
        result = apply(self._engine, command, principal)
        repeated = result.status == "DUPLICATE"
        forfeited = result.facts.get("forfeited", Decimal(0))
        return pb.VoidGrantResponse(
            forfeited="0" if repeated else convert.credits_text(forfeited),
            already_voided=repeated,
            grant=self._grant(request.account_id, request.grant_id),
            seq=result.seq,
        )

    def ReleaseGrant(self, request: pb.ReleaseGrantRequest, principal: Principal) -> pb.ReleaseGrantResponse:
        command = commands.ReleaseGrant(
            account=request.account_id,
            grant_id=request.grant_id,
            effective_at=convert.optional_us(request, "effective_at"),
            expires_at=convert.optional_us(request, "expires_at"),
        )
        result = apply(self._engine, command, principal)
        return pb.ReleaseGrantResponse(
            grant=self._grant(request.account_id, request.grant_id),
            already_released=result.status == "DUPLICATE",
            seq=result.seq,
        )

    def VoidAndReplace(
        self, request: pb.VoidAndReplaceRequest, principal: Principal
    ) -> pb.VoidAndReplaceResponse:
        confirm_void(request.confirm)
        command = commands.VoidAndReplace(
            account=request.account_id,
            void=list(request.void_grant_ids),
            create=[convert.grant_input(each) for each in request.create],
        )
        result = apply(self._engine, command, principal)
        created = {each.grant_id for each in request.create}
        grants = [each for each in self._engine.grants(request.account_id) if each.grant_id in created]
        return pb.VoidAndReplaceResponse(
            grants=[convert.grant_message(each) for each in grants],
            already_existed=result.status == "DUPLICATE",
            seq=result.seq,
        )

    def _grant(self, account_id: str, grant_id: str) -> pb.Grant | None:
        # One that ended long ago may be in no journal kept.
        try:
            grant = self._engine.grant(account_id, grant_id)
        except errors.NotFoundError:
            return None
        self._engine.wait_durable(grant.seq)
        return convert.grant_message(grant)
