"""Between the watch streams and what a watch tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drawdown.client.answers import ScaleBook, check_results, checks_to_request
from drawdown.client.balance_messages import balance_of
from drawdown.client.interface import CheckLike
from drawdown.model import Balance, EntitlementChange
from drawdown.model.ids import check_id
from drawdown.v1 import account_pb2, entitlement_pb2


def balances_request(accounts: Iterable[str], credit_type: str | None) -> account_pb2.WatchBalancesRequest:
    """The message for ``WatchBalances``. Raises ``InvalidRequestError``."""
    return account_pb2.WatchBalancesRequest(
        account_ids=[check_id(account, "accounts") for account in accounts], credit_type=credit_type or ""
    )


def balances_of(response: account_pb2.WatchBalancesResponse) -> list[Balance]:
    """The pools that a message tells."""
    return [balance_of(each, response.seq) for each in response.balances]


def entitlements_request(checks: Sequence[CheckLike]) -> entitlement_pb2.WatchEntitlementsRequest:
    """The message for ``WatchEntitlements``."""
    for each in checks:
        check_id(each[0], "account")
    return entitlement_pb2.WatchEntitlementsRequest(checks=checks_to_request(checks).checks)


def entitlement_changes(
    checks: Sequence[CheckLike], response: entitlement_pb2.WatchEntitlementsResponse, scales: ScaleBook
) -> list[EntitlementChange]:
    """The answers that a message tells."""
    about = [checks[change.index] for change in response.changes]
    answers = entitlement_pb2.BatchCheckResponse(results=[change.answer for change in response.changes])
    return [
        EntitlementChange(index=change.index, account=asked[0], meter=asked[1], check=result)
        for change, asked, result in zip(
            response.changes, about, check_results(about, answers, scales), strict=True
        )
    ]
