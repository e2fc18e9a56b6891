"""Which accounts are closed: asked whenever credits are given, so known without the database."""

from drawdown.storage.sql import SqlDatabase
from drawdown.storage.sql.work import Work


class ClosedAccounts:
    """Those whose closing is committed. Changed inside transactions only, which are taken one at a time."""

    def __init__(self, sql: SqlDatabase) -> None:
        """Raises ``UnavailableError`` where the database cannot be read."""
        self._sql = sql
        with sql.transaction() as work:
            self._known = {each.account for each in work.closings.find()}
        self._in_doubt: set[str] = set()

    def begin_closing(self, account: str) -> None:
        """Whoever asks from here on waits for what becomes of the transaction that closes the account."""
        self._in_doubt.add(account)

    def settle(self, work: Work) -> None:
        """Nothing is in doubt inside the transaction of ``work``, but for what it closes itself."""
        if not self._in_doubt:
            return
        # A commit that failed tells nobody for certain whether it was one: the rows do.
        self._known |= {each for each in self._in_doubt if work.closings.get(account=each) is not None}
        self._in_doubt.clear()

    def __bool__(self) -> bool:
        """Whether one may be closed."""
        return bool(self._known or self._in_doubt)

    def __contains__(self, account: str) -> bool:
        """Raises ``UnavailableError`` where that is in doubt and the database cannot be read."""
        if self._in_doubt:
            with self._sql.transaction() as work:
                self.settle(work)
        return account in self._known
