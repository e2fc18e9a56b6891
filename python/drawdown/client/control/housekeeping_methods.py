"""Closing accounts and erasing customers, as methods."""

from __future__ import annotations

from drawdown.client.control.door import ControlDoor
from drawdown.subscriptions.closing import AccountClosing, CloseAccount, GetAccountClosing
from drawdown.subscriptions.erasing import EraseCustomer, Erasure


class HousekeepingMethods(ControlDoor):
    """What is done to accounts and customers as a whole."""

    def close_account(
        self, account: str, *, remainder: str = "forfeit", reason: str = "", confirm: bool = False
    ) -> AccountClosing:
        """No further usage, for good; subscriptions and recharges end now. Again changes nothing.

        What is left is forfeited, or with ``remainder="pay_out"`` owed to the customer in proportion to
        what was paid for it: ``payouts`` of the answer. Raises ``AlreadyExistsError`` where it is closed
        with the other remainder, ``InvalidRequestError`` without ``confirm``.
        """
        answer: AccountClosing = self.control(
            CloseAccount(account=account, remainder=remainder, reason=reason, confirm=confirm)
        )
        return answer

    def account_closing(self, account: str) -> AccountClosing:
        """How the account was closed. Raises ``NotFoundError`` while it is open."""
        answer: AccountClosing = self.control(GetAccountClosing(account=account))
        return answer

    def erase_customer(self, customer_id: str, *, confirm: bool = False) -> Erasure:
        """Forget name, e-mail, address, tax id, payment method and metadata; ids and figures stay.

        Raises ``PreconditionError`` while an account of the customer is open, ``InvalidRequestError``
        without ``confirm``.
        """
        answer: Erasure = self.control(EraseCustomer(customer_id=customer_id, confirm=confirm))
        return answer
