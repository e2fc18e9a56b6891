"""The typed calls of UsageService: corrections, and events read back from the journal."""

from typing import Final

from drawdown.engine import Engine
from drawdown.model import commands
from drawdown.model.reservation_results import correction_result
from drawdown.server import ledger_messages
from drawdown.server.access import Principal, Right
from drawdown.server.convert import optional_text, status_number
from drawdown.server.refusals import require_visible
from drawdown.v1 import usage_pb2 as pb


class UsageRecordService:
    """CorrectUsage and GetUsageEvent; each runs in a worker thread and may block."""

    DESCRIPTOR: Final = pb.DESCRIPTOR.services_by_name["UsageService"]
    RIGHTS: Final = {"CorrectUsage": Right.MANAGE, "GetUsageEvent": Right.READ}

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def CorrectUsage(self, request: pb.CorrectUsageRequest, principal: Principal) -> pb.CorrectUsageResponse:
        given = request.WhichOneof("to")
        command = commands.correct(
            request.account_id,
            request.event_id,
            quantity=request.quantity if given == "quantity" else None,
            credits=request.credits if given == "credits" else None,
            cancel=given == "cancel" and request.cancel,
            correction_id=request.correction_id or None,
            regrant=request.regrant,
        )
        (result,) = self._engine.execute([command], account_prefix=principal.account_prefix)
        found = correction_result(result)
        return pb.CorrectUsageResponse(
            status=status_number(found.status),
            charged=optional_text(found.charged),
            difference=optional_text(found.difference),
            returned=optional_text(found.returned),
            available=optional_text(found.available),
            seq=found.seq,
        )

    def GetUsageEvent(
        self, request: pb.GetUsageEventRequest, principal: Principal
    ) -> pb.GetUsageEventResponse:
        account_id = require_visible(request.account_id, principal)
        found = self._engine.usage_event(account_id, request.event_id)
        return pb.GetUsageEventResponse(
            event=ledger_messages.entry(found.event),
            corrections=[ledger_messages.entry(each) for each in found.corrections],
            seq=found.seq,
        )
