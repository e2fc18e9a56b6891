"""Answers of the engine (JSON, smallest units, microseconds) → results (``Decimal``, aware ``datetime``)."""

from decimal import Decimal
from typing import Any

import msgspec

from drawdown import _engine, errors, model
from drawdown.model.credits import credits_from_units, optional_credits
from drawdown.model.instants import instant_from_us, optional_instant

_REFUSED_READS = {
    "ACCOUNT_UNKNOWN": errors.AccountNotFoundError,
    "EVENT_UNKNOWN": errors.EventNotFoundError,
    "GRANT_UNKNOWN": errors.GrantNotFoundError,
    "INVALID": errors.InvalidRequestError,
}


def decode(answer: bytes, request: dict[str, Any]) -> dict[str, Any]:
    """The answer's object.

    Raises ``AccountNotFoundError``, ``EventNotFoundError``, ``GrantNotFoundError``, ``NotFoundError``
    or ``InvalidRequestError`` where the engine answered with a status instead.
    """
    decoded: dict[str, Any] = msgspec.json.decode(answer)
    status = decoded.get("status")
    if status is None or status == "OK":
        return decoded
    kind = _REFUSED_READS.get(status, errors.NotFoundError)
    message = decoded.get("reason") or _sentence(status, request)
    raise kind(message, reason=status, field=decoded.get("field"))


def _sentence(status: str, request: dict[str, Any]) -> str:
    if status == "ACCOUNT_UNKNOWN":
        return f"there is no account {request.get('account')!r}; create it first"
    if status == "CREDIT_TYPE_UNKNOWN":
        return f"there is no credit type {request.get('credit_type')!r}; create it first"
    if status == "GRANT_UNKNOWN":
        return f"account {request.get('account')!r} has no grant {request.get('grant_id')!r}"
    about = ", ".join(f"{key} {value!r}" for key, value in request.items() if key != "type")
    return f"{request['type']}: {status} ({about})"


def balance(answer: dict[str, Any], seq: int) -> model.Balance:
    """One pool."""
    scale = answer["scale"]
    return model.Balance(
        account=answer["account"],
        credit_type=answer["credit_type"],
        scale=scale,
        available=credits_from_units(answer["available"], scale),
        remaining=credits_from_units(answer.get("remaining", 0), scale),
        held=credits_from_units(answer.get("held", 0), scale),
        overdraft=credits_from_units(answer.get("overdraft", 0), scale),
        overage=credits_from_units(answer.get("overage", 0), scale),
        policy=answer.get("policy", "hard"),
        policy_limit=optional_credits(answer.get("policy_limit"), scale),
        policy_cap=optional_credits(answer.get("policy_cap"), scale),
        policy_price=answer.get("policy_price"),
        thresholds=(
            *(credits_from_units(each, scale) for each in answer.get("thresholds", ())),
            *answer.get("percent_thresholds", ()),
        ),
        seq=seq,
    )


_GRANT_AMOUNTS = ("amount", "remaining", "held", "burned", "expired", "voided", "moved")
_GRANT_AS_IS = (
    "account",
    "grant_id",
    "credit_type",
    "scale",
    "state",
    "name",
    "category",
    "priority",
    "source",
    "source_reference",
    "cost_minor",
    "cost_currency",
    "reason",
    "metadata",
)


def grants(answer: dict[str, Any], seq: int) -> dict[str, model.Grant]:
    """A page of grants, by id, in their order."""
    page = (grant(each, seq) for each in answer["grants"])
    return {each.grant_id: each for each in page}


def grant(answer: dict[str, Any], seq: int) -> model.Grant:
    """One grant with how far it has been used."""
    scale = answer["scale"]
    facts: dict[str, Any] = {key: answer[key] for key in _GRANT_AS_IS if key in answer}
    for key in _GRANT_AMOUNTS:
        facts[key] = credits_from_units(answer.get(key, 0), scale)
    scope = answer.get("scope")
    return model.Grant(
        **facts,
        effective_at=optional_instant(answer.get("effective_at")),
        expires_at=optional_instant(answer.get("expires_at")),
        scope=None if scope is None else tuple(scope),
        seq=seq,
    )


def reservation(answer: dict[str, Any], seq: int) -> model.OpenReservation:
    """One open reservation."""
    scale = answer["scale"]
    return model.OpenReservation(
        account=answer["account"],
        reservation_id=answer["reservation_id"],
        credit_type=answer["credit_type"],
        scale=scale,
        meter=answer.get("meter"),
        quantity=answer.get("quantity"),
        held=credits_from_units(answer.get("held", 0), scale),
        headroom=credits_from_units(answer.get("headroom", 0), scale),
        created_at=optional_instant(answer.get("created_at")),
        expires_at=optional_instant(answer.get("expires_at")),
        seq=seq,
    )


def account(answer: dict[str, Any], seq: int) -> model.Account:
    """One account."""
    return model.Account(
        account=answer["account"],
        customer=answer.get("customer") or "",
        suspended=answer.get("suspended", False),
        rate_table=answer.get("rate_table") or "default",
        test_clock=optional_instant(answer.get("test_clock")),
        credit_types=tuple(answer.get("credit_types", ())),
        seq=seq,
    )


def rate(answer: dict[str, Any]) -> model.Rate:
    """One price."""
    return model.Rate(
        meter=answer["meter"],
        credit_type=answer["credit_type"],
        credits=answer.get("credits"),
        tiers=tuple((tier.get("up_to"), tier["credits"]) for tier in answer.get("tiers") or ()),
        per=answer.get("per", "1"),
        package=answer.get("package", False),
        match=dict(answer.get("match") or {}),
        valid_from=optional_instant(answer.get("valid_from")),
    )


def catalog(answer: dict[str, Any], seq: int) -> model.Catalog:
    """Credit types, meters and rate tables."""
    return model.Catalog(
        credit_types=tuple(
            model.CreditType(name=each["name"], scale=each["scale"])
            for each in answer.get("credit_types", ())
        ),
        meters=tuple(
            model.Meter(
                key=each["key"],
                unit=each.get("unit", ""),
                quantity_scale=each.get("quantity_scale", 0),
                aggregation=each.get("aggregation", "sum"),
                dimensions=tuple(each.get("dimensions", ())),
                unique_of=each.get("unique_of") or "",
            )
            for each in answer.get("meters", ())
        ),
        rate_tables=tuple(
            model.RateTable(name=each["name"], rates=tuple(rate(one) for one in each.get("rates", ())))
            for each in answer.get("rate_tables", ())
        ),
        seq=seq,
    )


def conservation(answer: dict[str, Any], seq: int) -> model.Conservation:
    """Whether every credit is accounted for."""
    return model.Conservation(
        holds=answer["holds"],
        accounts=answer.get("accounts", 0),
        pools=answer.get("pools", 0),
        grants=answer.get("grants", 0),
        violations=tuple(str(each) for each in answer.get("violations", ())),
        totals={
            credit_type: {name: Decimal(text) for name, text in sums.items()}
            for credit_type, sums in answer.get("totals", {}).items()
        },
        seq=seq,
    )


def crossing(answer: dict[str, Any]) -> model.Crossing:
    """One passage of a threshold, of zero, or back."""
    scale = answer.get("scale", 0)
    return model.Crossing(
        seq=answer["seq"],
        account=answer["account"],
        credit_type=answer["credit_type"],
        kind=answer["kind"],
        available=optional_credits(answer.get("available"), scale),
        threshold=optional_credits(answer.get("threshold"), scale),
        threshold_percent=answer.get("threshold_percent"),
    )


def change(answer: dict[str, Any]) -> model.Change:
    """One change that somebody is told of."""
    found = None if "grant" not in answer else grant(answer["grant"], answer["seq"])
    scale = 0 if found is None else found.scale
    return model.Change(
        seq=answer["seq"],
        account=answer["account"],
        kind=answer["kind"],
        at=instant_from_us(answer["at"]),
        clock=optional_instant(answer.get("clock")),
        grant=found,
        pending=answer.get("pending", False),
        forfeited=optional_credits(answer.get("forfeited"), scale),
        moved=optional_credits(answer.get("moved"), scale),
        to=optional_instant(answer.get("to")),
    )


# Facts of commands that are amounts; the outcome carries their `scale`.
_AMOUNT_FACTS = (
    "forfeited",
    "moved",
    "amount",
    "settled",
    "available",
    "held",
    "headroom",
    "uncovered",
    "shortfall",
    "charged",
    "returned",
    "extra",
    "difference",
)


def outcome(answer: dict[str, Any], seq: int) -> model.CommandResult:
    """Outcome of one command; amounts among its facts become credits."""
    facts = {key: value for key, value in answer.items() if key not in ("status", "reason", "field")}
    scale = facts.get("scale")
    if isinstance(scale, int):
        for key in _AMOUNT_FACTS:
            if isinstance(facts.get(key), int):
                facts[key] = credits_from_units(facts[key], scale)
    return model.CommandResult(
        status=answer["status"],
        seq=seq,
        reason=answer.get("reason") or "",
        field=answer.get("field"),
        facts=facts,
    )


def outcomes_from_json(outcomes: bytes, seq: int) -> list[model.CommandResult]:
    """Outcomes of one group, in order.

    Raises ``InvalidRequestError`` with the field's name where a command is ``INVALID``: input that
    cannot be understood is the caller's mistake, not an outcome.
    """
    results = [outcome(each, seq) for each in msgspec.json.decode(outcomes)]
    for position, result in enumerate(results):
        if result.status == "INVALID":
            raise invalid_command(result, position if len(results) > 1 else None)
    return results


def invalid_command(result: model.CommandResult, position: int | None) -> errors.InvalidRequestError:
    """The exception for an ``INVALID`` outcome; ``position`` names the command in a group."""
    message = result.reason or "the command is not valid"
    if result.field and result.field not in message:
        message = f"{result.field}: {message}"
    if position is not None:
        message = f"command {position}: {message}"
    return errors.InvalidRequestError(message, field=result.field)


def usage(recorded: _engine.Recorded, event_id: str) -> model.UsageResult:
    """Outcome of one usage event."""
    scale = recorded.scale
    return model.UsageResult(
        status=recorded.status,
        charged=credits_from_units(recorded.charged, scale),
        uncovered=credits_from_units(recorded.uncovered, scale),
        available=optional_credits(recorded.available, scale),
        shortfall=optional_credits(recorded.shortfall, scale),
        event_id=event_id,
        seq=recorded.seq,
    )


def check(answer: _engine.Check) -> model.CheckResult:
    """Answer of a check, in credits."""
    return model.CheckResult(
        allowed=answer.allowed,
        reason=answer.reason,
        available=optional_credits(answer.available, answer.scale),
        units=answer.units,
        seq=answer.seq,
    )
