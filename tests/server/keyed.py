"""A server that wants keys, for the tests of access."""

from pathlib import Path
from typing import Any

import grpc
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from tests.server.calls import Calls, batch, set_up
from tests.server.processes import ServerProcess, eventually

Code = grpc.StatusCode
BOUND = {Right.INGEST, Right.READ, Right.MANAGE}
MINE, FOREIGN = "a-one", "b-one"
ABSENT, FOREIGN_ABSENT = "a-two", "b-two"


class Keyed:
    """A server that wants keys; its administrator; accounts ``a-one`` and ``b-one``."""

    def __init__(self, data: Path, server: ServerProcess, admin: str) -> None:
        self.data, self.server, self.admin_text = data, server, admin
        self.keys = KeyFile(data)
        self.admin = Calls(server.address, admin)
        set_up(self.admin, MINE)
        set_up(self.admin, FOREIGN)

    def calls(self, name: str, rights: set[Right], **bounds: Any) -> Calls:
        """Calls with a new key, once the server knows it."""
        _, text = self.keys.create(name, rights, **bounds)
        made = Calls(self.server.address, text)
        eventually(lambda: code_of(made, "BatchCheck") != Code.UNAUTHENTICATED, "the server took the new key")
        return made


def code_of(calls: Calls, method: str, body: bytes = b"") -> grpc.StatusCode:
    """How a raw EntitlementService call ends."""
    try:
        calls.raw(f"EntitlementService/{method}", body)
    except grpc.RpcError as failure:
        code: grpc.StatusCode = failure.code()
        return code
    return Code.OK


def usage(account: str, event_id: str, *, force: bool = False) -> bytes:
    made = batch(1, (event_id, 1), account=account)
    made.events[0].force = force
    return made.SerializeToString()
