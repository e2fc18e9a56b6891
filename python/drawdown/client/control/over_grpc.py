"""A call of the control plane as bytes to send, and its answer from bytes received."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from google.protobuf import descriptor_pool, message_factory

from drawdown.messages import fill, value_from
from drawdown.model.request import Request
from drawdown.model.request_check import with_plain_values
from drawdown.v1 import (
    account_pb2,
    admin_pb2,
    billing_pb2,
    catalog_pb2,
    grant_pb2,
    notice_pb2,
    report_pb2,
    subscription_pb2,
)

# Importing the schema fills the pool that the methods are looked up in.
_SCHEMA = (
    account_pb2,
    admin_pb2,
    billing_pb2,
    catalog_pb2,
    grant_pb2,
    notice_pb2,
    report_pb2,
    subscription_pb2,
)


@cache
def method_of(rpc: str) -> Any:
    """The descriptor of ``Service/Method``."""
    service, _, name = rpc.partition("/")
    return descriptor_pool.Default().FindServiceByName(f"drawdown.v1.{service}").methods_by_name[name]


def path_of(request: Request) -> str:
    """The path of the RPC."""
    return f"/drawdown.v1.{type(request).rpc}"


def encoded(request: Request) -> bytes:
    """The request message. Raises ``InvalidRequestError`` for a value that is not of its field's type."""
    plain = with_plain_values(request)
    message = message_factory.GetMessageClass(method_of(type(request).rpc).input_type)()
    return fill(message, plain).SerializeToString()


def decoded(request: Request, body: bytes) -> Any:
    """The answer to this request."""
    message = message_factory.GetMessageClass(method_of(type(request).rpc).output_type)()
    message.ParseFromString(body)
    kind: type[msgspec.Struct] = type(request).answer
    return value_from(message, kind)
