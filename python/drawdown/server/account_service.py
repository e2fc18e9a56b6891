"""AccountService: accounts, their policies, prices and periods, and balances."""

from typing import Final

from drawdown.engine import Engine
from drawdown.errors import InvalidRequestError
from drawdown.model import commands
from drawdown.server import convert, ledger_messages
from drawdown.server.access import Principal, Right
from drawdown.server.pages import page_of, page_size
from drawdown.server.refusals import apply, require_visible
from drawdown.v1 import account_pb2 as pb


class AccountService:
    """Methods of ``drawdown.v1.AccountService``; each runs in a worker thread and may block."""

    DESCRIPTOR: Final = pb.DESCRIPTOR.services_by_name["AccountService"]
    RIGHTS: Final = {
        "CreateAccount": Right.MANAGE,
        "GetAccount": Right.READ,
        "ListAccounts": Right.READ,
        "UpdateAccount": Right.MANAGE,
        "AssignRateTable": Right.MANAGE,
        "SetPeriodEdge": Right.MANAGE,
        "SetPolicy": Right.MANAGE,
        "SetThresholds": Right.MANAGE,
        "GetBalance": Right.READ,
        "ListBalances": Right.READ,
        "ListLedgerEntries": Right.READ,
        "ExplainBalance": Right.READ,
    }

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def CreateAccount(
        self, request: pb.CreateAccountRequest, principal: Principal
    ) -> pb.CreateAccountResponse:
        command = commands.CreateAccount(
            account=request.account_id,
            customer=request.customer_id or None,
            rate_table=request.rate_table or None,
            test_clock=convert.optional_us(request, "test_clock"),
        )
        result = apply(self._engine, command, principal)
        return pb.CreateAccountResponse(
            account=self._account(request.account_id),
            already_existed=result.status == "DUPLICATE",
            seq=result.seq,
        )

    def GetAccount(self, request: pb.GetAccountRequest, principal: Principal) -> pb.GetAccountResponse:
        account = self._engine.account(require_visible(request.account_id, principal))
        self._engine.wait_durable(account.seq)
        return pb.GetAccountResponse(account=convert.account_message(account), seq=account.seq)

    def ListAccounts(self, request: pb.ListAccountsRequest, principal: Principal) -> pb.ListAccountsResponse:
        prefix = (
            request.prefix
            if len(request.prefix) > len(principal.account_prefix)
            else principal.account_prefix
        )
        if not (prefix.startswith(request.prefix) and principal.sees(prefix)):
            return pb.ListAccountsResponse(seq=self._engine.durable_seq())
        found, more = self._engine.accounts(
            prefix=prefix,
            after=page_of(request.page_token),
            limit=page_size(request.page_size),
        )
        seq = found[0].seq if found else self._engine.durable_seq()
        self._engine.wait_durable(seq)
        return pb.ListAccountsResponse(
            accounts=[convert.account_message(each) for each in found],
            next_page_token=found[-1].account if more and found else "",
            seq=seq,
        )

    def UpdateAccount(
        self, request: pb.UpdateAccountRequest, principal: Principal
    ) -> pb.UpdateAccountResponse:
        seq = 0
        if request.HasField("suspended"):
            command: commands.Command
            if request.suspended:
                command = commands.SuspendAccount(account=request.account_id)
            else:
                command = commands.ResumeAccount(account=request.account_id)
            seq = apply(self._engine, command, principal).seq
        account = self._engine.account(require_visible(request.account_id, principal))
        self._engine.wait_durable(account.seq)
        return pb.UpdateAccountResponse(account=convert.account_message(account), seq=max(seq, account.seq))

    def AssignRateTable(
        self, request: pb.AssignRateTableRequest, principal: Principal
    ) -> pb.AssignRateTableResponse:
        command = commands.AssignRateTable(
            account=request.account_id,
            table=request.rate_table,
            valid_from=convert.optional_us(request, "valid_from"),
        )
        result = apply(self._engine, command, principal)
        return pb.AssignRateTableResponse(already_existed=result.status == "DUPLICATE", seq=result.seq)

    def SetPeriodEdge(
        self, request: pb.SetPeriodEdgeRequest, principal: Principal
    ) -> pb.SetPeriodEdgeResponse:
        command = commands.SetPeriodEdge(
            account=request.account_id,
            at=convert.instant_us(request.at, "at"),
            withdrawn=request.withdrawn,
        )
        result = apply(self._engine, command, principal)
        return pb.SetPeriodEdgeResponse(already_existed=result.status == "DUPLICATE", seq=result.seq)

    def SetPolicy(self, request: pb.SetPolicyRequest, principal: Principal) -> pb.SetPolicyResponse:
        return pb.SetPolicyResponse(seq=apply(self._engine, convert.set_policy(request), principal).seq)

    def SetThresholds(
        self, request: pb.SetThresholdsRequest, principal: Principal
    ) -> pb.SetThresholdsResponse:
        command = commands.set_thresholds(request.account_id, request.credit_type, request.thresholds)
        return pb.SetThresholdsResponse(seq=apply(self._engine, command, principal).seq)

    def GetBalance(self, request: pb.GetBalanceRequest, principal: Principal) -> pb.GetBalanceResponse:
        account_id = require_visible(request.account_id, principal)
        if request.HasField("at"):
            at = convert.instant_us(request.at, "at")
            balance = self._engine.balance_at(account_id, request.credit_type, at)
        else:
            balance = self._engine.balance(account_id, request.credit_type)
        self._engine.wait_durable(balance.seq)
        return pb.GetBalanceResponse(balance=convert.balance_message(balance), seq=balance.seq)

    def ListBalances(self, request: pb.ListBalancesRequest, principal: Principal) -> pb.ListBalancesResponse:
        balances = self._engine.balances(require_visible(request.account_id, principal))
        seq = balances[0].seq if balances else self._engine.durable_seq()
        self._engine.wait_durable(seq)
        return pb.ListBalancesResponse(balances=[convert.balance_message(each) for each in balances], seq=seq)

    def ListLedgerEntries(
        self, request: pb.ListLedgerEntriesRequest, principal: Principal
    ) -> pb.ListLedgerEntriesResponse:
        behind = _seq_of(request.page_token)
        page = self._engine.ledger_page(
            require_visible(request.account_id, principal),
            credit_type=request.credit_type or None,
            kinds=list(request.kinds) or None,
            after_seq=behind if request.oldest_first else None,
            before_seq=None if request.oldest_first else behind,
            limit=page_size(request.page_size),
            oldest_first=request.oldest_first,
        )
        return pb.ListLedgerEntriesResponse(
            entries=[ledger_messages.entry(each) for each in page.entries],
            next_page_token=str(page.entries[-1].seq) if page.more and page.entries else "",
            first_kept_seq=page.first_kept_seq,
            seq=page.seq,
        )

    def ExplainBalance(
        self, request: pb.ExplainBalanceRequest, principal: Principal
    ) -> pb.ExplainBalanceResponse:
        account_id = require_visible(request.account_id, principal)
        return ledger_messages.explanation(self._engine.explain(account_id, request.event_id))

    def _account(self, account_id: str) -> pb.Account:
        account = self._engine.account(account_id)
        self._engine.wait_durable(account.seq)
        return convert.account_message(account)


def _seq_of(page_token: str) -> int | None:
    if not page_token:
        return None
    if not page_token.isascii() or not page_token.isdigit() or len(page_token) > 19:
        raise InvalidRequestError("page_token: not one that this call gave", field="page_token")
    return int(page_token)
