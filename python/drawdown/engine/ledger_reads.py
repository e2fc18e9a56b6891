"""Reads that the journal answers. They run on files, beside ingest, and never hold the engine.

Their answers go up to the state of the call, which is durable when they return. What lies before the
journal kept raises ``NotFoundError`` with reason ``BEYOND_RETENTION``, or is said by
``first_kept_seq``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final

from drawdown import model
from drawdown.engine import answers, ledger_answers
from drawdown.model.instants import InstantLike, us_from_instant

PAGE: Final = 1_000


class LedgerReads(ABC):
    """The part of ``Engine`` that reads the ledger back."""

    @abstractmethod
    def _query(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """``(seq, answer)`` of a query."""

    def ledger_page(
        self,
        account: str,
        *,
        credit_type: str | None = None,
        kinds: Sequence[str] | None = None,
        after_seq: int | None = None,
        before_seq: int | None = None,
        limit: int = 100,
        oldest_first: bool = False,
    ) -> model.LedgerPage:
        """At most ``limit`` entries with ``after_seq < seq < before_seq``, newest first.

        Raises ``AccountNotFoundError``.
        """
        seq, answer = self._query(
            {
                "type": "ledger",
                "account": account,
                "credit_type": credit_type,
                "kinds": None if kinds is None else list(kinds),
                "after_seq": after_seq,
                "before_seq": before_seq,
                "limit": limit,
                "oldest_first": oldest_first,
            }
        )
        return ledger_answers.page(answer, seq)

    def ledger(
        self,
        account: str,
        *,
        credit_type: str | None = None,
        kinds: Sequence[str] | None = None,
        after_seq: int | None = None,
        before_seq: int | None = None,
        oldest_first: bool = False,
    ) -> Iterator[model.LedgerEntry]:
        """Every entry of the account, fetched page by page as they are taken."""
        more = True
        while more:
            page = self.ledger_page(
                account,
                credit_type=credit_type,
                kinds=kinds,
                after_seq=after_seq,
                before_seq=before_seq,
                limit=PAGE,
                oldest_first=oldest_first,
            )
            yield from page.entries
            more = page.more
            if more and oldest_first:
                after_seq = page.entries[-1].seq
            elif more:
                before_seq = page.entries[-1].seq

    def usage_event(self, account: str, event_id: str) -> model.UsageRecord:
        """The newest applied event of this id and its corrections.

        Raises ``AccountNotFoundError``, ``EventNotFoundError``.
        """
        seq, answer = self._query({"type": "usage_event", "account": account, "event_id": event_id})
        return ledger_answers.usage_record(answer, seq)

    def explain(self, account: str, event_id: str) -> model.Explanation:
        """Event → rate → grants drawn → balance before and after, and what followed.

        Raises ``AccountNotFoundError``, ``EventNotFoundError``, and ``NotFoundError`` with reason
        ``BEYOND_RETENTION`` where the balance before it is not in the journal kept.
        """
        seq, answer = self._query({"type": "explain", "account": account, "event_id": event_id})
        return ledger_answers.explanation(answer, seq)

    def balance_at(self, account: str, credit_type: str, at: InstantLike) -> model.Balance:
        """The pool as of ``at``: entries received by then, and what dates brought up to then.

        Its ``seq`` is that of the last entry in it. Raises ``AccountNotFoundError``, also where the
        account did not exist yet, and ``NotFoundError`` (credit type, ``BEYOND_RETENTION``).
        """
        request = {"type": "balance", "account": account, "credit_type": credit_type}
        _, answer = self._query({**request, "at": us_from_instant(at, "at")})
        return answers.balance(answer, int(answer["entry_seq"]))

    def grants_at(self, account: str, at_us: int) -> list[model.Grant]:
        """Every grant as of an instant, as ``balance_at`` has the pool, those that ended by then included.

        Raises ``AccountNotFoundError``, also where the account did not exist yet, and ``NotFoundError``
        (``BEYOND_RETENTION``). Cost grows with the account's entries since its last image.
        """
        _, answer = self._query({"type": "grants", "account": account, "at": at_us})
        return [answers.grant(each, int(answer["entry_seq"])) for each in answer["grants"]]
