"""What a rule decides, as values for the shell to carry out: engine commands, jobs and notices.

Rules read nothing and change nothing. The shell writes the rows, puts the commands into the outbox and
stores jobs and notices, all in one SQL transaction; then it hands the commands to the engine. Each
carries an id that follows from what it is for, so doing any of it again changes nothing.
"""

from datetime import datetime
from typing import Any

import msgspec

from drawdown.model.commands import Command


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Work at an instant. The same ``key`` is the same job, however often it is put down."""

    kind: str
    key: str
    lane: str
    """Jobs of one lane run one by one, in order of ``due_at`` and of being put down."""
    account: str
    """Whose clock says when it is due; empty: real time."""
    due_at: datetime
    rank: int = 50
    """Which goes first at one instant: the lower."""
    payload: dict[str, Any] = {}


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an account, for its feed and webhooks."""

    kind: str
    account: str
    body: dict[str, Any] = {}
    key: str = ""
    """One notice per key and account; empty: as often as it is decided."""


class Decision(msgspec.Struct, kw_only=True):
    """Collected by a rule, in order."""

    groups: list[tuple[str, list[Command]]] = []
    """Account and one atomic group of commands."""
    jobs: list[Job] = []
    notices: list[Notice] = []

    def command(self, account: str, *group: Command) -> None:
        """One atomic group of commands on the account."""
        self.groups.append((account, list(group)))

    def job(self, job: Job) -> None:
        """Work for later, or for now."""
        self.jobs.append(job)

    def notice(self, kind: str, account: str, key: str = "", **body: Any) -> None:
        """Tell of a change."""
        self.notices.append(Notice(kind=kind, account=account, body=body, key=key))
