"""Rows of an opening import: what each kind may say, read strictly, every fault by line and field. Pure.

=============  =====================================================================================
kind           fields (* needed)
=============  =====================================================================================
customer       customer_id*, name, email, currency, country, time_zone, payment_method, provider_id,
               tax_id, address
account        account*, customer_id, rate_table
grant          account*, grant_id*, credit_type*, amount*, name, category, priority, effective_at,
               expires_at, scope, source, source_reference, cost, cost_currency, reason
subscription   subscription_id*, account*, plan_id*, started_at*, version, quantity, currency, term,
               payment_method, credits_left
=============  =====================================================================================

Lists (address, scope) are separated by ``;``. ``credits_left`` is what is left of the plan's present
grant; further remainders are grants of their own.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from drawdown.errors import DrawdownError, InvalidRequestError
from drawdown.model import commands
from drawdown.model.credits import decimal_text
from drawdown.model.ids import check_id
from drawdown.model.money import money_from
from drawdown.model.request import Request, Value
from drawdown.subscriptions.customer import Customer, check_customer

IMPORT_ROWS_MAX: Final = 20_000
KINDS: Final = ("customer", "account", "grant", "subscription")


class OpeningRow(Value, frozen=True):
    """One row as it stands in the file."""

    line: int
    kind: str
    fields: dict[str, str] = {}


def row_from(given: OpeningRow | Mapping[str, Any], line: int) -> OpeningRow:
    """A row of a mapping, as a reader of files or a query gives it: what is ``None`` is not there, whole and
    decimal numbers are their text."""
    if isinstance(given, OpeningRow):
        return given
    if None in given:
        raise InvalidRequestError(
            f"rows[{line - 1}]: has more values than there are names of them", field="rows"
        )
    fields = {name: _as_text(value) for name, value in given.items() if value is not None}
    return OpeningRow(line=line, kind=fields.pop("kind", ""), fields=fields)


def _as_text(value: Any) -> Any:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return f"{value:f}" if isinstance(value, Decimal) else str(value) if is_number else value


class OpeningAction(Value, frozen=True):
    """What a row does."""

    line: int
    kind: str
    id: str
    state: str
    """``new``, or ``known``: it is there already and nothing changes."""


class OpeningProblem(Value, frozen=True):
    """Why a row cannot be taken."""

    line: int
    field: str
    message: str


class OpeningImport(Value, frozen=True):
    """What an import did, or would do."""

    applied: bool
    actions: tuple[OpeningAction, ...] = ()
    problems: tuple[OpeningProblem, ...] = ()


class ImportOpening(Request, frozen=True):
    """Balances and subscriptions begun elsewhere: all rows or none. The same again changes nothing."""

    rpc = "AccountService/ImportOpening"
    right = "manage"
    answer = OpeningImport
    as_they_are = frozenset({"rows"})
    rows: tuple[OpeningRow, ...]
    dry_run: bool = False


class OpenSubscription(Value, frozen=True):
    """A subscription that began elsewhere."""

    subscription_id: str
    account: str
    plan_id: str
    started_at: datetime
    version: int = 0
    """0: the one in force."""
    quantity: int = 1
    currency: str = ""
    term: int = 0
    payment_method: str = ""
    credits_left: Decimal | None = None


Opened = Customer | commands.CreateAccount | commands.CreateGrant | OpenSubscription
"""A row, understood."""


def understood(row: OpeningRow) -> Opened:
    """Raises ``InvalidRequestError`` naming the field."""
    reader = _READERS.get(row.kind)
    if reader is None:
        raise InvalidRequestError(f"kind: {row.kind[:64]!r} is not one of {', '.join(KINDS)}", field="kind")
    given = {name: text for name, text in row.fields.items() if text != ""}
    allowed, needed, read = reader
    for name in given:
        if name not in allowed:
            raise InvalidRequestError(f"{name[:64]}: a {row.kind} has no such field", field=name[:64])
    for name in needed:
        if name not in given:
            raise InvalidRequestError(f"{name}: a {row.kind} needs it", field=name)
    return read(given)


def problem_of(line: int, fault: DrawdownError) -> OpeningProblem:
    """The fault of a row, for people."""
    return OpeningProblem(line=line, field=fault.field or "", message=fault.message)


def _customer(given: Mapping[str, str]) -> Customer:
    content: dict[str, Any] = {**given, "address": _list(given.get("address", ""))}
    customer = Customer(**content)
    check_customer(customer)
    return customer


def _account(given: Mapping[str, str]) -> commands.CreateAccount:
    if "customer_id" in given:
        check_id(given["customer_id"], "customer_id")
    return commands.create_account(
        check_id(given["account"], "account"),
        customer_id=given.get("customer_id"),
        rate_table=given.get("rate_table"),
    )


def _grant(given: Mapping[str, str]) -> commands.CreateGrant:
    if ("cost" in given) != ("cost_currency" in given):
        raise InvalidRequestError("cost: give cost and cost_currency, or neither", field="cost")
    currency = given.get("cost_currency", "")
    cost = money_from(given["cost"], currency, "cost") if currency else None
    content = commands.grant_input(
        check_id(given["grant_id"], "grant_id"),
        given["credit_type"],
        given["amount"],
        name=given.get("name"),
        category=given.get("category", "paid"),
        priority=_whole(given, "priority", 50),
        effective_at=_instant(given, "effective_at"),
        expires_at=_instant(given, "expires_at"),
        scope=_list(given["scope"]) if "scope" in given else None,
        source=given.get("source", "adjustment"),
        source_reference=given.get("source_reference", ""),
        cost_minor=0 if cost is None else cost.minor,
        cost_currency=currency,
        reason=given.get("reason", ""),
    )
    return commands.CreateGrant(account=check_id(given["account"], "account"), grant=content)


def _subscription(given: Mapping[str, str]) -> OpenSubscription:
    left = given.get("credits_left")
    started_at = _instant(given, "started_at")
    assert started_at is not None
    found = OpenSubscription(
        subscription_id=check_id(given["subscription_id"], "subscription_id"),
        account=check_id(given["account"], "account"),
        plan_id=given["plan_id"],
        started_at=started_at,
        version=_whole(given, "version", 0),
        quantity=_whole(given, "quantity", 1),
        currency=given.get("currency", ""),
        term=_whole(given, "term", 0),
        payment_method=given.get("payment_method", ""),
        credits_left=None if left is None else Decimal(decimal_text(left, "credits_left")),
    )
    if found.credits_left is not None and found.credits_left < 0:
        raise InvalidRequestError("credits_left: must not be negative", field="credits_left")
    return found


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _whole(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequestError(f"{name}: {text[:64]!r} is not a whole number", field=name)
    return int(text)


def _instant(given: Mapping[str, str], name: str) -> datetime | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequestError(
            f"{name}: {text[:64]!r} is not an instant; write it like 2026-03-01T12:00:00Z", field=name
        ) from None
    return instant.astimezone(UTC) if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _fields(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READERS: Final[dict[str, tuple[frozenset[str], tuple[str, ...], Callable[[Mapping[str, str]], Opened]]]] = {
    "customer": (
        _fields(
            "customer_id name email currency country time_zone payment_method provider_id tax_id address"
        ),
        ("customer_id",),
        _customer,
    ),
    "account": (_fields("account customer_id rate_table"), ("account",), _account),
    "grant": (
        _fields(
            "account grant_id credit_type amount name category priority effective_at expires_at scope source "
            "source_reference cost cost_currency reason"
        ),
        ("account", "grant_id", "credit_type", "amount"),
        _grant,
    ),
    "subscription": (
        _fields(
            "subscription_id account plan_id started_at version quantity currency term payment_method "
            "credits_left"
        ),
        ("subscription_id", "account", "plan_id", "started_at"),
        _subscription,
    ),
}
