"""The demo's other half: a customer on a monthly plan, on a clock of its own, from sign-up to invoice.

Figures are small enough to check by hand: a call of 8,000,000 tokens at 2.50 per million is 20 credits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from drawdown.billing.invoice import Invoice
from drawdown.cli.demo_checks import Check
from drawdown.client.interface import Database
from drawdown.errors import PreconditionError, UnavailableError

ACCOUNT = "litware"
START = datetime(2026, 1, 31, tzinfo=UTC)
RENEWAL = datetime(2026, 2, 28, tzinfo=UTC)
UPGRADE = datetime(2026, 3, 14, tzinfo=UTC)
NEXT_RENEWAL = datetime(2026, 3, 31, tzinfo=UTC)
INVOICED = datetime(2026, 3, 31, 2, tzinfo=UTC)

TOKENS_PER_CALL = 8_000_000
CREDITS_PER_CALL = Decimal(20)
THRESHOLD, TARGET = Decimal(100), Decimal(400)
OVERAGE_PRICE = Decimal("0.02")
WAIT_S = 30.0

Say = Callable[[str], None]


class PlanStory:
    """Litware's three months. Each step says what happened and keeps what it found for the checks."""

    def __init__(self, database: Database, say: Say) -> None:
        self._database = database
        self._say = say
        self._calls = 0
        self._burned = Decimal(0)
        self.checks: list[Check] = []

    def sign_up(self) -> None:
        """A product with two plans, a customer with a card, a subscription, an automatic recharge."""
        database = self._database
        database.create_product("assistant", "Assistant")
        rates = [{"meter": "input_tokens", "credits": "2.50", "per": "1000000"}]
        top_up = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "0.03"}]}
        overage = {"prices": [{"currency": "USD", "model": "per_unit", "amount": str(OVERAGE_PRICE)}]}
        for plan, name, fee, credits, more in (
            ("team", "Team", "20", "1000", {"top_up": top_up}),
            ("scale", "Scale", "80", "5000", {"overage": overage, "at_zero": {"kind": "overage"}}),
        ):
            database.create_plan(
                plan,
                product="assistant",
                name=name,
                base_fee=[{"currency": "USD", "amount": fee}],
                credits={"credit_type": "credits", "amount": credits, "cadence": "monthly"},
                rates=rates,
                **more,
            )
            database.publish_plan(plan)
        database.put_customer(
            "cus-litware",
            name="Litware GmbH",
            address=["Lindenstraße 4", "10969 Berlin", "Germany"],
            payment_method="test_ok",
        )
        database.create_account(ACCOUNT, customer_id="cus-litware", test_clock=START)
        database.subscribe(ACCOUNT, "team", subscription_id="litware-assistant")
        database.set_recharge(ACCOUNT, "credits", threshold=THRESHOLD, to=TARGET)
        self._say(f"{ACCOUNT} subscribes to Team on {START:%d %b %Y}: 20.00 USD, 1,000 credits a month")
        self._expect("subscribed: one invoice paid, one grant", ["20.00 USD"], Decimal(1000))

    def run_low(self) -> None:
        """Calls until the balance is at the threshold; the recharge buys what is missing to the target."""
        self._use(Decimal(900))
        self._say(f"{ACCOUNT} has {THRESHOLD} credits left, and its recharge buys up to {TARGET}")
        self._wait(lambda: self._available() == TARGET)
        (bought,) = self._database.purchases(ACCOUNT)
        self._check(
            "one crossing of the threshold, one recharge: 300 credits for 9.00 USD",
            (bought.kind, bought.state, bought.credits, str(bought.price))
            == ("recharge", "granted", TARGET - THRESHOLD, "9.00 USD"),
            f"{bought.kind} {bought.state}: {bought.credits:f} credits, {bought.price}",
        )

    def books(self) -> tuple[object, ...]:
        """What a crash may not change."""
        database = self._database
        return (
            database.subscriptions(ACCOUNT),
            database.invoices(ACCOUNT),
            database.purchases(ACCOUNT),
            database.grants(ACCOUNT),
            database.balances(ACCOUNT)[0].available,
        )

    def check_unchanged(self, before: tuple[object, ...]) -> None:
        """After recovery: subscription, invoices, purchases and grants are what they were."""
        same = [found == kept for found, kept in zip(self.books()[:3], before[:3], strict=True)]
        found = self._available()
        self._check(
            "kill -9 left subscription, invoices, purchase and balance as they were",
            all(same) and found == before[-1],
            f"{found:f} credits, {len(self._database.invoices(ACCOUNT))} invoices",
        )

    def renew(self) -> None:
        """The clock goes to the next anchor: what is left of January expires, February is paid for."""
        self._database.advance_clock(ACCOUNT, RENEWAL)
        self._say(f"the clock goes to {RENEWAL:%d %b}: renewed without an operator, 1,000 new credits")
        self._expect(
            "renewed: the plan's remainder expired, the bought 300 stayed",
            ["20.00 USD", "9.00 USD", "20.00 USD"],
            Decimal(1300),
        )

    def upgrade(self) -> None:
        """In the middle of the month to the larger plan: replaced in one step, the difference paid."""
        self._use(Decimal(500))
        self._database.advance_clock(ACCOUNT, UPGRADE)
        self._database.set_recharge(ACCOUNT, "credits", threshold=THRESHOLD, to=TARGET, enabled=False)
        self._database.change_plan("litware-assistant", "scale", change_id="litware-grows")
        self._say(
            f"{UPGRADE:%d %b}: {ACCOUNT} upgrades to Scale, 5,000 credits a month; past zero costs 0.02 each"
        )
        available = self._available()
        # The two purses of before are one now, and nobody gets more than the best plan alone gives.
        self._check(
            "upgraded: 500 used and what is left are the 5,000 of Scale, beside the 300 bought",
            available == Decimal(4800),
            f"{available:f} credits",
        )

    def invoice(self, folder: Path) -> list[Path]:
        """Use past zero, promotional credit of 15.00, the month's end: an invoice of fee and overage."""
        self._use(self._available() + 100)
        self._database.create_invoice_credit(
            ACCOUNT, "litware-thanks", amount="15", currency="USD", name="Thank you for growing with us"
        )
        self._database.advance_clock(ACCOUNT, INVOICED)
        invoice = self._database.invoices(ACCOUNT)[-1]
        self._check_invoice(invoice)
        files = [self._render(invoice, folder, "html")]
        try:
            files.append(self._render(invoice, folder, "pdf"))
        except PreconditionError as absent:
            self._say(f"no PDF: {absent}")
        self._say(
            f"{NEXT_RENEWAL:%d %b}: invoice {invoice.number} over {invoice.due}, {', '.join(map(str, files))}"
        )
        return files

    def _check_invoice(self, invoice: Invoice) -> None:
        charged = sum(entry.charged or 0 for entry in self._database.ledger(ACCOUNT) if entry.kind == "usage")
        burned = sum(grant.burned for grant in self._database.grants(ACCOUNT))
        past_zero = self._burned - burned
        amounts = {line.kind: line.amount.decimal() for line in invoice.lines}
        found = "; ".join(f"{kind} {amount}" for kind, amount in amounts.items())
        owed = sum(amounts.values(), Decimal(0)) - 15
        self._check(
            "the invoice adds up: fee, credits past zero in the ledger × 0.02, less the credit of 15.00",
            charged == self._burned
            and amounts == {"base_fee": Decimal(80), "overage": past_zero * OVERAGE_PRICE}
            and invoice.due is not None
            and invoice.due.decimal() == owed
            and invoice.state == "paid",
            f"{found}; due {invoice.due}, {invoice.state}",
        )

    def _render(self, invoice: Invoice, folder: Path, form: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"demo-invoice.{form}"
        file.write_bytes(self._database.render_invoice(invoice.invoice_id, form))
        return file

    def _use(self, credits: Decimal) -> None:
        """Calls that cost so much in all."""
        events = []
        for _ in range(int(credits / CREDITS_PER_CALL)):
            self._calls += 1
            events.append(
                {
                    "account": ACCOUNT,
                    "meter": "input_tokens",
                    "quantity": TOKENS_PER_CALL,
                    "event_id": f"call-{self._calls}",
                }
            )
        refused = [result.status for result in self._database.record_batch(events) if not result.applied]
        if refused:
            raise PreconditionError(f"the demo's calls were refused: {sorted(set(refused))}")
        self._burned += CREDITS_PER_CALL * len(events)

    def _available(self) -> Decimal:
        return self._database.balance(ACCOUNT, "credits").available

    def _wait(self, ended: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not ended():
            if time.monotonic() > deadline:
                raise UnavailableError(f"the demo waited {WAIT_S:g} s for the recharge")
            time.sleep(0.02)

    def _expect(self, question: str, paid: list[str], available: Decimal) -> None:
        invoices = self._database.invoices(ACCOUNT)
        found = [str(invoice.due) for invoice in invoices if invoice.state == "paid"]
        has = self._available()
        self._check(
            question,
            found == paid and len(invoices) == len(paid) and has == available,
            f"{len(found)} paid: {', '.join(found)}; {has:f} credits",
        )

    def _check(self, question: str, holds: bool, found: str) -> None:
        self.checks.append(Check(question, holds, found))
