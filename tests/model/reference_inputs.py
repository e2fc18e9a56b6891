"""Reading a command's fields: who it is for, ids, credits and quantities as sent."""

from __future__ import annotations

from typing import Any

from tests.model.reference_account import Account
from tests.model.reference_ledger import ReferenceLedger, is_id
from tests.model.reference_payment import Refused
from tests.model.reference_prices import smallest_units

YEAR_1 = -62_135_596_800_000_000
YEAR_10000 = 253_402_300_800_000_000
"""UTC microseconds."""

Command = dict[str, Any]
Facts = dict[str, Any]


def account_of(ledger: ReferenceLedger, command: Command) -> Account:
    if not is_id(command["account"]):
        raise Refused("INVALID", "account")
    account = ledger.accounts.get(command["account"])
    if account is None:
        raise Refused("ACCOUNT_UNKNOWN", "account")
    return account


def units_of(ledger: ReferenceLedger, credit_type: str, amount: int | str, field: str) -> int:
    """Credits in smallest units of a known credit type; what does not fit is refused."""
    try:
        return smallest_units(amount, ledger.credit_types[credit_type])
    except ValueError as error:
        raise Refused("INVALID", field) from error
    except OverflowError as error:
        raise Refused("OVERFLOW", field) from error


def check_ids(command: Command, *names: str) -> None:
    for name in names:
        if name in command and not is_id(command[name]):
            raise Refused("INVALID", name)


def check_not_negative(command: Command, name: str) -> None:
    sent = command.get(name)
    if sent is not None and (sent < 0 if isinstance(sent, int) else sent.startswith("-")):
        raise Refused("INVALID", name)


def check_dates(sent: dict[str, Any], *names: str) -> None:
    """A date is in the years 1 to 9999, as it can be shown."""
    for name in names:
        date = sent.get(name)
        if date is not None and not YEAR_1 <= date < YEAR_10000:
            raise Refused("INVALID", name)
