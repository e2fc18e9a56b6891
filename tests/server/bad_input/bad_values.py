"""From a right request to wrong ones, by the schema: one field at a time, everything else as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf import message as messages

TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)

# Text that is a decimal number.
DECIMALS = {
    "amount", "cap", "credits", "flat", "fraction", "limit", "max", "min", "minus", "package_size", "per",
    "price", "threshold", "thresholds", "to", "unit_price", "up_to",
}  # fmt: skip
# Text that is one of a list of words, or has a form of its own.
WORDS = {
    "aggregation", "anchor", "billing_model", "billing_period", "cadence", "category", "change_policy",
    "classes", "country", "currency", "cost_currency", "end", "format", "kind", "locale", "model", "policy",
    "proration", "release", "remainder", "rights", "schedule", "state", "time_zone", "type", "unit", "url",
    "when", "secret", "kinds", "page_token",
}  # fmt: skip
# Words of which any text is one.
FREE = {("Meter", "unit"), ("MeterEntry", "unit")}


# Ids that need not be given: a filter, something optional, a number of the customer's own.
MAY_BE_EMPTY = {
    ("CreateAccountRequest", "customer_id"), ("Customer", "provider_id"), ("Customer", "tax_id"),
    ("ListPlansRequest", "product_id"), ("VerifyRequest", "account_id"),
    ("CorrectUsageRequest", "correction_id"), ("ListReservationsRequest", "account_id"),
    ("ListSubscriptionsRequest", "account"), ("ListInvoicesRequest", "account"),
    ("ListPurchasesRequest", "account"), ("ListNoticesRequest", "account"),
    ("ReportSalesRequest", "account"), ("CreateCreditNoteRequest", "grant_id"),
}  # fmt: skip
# Messages that must be there beside those that a request consists of, and those that need not.
REQUIRED = {("InvoiceCredit", "amount"), ("GrantContent", "formula")}
OPTIONAL = {("RefundPurchaseRequest", "amount"), ("SetPolicyRequest", "policy")}


class Wrong(NamedTuple):
    """One wrong request."""

    place: str
    """The field, from the request down: ``grant.amount``."""
    fault: str
    request: Any


def wrong_ones(request: messages.Message) -> Iterator[Wrong]:
    """Every fault of every field that stands in the request."""
    for place, holder, field in _fields(request, ()):
        for fault, change in _faults(holder, field):
            spoilt = type(request)()
            spoilt.CopyFrom(request)
            _at(spoilt, place[:-1], change)
            yield Wrong(".".join(each if isinstance(each, str) else each[0] for each in place), fault, spoilt)


def _fields(message: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    for field, value in message.ListFields():
        here = (*path, field.name)
        yield here, message, field
        if field.message_type is None or _is_map(field) or _is_known(field):
            continue
        if field.is_repeated:
            # The path of an element is the field's, and which.
            yield from _fields(value[0], (*path, (field.name, 0)))
        else:
            yield from _fields(value, here)


def _at(message: Any, path: tuple[Any, ...], change: Any) -> None:
    for step in path:
        message = getattr(message, step[0])[step[1]] if isinstance(step, tuple) else getattr(message, step)
    change(message)


def _faults(holder: Any, field: Any) -> Iterator[tuple[str, Any]]:
    name = field.name
    if _is_map(field):
        yield "a value of 100,000 characters", lambda at: getattr(at, name).update({"k": "x" * 100_000})
        yield "a control character in a key", lambda at: getattr(at, name).update({"a\0b": "v"})
        return
    for fault, value in _values(holder, field):
        if field.is_repeated:
            yield fault, lambda at, value=value: _replace_first(getattr(at, name), value)
        elif _is_known(field):
            yield fault, lambda at, value=value: getattr(at, name).CopyFrom(value)
        else:
            yield fault, lambda at, value=value: setattr(at, name, value)
    if field.message_type is not None and _is_required(holder, field):
        yield "left out", lambda at: at.ClearField(name)


def _is_required(holder: Any, field: Any) -> bool:
    if field.is_repeated or _is_known(field):
        return False
    key = (holder.DESCRIPTOR.name, field.name)
    return key in REQUIRED or (key[0].endswith("Request") and key not in OPTIONAL)


def _replace_first(repeated: Any, value: Any) -> None:
    del repeated[:]
    repeated.append(value)


def _values(holder: Any, field: Any) -> Iterator[tuple[str, Any]]:
    name = field.name
    if field.message_type is not None:
        if field.message_type.full_name == TIMESTAMP:
            yield "year 33658", timestamp_pb2.Timestamp(seconds=10**12)
            yield "before year 1", timestamp_pb2.Timestamp(seconds=-(10**12))
            yield "half a microsecond", timestamp_pb2.Timestamp(seconds=1_800_000_000, nanos=500)
            yield "negative nanoseconds", timestamp_pb2.Timestamp(seconds=1_800_000_000, nanos=-1000)
        elif field.message_type.full_name == DURATION:
            yield "negative", duration_pb2.Duration(seconds=-1)
            yield "the largest number", duration_pb2.Duration(seconds=INT64_MAX)
            yield "the smallest number", duration_pb2.Duration(seconds=INT64_MIN)
            yield "half a microsecond", duration_pb2.Duration(seconds=1, nanos=500)
            yield "too many nanoseconds", duration_pb2.Duration(seconds=1, nanos=1_000_000_000)
        return
    if field.enum_type is not None:
        yield "an unknown number", 99
    elif field.type == field.TYPE_STRING:
        yield from _texts(holder, name)
    elif field.type == field.TYPE_BYTES:
        yield "no JSON", b"{"
        yield "a type that is no text", b'{"type": []}'
    elif field.type in (field.TYPE_INT32, field.TYPE_INT64):
        yield "negative", -1
        yield "the smallest number", INT64_MIN if field.type == field.TYPE_INT64 else -(2**31)
        yield "the largest number", INT64_MAX if field.type == field.TYPE_INT64 else 2**31 - 1
    elif field.type == field.TYPE_UINT32:
        yield "the largest number", 2**32 - 1


def _texts(holder: Any, name: str) -> Iterator[tuple[str, str]]:
    yield "100,000 characters", "x" * 100_000
    yield "a control character", "a\0b"
    if name in DECIMALS:
        yield "no number", "abc"
        yield "an exponent", "1e3"
        yield "not a number", "NaN"
        yield "forty decimals", "0." + "1" * 40
        yield "beyond 64 bits", "9" * 30
        yield "negative", "-1"
    elif name in WORDS and (holder.DESCRIPTOR.name, name) not in FREE:
        yield "an unknown word", "no-such"
    if (name.endswith("_id") or name == "account") and (holder.DESCRIPTOR.name, name) not in MAY_BE_EMPTY:
        yield "empty", ""


def _is_map(field: Any) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _is_known(field: Any) -> bool:
    return field.message_type is not None and field.message_type.full_name in (TIMESTAMP, DURATION)
