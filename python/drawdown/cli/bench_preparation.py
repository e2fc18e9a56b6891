"""What a bench runs on: a catalog, accounts and grants, made in large atomic groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from drawdown.client.interface import Database
from drawdown.errors import PreconditionError
from drawdown.model import commands

METER = "input_tokens"
OTHER_METER = "requests"
QUANTITY = 1200
# 1,200 tokens at 2.50 per million are 0.003 credits, exactly 3,000,000 of the smallest unit at scale 9.
PRICE, PER, SCALE = "2.50", "1000000", 9
CHARGE_UNITS = 3_000_000
# 10^16 smallest units each: a hundred of them fit one pool, and none runs dry during a bench.
GRANT_AMOUNT = "10000000"
COMMANDS_PER_GROUP = 4000


class _Outcome(msgspec.Struct):
    status: str
    reason: str = ""


_outcomes = msgspec.json.Decoder(list[_Outcome])


def account_id(number: int) -> str:
    """As the load generator names them."""
    return f"acct-{number:08d}"


def prepare(
    database: Database, *, accounts: int, grants: int, progress: Callable[[int], None] = lambda done: None
) -> None:
    """Catalog, ``accounts`` accounts and ``grants`` grants each, one of them for the bench's meter only.

    Repeating it changes nothing. ``progress`` is called with the accounts done so far.
    """
    _execute(database, commands.encode_group(_catalog()))
    waiting: list[str] = []
    per_account = grants + 1
    for number in range(accounts):
        waiting.extend(_account_commands(number, grants))
        if len(waiting) + per_account > COMMANDS_PER_GROUP:
            _execute(database, f"[{','.join(waiting)}]".encode())
            waiting.clear()
            progress(number + 1)
    if waiting:
        _execute(database, f"[{','.join(waiting)}]".encode())
    progress(accounts)


def _catalog() -> list[commands.Command]:
    return [
        commands.CreateCreditType(name="credits", scale=SCALE),
        commands.CreateMeter(key=METER, unit="tokens"),
        commands.CreateMeter(key=OTHER_METER),
        *(
            commands.set_rate(table="default", meter=meter, credit_type="credits", credits=PRICE, per=PER)
            for meter in (METER, OTHER_METER)
        ),
    ]


def _account_commands(number: int, grants: int) -> Iterator[str]:
    """The commands of one account as JSON text: there are millions of them."""
    account = account_id(number)
    yield f'{{"type":"create_account","account":"{account}"}}'
    for position in range(grants):
        # The second burns first and pays for the bench's meter only; the others pay for all.
        scope = f',"scope":["{METER}"],"priority":10' if position == 1 else ""
        yield (
            f'{{"type":"create_grant","account":"{account}","grant":{{"grant_id":"grant-{position:03d}",'
            f'"credit_type":"credits","amount":"{GRANT_AMOUNT}"{scope}}}}}'
        )


def _execute(database: Database, group: bytes) -> None:
    _, outcomes = database.execute_json(group)
    for outcome in _outcomes.decode(outcomes):
        if outcome.status not in ("OK", "DUPLICATE"):
            raise PreconditionError(
                f"the bench could not be prepared: {outcome.status} {outcome.reason}".strip(),
                reason=outcome.status,
            )
