"""Purchases and automatic recharge, as methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from drawdown.billing import purchase_requests as buying
from drawdown.billing import recharge_requests as recharging
from drawdown.billing.purchase import Purchase
from drawdown.billing.recharge import RechargeRule
from drawdown.billing.recharge_requests import Recharge
from drawdown.client.control.content import struct_of
from drawdown.client.control.door import ControlDoor
from drawdown.model.credits import AmountLike, decimal_text
from drawdown.model.money import Money


class PurchaseMethods(ControlDoor):
    """Credits for money."""

    def buy_pack(
        self,
        account: str,
        pack_id: str,
        *,
        purchase_id: str,
        quantity: int = 1,
        payment_method: str = "",
        bill_later: bool = False,
    ) -> Purchase:
        """Buy packs: charged and granted when this returns, or failed, or waiting for the customer.

        The same ``purchase_id`` never buys twice. ``bill_later`` grants now and bills on the next invoice.
        """
        answer: Purchase = self.control(
            buying.CreatePurchase(
                purchase_id=purchase_id,
                account=account,
                pack_id=pack_id,
                quantity=quantity,
                payment_method=payment_method,
                bill_later=bill_later,
            )
        )
        return answer

    def top_up(
        self,
        account: str,
        credit_type: str,
        credits: AmountLike,
        *,
        purchase_id: str,
        payment_method: str = "",
        bill_later: bool = False,
    ) -> Purchase:
        """Buy so many credits at the top-up price of the account's plan; otherwise like ``buy_pack``."""
        answer: Purchase = self.control(
            buying.CreatePurchase(
                purchase_id=purchase_id,
                account=account,
                credit_type=credit_type,
                credits=Decimal(decimal_text(credits, "credits")),
                payment_method=payment_method,
                bill_later=bill_later,
            )
        )
        return answer

    def purchase(self, purchase_id: str) -> Purchase:
        """One purchase. Raises ``NotFoundError``."""
        answer: Purchase = self.control(buying.GetPurchase(purchase_id=purchase_id))
        return answer

    def purchases(self, account: str, *, after: str = "", limit: int = 100) -> Sequence[Purchase]:
        """A page of the account's purchases, oldest first, behind the purchase ``after``."""
        answer: buying.Purchases = self.control(
            buying.ListPurchases(account=account, after=after, limit=limit)
        )
        return answer.purchases

    def refund_purchase(
        self, purchase_id: str, *, policy: str = "take_unspent", amount: Money | None = None
    ) -> Purchase:
        """Give the money back, once.

        ``take_unspent`` voids what is left of its credits and pays for that share, ``into_debt`` debits all
        of them whatever is left, ``freeze`` suspends the account.
        """
        answer: Purchase = self.control(
            buying.RefundPurchase(purchase_id=purchase_id, policy=policy, amount=amount)
        )
        return answer

    def mark_purchase_paid(self, purchase_id: str, *, failed: bool = False) -> Purchase:
        """An operator saw the money, for the provider ``manual``; or (``failed``) waits for it no more.

        Any provider stops a charge that failed so. What it has taken by then stays paid.
        """
        answer: Purchase = self.control(buying.MarkPurchasePaid(purchase_id=purchase_id, failed=failed))
        return answer

    def provider_callback(self, body: str, headers: Mapping[str, str]) -> buying.CallbackAnswer:
        """Hand on a webhook of the provider. Raises ``UnauthenticatedError`` for a wrong signature."""
        answer: buying.CallbackAnswer = self.control(
            buying.ProviderCallback(body=body, headers=dict(headers))
        )
        return answer

    def set_recharge(self, account: str, credit_type: str, **rule: Any) -> Recharge:
        """Opt in to automatic recharge, or change it. ``rule`` are the fields of ``RechargeRule``.

        ``threshold`` and one of ``to``, ``amount`` and ``pack_id``; ``enabled=False`` switches it off.
        """
        made = struct_of(RechargeRule, {"account": account, "credit_type": credit_type, **rule})
        answer: Recharge = self.control(recharging.SetRecharge(rule=made))
        return answer

    def recharge(self, account: str, credit_type: str) -> Recharge:
        """The rule and where it stands. Raises ``NotFoundError`` where nobody opted in."""
        answer: Recharge = self.control(recharging.GetRecharge(account=account, credit_type=credit_type))
        return answer
