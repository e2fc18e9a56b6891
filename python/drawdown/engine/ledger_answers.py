"""Answers of the journal (JSON, smallest units, microseconds) → entries and explanations."""

from typing import Any, Final

from drawdown import model
from drawdown.engine.answers import balance
from drawdown.model.credits import credits_from_units, optional_credits
from drawdown.model.instants import instant_from_us, optional_instant

# Facts that are instants in microseconds.
_INSTANTS: Final = frozenset(
    {
        "at",
        "to",
        "valid_from",
        "effective_at",
        "expires_at",
        "test_clock",
        "period",
        "overage_period",
        "counted_period",
    }
)


def entry(answer: dict[str, Any]) -> model.LedgerEntry:
    """One ledger entry. Amounts of its kind stand among its facts, as ``Decimal``."""
    scale = answer.get("scale", 0)
    facts: dict[str, Any] = {
        name: optional_instant(value) if name in _INSTANTS else value
        for name, value in answer["facts"].items()
        if value is not None and value != ""
    }
    facts |= {name: credits_from_units(units, scale) for name, units in answer["amounts"].items()}
    # Per grant, as (grant id, credits); below zero where it left.
    for name in ("held", "forfeited"):
        parts = facts.pop(f"{name}_units", None)
        if parts:
            facts[f"{name}_of"] = [(grant, credits_from_units(units, scale)) for grant, units in parts]
    if "threshold_units" in facts:
        absolute = [credits_from_units(units, scale) for units in facts.pop("threshold_units")]
        facts["thresholds"] = [*absolute, *facts.pop("threshold_percents", ())]
    return model.LedgerEntry(
        seq=answer["seq"],
        account=answer["account"],
        kind=answer["kind"],
        received_at=instant_from_us(answer["received_at"]),
        credit_type=answer.get("credit_type"),
        event_id=answer.get("event_id"),
        meter=answer.get("meter"),
        quantity=answer.get("quantity"),
        time=optional_instant(answer.get("time")),
        charged=optional_credits(answer.get("charged"), scale),
        draws=tuple((grant, credits_from_units(units, scale)) for grant, units in answer["draws"]),
        facts=facts,
    )


def page(answer: dict[str, Any], seq: int) -> model.LedgerPage:
    """One page of a ledger."""
    return model.LedgerPage(
        entries=tuple(entry(each) for each in answer["entries"]),
        more=answer["more"],
        first_kept_seq=answer["first_kept_seq"],
        seq=seq,
    )


def usage_record(answer: dict[str, Any], seq: int) -> model.UsageRecord:
    """One event and its corrections."""
    return model.UsageRecord(
        event=entry(answer["event"]),
        corrections=tuple(entry(each) for each in answer["corrections"]),
        seq=seq,
    )


def _rate(answer: dict[str, Any]) -> model.AppliedRate:
    return model.AppliedRate(
        table=answer["table"],
        meter=answer["meter"],
        credit_type=answer["credit_type"],
        match=answer["match"],
        valid_from=optional_instant(answer["valid_from"]),
        version=answer["version"],
        sent=answer["sent"],
    )


def _draw(answer: dict[str, Any], scale: int) -> model.GrantDraw:
    return model.GrantDraw(
        grant_id=answer["grant_id"],
        name=answer["name"],
        amount=credits_from_units(answer["amount"], scale),
        remaining_before=optional_credits(answer["remaining_before"], scale),
        remaining_after=optional_credits(answer["remaining_after"], scale),
    )


def explanation(answer: dict[str, Any], seq: int) -> model.Explanation:
    """Why an event cost what it did."""
    scale, event_seq = answer["scale"], answer["event"]["seq"]
    return model.Explanation(
        event=entry(answer["event"]),
        rate=None if answer["rate"] is None else _rate(answer["rate"]),
        units_before=answer["units_before"],
        draws=tuple(_draw(each, scale) for each in answer["draws"]),
        balance_before=balance(answer["balance_before"], event_seq - 1),
        balance_after=balance(answer["balance_after"], event_seq),
        settlements=tuple(entry(each) for each in answer["settlements"]),
        corrections=tuple(entry(each) for each in answer["corrections"]),
        seq=seq,
    )
