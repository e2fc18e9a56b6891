"""A caller bound to accounts by prefix: the others answer exactly like accounts that are not there."""

import json
from typing import Any

import drawdown
import grpc
import pytest
from drawdown.engine import decode_ack
from drawdown.v1 import (
    account_pb2,
    admin_pb2,
    billing_pb2,
    catalog_pb2,
    entitlement_pb2,
    grant_pb2,
    housekeeping_pb2,
    invoice_credit_pb2,
    notice_pb2,
    purchase_pb2,
    report_pb2,
    subscription_pb2,
    usage_pb2,
)

from tests.control.plans import paid_plan
from tests.server.calls import Calls, batch, error_info
from tests.server.keyed import ABSENT, FOREIGN, FOREIGN_ABSENT, MINE, Code, Keyed, usage


def test_usage_of_foreign_accounts_is_usage_of_accounts_that_are_not_there(bound: Calls) -> None:
    answers = {
        account: decode_ack(bound.raw("UsageService/RecordUsage", usage(account, "same-id")))
        for account in (FOREIGN, FOREIGN_ABSENT, ABSENT)
    }
    for ack in answers.values():
        assert ack[2:5] == (0, 0, 1)
        assert ack[5] == [(0, "ACCOUNT_UNKNOWN", 0, 0, None, None)]
    (ack,) = bound.stream([batch(1, ("mine", 1), account=MINE)])
    assert ack.applied == 1
    (ack,) = bound.stream([batch(1, ("theirs", 1), account=FOREIGN)])
    assert (ack.applied, ack.refused) == (0, 1)


def test_checks_of_foreign_accounts_say_unknown(bound: Calls) -> None:
    found = []
    for account in (FOREIGN, FOREIGN_ABSENT, ABSENT):
        request = entitlement_pb2.CheckRequest(account_id=account, meter="tokens")
        answer = entitlement_pb2.CheckResponse.FromString(
            bound.raw("EntitlementService/Check", request.SerializeToString())
        )
        found.append((answer.allowed, answer.reason, answer.HasField("available")))
    assert found == [(False, usage_pb2.STATUS_ACCOUNT_UNKNOWN, False)] * 3


GRANT = grant_pb2.GrantContent(grant_id="new", credit_type="credits", amount="1")

# Typed calls about one account: what a bound caller asks of an account.
PER_ACCOUNT: dict[str, Any] = {
    "AccountService/CreateAccount": account_pb2.CreateAccountRequest(),
    "AccountService/GetAccount": account_pb2.GetAccountRequest(),
    "AccountService/UpdateAccount": account_pb2.UpdateAccountRequest(suspended=True),
    "AccountService/AssignRateTable": account_pb2.AssignRateTableRequest(rate_table="default"),
    "AccountService/SetPeriodEdge": account_pb2.SetPeriodEdgeRequest(at={"seconds": 4_000_000_000}),
    "AccountService/SetPolicy": account_pb2.SetPolicyRequest(
        credit_type="credits", policy=account_pb2.Policy(kind=account_pb2.POLICY_KIND_HARD)
    ),
    "AccountService/SetThresholds": account_pb2.SetThresholdsRequest(credit_type="credits", thresholds=["1"]),
    "AccountService/GetBalance": account_pb2.GetBalanceRequest(credit_type="credits"),
    "AccountService/ListBalances": account_pb2.ListBalancesRequest(),
    "AccountService/CloseAccount": housekeeping_pb2.CloseAccountRequest(confirm=True),
    "AccountService/GetAccountClosing": housekeeping_pb2.GetAccountClosingRequest(),
    "GrantService/CreateGrant": grant_pb2.CreateGrantRequest(grant=GRANT),
    "GrantService/GetGrant": grant_pb2.GetGrantRequest(grant_id="welcome"),
    "GrantService/ListGrants": grant_pb2.ListGrantsRequest(),
    "GrantService/VoidGrant": grant_pb2.VoidGrantRequest(grant_id="welcome", confirm=True),
    "GrantService/ReleaseGrant": grant_pb2.ReleaseGrantRequest(grant_id="welcome"),
    "GrantService/VoidAndReplace": grant_pb2.VoidAndReplaceRequest(
        void_grant_ids=["welcome"], create=[GRANT], confirm=True
    ),
    "AccountService/ListLedgerEntries": account_pb2.ListLedgerEntriesRequest(),
    "AccountService/ExplainBalance": account_pb2.ExplainBalanceRequest(event_id="paid"),
    "UsageService/GetUsageEvent": usage_pb2.GetUsageEventRequest(event_id="paid"),
    "EntitlementService/ListReservations": entitlement_pb2.ListReservationsRequest(),
    "SubscriptionService/Subscribe": subscription_pb2.SubscribeRequest(
        subscription_id="new", plan_id="monthly", payment_method="pm_1"
    ),
    "SubscriptionService/ListSubscriptions": subscription_pb2.ListSubscriptionsRequest(),
    "BillingService/ListInvoices": billing_pb2.ListInvoicesRequest(),
    "BillingService/ListPurchases": purchase_pb2.ListPurchasesRequest(),
    "BillingService/PreviewInvoice": invoice_credit_pb2.PreviewInvoiceRequest(),
    "BillingService/ListInvoiceCredits": invoice_credit_pb2.ListInvoiceCreditsRequest(),
    "SubscriptionService/GetFeature": subscription_pb2.GetFeatureRequest(feature="sso"),
    "SubscriptionService/ListFeatures": subscription_pb2.ListFeaturesRequest(),
    "NoticeService/ListNotices": notice_pb2.ListNoticesRequest(),
    "ReportService/ReportSales": report_pb2.ReportSalesRequest(),
    "BillingService/GetRecharge": purchase_pb2.GetRechargeRequest(credit_type="credits"),
    "AdminService/AdvanceClock": admin_pb2.AdvanceClockRequest(to={"seconds": 4_000_000_000}),
}


def answer_of(calls: Calls, path: str, account: str) -> tuple[Any, ...]:
    """Everything of an answer but the account's own name: code, sentence, details, size."""
    request = type(PER_ACCOUNT[path])()
    request.CopyFrom(PER_ACCOUNT[path])
    field = "account_id" if "account_id" in request.DESCRIPTOR.fields_by_name else "account"
    setattr(request, field, account)
    try:
        answer = calls.call(path, request)
    except grpc.RpcError as failure:
        info = error_info(failure)
        details = (failure.details() or "").replace(account, "ID")
        return (failure.code(), details, info.reason, dict(info.metadata))
    return (Code.OK, answer)


# What has a list for any account, known or not.
EMPTY_LISTS = {
    "SubscriptionService/ListSubscriptions",
    "BillingService/ListInvoices",
    "BillingService/ListPurchases",
    "NoticeService/ListNotices",
    "ReportService/ReportSales",
}


@pytest.fixture(scope="module")
def billed(keyed: Keyed) -> dict[str, str]:
    """Ids that belong to the foreign account."""
    event = batch(1, ("paid", 1), account=FOREIGN).SerializeToString()
    assert decode_ack(keyed.admin.raw("UsageService/RecordUsage", event))[2] == 1
    with drawdown.connect(keyed.server.address, api_key=keyed.admin_text) as database:
        database.reserve(FOREIGN, "tokens", quantity=1, reservation_id="theirs", ttl=3600)
        database.create_product("ai", "AI")
        database.create_plan(
            **paid_plan("monthly", release="immediate", rates=[{"meter": "tokens", "credits": "1"}])
        )
        database.publish_plan("monthly")
        database.subscribe(FOREIGN, "monthly", subscription_id="sub_theirs", payment_method="pm_1")
        (invoice,) = database.invoices(FOREIGN)
        database.create_pack(
            pack_id="pack",
            name="pack",
            credit_type="credits",
            amount="20",
            prices=[{"currency": "USD", "amount": "60"}],
        )
        database.buy_pack(FOREIGN, "pack", purchase_id="buy_theirs", payment_method="pm_1")
    return {
        "subscription_id": "sub_theirs",
        "invoice_id": invoice.invoice_id,
        "purchase_id": "buy_theirs",
        "customer_id": FOREIGN,
    }


# Calls about something with an id of its own, which belongs to an account or a customer.
BY_ID: dict[str, Any] = {
    "SubscriptionService/GetSubscription": subscription_pb2.GetSubscriptionRequest(),
    "SubscriptionService/PreviewChange": subscription_pb2.PreviewChangeRequest(plan_id="monthly"),
    "SubscriptionService/ChangePlan": subscription_pb2.ChangePlanRequest(change_id="c", plan_id="monthly"),
    "SubscriptionService/Cancel": subscription_pb2.CancelRequest(),
    "SubscriptionService/Pause": subscription_pb2.PauseRequest(),
    "SubscriptionService/Resume": subscription_pb2.ResumeRequest(),
    "SubscriptionService/SetAutoRenew": subscription_pb2.SetAutoRenewRequest(),
    "BillingService/GetPurchase": purchase_pb2.GetPurchaseRequest(),
    "BillingService/RefundPurchase": purchase_pb2.RefundPurchaseRequest(),
    "BillingService/MarkPurchasePaid": purchase_pb2.MarkPurchasePaidRequest(),
    "BillingService/GetInvoice": billing_pb2.GetInvoiceRequest(),
    "BillingService/ApproveInvoice": billing_pb2.ApproveInvoiceRequest(),
    "BillingService/MarkInvoicePaid": billing_pb2.MarkInvoicePaidRequest(),
    "BillingService/RetryPayment": billing_pb2.RetryPaymentRequest(retry_id="r"),
    "AccountService/GetCustomer": account_pb2.GetCustomerRequest(),
    "AccountService/EraseCustomer": housekeeping_pb2.EraseCustomerRequest(confirm=True),
}


@pytest.mark.parametrize("path", list(BY_ID))
def test_what_belongs_to_a_foreign_account_is_not_there(
    bound: Calls, billed: dict[str, str], path: str
) -> None:
    found = []
    (field,) = [name for name in BY_ID[path].DESCRIPTOR.fields_by_name if name in billed]
    for asked in (billed[field], "no-such-id"):
        request = type(BY_ID[path])()
        request.CopyFrom(BY_ID[path])
        setattr(request, field, asked)
        with pytest.raises(grpc.RpcError) as failure:
            bound.call(path, request)
        info = error_info(failure.value)
        sentence = (failure.value.details() or "").replace(asked, "ID")
        found.append((failure.value.code(), sentence, info.reason, dict(info.metadata)))
    assert found[0] == found[1]
    assert found[0][0] == Code.NOT_FOUND


@pytest.mark.usefixtures("billed")
def test_foreign_reservations_cannot_be_touched(bound: Calls) -> None:
    for account in (FOREIGN, FOREIGN_ABSENT, ABSENT):
        release = entitlement_pb2.ReleaseRequest(account_id=account, reservation_id="theirs")
        settle = entitlement_pb2.SettleRequest(account_id=account, reservation_id="theirs", quantity=1)
        reserve = entitlement_pb2.ReserveRequest(
            account_id=account, reservation_id="theirs", meter="tokens", quantity=1
        )
        for path, request in (
            ("EntitlementService/Release", release),
            ("EntitlementService/Settle", settle),
            ("EntitlementService/Reserve", reserve),
        ):
            answer = bound.call(path, request)
            assert answer.status == usage_pb2.STATUS_ACCOUNT_UNKNOWN, (path, account)
            assert not answer.available, (path, account)


@pytest.mark.usefixtures("billed")
@pytest.mark.parametrize("path", list(PER_ACCOUNT))
def test_a_foreign_account_answers_exactly_like_one_that_is_not_there(bound: Calls, path: str) -> None:
    foreign = answer_of(bound, path, FOREIGN)
    assert foreign == answer_of(bound, path, FOREIGN_ABSENT)
    assert foreign[0] == Code.NOT_FOUND or path in EMPTY_LISTS
    if path != "AccountService/CreateAccount":
        assert foreign == answer_of(bound, path, ABSENT)


@pytest.mark.usefixtures("billed")
def test_nothing_of_it_changed_the_foreign_account(keyed: Keyed) -> None:
    with drawdown.connect(keyed.server.address, api_key=keyed.admin_text) as database:
        assert database.purchase("buy_theirs").state == "pending"
        assert database.subscription("sub_theirs").state == "active"
    account = keyed.admin.call("AccountService/GetAccount", account_pb2.GetAccountRequest(account_id=FOREIGN))
    assert not account.account.suspended
    request = account_pb2.GetBalanceRequest(account_id=FOREIGN, credit_type="credits")
    assert keyed.admin.call("AccountService/GetBalance", request).balance.remaining == "1099"
    with pytest.raises(grpc.RpcError):
        keyed.admin.call(
            "AccountService/GetAccount", account_pb2.GetAccountRequest(account_id=FOREIGN_ABSENT)
        )


def test_lists_hold_ones_own_accounts_only(bound: Calls) -> None:
    for prefix in ("", "a", "a-", "b", "b-", "b-one", "\x00", "a-one-more"):
        if prefix.isprintable():
            answer = bound.call("AccountService/ListAccounts", account_pb2.ListAccountsRequest(prefix=prefix))
            assert {each.account_id for each in answer.accounts} <= {MINE}, prefix
        asked = json.dumps({"type": "accounts", "prefix": prefix}).encode()
        answer = bound.call("AdminService/Query", admin_pb2.QueryRequest(query_json=asked))
        assert {each["account"] for each in json.loads(answer.answer_json)["accounts"]} <= {MINE}, prefix
    answer = bound.call("AccountService/ListAccounts", account_pb2.ListAccountsRequest())
    assert [each.account_id for each in answer.accounts] == [MINE]


@pytest.mark.usefixtures("billed")
def test_feeds_reports_and_webhooks_hold_ones_own_accounts_only(bound: Calls) -> None:
    feed = bound.call("NoticeService/ListNotices", notice_pb2.ListNoticesRequest())
    assert {each.account for each in feed.notices} <= {MINE}
    assert not bound.call("ReportService/ReportSales", report_pb2.ReportSalesRequest()).packs
    sums = bound.call("ReportService/ReportCredits", report_pb2.ReportCreditsRequest(account_prefix=FOREIGN))
    assert not sums.rows
    for prefix in ("", FOREIGN):
        for report in ("Usage", "TopAccounts", "Runway"):
            request = getattr(report_pb2, f"Report{report}Request")(account_prefix=prefix)
            answer = bound.call(f"ReportService/Report{report}", request)
            assert {each.account for each in answer.rows} <= {MINE}, (report, prefix)
    watch = bound.channel.unary_stream("/drawdown.v1.NoticeService/WatchNotices")
    asked = notice_pb2.WatchNoticesRequest(after=0)
    pages = watch(asked.SerializeToString(), timeout=20, metadata=bound.metadata)
    page = notice_pb2.NoticePage.FromString(next(pages))
    assert {each.account for each in page.notices} <= {MINE}
    assert page.next > 0
    pages.cancel()
    for prefix in ("", FOREIGN):
        request = notice_pb2.CreateWebhookEndpointRequest(
            endpoint_id="hook", url="https://93.184.215.14/hook", account_prefix=prefix
        )
        with pytest.raises(grpc.RpcError) as failure:
            bound.call("NoticeService/CreateWebhookEndpoint", request)
        assert failure.value.code() == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("kind", ["account", "balance", "balances", "grants", "conservation"])
def test_json_reads_of_foreign_accounts_say_unknown(keyed: Keyed, bound: Calls, kind: str) -> None:
    def ask(calls: Calls, account: str) -> Any:
        asked = json.dumps({"type": kind, "account": account, "credit_type": "credits"}).encode()
        return json.loads(
            calls.call("AdminService/Query", admin_pb2.QueryRequest(query_json=asked)).answer_json
        )

    assert ask(bound, FOREIGN) == ask(bound, FOREIGN_ABSENT) == ask(keyed.admin, FOREIGN_ABSENT)
    assert ask(bound, MINE) == ask(keyed.admin, MINE)


@pytest.mark.parametrize(
    "query",
    [
        b'{"type":"conservation"}',
        b'{"type":"nonsense"}',
        b'{"type":"conservation","account":""}',
        b'{"type":"conservation","account":null}',
        b'{"type":"conservation","account":["b-one"]}',
        b"{}",
    ],
)
def test_reads_at_large_need_an_administrator(bound: Calls, query: bytes) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        bound.call("AdminService/Query", admin_pb2.QueryRequest(query_json=query))
    assert failure.value.code() == Code.PERMISSION_DENIED


def test_a_key_given_twice_in_a_query_cannot_smuggle(bound: Calls) -> None:
    for query in (
        b'{"type":"account","account":"a-one","account":"b-one"}',
        b'{"type":"account","account":"b-one","account":"a-one"}',
    ):
        answer = bound.call("AdminService/Query", admin_pb2.QueryRequest(query_json=query)).answer_json
        assert b"b-one" not in answer


SHARED_COMMANDS = [
    '{"type":"create_credit_type","account":5,"name":"gold","scale":2}',
    '{"type":"create_credit_type","account":{"a":"a-one"},"name":"gold","scale":2}',
    '{"type":"create_credit_type","name":"gold","scale":2}',
    '{"type":"create_meter","key":"more","unit":"u"}',
    '{"type":"set_rate","meter":"tokens","credit_type":"credits","credits":"9"}',
    '{"type":"create_credit_type","account":"a-one","name":"gold","scale":2}',
    '{"type":"create_account","account":"a-one","type":"create_credit_type","name":"gold","scale":2}',
    '{"type":"create_credit_type","name":"gold","scale":2,"type":"create_account","account":"a-one"}',
]


@pytest.mark.parametrize("command", SHARED_COMMANDS)
def test_commands_that_concern_everybody_need_an_administrator(
    keyed: Keyed, bound: Calls, command: str
) -> None:
    group = f'[{{"type":"suspend_account","account":"{MINE}"}},{command}]'.encode()
    try:
        answer = bound.call(
            "AdminService/ExecuteCommands", admin_pb2.ExecuteCommandsRequest(commands_json=group)
        )
        assert b'"OK"' not in answer.outcomes_json
    except grpc.RpcError as failure:
        assert failure.code() in (Code.PERMISSION_DENIED, Code.INVALID_ARGUMENT)
    account = keyed.admin.call("AccountService/GetAccount", account_pb2.GetAccountRequest(account_id=MINE))
    assert not account.account.suspended
    catalog = keyed.admin.call("CatalogService/ListCreditTypes", catalog_pb2.ListCreditTypesRequest())
    assert [each.name for each in catalog.credit_types] == ["credits"]


def test_an_account_of_ones_own_opens_no_query_about_all(bound: Calls) -> None:
    """What goes through every account is an administrator's, whatever account stands beside it."""
    for kind in ("usage", "lowest_balances", "test_clocks"):
        asked = {"type": kind, "account": MINE, "prefix": "", "since": 0, "until": 2**60}
        with pytest.raises(grpc.RpcError) as raised:
            bound.call("AdminService/Query", admin_pb2.QueryRequest(query_json=json.dumps(asked).encode()))
        assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED, kind
