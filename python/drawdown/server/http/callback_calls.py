"""``POST /v1/payments/callback``: the payment provider's word, believed for its signature and nothing else.

The provider has no key of ours. So this path asks for none, takes small bodies only, and has threads and a
bound of its own: a flood of forgeries keeps no usage waiting. A body counts against that bound once it is
whole; of those that are still to come few are waited for, and the oldest of too many is cut off: the
provider's own comes in one piece.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec
from starlette.requests import Request

from drawdown import errors
from drawdown.billing.purchase_requests import CallbackAnswer, ProviderCallback
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.server.access import Principal, Right
from drawdown.server.audit import Audit
from drawdown.server.http.problem import HttpRefusal
from drawdown.server.http.request import HttpCredential, body_of
from drawdown.server.receptions import Receptions

# An event of a provider is a few KiB.
BODY_BYTES_MAX: Final = 256 << 10
IN_HAND_MAX: Final = 16
# Bodies that are received at once, and how long each may take.
RECEIVED_AT_ONCE: Final = 16
RECEIVED_WITHIN_S: Final = 5.0
THREADS: Final = 2
_RPC: Final = ProviderCallback.rpc


class CallbackCalls:
    """Takes callbacks to the control plane. Made on the running loop."""

    def __init__(self, plane: ControlPlane, audit: Audit) -> None:
        self._plane = plane
        self._audit = audit
        self._caller = Principal(name=f"provider {plane.provider.name}", rights=frozenset())
        self.executor = ThreadPoolExecutor(THREADS, thread_name_prefix="http-callback")
        self.in_hand = 0
        self._receptions = Receptions(
            asyncio.get_running_loop(), at_once=RECEIVED_AT_ONCE, within_s=RECEIVED_WITHIN_S
        )

    async def body(self, request: Request, bytes_max: int) -> bytes:
        """The whole body. Raises ``HttpRefusal``: as ``body_of``, and 408 where it was cut off."""
        try:
            return await self._receptions.whole(body_of(request, min(bytes_max, BODY_BYTES_MAX)))
        except errors.OverloadedError as cut:
            raise HttpRefusal(408, f"body: {cut.message}; send it again in one piece", field="body") from cut

    def admit(self) -> None:
        """Raises ``OverloadedError``: the provider sends it again."""
        if self.in_hand >= IN_HAND_MAX:
            raise errors.OverloadedError(f"{IN_HAND_MAX} callbacks are being handled already; send it again")

    def answered(self, credential: HttpCredential, headers: Mapping[str, str], body: bytes) -> bytes:
        """What it changed, as JSON; durable. The same again changes nothing. Blocks.

        Raises ``HttpRefusal`` (400) where the signature is not the provider's, or the body is no text.
        """
        try:
            text = body.decode()
        except UnicodeDecodeError as raised:
            raise HttpRefusal(400, f"body: {raised}", field="body") from raised
        try:
            answer: CallbackAnswer = self._plane.call(ProviderCallback(body=text, headers=dict(headers)))
        except errors.UnauthenticatedError as forged:
            self._audit.refused(_RPC, Right.MANAGE, self._caller, credential, forged.reason)
            raise HttpRefusal(400, forged.message, field="signature") from forged
        except errors.DrawdownError as fault:
            self._audited(credential, fault.reason)
            raise
        self._audited(credential, "OK")
        return msgspec.json.encode(answer)

    def _audited(self, credential: HttpCredential, outcome: str) -> None:
        self._audit.call(_RPC, Right.MANAGE, self._caller, None, credential)(outcome)

    def close(self) -> None:
        """Wait for those in hand."""
        self.executor.shutdown(wait=True, cancel_futures=True)
