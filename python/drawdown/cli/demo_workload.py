"""The demo's customers, prices and requests, and what they must cost: priced here a second time.

Prices are multiples of the smallest unit per token, so each charge is a plain product that a reader
can check; nothing is rounded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from drawdown.client.interface import Database
from drawdown.client.usage_event import UsageEvent
from drawdown.errors import PreconditionError
from drawdown.model import CommandResult, commands, now_us

SCALE = 9
# Credits per million tokens, by (meter, model); at scale 9 that is 1,000 units per token and credit.
PRICES = {
    ("input_tokens", "small"): "2.50",
    ("output_tokens", "small"): "10.00",
    ("input_tokens", "large"): "10.00",
    ("output_tokens", "large"): "40.00",
}
UNITS_PER_TOKEN = {
    ("input_tokens", "small"): 2_500,
    ("output_tokens", "small"): 10_000,
    ("input_tokens", "large"): 10_000,
    ("output_tokens", "large"): 40_000,
}


class Customer(NamedTuple):
    """One account of the story."""

    account: str
    plan: str
    """Credits of this month's plan grant."""
    top_up: str
    """Bought once, never expires; 0: none."""
    policy: str
    share: int
    """Of the traffic, in parts."""
    remark: str


CUSTOMERS = (
    Customer("northwind", "2000", "500", "hard", 5, "large plan and a top-up"),
    Customer("contoso", "1500", "0", "hard", 4, "plan only"),
    Customer("fabrikam", "1000", "0", "hard", 3, "plan only"),
    Customer("tailspin", "800", "200", "hard", 2, "plan and a top-up"),
    Customer("wingtip", "6", "0", "hard", 2, "runs dry: cut off at zero"),
    Customer("adatum", "6", "0", "overdraft", 2, "runs dry: may go 50 below"),
)
OVERDRAFT_LIMIT = "50"
WELCOME = "5"


class Request(NamedTuple):
    """One event of the workload with its price in smallest units."""

    event: UsageEvent
    units: int


def prepare(database: Database, now: datetime) -> None:
    """Catalog, accounts and grants of the story. Raises ``PreconditionError`` if any is refused."""
    month_end = now + timedelta(days=30)
    _require_applied(database.create_credit_type("credits", scale=SCALE))
    for meter in ("input_tokens", "output_tokens"):
        _require_applied(database.create_meter(meter, unit="tokens", dimensions=["model"]))
    for (meter, size), price in PRICES.items():
        _require_applied(database.set_rate(meter=meter, credits=price, per=1_000_000, match={"model": size}))
    for customer in CUSTOMERS:
        group: list[commands.Command] = [
            commands.create_account(customer.account, customer_id=f"cus-{customer.account}"),
            _grant(customer, "plan", customer.plan, 50, month_end, "subscription", None),
            _grant(customer, "welcome", WELCOME, 10, now + timedelta(days=7), "signup", ["output_tokens"]),
        ]
        if customer.top_up != "0":
            group.append(_grant(customer, "top-up", customer.top_up, 90, None, "purchase", None))
        if customer.policy == "overdraft":
            group.append(commands.set_policy(customer.account, "credits", "overdraft", limit=OVERDRAFT_LIMIT))
        _require_applied(*database.execute(group))


def _require_applied(*results: CommandResult) -> None:
    """Raises ``PreconditionError`` at the first that was refused: nothing that follows is then done."""
    for result in results:
        if not result.applied:
            raise PreconditionError(f"the demo could not be set up: {result.status} {result.reason}")


def _grant(
    customer: Customer,
    grant_id: str,
    amount: str,
    priority: int,
    expires_at: datetime | None,
    source: str,
    scope: list[str] | None,
) -> commands.CreateGrant:
    grant = commands.grant_input(
        grant_id,
        "credits",
        amount,
        category="promotional" if source == "signup" else "paid",
        priority=priority,
        expires_at=expires_at,
        source=source,
        scope=scope,
    )
    return commands.CreateGrant(account=customer.account, grant=grant)


def requests(seed: int) -> Iterator[Request]:
    """LLM requests without end: prompts of some hundred tokens, a long tail, answers about a third of it."""
    dice = random.Random(seed)
    accounts = [customer.account for customer in CUSTOMERS for _ in range(customer.share)]
    number = 0
    while True:
        number += 1
        account = dice.choice(accounts)
        size = "large" if dice.random() < 0.2 else "small"
        prompt = min(32_000, 1 + int(dice.lognormvariate(6.5, 1.0)))
        answer = min(4_000, 1 + int(dice.lognormvariate(5.2, 0.9)))
        for meter, tokens in (("input_tokens", prompt), ("output_tokens", answer)):
            yield Request(
                UsageEvent(
                    account=account,
                    meter=meter,
                    quantity=tokens,
                    event_id=f"request-{seed}-{number}:{meter}",
                    time=now_us(),
                    dimensions={"model": size},
                ),
                tokens * UNITS_PER_TOKEN[meter, size],
            )
