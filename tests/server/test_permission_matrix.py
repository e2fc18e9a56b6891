"""Every method of every service, called with every right and with none.

The methods come from the descriptors of ``drawdown.v1`` and from the server's own reflection: a method
that is new and has no row in ``permissions.py`` fails here.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import drawdown.v1
import grpc
import pytest
from drawdown.model.rights import Right
from drawdown.server.access import ALSO_WITH
from drawdown.storage.key_file import KeyFile
from drawdown.v1.admin_pb2 import ExecuteCommandsRequest
from google.protobuf import descriptor as descriptors
from grpc_reflection.v1alpha import reflection_pb2

from tests.server.permissions import ALSO, NEEDED, OPEN
from tests.server.processes import ServerProcess, serving

Code = grpc.StatusCode
TIMEOUT_S = 20.0

# An empty message asks for the least; where it asks for nothing that can be judged, this.
BODIES = {
    ("AdminService", "ExecuteCommands"): ExecuteCommandsRequest(commands_json=b"[]").SerializeToString()
}
# Callers that hold the right and sign what they bring: an empty message is not signed.
SIGNED = {("BillingService", "ProviderCallback")}


def services() -> dict[str, descriptors.ServiceDescriptor]:
    """Every service of the package, by full name."""
    found: dict[str, descriptors.ServiceDescriptor] = {}
    for module in pkgutil.iter_modules(drawdown.v1.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"drawdown.v1.{module.name}").DESCRIPTOR
            found.update((each.full_name, each) for each in file.services_by_name.values())
    return found


SERVICES = services()
METHODS = [(service.name, method.name) for service in SERVICES.values() for method in service.methods]


class Keyed:
    """A server that wants keys, and one key per right."""

    def __init__(self, server: ServerProcess, texts: dict[Right, str]) -> None:
        self.server = server
        self.texts = texts
        self.channel = grpc.insecure_channel(server.address)

    def code(self, service: str, method: str, text: str | None) -> grpc.StatusCode:
        """How an empty call ends."""
        descriptor = SERVICES[f"drawdown.v1.{service}"].methods_by_name[method]
        path = f"/drawdown.v1.{service}/{method}"
        metadata = (("authorization", f"Bearer {text}"),) if text else ()
        body = BODIES.get((service, method), b"")
        try:
            if descriptor.client_streaming:
                answers: Any = self.channel.stream_stream(path)(
                    iter([body]), timeout=TIMEOUT_S, metadata=metadata
                )
                next(answers, None)
            elif descriptor.server_streaming:
                answers = self.channel.unary_stream(path)(body, timeout=TIMEOUT_S, metadata=metadata)
                next(answers, None)
                answers.cancel()
            else:
                self.channel.unary_unary(path)(body, timeout=TIMEOUT_S, metadata=metadata)
        except grpc.RpcError as failure:
            code: grpc.StatusCode = failure.code()
            return code
        return Code.OK


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    data: Path = tmp_path_factory.mktemp("matrix") / "data"
    keys = KeyFile(data)
    texts = {right: keys.create(right.value, {right})[1] for right in Right}
    with serving(data) as server:
        made = Keyed(server, texts)
        yield made
        made.channel.close()


def test_every_method_has_a_row_and_every_row_a_method() -> None:
    assert {(service, method) for service, rows in NEEDED.items() for method in rows} == set(METHODS)


def test_what_is_open_to_another_right_besides_is_written_down() -> None:
    assert dict(ALSO_WITH) == ALSO


def test_the_server_serves_nothing_that_has_no_row(keyed: Keyed) -> None:
    ask = keyed.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = ask(iter([request]), timeout=TIMEOUT_S)
    served = {each.name for each in answer.list_services_response.service}
    assert served == {f"drawdown.v1.{service}" for service in NEEDED} | set(OPEN)


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_a_method_is_for_those_who_hold_its_right(keyed: Keyed, service: str, method: str) -> None:
    needed = NEEDED.get(service, {}).get(method)
    assert needed is not None, f"{service}/{method} has no row in permissions.py"
    assert keyed.code(service, method, None) == Code.UNAUTHENTICATED
    for right, text in keyed.texts.items():
        code = keyed.code(service, method, text)
        if right is needed:
            assert code not in (Code.PERMISSION_DENIED, Code.UNIMPLEMENTED), code
            assert code != Code.UNAUTHENTICATED or (service, method) in SIGNED
            assert code not in (Code.INTERNAL, Code.UNKNOWN), code
        else:
            assert code == Code.PERMISSION_DENIED, f"with {right.value}: {code}"
