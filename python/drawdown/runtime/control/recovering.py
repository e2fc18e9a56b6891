"""After a restore: the engine is older than the database, and is brought to where that is.

::

    engine      ───────────── recovery point
    database    ─────────────────┼── commands ─ commands ─ commands
                                 └─→ issued again, in their order

Out of a remote snapshot the engine stands at the last image of an account, and has of what it was told since
the snapshot's recovery point a part only: that is issued again too, and does nothing where it is known.

The engine's journal goes on from the recovery point under positions that it gave out before, so whatever
is named by a position gets a new name, and cursors beyond it stand at it. The step is one transaction:
a crash in its midst, or among the commands that follow, goes on at the next start.
"""

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from drawdown import errors
from drawdown.model.commands import AdvanceClock, CreateAccount, encode_group
from drawdown.model.instants import optional_us, us_from_instant
from drawdown.storage.recovery_gap import RecoveryGap
from drawdown.storage.sql.finished import COMMANDS_FORGOTTEN
from drawdown.storage.sql.new_line import RESTORES
from drawdown.storage.sql.outbox import DeliveredGroup
from drawdown.storage.sql.work import Work

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

_log = logging.getLogger("drawdown.control")

CROSSINGS: Final = "crossings"
CHANGES: Final = "changes"
# How far readers of the journal have read.
_CURSORS: Final = (CROSSINGS, CHANGES)
_advances = msgspec.json.Decoder(tuple[AdvanceClock])


def recover_from(plane: "ControlPlane", recovered_seq: int, gap: RecoveryGap | None = None) -> int:
    """What the engine forgot waits to be issued again; answers how many groups.

    Raises ``PreconditionError`` where some of it is not kept any more; nothing changed.
    """
    known_seq = recovered_seq if gap is None else min(recovered_seq, gap.recovery_seq)
    with plane.sql.transaction() as work:
        _settle_announced(plane, work, recovered_seq)
        cursors = {name: work.series.cursor(name) for name in _CURSORS}
        if work.outbox.last_seq() <= known_seq and max(cursors.values()) <= recovered_seq:
            return 0
        forgotten = work.series.cursor(COMMANDS_FORGOTTEN)
        if forgotten > known_seq:
            raise errors.PreconditionError(
                f"the engine knows all up to journal position {known_seq}, but the control plane no longer "
                f"has all its commands from before {forgotten} (setting finished_retention_s): restore a "
                "later state of the engine, or engine and rows together from one backup",
                reason="COMMANDS_FORGOTTEN",
            )
        again = work.outbox.issue_again(recovered_seq, (known_seq, 0 if gap is None else gap.end_seq))
        for name, position in cursors.items():
            work.series.move_cursor(name, min(position, recovered_seq))
        for each in work.recharges.find():
            if each.standing.looked_at_seq > recovered_seq:
                looked = msgspec.structs.replace(each.standing, looked_at_seq=recovered_seq)
                work.recharges.put(msgspec.structs.replace(each, standing=looked))
        plane.restores = work.series.cursor(RESTORES) + 1
        work.series.move_cursor(RESTORES, plane.restores)
        _make_accounts(plane, work)
    _log.warning(
        "the engine was restored to an earlier point: the control plane issues its commands again",
        extra={"recovery_point": recovered_seq, "groups": again, "restores": plane.restores},
    )
    return again


def _settle_announced(plane: "ControlPlane", work: Work, recovered_seq: int) -> None:
    """What callers had under way when the process ended holds if the engine has it, and else never was."""
    settled = []
    for group in work.outbox.announced():
        (command,) = _advances.decode(group.commands)
        try:
            clock = plane.engine.account(command.account).test_clock
        except errors.AccountNotFoundError:
            clock = None
        is_there = clock is not None and us_from_instant(clock) >= command.to
        settled.append(DeliveredGroup(group.row, recovered_seq, "[]", not is_there))
    work.outbox.delivered(settled, plane.now_us())


def _make_accounts(plane: "ControlPlane", work: Work) -> None:
    """Accounts of waiting groups that were made after the recovery point, and by no group themselves."""
    for account in work.outbox.waiting_accounts():
        profile = work.profiles.get(account=account) if account else None
        if profile is None:
            continue
        try:
            plane.engine.account(account)
        except errors.AccountNotFoundError:
            again = CreateAccount(
                account=account,
                customer=None if profile.customer_id == account else profile.customer_id,
                rate_table=profile.rate_table or None,
                test_clock=optional_us(profile.clock),
            )
            # Past whoever follows commands from outside: this is no new account.
            seq, _ = plane.engine.apply_json(encode_group([again]))
            plane.engine.wait_durable(seq)
