"""Every method that takes an id, asked by a caller bound to a prefix: foreign answers as absent does.

Same code, same sentence, same details, same size, and in the same time. A method that is new and stands in
none of the tables fails here.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import drawdown
import grpc
import pytest
from drawdown.model.rights import Right
from drawdown.v1 import (
    account_pb2,
    entitlement_pb2,
    housekeeping_pb2,
    invoice_credit_pb2,
    notice_pb2,
    purchase_pb2,
    subscription_pb2,
    transfer_pb2,
    usage_pb2,
)

from tests.control.plans import paid_plan
from tests.server.calls import Calls
from tests.server.keyed import FOREIGN, FOREIGN_ABSENT, MINE, Code, Keyed
from tests.server.permissions import NEEDED
from tests.server.test_foreign_accounts import BY_ID, PER_ACCOUNT

Ids = dict[str, str]
THEIRS: Ids = {
    "account": FOREIGN,
    "customer_id": FOREIGN,
    "subscription_id": "sub_theirs",
    "purchase_id": "buy_theirs",
    "credit_id": "off_theirs",
    "transfer_id": "move_theirs",
    "endpoint_id": "hook_theirs",
}
# Of the same length, so that not even the size differs.
ABSENT: Ids = {
    name: FOREIGN_ABSENT if name in ("account", "customer_id") else each.replace("theirs", "absent")
    for name, each in THEIRS.items()
}
CREDIT = "credits"


def money_off(credit_id: str, account: str) -> invoice_credit_pb2.CreateInvoiceCreditRequest:
    """An invoice credit of a cent."""
    return invoice_credit_pb2.CreateInvoiceCreditRequest(
        credit={
            "credit_id": credit_id,
            "account": account,
            "name": "x",
            "amount": {"minor": 1, "currency": "USD"},
            "created_at": {"seconds": 1},
        }
    )


def with_account(path: str, ids: Ids) -> Any:
    request = type(PER_ACCOUNT[path])()
    request.CopyFrom(PER_ACCOUNT[path])
    setattr(request, "account_id" if hasattr(request, "account_id") else "account", ids["account"])
    return request


def _with_id(path: str, ids: Ids) -> Any:
    request = type(BY_ID[path])()
    request.CopyFrom(BY_ID[path])
    (field,) = [name for name in request.DESCRIPTOR.fields_by_name if name in ids]
    setattr(request, field, ids[field])
    return request


# What the other file asks by account and by id, asked here for sizes and times as well; and all the rest.
ASKED: dict[str, Callable[[Ids], Any]] = {
    **{path: lambda ids, path=path: with_account(path, ids) for path in PER_ACCOUNT},
    **{path: lambda ids, path=path: _with_id(path, ids) for path in BY_ID},
    "UsageService/CorrectUsage": lambda ids: usage_pb2.CorrectUsageRequest(
        account_id=ids["account"], event_id="e", cancel=True
    ),
    "UsageService/RecordUsage": lambda ids: usage_pb2.UsageBatch(
        events=[{"event_id": "e", "account_id": ids["account"], "meter": "tokens", "quantity": 1}]
    ),
    "EntitlementService/Check": lambda ids: entitlement_pb2.CheckRequest(
        account_id=ids["account"], meter="tokens"
    ),
    "EntitlementService/BatchCheck": lambda ids: entitlement_pb2.BatchCheckRequest(
        checks=[{"account_id": ids["account"], "meter": "tokens"}]
    ),
    "EntitlementService/Reserve": lambda ids: entitlement_pb2.ReserveRequest(
        account_id=ids["account"], reservation_id="r", meter="tokens", quantity=1
    ),
    "EntitlementService/Settle": lambda ids: entitlement_pb2.SettleRequest(
        account_id=ids["account"], reservation_id="theirs", quantity=1
    ),
    "EntitlementService/Release": lambda ids: entitlement_pb2.ReleaseRequest(
        account_id=ids["account"], reservation_id="theirs"
    ),
    "AccountService/PutCustomer": lambda ids: account_pb2.PutCustomerRequest(
        customer={"customer_id": ids["customer_id"], "name": "x"}
    ),
    "AccountService/ListCustomers": lambda ids: account_pb2.ListCustomersRequest(prefix=ids["customer_id"]),
    "AccountService/ListAccounts": lambda ids: account_pb2.ListAccountsRequest(prefix=ids["account"]),
    "AccountService/ImportOpening": lambda ids: housekeeping_pb2.ImportOpeningRequest(
        rows=[{"line": 1, "kind": "account", "fields": {"account": ids["account"]}}], dry_run=True
    ),
    "GrantService/TransferCredits": lambda ids: transfer_pb2.TransferCreditsRequest(
        transfer_id="t", from_account=ids["account"], to_account=MINE, credit_type=CREDIT, credits="1"
    ),
    "GrantService/GetTransfer": lambda ids: transfer_pb2.GetTransferRequest(transfer_id=ids["transfer_id"]),
    "NoticeService/UpdateWebhookEndpoint": lambda ids: notice_pb2.UpdateWebhookEndpointRequest(
        endpoint_id=ids["endpoint_id"], enabled=False
    ),
    "NoticeService/RotateWebhookSecret": lambda ids: notice_pb2.RotateWebhookSecretRequest(
        endpoint_id=ids["endpoint_id"]
    ),
    "NoticeService/ListWebhookDeliveries": lambda ids: notice_pb2.ListWebhookDeliveriesRequest(
        endpoint_id=ids["endpoint_id"]
    ),
    "NoticeService/Redeliver": lambda ids: notice_pb2.RedeliverRequest(
        endpoint_id=ids["endpoint_id"], notice_id="n"
    ),
    "SubscriptionService/AddService": lambda ids: subscription_pb2.AddServiceRequest(
        subscription_id=ids["subscription_id"], service={"service_id": "s", "pack_id": "pack"}
    ),
    "SubscriptionService/TerminateService": lambda ids: subscription_pb2.TerminateServiceRequest(
        subscription_id=ids["subscription_id"], service_id="s"
    ),
    "SubscriptionService/AdjustDelivery": lambda ids: subscription_pb2.AdjustDeliveryRequest(
        subscription_id=ids["subscription_id"], service_id="s", number=1, amount="1"
    ),
    "BillingService/CloseInvoice": lambda ids: invoice_credit_pb2.CloseInvoiceRequest(
        invoice_id=ids["invoice_id"], state="void"
    ),
    "BillingService/RenderInvoice": lambda ids: invoice_credit_pb2.RenderInvoiceRequest(
        invoice_id=ids["invoice_id"], format="html"
    ),
    "BillingService/CreateCreditNote": lambda ids: invoice_credit_pb2.CreateCreditNoteRequest(
        note_id="n", invoice_id=ids["invoice_id"], line_id="l", amount={"minor": 1, "currency": "USD"}
    ),
    "BillingService/CreateInvoiceCredit": lambda ids: money_off("c", ids["account"]),
    "BillingService/VoidInvoiceCredit": lambda ids: invoice_credit_pb2.VoidInvoiceCreditRequest(
        credit_id=ids["credit_id"], confirm=True
    ),
    "BillingService/CreatePurchase": lambda ids: purchase_pb2.CreatePurchaseRequest(
        purchase_id="p", account=ids["account"], pack_id="pack", payment_method="pm_1"
    ),
    "BillingService/SetRecharge": lambda ids: purchase_pb2.SetRechargeRequest(
        rule={
            "account": ids["account"],
            "credit_type": CREDIT,
            "threshold": "1",
            "pack_id": "pack",
            "enabled": True,
        }
    ),
}
# Streams: their first answer, or how they end. What stays silent is the same silence.
WATCHED: dict[str, Callable[[Ids], Any]] = {
    "AccountService/WatchBalances": lambda ids: account_pb2.WatchBalancesRequest(
        account_ids=[ids["account"]], credit_type=CREDIT
    ),
    "EntitlementService/WatchEntitlements": lambda ids: entitlement_pb2.WatchEntitlementsRequest(
        checks=[{"account_id": ids["account"], "meter": "tokens"}]
    ),
}
# No id of an account or of what belongs to one goes in: what comes out is looked at in test_foreign_accounts.
WITHOUT_IDS = {
    "UsageService/StreamUsage": "the batches of RecordUsage",
    "EntitlementService/KeepReservations": "a session of the caller's own",
    "NoticeService/WatchNotices": "lists by prefix",
    "NoticeService/CreateWebhookEndpoint": "refuses another prefix",
    "NoticeService/ListWebhookEndpoints": "lists by prefix",
    "ReportService/ReportCredits": "sums by prefix",
    "ReportService/ReportUsage": "sums by prefix",
    "ReportService/ReportTopAccounts": "sums by prefix",
    "ReportService/ReportRunway": "sums by prefix",
    "BillingService/ProviderCallback": "believed for its signature, not for its caller",
    "AdminService/Query": "kind by kind in test_foreign_accounts",
    "AdminService/ExecuteCommands": "kind by kind in test_foreign_accounts",
}


@pytest.fixture(scope="module")
def ids(keyed: Keyed) -> tuple[Ids, Ids]:
    return theirs_and_absent(keyed)


def theirs_and_absent(keyed: Keyed) -> tuple[Ids, Ids]:
    """What belongs to the foreign account, and ids of the same form that belong to nobody."""
    with drawdown.connect(keyed.server.address, api_key=keyed.admin_text) as database:
        database.create_product("ai", "AI")
        plan = paid_plan("monthly", release="immediate", rates=[{"meter": "tokens", "credits": "1"}])
        database.create_plan(**plan)
        database.publish_plan("monthly")
        database.create_pack(
            pack_id="pack",
            name="pack",
            credit_type=CREDIT,
            amount="20",
            prices=[{"currency": "USD", "amount": "60"}],
        )
        database.subscribe(
            FOREIGN, "monthly", subscription_id=THEIRS["subscription_id"], payment_method="pm_1"
        )
        (invoice,) = database.invoices(FOREIGN)
        database.buy_pack(FOREIGN, "pack", purchase_id=THEIRS["purchase_id"], payment_method="pm_1")
        database.reserve(FOREIGN, "tokens", quantity=1, reservation_id="theirs", ttl=3600)
        database.create_account("b-six", customer_id=FOREIGN)
    admin = keyed.admin
    admin.call(
        "BillingService/CreateInvoiceCredit",
        money_off(THEIRS["credit_id"], FOREIGN),
    )
    admin.call(
        "GrantService/TransferCredits",
        transfer_pb2.TransferCreditsRequest(
            transfer_id=THEIRS["transfer_id"],
            from_account=FOREIGN,
            to_account="b-six",
            credit_type=CREDIT,
            credits="1",
        ),
    )
    admin.call(
        "NoticeService/CreateWebhookEndpoint",
        notice_pb2.CreateWebhookEndpointRequest(
            endpoint_id=THEIRS["endpoint_id"], url="https://93.184.215.14/hook", account_prefix="b-"
        ),
    )
    theirs = {**THEIRS, "invoice_id": invoice.invoice_id}
    absent = invoice.invoice_id.replace(FOREIGN, FOREIGN_ABSENT)
    assert absent != invoice.invoice_id
    return theirs, {**ABSENT, "invoice_id": absent}


def answer(calls: Calls, path: str, request: Any, asked: Ids) -> tuple[Any, ...]:
    """Code, sentence, details and body of an answer, the ids asked for taken out; and all of its sizes."""
    try:
        body = calls.raw(path, request.SerializeToString())
    except grpc.RpcError as failure:
        details = failure.details() or ""
        status = dict(failure.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        return (failure.code(), _without(details.encode(), asked), _without(status, asked), len(status))
    return (Code.OK, _without(body, asked), b"", len(body))


def _without(text: bytes, asked: Ids) -> bytes:
    for each in sorted(asked.values(), key=len, reverse=True):
        text = text.replace(each.encode(), b"ID")
    return text


def test_every_method_is_in_a_table() -> None:
    """But those that only an administrator may call, and the catalog, which is everybody's."""
    known = {*ASKED, *WATCHED, *WITHOUT_IDS}
    for service, methods in NEEDED.items():
        for method, right in methods.items():
            is_everybodys = service == "CatalogService" or right is Right.ADMIN
            assert is_everybodys or f"{service}/{method}" in known, f"{service}/{method}"


@pytest.mark.parametrize("path", list(ASKED))
def test_what_is_foreign_answers_as_what_is_absent(
    bound: Calls, keyed: Keyed, ids: tuple[Ids, Ids], path: str
) -> None:
    theirs, absent = ids
    foreign = answer(bound, path, ASKED[path](theirs), theirs)
    assert foreign == answer(bound, path, ASKED[path](absent), absent)
    assert foreign[0] in (Code.OK, Code.NOT_FOUND, Code.INVALID_ARGUMENT), foreign


@pytest.mark.parametrize("path", list(WATCHED))
def test_a_foreign_account_is_watched_like_an_absent_one(
    bound: Calls, ids: tuple[Ids, Ids], path: str
) -> None:
    seen = []
    for asked in ids:
        watch = bound.channel.unary_stream(f"/drawdown.v1.{path}")
        answers = watch(WATCHED[path](asked).SerializeToString(), timeout=3, metadata=bound.metadata)
        try:
            seen.append(_without(next(answers), asked))
        except grpc.RpcError as failure:
            seen.append((failure.code(), _without((failure.details() or "").encode(), asked)))
        answers.cancel()
    assert seen[0] == seen[1]


# Reads and refusals of each way that a foreign id is told from one's own.
TIMED = [
    "AccountService/GetAccount",
    "AccountService/GetBalance",
    "AccountService/GetCustomer",
    "AccountService/ListLedgerEntries",
    "EntitlementService/Check",
    "GrantService/ListGrants",
    "GrantService/GetTransfer",
    "UsageService/RecordUsage",
    "SubscriptionService/GetSubscription",
    "BillingService/GetInvoice",
    "BillingService/GetPurchase",
    "NoticeService/ListWebhookDeliveries",
]
PAIRS = 60
NOISE = 0.25
TRIES = 4


@pytest.mark.parametrize("path", TIMED)
def test_the_time_of_an_answer_does_not_tell_foreign_from_absent(
    bound: Calls, ids: tuple[Ids, Ids], path: str
) -> None:
    """Medians of calls made in turn; a difference that is there comes back at every try."""
    bodies = [ASKED[path](asked).SerializeToString() for asked in ids]
    found = []
    for _ in range(TRIES):
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(2 * PAIRS):
            which = (number + number // 2) % 2
            began = time.perf_counter()
            try:
                bound.raw(path, bodies[which])
            except grpc.RpcError as failure:
                assert failure.code() == Code.NOT_FOUND
            times[which].append(time.perf_counter() - began)
        foreign, absent = (statistics.median(each) for each in times)
        found.append((foreign, absent))
        if abs(foreign - absent) <= NOISE * min(foreign, absent):
            return
    raise AssertionError(f"{path}: medians of foreign and absent: {found}")


def test_an_id_that_is_taken_by_somebody_foreign_says_nothing_of_it(
    bound: Calls, keyed: Keyed, ids: tuple[Ids, Ids]
) -> None:
    """Ids of subscriptions, purchases and the like are unique over all accounts: all it says is taken."""
    theirs, _ = ids
    attempts = {
        "SubscriptionService/Subscribe": subscription_pb2.SubscribeRequest(
            account=MINE,
            plan_id="monthly",
            subscription_id=theirs["subscription_id"],
            payment_method="pm_1",
        ),
        "BillingService/CreatePurchase": purchase_pb2.CreatePurchaseRequest(
            purchase_id=theirs["purchase_id"], account=MINE, pack_id="pack", payment_method="pm_1"
        ),
        "NoticeService/CreateWebhookEndpoint": notice_pb2.CreateWebhookEndpointRequest(
            endpoint_id=theirs["endpoint_id"], url="https://93.184.215.14/hook", account_prefix="a-"
        ),
        "BillingService/CreateInvoiceCredit": money_off(theirs["credit_id"], MINE),
    }
    for path, request in attempts.items():
        code, sentence, details, _ = answer(bound, path, request, {})
        assert code != Code.OK, path
        assert FOREIGN.encode() not in sentence + details, (path, sentence)
        assert b"b-" not in sentence + details, (path, sentence)
    with drawdown.connect(keyed.server.address, api_key=keyed.admin_text) as database:
        assert database.subscription(theirs["subscription_id"]).account == FOREIGN
        assert database.purchase(theirs["purchase_id"]).account == FOREIGN
