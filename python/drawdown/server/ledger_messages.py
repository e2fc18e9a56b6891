"""Ledger entries and explanations as messages."""

import msgspec

from drawdown import model
from drawdown.model.plain_json import plain_json
from drawdown.server.convert import balance_message, optional_text, timestamp
from drawdown.v1 import account_pb2, usage_pb2


def entry(found: model.LedgerEntry) -> usage_pb2.LedgerEntry:
    """One entry; its further facts as JSON, amounts there as decimal text, instants as RFC 3339."""
    return usage_pb2.LedgerEntry(
        seq=found.seq,
        account_id=found.account,
        kind=found.kind,
        received_at=timestamp(found.received_at),
        credit_type=found.credit_type or "",
        event_id=found.event_id or "",
        meter=found.meter or "",
        quantity=found.quantity,
        time=timestamp(found.time),
        charged=optional_text(found.charged),
        draws=[
            usage_pb2.Draw(grant_id=grant_id, amount=optional_text(amount))
            for grant_id, amount in found.draws
        ],
        facts_json=plain_json(found.facts) if found.facts else b"",
    )


def explanation(found: model.Explanation) -> account_pb2.ExplainBalanceResponse:
    """Why an event cost what it did."""
    return account_pb2.ExplainBalanceResponse(
        event=entry(found.event),
        rate=None if found.rate is None else _rate(found.rate),
        units_before=found.units_before,
        draws=[_draw(each) for each in found.draws],
        balance_before=balance_message(found.balance_before),
        balance_after=balance_message(found.balance_after),
        settlements=[entry(each) for each in found.settlements],
        corrections=[entry(each) for each in found.corrections],
        seq=found.seq,
    )


def _rate(rate: model.AppliedRate) -> account_pb2.AppliedRate:
    return account_pb2.AppliedRate(
        rate_table=rate.table,
        meter=rate.meter,
        credit_type=rate.credit_type,
        match=rate.match,
        valid_from=timestamp(rate.valid_from),
        version=rate.version,
        sent_json=msgspec.json.encode(rate.sent),
    )


def _draw(draw: model.GrantDraw) -> account_pb2.GrantDraw:
    return account_pb2.GrantDraw(
        grant_id=draw.grant_id,
        name=draw.name,
        amount=optional_text(draw.amount),
        remaining_before=optional_text(draw.remaining_before),
        remaining_after=optional_text(draw.remaining_after),
    )
