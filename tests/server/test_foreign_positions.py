"""Foreign ids beside what is asked: whose an account is to be, where a list goes on, closed accounts.

The caller is bound to a prefix; each answers as what is absent does, to the byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import drawdown
import grpc
import pytest
from drawdown.v1 import (
    account_pb2,
    admin_pb2,
    billing_pb2,
    entitlement_pb2,
    housekeeping_pb2,
    purchase_pb2,
    subscription_pb2,
)

from tests.server.calls import Calls
from tests.server.keyed import MINE, Code, Keyed
from tests.server.test_foreign_accounts import PER_ACCOUNT
from tests.server.test_foreign_ids import CREDIT, Ids, answer, theirs_and_absent, with_account

# Foreign too, and as long as one that is not there.
CLOSED, CLOSED_ABSENT = "b-ended", "b-never"
# Whose a new account is: a customer outside the prefix, described or not.
UNDER: dict[str, Callable[[Ids], Any]] = {
    "AccountService/CreateAccount": lambda ids: account_pb2.CreateAccountRequest(
        account_id="a-under", customer_id=ids["customer_id"]
    ),
    "AccountService/ImportOpening": lambda ids: housekeeping_pb2.ImportOpeningRequest(
        rows=[
            {
                "line": 1,
                "kind": "account",
                "fields": {"account": "a-under", "customer_id": ids["customer_id"]},
            }
        ]
    ),
    "AdminService/ExecuteCommands": lambda ids: admin_pb2.ExecuteCommandsRequest(
        commands_json=json.dumps(
            [{"type": "create_account", "account": "a-under", "customer": ids["customer_id"]}]
        ).encode()
    ),
}
# Where a list of one's own goes on: behind something foreign, or behind what is not there.
BEHIND: dict[str, Callable[[Ids], Any]] = {
    "AccountService/ListAccounts": lambda ids: account_pb2.ListAccountsRequest(page_token=ids["account"]),
    "AccountService/ListCustomers": lambda ids: account_pb2.ListCustomersRequest(after=ids["customer_id"]),
    "EntitlementService/ListReservations": lambda ids: entitlement_pb2.ListReservationsRequest(
        account_id=MINE, page_token=f"{ids['account']}\nx"
    ),
    "AdminService/Query": lambda ids: admin_pb2.QueryRequest(
        query_json=json.dumps(
            {
                "type": "reservations",
                "account": MINE,
                "after": {"account": ids["account"], "reservation_id": "x"},
            }
        ).encode()
    ),
    "SubscriptionService/ListSubscriptions": lambda ids: subscription_pb2.ListSubscriptionsRequest(
        account=MINE, after=ids["subscription_id"]
    ),
    "BillingService/ListInvoices": lambda ids: billing_pb2.ListInvoicesRequest(
        account=MINE, after=ids["invoice_id"]
    ),
    "BillingService/ListPurchases": lambda ids: purchase_pb2.ListPurchasesRequest(
        account=MINE, after=ids["purchase_id"]
    ),
}


@pytest.fixture(scope="module")
def ids(keyed: Keyed) -> tuple[Ids, Ids]:
    """Theirs and absent ones; and newer some of one's own, that a list behind theirs would show."""
    found = theirs_and_absent(keyed)
    with drawdown.connect(keyed.server.address, api_key=keyed.admin_text) as database:
        database.buy_pack(MINE, "pack", purchase_id="buy_mine", payment_method="pm_1")
        database.reserve(MINE, "tokens", quantity=1, reservation_id="y", ttl=3600)
        database.create_account(CLOSED)
        database.close_account(CLOSED, confirm=True)
    return found


@pytest.mark.parametrize("path", list(UNDER))
def test_no_account_is_made_under_a_foreign_customer(
    bound: Calls, keyed: Keyed, ids: tuple[Ids, Ids], path: str
) -> None:
    """Its purchases would be charged to that customer's card, and its invoices show who that is."""
    theirs, absent = ids
    foreign = answer(bound, path, UNDER[path](theirs), theirs)
    assert foreign == answer(bound, path, UNDER[path](absent), absent)
    assert foreign[0] == Code.NOT_FOUND or b"there is no" in foreign[1] or b"outside" in foreign[1], foreign
    with pytest.raises(grpc.RpcError) as failure:
        keyed.admin.call("AccountService/GetAccount", account_pb2.GetAccountRequest(account_id="a-under"))
    assert failure.value.code() == Code.NOT_FOUND


@pytest.mark.parametrize("path", list(BEHIND))
def test_a_list_does_not_tell_whether_what_it_goes_on_behind_is_somewhere(
    bound: Calls, ids: tuple[Ids, Ids], path: str
) -> None:
    theirs, absent = ids
    foreign = answer(bound, path, BEHIND[path](theirs), theirs)
    assert foreign == answer(bound, path, BEHIND[path](absent), absent)
    assert b"_mine" not in foreign[1]


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("path", list(PER_ACCOUNT))
def test_a_foreign_account_that_is_closed_is_as_absent(bound: Calls, path: str) -> None:
    found = []
    for account in (CLOSED, CLOSED_ABSENT):
        asked = {"account": account}
        found.append(answer(bound, path, with_account(path, asked), asked))
    assert found[0] == found[1]


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize(
    "command",
    [
        {"type": "resume_account"},
        {"type": "create_grant", "grant": {"grant_id": "g", "credit_type": CREDIT, "amount": "1"}},
        {
            "type": "void_and_replace",
            "void": [],
            "create": [{"grant_id": "g", "credit_type": CREDIT, "amount": "1"}],
        },
    ],
)
def test_a_command_to_a_foreign_account_that_is_closed_is_as_to_an_absent_one(
    bound: Calls, command: dict[str, Any]
) -> None:
    found = []
    for account in (CLOSED, CLOSED_ABSENT):
        group = json.dumps([{**command, "account": account}]).encode()
        request = admin_pb2.ExecuteCommandsRequest(commands_json=group)
        found.append(answer(bound, "AdminService/ExecuteCommands", request, {"account": account}))
    assert found[0] == found[1]
    assert b"ACCOUNT_UNKNOWN" in found[0][1]


def test_a_customer_with_accounts_beyond_the_prefix_is_not_erased(bound: Calls, keyed: Keyed) -> None:
    """What of it stands there is nobody's to erase afterwards, and the accounts may be open."""
    with drawdown.connect(keyed.server.address, api_key=keyed.admin_text) as database:
        database.put_customer("a-shared", name="Ada")
        for account in ("a-of-shared", "b-of-shared"):
            database.create_account(account, customer_id="a-shared")
            database.close_account(account, confirm=True)
        with pytest.raises(grpc.RpcError) as failure:
            bound.call(
                "AccountService/EraseCustomer",
                housekeeping_pb2.EraseCustomerRequest(customer_id="a-shared", confirm=True),
            )
        assert failure.value.code() == Code.FAILED_PRECONDITION
        assert "b-of-shared" not in failure.value.details()
        assert database.customer("a-shared").name == "Ada"
        assert database.erase_customer("a-shared", confirm=True).accounts == ("a-of-shared", "b-of-shared")
