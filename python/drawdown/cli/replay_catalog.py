"""What a replay needs to exist: credit type, meters, rates, accounts with credits. Made where missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from drawdown.client.interface import Database
from drawdown.errors import AccountNotFoundError, InvalidRequestError, PreconditionError
from drawdown.model import commands, decimal_text

CREDIT_TYPE = "credits"
CREDIT_SCALE = 9
GRANT_ID = "trace-credits"
# Accounts are made in atomic groups of this many; each is two commands.
ACCOUNTS_PER_GROUP = 500
# The grant is valid from a day before the first row: draws are decided as of the event's time.
GRANT_LEAD_US = 86_400 * 1_000_000


class MeterRate(NamedTuple):
    """``credits`` per ``per`` units."""

    credits: str
    per: str


DEFAULT_RATES = {
    "input_tokens": MeterRate("2.50", "1000000"),
    "output_tokens": MeterRate("10.00", "1000000"),
}


def rates_from(pairs: Mapping[str, str]) -> dict[str, MeterRate]:
    """``METER=CREDITS/PER`` as typed. Raises ``InvalidRequestError``."""
    rates: dict[str, MeterRate] = {}
    for meter, text in pairs.items():
        credits, _, per = text.partition("/")
        rates[meter] = MeterRate(decimal_text(credits, "rate"), decimal_text(per or "1", "rate"))
    return rates


def prepare_meters(
    database: Database, meters: Iterable[str], rates: Mapping[str, MeterRate], credit_type: str = CREDIT_TYPE
) -> None:
    """The credit type exists, and every meter with a price in the table ``default``; new prices are in it.

    What is there stays as it is; a rate that was asked for explicitly is set. Raises
    ``InvalidRequestError`` for a meter that has no price and none was given.
    """
    catalog = database.catalog()
    known = {each.key for each in catalog.meters}
    priced = {rate.meter for table in catalog.rate_tables for rate in table.rates}
    group: list[commands.Command] = []
    if credit_type not in {each.name for each in catalog.credit_types}:
        group.append(commands.CreateCreditType(name=credit_type, scale=CREDIT_SCALE))
    for meter in meters:
        if meter not in known:
            group.append(commands.CreateMeter(key=meter))
        rate = rates.get(meter) or (None if meter in priced else DEFAULT_RATES.get(meter))
        if rate is None and meter not in priced:
            raise InvalidRequestError(
                f"rate: {meter} has no price; give one, for example --rate {meter}=2.50/1000000", field="rate"
            )
        if rate is not None:
            group.append(
                commands.set_rate(
                    table="default", meter=meter, credit_type=credit_type, credits=rate.credits, per=rate.per
                )
            )
    _execute(database, group)


def prepare_accounts(
    database: Database,
    accounts: Iterable[str],
    amount: Decimal,
    first_us: int,
    credit_type: str = CREDIT_TYPE,
) -> int:
    """Every account exists; those made here get ``amount`` credits, valid from before the first row.

    Accounts that are there already stay as they are. Answers how many were made.
    """
    missing = [account for account in accounts if not _exists(database, account)]
    grant = commands.grant_input(
        GRANT_ID,
        credit_type,
        amount,
        effective_at=first_us - GRANT_LEAD_US,
        category="promotional",
        reason="credits for a replayed trace",
    )
    for start in range(0, len(missing), ACCOUNTS_PER_GROUP):
        group: list[commands.Command] = []
        for account in missing[start : start + ACCOUNTS_PER_GROUP]:
            group.append(commands.CreateAccount(account=account))
            group.append(commands.CreateGrant(account=account, grant=grant))
        _execute(database, group)
    return len(missing)


def _exists(database: Database, account: str) -> bool:
    try:
        database.account(account)
    except AccountNotFoundError:
        return False
    return True


def _execute(database: Database, group: list[commands.Command]) -> None:
    if not group:
        return
    for command, result in zip(group, database.execute(group), strict=True):
        if not result.applied and result.status != "NOT_APPLIED":
            raise PreconditionError(
                f"{type(command).__name__} was refused: {result.status} {result.reason}".strip(),
                reason=result.status,
            )
