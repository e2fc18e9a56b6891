"""Which typed calls go first when there are too many: grants and voids before reads, reads before exports.

Each kind has worker threads of its own, so that no number of reports keeps a grant waiting, and a share of
the calls that may be open; what goes first may use the shares behind it too. Usage does not come here: it
never waits for a thread.
"""

import asyncio
import contextlib
import enum
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from drawdown import errors
from drawdown.server.access import Right


class Precedence(enum.Enum):
    """What a typed call does, in the order in which it is served."""

    COMMAND = "command"
    READ = "read"
    BULK = "bulk"


# Their work grows with the whole ledger or the whole store, not with what is asked about.
BULK_CALLS: Final = frozenset(
    {
        "AccountService/ListLedgerEntries",
        "AccountService/ExplainBalance",
        "AdminService/SnapshotNow",
        "AdminService/Checkpoint",
        "AdminService/Verify",
        "AdminService/TakeBackup",
        "BillingService/RenderInvoice",
        "ReportService/ReportSales",
        "ReportService/ReportCredits",
        "ReportService/ReportUsage",
        "ReportService/ReportTopAccounts",
        "ReportService/ReportRunway",
    }
)

# Percent of the calls that may be open: a call of this kind is refused when more are.
_OPEN_PERCENT: Final = {Precedence.COMMAND: 100, Precedence.READ: 75, Precedence.BULK: 50}
# Of ``control_threads``, each kind its own.
_THREADS_PERCENT: Final = {Precedence.COMMAND: 100, Precedence.READ: 100, Precedence.BULK: 25}


def precedence_of(path: str, right: Right) -> Precedence:
    """Of the call ``Service/Method``, which needs ``right``."""
    if path in BULK_CALLS:
        return Precedence.BULK
    return Precedence.READ if right is Right.READ else Precedence.COMMAND


Answer = TypeVar("Answer")


class CallThreads:
    """Worker threads of typed calls. For use on the loop's thread."""

    def __init__(self, *, threads: int, calls_max: int) -> None:
        self._calls_max = calls_max
        self._executors = {
            each: ThreadPoolExecutor(
                max(1, threads * percent // 100), thread_name_prefix=f"typed-{each.value}"
            )
            for each, percent in _THREADS_PERCENT.items()
        }
        self.open_calls = 0

    def admit(self, precedence: Precedence) -> None:
        """Return where there is room for one more call. Raises ``OverloadedError``: nothing was done."""
        allowed = max(1, self._calls_max * _OPEN_PERCENT[precedence] // 100)
        if self.open_calls >= allowed:
            raise errors.OverloadedError(
                f"{self.open_calls} typed calls are open, a {precedence.value} call is taken while fewer "
                f"than {allowed} are; retry after a pause"
            )

    async def run(self, precedence: Precedence, work: Callable[[], Answer]) -> Answer:
        """What ``work`` answers or raises, on a thread of its kind.

        When the caller goes meanwhile, work that has begun goes on, and has its place until it ends.
        """
        loop = asyncio.get_running_loop()

        def ended(_: Future[Answer]) -> None:
            # A loop that is closed counts nothing any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._leave)

        self.open_calls += 1
        future = self._executors[precedence].submit(work)
        future.add_done_callback(ended)
        return await asyncio.wrap_future(future)

    def _leave(self) -> None:
        self.open_calls -= 1

    def close(self) -> None:
        """Wait for running calls and end the threads."""
        for each in self._executors.values():
            each.shutdown(wait=True, cancel_futures=True)
