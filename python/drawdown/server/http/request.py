"""What every call of this door does first: who calls, and a body of bounded size in bounded time."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from drawdown import errors
from drawdown.server.http.problem import HttpRefusal

# A body that takes longer to arrive is given up; nothing of it was applied.
BODY_S: Final = 20.0
# Where the listener keeps the names of a client's certificate.
CERTIFICATE: Final = "certificate"


class HttpCredential:
    """The credential of one request, as ``Access`` asks for it."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The one header that matters."""
        found = self._request.headers.get("authorization")
        return () if found is None else (("authorization", found),)

    def peer(self) -> str:
        """The other end of the connection."""
        client = self._request.client
        return "" if client is None else f"http:{client.host}:{client.port}"

    def auth_context(self) -> Mapping[str, Any]:
        """Names of the client's verified certificate."""
        names: Mapping[str, Any] = self._request.scope.get("state", {}).get(CERTIFICATE, {})
        return names


async def body_of(request: Request, bytes_max: int) -> bytes:
    """The whole body. Raises ``HttpRefusal``: 413 beyond ``bytes_max``, 408 where it never comes."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise _too_large(bytes_max)
    collected = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                if len(collected) + len(chunk) > bytes_max:
                    raise _too_large(bytes_max)
                collected += chunk
    except TimeoutError:
        raise HttpRefusal(408, f"the body did not arrive within {BODY_S:g} s", field="body") from None
    except ClientDisconnect as gone:
        raise errors.UnavailableError("the caller went away", definite=True) from gone
    return bytes(collected)


def _too_large(bytes_max: int) -> HttpRefusal:
    return HttpRefusal(413, f"body: more than {bytes_max} bytes; send fewer events at once", field="body")
