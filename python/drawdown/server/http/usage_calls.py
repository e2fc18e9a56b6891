"""``POST /v1/events``: CloudEvents to usage events, a status for each, after they are durable.

Everything but waiting happens in a worker thread: read, map, one batch to the engine, answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from drawdown.engine import BatchEncoder, Engine, RawEngineError, decode_ack, translated
from drawdown.errors import InternalError, InvalidRequestError
from drawdown.model.credits import credits_from_units
from drawdown.model.event_mapping import EventTypes
from drawdown.server.access import Principal
from drawdown.server.convert import credits_text
from drawdown.server.http.cloud_event import CloudEvent, decoded, from_headers, from_object, is_json_type
from drawdown.server.http.problem import HttpRefusal
from drawdown.server.http.reported_use import ReportedUse, uses_of

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
# Of `decode_ack`: index, status, charged, uncovered, available, shortfall.
_Outcome = tuple[int, str, int, int, int | None, int | None]
_AMOUNTS: Final = ("charged", "uncovered", "available", "shortfall")

_Result = dict[str, Any]


def answered(
    engine: Engine, types: EventTypes, caller: Principal, headers: Mapping[str, str], body: bytes
) -> tuple[int, bytes]:
    """Apply what the request reports: ``(seq, JSON)``; the answer may go out once ``seq`` is durable.

    Raises ``InvalidRequestError`` where the request, or its only event, cannot be understood, and
    ``OverloadedError`` or ``ReadOnlyError`` for the whole; nothing was applied then.
    """
    alone, events = _events_of(headers, body)
    results: list[_Result] = []
    sent: list[tuple[_Result, ReportedUse]] = []
    encoder = BatchEncoder("rows", "all")
    for index, read in enumerate(events):
        try:
            uses = uses_of(read(), types)
            _check_uses(uses)
        except InvalidRequestError as refused:
            if alone:
                raise
            results.append(_refused(index, refused))
            continue
        for use in uses:
            result: _Result = {"index": index, "event_id": use.event_id, "meter": use.meter}
            encoder.add(*use)
            results.append(result)
            sent.append((result, use))
    seq = _apply(engine, caller, encoder, sent)
    return seq, msgspec.json.encode({"seq": seq, **_totals(results), "results": results})


class _Later:
    """One event of a batch, read when its turn comes, so that its fault is its own."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __call__(self) -> CloudEvent:
        return from_object(self._value)


def _events_of(headers: Mapping[str, str], body: bytes) -> tuple[bool, Sequence[Any]]:
    """Whether one event came by itself, and a reader of each event."""
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    # The type says which mode it is, whatever stands beside: what passes events on may add headers to whole
    # ones, and of those the body is no data.
    whole = content_type.startswith("application/cloudevents")
    if not whole and ("ce-specversion" in headers or "ce-id" in headers):
        return True, [lambda: from_headers(headers, body)]
    if not whole and content_type != "application/json":
        raise HttpRefusal(
            415,
            f"content-type: {content_type[:64]!r}; give {STRUCTURED}, {BATCHED}, application/json, or "
            "headers ce-… with JSON data",
            field="content-type",
        )
    if not is_json_type(content_type):
        raise HttpRefusal(415, f"content-type: {content_type[:64]!r} is not JSON", field="content-type")
    value = decoded(body)
    if content_type == BATCHED and not isinstance(value, list):
        raise InvalidRequestError("body: a batch is an array of events", field="body")
    if content_type == STRUCTURED and isinstance(value, list):
        raise InvalidRequestError(f"body: an array of events is of type {BATCHED}", field="body")
    if isinstance(value, list):
        return False, [_Later(each) for each in value]
    return True, [_Later(value)]


def _check_uses(uses: Sequence[ReportedUse]) -> None:
    """Raises ``InvalidRequestError`` where a use cannot be encoded: all uses of an event, or none."""
    trial = BatchEncoder("rows", "all")
    for use in uses:
        try:
            trial.add(*use)
        except RawEngineError as raised:
            fault = translated(raised)
            # Both are made of attributes of the event; the caller knows those.
            field = {"account_id": "subject", "event_id": "id"}.get(fault.field or "", fault.field)
            message = fault.message.removeprefix(f"{fault.field}: ")
            raise InvalidRequestError(f"{field}: {message}", field=field) from raised


def _apply(
    engine: Engine, caller: Principal, encoder: BatchEncoder, sent: Sequence[tuple[_Result, ReportedUse]]
) -> int:
    """One batch to the engine; each result gets what happened. Answers the position that makes it durable."""
    if not sent:
        return engine.durable_seq()
    # Never `force`: that is for callers who report what no rule may refuse, one event at a time.
    seq, ack = engine.submit(encoder.take(1), account_prefix=caller.account_prefix, may_force=False)
    outcomes: list[_Outcome] = decode_ack(ack)[5]
    if len(outcomes) != len(sent):
        raise InternalError(f"{len(outcomes)} outcomes of {len(sent)} events")
    for (result, use), (_, status, *amounts) in zip(sent, outcomes, strict=True):
        result["status"] = status
        named = {name: units for name, units in zip(_AMOUNTS, amounts, strict=True) if units is not None}
        if not named["uncovered"]:
            del named["uncovered"]
        scale = (
            engine.scale_of_use(use.account, use.meter, use.time_us, use.dimensions)
            if any(named.values())
            else 0
        )
        result.update({name: credits_text(credits_from_units(units, scale)) for name, units in named.items()})
    return seq


def _refused(index: int, refused: InvalidRequestError) -> _Result:
    return {"index": index, "status": "INVALID", "field": refused.field, "message": refused.message}


def _totals(results: Sequence[_Result]) -> dict[str, int]:
    applied = sum(result["status"] == "OK" for result in results)
    duplicates = sum(result["status"] == "DUPLICATE" for result in results)
    return {"applied": applied, "duplicates": duplicates, "refused": len(results) - applied - duplicates}
