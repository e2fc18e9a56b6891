"""Corrections and the ledger read back, on the connection for asyncio."""

from __future__ import annotations

import abc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from drawdown.client.correction_messages import correct_request, corrected
from drawdown.engine import answers, ledger_answers
from drawdown.model import (
    AmountLike,
    Balance,
    CorrectionResult,
    Explanation,
    InstantLike,
    LedgerEntry,
    UsageRecord,
    commands,
    us_from_instant,
)

AnswerT = TypeVar("AnswerT")
PAGE = 1000


class AioLedgerReads(abc.ABC):
    """``correct``, ``ledger``, ``usage_event`` and ``explain`` over the connection's calls."""

    _usage: Any

    @abc.abstractmethod
    async def _call(self, method: Callable[..., Awaitable[AnswerT]], request: Any) -> AnswerT:
        """Call, and repeat with the same request while that may help."""

    @abc.abstractmethod
    async def _query(self, **request: Any) -> tuple[int, dict[str, Any]]:
        """``(seq, answer)`` of a query."""

    async def correct(
        self,
        account: str,
        event_id: str,
        *,
        quantity: int | None = None,
        credits: AmountLike | None = None,
        cancel: bool = False,
        correction_id: str | None = None,
        regrant: bool = False,
    ) -> CorrectionResult:
        """A past event was really of this quantity or credits, or never was; see ``Database.correct``."""
        command = commands.correct(
            account,
            event_id,
            quantity=quantity,
            credits=credits,
            cancel=cancel,
            correction_id=correction_id,
            regrant=regrant,
        )
        return corrected(await self._call(self._usage.CorrectUsage, correct_request(command)))

    async def ledger(
        self,
        account: str,
        *,
        credit_type: str | None = None,
        kinds: Sequence[str] | None = None,
        after_seq: int | None = None,
        before_seq: int | None = None,
        oldest_first: bool = False,
    ) -> AsyncIterator[LedgerEntry]:
        """Every entry of the account, newest first, fetched page by page: ``async for entry in …``."""
        more = True
        while more:
            seq, answer = await self._query(
                type="ledger",
                account=account,
                credit_type=credit_type,
                kinds=None if kinds is None else list(kinds),
                after_seq=after_seq,
                before_seq=before_seq,
                limit=PAGE,
                oldest_first=oldest_first,
            )
            page = ledger_answers.page(answer, seq)
            for entry in page.entries:
                yield entry
            more = page.more
            if more and oldest_first:
                after_seq = page.entries[-1].seq
            elif more:
                before_seq = page.entries[-1].seq

    async def usage_event(self, account: str, event_id: str) -> UsageRecord:
        """An event as it was recorded, and its corrections. Raises ``EventNotFoundError``."""
        seq, answer = await self._query(type="usage_event", account=account, event_id=event_id)
        return ledger_answers.usage_record(answer, seq)

    async def explain(self, account: str, event_id: str) -> Explanation:
        """Why an event cost what it did: rate, grants drawn, balance before and after, what followed."""
        seq, answer = await self._query(type="explain", account=account, event_id=event_id)
        return ledger_answers.explanation(answer, seq)

    async def balance_at(self, account: str, credit_type: str, at: InstantLike) -> Balance:
        """The pool as of ``at``: entries received by then, and what dates brought up to then."""
        _, answer = await self._query(
            type="balance", account=account, credit_type=credit_type, at=us_from_instant(at, "at")
        )
        return answers.balance(answer, int(answer["entry_seq"]))
