"""Typed and raw calls as a client without this package's client library would make them."""

from typing import Any

import grpc
from drawdown.v1 import (
    account_pb2,
    admin_pb2,
    billing_pb2,
    catalog_pb2,
    entitlement_pb2,
    grant_pb2,
    notice_pb2,
    report_pb2,
    subscription_pb2,
    usage_pb2,
)
from google.protobuf import message_factory
from google.rpc import error_details_pb2, status_pb2

SERVICES = {
    "AccountService": account_pb2,
    "GrantService": grant_pb2,
    "CatalogService": catalog_pb2,
    "AdminService": admin_pb2,
    "UsageService": usage_pb2,
    "EntitlementService": entitlement_pb2,
    "SubscriptionService": subscription_pb2,
    "BillingService": billing_pb2,
    "NoticeService": notice_pb2,
    "ReportService": report_pb2,
}


class Calls:
    """Calls to one server over one channel."""

    def __init__(
        self, address: str, api_key: str | None = None, credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        if credentials is None:
            self.channel = grpc.insecure_channel(address)
        else:
            self.channel = grpc.secure_channel(address, credentials)
        self.metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()

    def close(self) -> None:
        self.channel.close()

    def call(self, path: str, request: Any, *, timeout: float = 20.0) -> Any:
        """``Service/Method`` with a message; answers the message."""
        service, method = path.split("/")
        module = SERVICES[service]
        descriptor = module.DESCRIPTOR.services_by_name[service].methods_by_name[method]
        answer = message_factory.GetMessageClass(descriptor.output_type)
        stub = self.channel.unary_unary(
            f"/drawdown.v1.{path}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return stub(request, timeout=timeout, metadata=self.metadata)

    def raw(self, path: str, body: bytes, *, timeout: float = 20.0) -> bytes:
        """``Service/Method`` with bytes as they are."""
        answer: bytes = self.channel.unary_unary(f"/drawdown.v1.{path}")(
            body, timeout=timeout, metadata=self.metadata
        )
        return answer

    def stream(self, batches: Any, *, timeout: float = 30.0) -> Any:
        """``StreamUsage`` over an iterable of batches; iterates over acks."""
        stub = self.channel.stream_stream(
            "/drawdown.v1.UsageService/StreamUsage",
            request_serializer=lambda each: each if isinstance(each, bytes) else each.SerializeToString(),
            response_deserializer=usage_pb2.UsageAck.FromString,
        )
        return stub(iter(batches), timeout=timeout, metadata=self.metadata)


def error_info(failure: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo of a failed call."""
    for key, value in failure.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Is(info.DESCRIPTOR):
                    detail.Unpack(info)
                    return info
    raise AssertionError(f"no ErrorInfo: {failure}")


def set_up(calls: Calls, account: str = "acme", amount: str = "100") -> None:
    """A credit type, a meter at 1 credit per unit, an account with one grant."""
    calls.call(
        "CatalogService/CreateCreditType",
        catalog_pb2.CreateCreditTypeRequest(credit_type=catalog_pb2.CreditType(name="credits", scale=6)),
    )
    calls.call(
        "CatalogService/CreateMeter",
        catalog_pb2.CreateMeterRequest(meter=catalog_pb2.Meter(key="tokens", unit="token")),
    )
    calls.call(
        "CatalogService/SetRate",
        catalog_pb2.SetRateRequest(rate=catalog_pb2.Rate(meter="tokens", credit_type="credits", credits="1")),
    )
    calls.call("AccountService/CreateAccount", account_pb2.CreateAccountRequest(account_id=account))
    calls.call(
        "GrantService/CreateGrant",
        grant_pb2.CreateGrantRequest(
            account_id=account,
            grant=grant_pb2.GrantContent(grant_id="welcome", credit_type="credits", amount=amount),
        ),
    )


def batch(batch_id: int, *events: tuple[str, int], account: str = "acme") -> usage_pb2.UsageBatch:
    """A batch of ``(event id, quantity)`` of meter ``tokens``."""
    return usage_pb2.UsageBatch(
        batch_id=batch_id,
        events=[
            usage_pb2.UsageEvent(event_id=event_id, account_id=account, meter="tokens", quantity=quantity)
            for event_id, quantity in events
        ],
    )


def available(calls: Calls, account: str = "acme") -> str:
    """The account's available credits as text."""
    answer = calls.call(
        "AccountService/GetBalance",
        account_pb2.GetBalanceRequest(account_id=account, credit_type="credits"),
    )
    text: str = answer.balance.available
    return text
