"""Typed services: what they answer, and what they say when they cannot."""

import grpc
import pytest
from drawdown.v1 import account_pb2, admin_pb2, catalog_pb2, grant_pb2

from tests.server.calls import Calls, available, error_info

NOT_FOUND = grpc.StatusCode.NOT_FOUND
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS


def account(calls: Calls, account_id: str, **content: object) -> account_pb2.CreateAccountResponse:
    request = account_pb2.CreateAccountRequest(account_id=account_id, **content)  # type: ignore[arg-type]
    return calls.call("AccountService/CreateAccount", request)  # type: ignore[no-any-return]


def grant(calls: Calls, account_id: str, grant_id: str, amount: str, **content: object) -> object:
    return calls.call(
        "GrantService/CreateGrant",
        grant_pb2.CreateGrantRequest(
            account_id=account_id,
            grant=grant_pb2.GrantContent(
                grant_id=grant_id,
                credit_type="credits",
                amount=amount,
                **content,  # type: ignore[arg-type]
            ),
        ),
    )


def refused(calls: Calls, path: str, request: object) -> tuple[grpc.StatusCode, str, str, str]:
    """Code, reason, field and message of a call that must fail, definitely."""
    with pytest.raises(grpc.RpcError) as failure:
        calls.call(path, request)
    info = error_info(failure.value)
    assert info.domain == "drawdown"
    assert info.metadata["definite"] == "true"
    return failure.value.code(), info.reason, info.metadata["field"], failure.value.details()


def test_create_is_idempotent_and_other_content_already_exists(calls: Calls) -> None:
    first = account(calls, "twice", customer_id="cus_1")
    second = account(calls, "twice", customer_id="cus_1")
    assert (first.already_existed, second.already_existed) == (False, True)
    assert second.account.customer_id == "cus_1"
    code, reason, _, message = refused(
        calls,
        "AccountService/CreateAccount",
        account_pb2.CreateAccountRequest(account_id="twice", customer_id="cus_2"),
    )
    assert (code, reason) == (ALREADY_EXISTS, "CONFLICT")
    assert message


def test_a_grant_is_shown_as_it_was_given(calls: Calls) -> None:
    account(calls, "given")
    answer = grant(
        calls,
        "given",
        "g1",
        "12.500000",
        priority=10,
        scope=["tokens"],
        source=grant_pb2.GRANT_SOURCE_PURCHASE,
        source_reference="pay_1",
        cost_minor=999,
        cost_currency="EUR",
        metadata={"order": "7"},
        category=grant_pb2.GRANT_CATEGORY_PROMOTIONAL,
    )
    shown = answer.grant  # type: ignore[attr-defined]
    assert (shown.content.amount, shown.remaining, shown.scale) == ("12.5", "12.5", 6)
    assert shown.state == grant_pb2.GRANT_STATE_ACTIVE
    assert list(shown.content.scope) == ["tokens"]
    assert shown.content.source == grant_pb2.GRANT_SOURCE_PURCHASE
    assert (shown.content.cost_minor, shown.content.cost_currency) == (999, "EUR")
    assert dict(shown.content.metadata) == {"order": "7"}
    assert shown.content.category == grant_pb2.GRANT_CATEGORY_PROMOTIONAL
    assert shown.content.HasField("effective_at")
    assert not shown.content.HasField("expires_at")
    read = calls.call("GrantService/GetGrant", grant_pb2.GetGrantRequest(account_id="given", grant_id="g1"))
    assert read.grant == shown


def test_grants_are_listed_in_burn_down_order_by_pages(calls: Calls) -> None:
    account(calls, "paged")
    for number in range(5):
        grant(calls, "paged", f"g{number}", "1", priority=50 - number)
    seen: list[str] = []
    token = ""
    for _ in range(5):
        page = calls.call(
            "GrantService/ListGrants",
            grant_pb2.ListGrantsRequest(account_id="paged", page_size=2, page_token=token),
        )
        seen += [each.content.grant_id for each in page.grants]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["g4", "g3", "g2", "g1", "g0"]


def test_void_needs_its_confirmation_and_says_what_it_forfeits(calls: Calls) -> None:
    account(calls, "voiding")
    grant(calls, "voiding", "g", "7.25")
    request = grant_pb2.VoidGrantRequest(account_id="voiding", grant_id="g")
    code, reason, field, _ = refused(calls, "GrantService/VoidGrant", request)
    assert (code, reason, field) == (INVALID_ARGUMENT, "INVALID", "confirm")
    assert available(calls, "voiding") == "7.25"
    request.confirm = True
    first = calls.call("GrantService/VoidGrant", request)
    assert (first.forfeited, first.already_voided) == ("7.25", False)
    second = calls.call("GrantService/VoidGrant", request)
    assert (second.forfeited, second.already_voided) == ("0", True)
    assert available(calls, "voiding") == "0"


def test_void_and_replace_is_one_step(calls: Calls) -> None:
    account(calls, "swap")
    grant(calls, "swap", "old", "10")
    answer = calls.call(
        "GrantService/VoidAndReplace",
        grant_pb2.VoidAndReplaceRequest(
            account_id="swap",
            void_grant_ids=["old"],
            confirm=True,
            create=[
                grant_pb2.GrantContent(
                    grant_id="half",
                    credit_type="credits",
                    formula=grant_pb2.GrantFormula(of="old", fraction="0.5"),
                ),
                grant_pb2.GrantContent(grant_id="new", credit_type="credits", amount="2"),
            ],
        ),
    )
    assert {each.content.grant_id: each.content.amount for each in answer.grants} == {"half": "5", "new": "2"}
    assert available(calls, "swap") == "7"


def test_a_pending_grant_is_spendable_after_its_release(calls: Calls) -> None:
    account(calls, "later")
    grant(calls, "later", "g", "3", pending=True)
    assert available(calls, "later") == "0"
    answer = calls.call(
        "GrantService/ReleaseGrant", grant_pb2.ReleaseGrantRequest(account_id="later", grant_id="g")
    )
    assert answer.grant.state == grant_pb2.GRANT_STATE_ACTIVE
    assert available(calls, "later") == "3"


def test_suspend_and_resume(calls: Calls) -> None:
    account(calls, "paused")
    for suspended in (True, False):
        answer = calls.call(
            "AccountService/UpdateAccount",
            account_pb2.UpdateAccountRequest(account_id="paused", suspended=suspended),
        )
        assert answer.account.suspended is suspended


def test_policy_and_thresholds_show_in_the_balance(calls: Calls) -> None:
    account(calls, "policed")
    calls.call(
        "AccountService/SetPolicy",
        account_pb2.SetPolicyRequest(
            account_id="policed",
            credit_type="credits",
            policy=account_pb2.Policy(kind=account_pb2.POLICY_KIND_OVERDRAFT, limit="20"),
        ),
    )
    calls.call(
        "AccountService/SetThresholds",
        account_pb2.SetThresholdsRequest(
            account_id="policed", credit_type="credits", thresholds=["5", "1.5"]
        ),
    )
    balance = calls.call(
        "AccountService/GetBalance",
        account_pb2.GetBalanceRequest(account_id="policed", credit_type="credits"),
    ).balance
    assert (balance.policy.kind, balance.policy.limit) == (account_pb2.POLICY_KIND_OVERDRAFT, "20")
    assert sorted(balance.thresholds) == ["1.5", "5"]


def test_accounts_are_listed_by_prefix_and_page(calls: Calls) -> None:
    for number in range(3):
        account(calls, f"list-{number}")
    seen: list[str] = []
    token = ""
    for _ in range(4):
        page = calls.call(
            "AccountService/ListAccounts",
            account_pb2.ListAccountsRequest(prefix="list-", page_size=2, page_token=token),
        )
        seen += [each.account_id for each in page.accounts]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["list-0", "list-1", "list-2"]


def test_catalog_is_listed(calls: Calls) -> None:
    types = calls.call("CatalogService/ListCreditTypes", catalog_pb2.ListCreditTypesRequest())
    assert [(each.name, each.scale) for each in types.credit_types] == [("credits", 6)]
    meters = calls.call("CatalogService/ListMeters", catalog_pb2.ListMetersRequest())
    assert "tokens" in [each.key for each in meters.meters]
    tables = calls.call("CatalogService/ListRateTables", catalog_pb2.ListRateTablesRequest(name="default"))
    rates = tables.rate_tables[0].rates
    assert [(each.meter, each.credits, each.per) for each in rates] == [("tokens", "1", "1")]


def test_verify_and_stats(calls: Calls) -> None:
    verified = calls.call("AdminService/Verify", admin_pb2.VerifyRequest(digest=True))
    assert verified.holds
    assert not verified.violations
    assert verified.accounts >= 1
    assert len(verified.digest) == 32
    stats = calls.call("AdminService/GetStats", admin_pb2.GetStatsRequest())
    assert stats.engine_json.startswith(b"{")
    assert b"cpu_s" in stats.server_json


def test_snapshot_without_a_store_says_what_to_do(calls: Calls) -> None:
    code, reason, _, message = refused(calls, "AdminService/SnapshotNow", admin_pb2.SnapshotNowRequest())
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SNAPSHOT_NOT_CONFIGURED")
    assert "--redis" in message


def test_a_refused_group_changes_nothing_and_is_no_error(calls: Calls) -> None:
    commands = (
        b'[{"type":"create_account","account":"grouped"},'
        b'{"type":"void_grant","account":"grouped","grant_id":"none"}]'
    )
    answer = calls.call(
        "AdminService/ExecuteCommands", admin_pb2.ExecuteCommandsRequest(commands_json=commands)
    )
    assert b"GRANT_UNKNOWN" in answer.outcomes_json
    assert b"NOT_APPLIED" in answer.outcomes_json
    code, *_ = refused(
        calls, "AccountService/GetAccount", account_pb2.GetAccountRequest(account_id="grouped")
    )
    assert code == NOT_FOUND


BAD_INPUT = [
    (
        "AccountService/CreateAccount",
        account_pb2.CreateAccountRequest(account_id=""),
        (INVALID_ARGUMENT, "INVALID", "account"),
    ),
    (
        "AccountService/CreateAccount",
        account_pb2.CreateAccountRequest(account_id="a\tb"),
        (INVALID_ARGUMENT, "INVALID", "account"),
    ),
    (
        "AccountService/GetAccount",
        account_pb2.GetAccountRequest(account_id="absent"),
        (NOT_FOUND, "ACCOUNT_UNKNOWN", "account"),
    ),
    (
        "AccountService/ListAccounts",
        account_pb2.ListAccountsRequest(page_size=-1),
        (INVALID_ARGUMENT, "INVALID", "page_size"),
    ),
    (
        "GrantService/GetGrant",
        grant_pb2.GetGrantRequest(account_id="acme", grant_id="absent"),
        (NOT_FOUND, "GRANT_UNKNOWN", "grant_id"),
    ),
    (
        "GrantService/CreateGrant",
        grant_pb2.CreateGrantRequest(
            account_id="acme", grant=grant_pb2.GrantContent(grant_id="bad", credit_type="credits")
        ),
        (INVALID_ARGUMENT, "INVALID", "grant.amount"),
    ),
    (
        "GrantService/CreateGrant",
        grant_pb2.CreateGrantRequest(
            account_id="acme",
            grant=grant_pb2.GrantContent(grant_id="bad", credit_type="credits", amount="1e3"),
        ),
        (INVALID_ARGUMENT, "INVALID", "grant.amount"),
    ),
    (
        "GrantService/CreateGrant",
        grant_pb2.CreateGrantRequest(
            account_id="acme",
            grant=grant_pb2.GrantContent(
                grant_id="bad",
                credit_type="credits",
                amount="1",
                category=9,  # type: ignore[arg-type]
            ),
        ),
        (INVALID_ARGUMENT, "INVALID", "grant.category"),
    ),
    (
        "AccountService/GetBalance",
        account_pb2.GetBalanceRequest(account_id="acme", credit_type="unheard"),
        (NOT_FOUND, "CREDIT_TYPE_UNKNOWN", ""),
    ),
]


@pytest.mark.parametrize(("path", "request_message", "expected"), BAD_INPUT)
def test_bad_input_names_its_field(
    calls: Calls, path: str, request_message: object, expected: tuple[grpc.StatusCode, str, str]
) -> None:
    code, reason, field, message = refused(calls, path, request_message)
    assert (code, reason, field) == expected
    assert len(message) > 10


def test_more_decimals_than_the_scale_are_refused(calls: Calls) -> None:
    request = grant_pb2.CreateGrantRequest(
        account_id="acme",
        grant=grant_pb2.GrantContent(grant_id="bad", credit_type="credits", amount="0.0000001"),
    )
    code, reason, field, _ = refused(calls, "GrantService/CreateGrant", request)
    assert (code, reason) == (INVALID_ARGUMENT, "INVALID")
    assert "amount" in field


def test_bytes_that_are_no_message_are_refused(calls: Calls) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        calls.raw("GrantService/CreateGrant", b"\xff\xff\xff")
    assert failure.value.code() == INVALID_ARGUMENT
    assert error_info(failure.value).reason == "INVALID"
