"""EntitlementService: raw checks in, raw answers out, each after the state it read is durable."""

from typing import Final

import grpc

from drawdown import errors
from drawdown.engine import Engine, RawEngineError
from drawdown.server import status
from drawdown.server.access import Access, Right
from drawdown.server.context import Context, Handler
from drawdown.server.durability import Durability

SERVICE: Final = "drawdown.v1.EntitlementService"


class EntitlementService:
    """Handlers of ``drawdown.v1.EntitlementService``."""

    def __init__(self, engine: Engine, durability: Durability, access: Access) -> None:
        self._engine = engine
        self._durability = durability
        self._access = access

    def handlers(self) -> dict[str, Handler]:
        """Method handlers without serializers: bytes as they are on the wire."""
        return {
            "Check": grpc.unary_unary_rpc_method_handler(self.check),
            "BatchCheck": grpc.unary_unary_rpc_method_handler(self.batch_check),
        }

    async def check(self, request: bytes, context: Context) -> bytes:
        """``Check``."""
        try:
            principal = self._access.principal(context, Right.READ, "EntitlementService/Check")
            seq, answer = self._engine.submit_check(request, account_prefix=principal.account_prefix)
            if not self._durability.is_durable(seq):
                await self._durability.reached(seq)
            return answer
        except (errors.DrawdownError, RawEngineError) as raised:
            await status.abort(context, raised)

    async def batch_check(self, request: bytes, context: Context) -> bytes:
        """``BatchCheck``."""
        try:
            principal = self._access.principal(context, Right.READ, "EntitlementService/BatchCheck")
            seq, answer = self._engine.submit_checks(request, account_prefix=principal.account_prefix)
            if not self._durability.is_durable(seq):
                await self._durability.reached(seq)
            return answer
        except (errors.DrawdownError, RawEngineError) as raised:
            await status.abort(context, raised)
