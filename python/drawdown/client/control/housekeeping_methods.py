"""Backups; closing accounts, erasing customers, moving credits, importing from elsewhere: as methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from os import PathLike, fspath
from typing import Any

from drawdown.billing.transfer import GetTransfer, Transfer, TransferCredits
from drawdown.client.control.door import ControlDoor
from drawdown.model.backup import BackupTaken, TakeBackup
from drawdown.model.credits import AmountLike, decimal_text
from drawdown.subscriptions.closing import AccountClosing, CloseAccount, GetAccountClosing
from drawdown.subscriptions.erasing import EraseCustomer, Erasure
from drawdown.subscriptions.opening_rows import ImportOpening, OpeningImport, OpeningRow, row_from


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

    def transfer(
        self, transfer_id: str, *, from_account: str, to_account: str, credit_type: str, credits: AmountLike
    ) -> Transfer:
        """Move credits to another account of the same customer, all of them or none; once per id.

        What arrives keeps its validity, priority, scope and share of the cost. What a reservation holds and
        a live subscription's own grants stay. Raises ``PreconditionError``: nothing changed.
        """
        answer: Transfer = self.control(
            TransferCredits(
                transfer_id=transfer_id,
                from_account=from_account,
                to_account=to_account,
                credit_type=credit_type,
                credits=Decimal(decimal_text(credits, "credits")),
            )
        )
        return answer

    def transfer_of(self, transfer_id: str) -> Transfer:
        """A transfer as it stands. Raises ``NotFoundError``."""
        answer: Transfer = self.control(GetTransfer(transfer_id=transfer_id))
        return answer

    def import_opening(
        self, rows: Iterable[OpeningRow | Mapping[str, Any]], *, dry_run: bool = False
    ) -> OpeningImport:
        """Customers, accounts, opening balances and subscriptions begun elsewhere: all rows, or none.

        A row is a mapping with ``kind`` (customer, account, grant, subscription) and that kind's fields as
        text; see docs/housekeeping.md. With ``problems`` in the answer nothing was done; the same rows
        again change nothing. At most 20,000 rows per call.
        """
        given = tuple(row_from(each, line) for line, each in enumerate(rows, 1))
        answer: OpeningImport = self.control(ImportOpening(rows=given, dry_run=dry_run))
        return answer

    def take_backup(self, destination: str | PathLike[str]) -> BackupTaken:
        """Copy engine and control plane, as they are at one moment, into a new folder, beside running work.

        The folder is one of the machine that has the data. ``drawdown restore --from-backup`` goes the other
        way. Raises ``InvalidRequestError`` where the folder is not empty or its path not whole.
        """
        answer: BackupTaken = self.control(TakeBackup(destination=fspath(destination)))
        return answer
