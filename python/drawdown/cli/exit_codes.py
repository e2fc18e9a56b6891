"""What the exit code of ``drawdown`` says, and which exception leads to which.

From 64 on they are those of ``sysexits.h``, the same for ``serve`` and for every other command.
"""

from __future__ import annotations

from drawdown import errors

OK = 0
REFUSED = 1
USAGE = 2
INVALID = 64
CORRUPT = 65
UNAVAILABLE = 69
INTERNAL = 70
DISK = 74
LOCKED = 75

MEANINGS = {
    OK: "done (check: allowed; serve: drained)",
    REFUSED: "refused by a rule, or a verification failed",
    USAGE: "the command line has an unknown or missing option",
    INVALID: "an input or a setting cannot be understood; nothing was changed",
    CORRUPT: "stored data is damaged; nothing was changed",
    UNAVAILABLE: "not reachable, overloaded or stopped: try again",
    INTERNAL: "a fault of this software",
    DISK: "the disk failed: what was acknowledged is safe, the next start recovers",
    LOCKED: "another process uses the data folder",
}


def exit_code_of(error: errors.DrawdownError) -> int:
    """The exit code for an exception that ended a command."""
    if isinstance(error, errors.InvalidRequestError | errors.ConfigError | errors.NotFoundError):
        return INVALID
    if isinstance(error, errors.CorruptDataError | errors.SnapshotIncompleteError):
        return CORRUPT
    if isinstance(error, errors.FolderLockedError):
        return LOCKED
    if error.retryable or isinstance(error, errors.SnapshotError):
        return UNAVAILABLE
    if isinstance(error, errors.InternalError):
        # The engine could not write a file: that is nobody's fault here but the disk's.
        return DISK if error.reason == "IO" else INTERNAL
    return REFUSED
