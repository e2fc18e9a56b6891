"""What this package raises. A refusal by rule is a result with a ``status``; an exception means "could not".

::

    DrawdownError
    ├── InvalidRequestError        the request cannot be understood: mend it (``field`` names the place)
    │   └── ForbiddenAddressError  a URL that may not be called: its form, host or address
    ├── NotFoundError              a read of something that is not there
    │   ├── AccountNotFoundError
    │   ├── EventNotFoundError
    │   └── GrantNotFoundError
    ├── AlreadyExistsError         same id, other content: nothing changed
    ├── PreconditionError          refused by a rule where a result cannot be given (typed gRPC calls)
    │   └── NotEntitledError           @requires: the account may not use this now
    ├── UnauthenticatedError       no credential, or one that is not known
    ├── PermissionDeniedError      the credential lacks the right
    ├── OverloadedError            shed before anything was written: back off, send the same ids
    ├── ReadOnlyError              no space for the journal: nothing applied, reads go on
    ├── UnavailableError           not known whether it was applied: send the same ids again
    │   └── EngineHaltedError      the engine has stopped
    ├── FolderLockedError          another process owns the data folder
    ├── CorruptDataError           stored bytes are damaged; the message names file and offset
    ├── ConfigError                a setting is unknown or out of its range
    ├── SnapshotError              the remote snapshot store could not be used; ingest is never affected
    │   ├── SnapshotUnavailableError   not reachable, or it refused a command
    │   ├── SnapshotForeignError       the namespace belongs to another store
    │   ├── SnapshotFencedError        a newer owner, or a copy of this one's folder, writes there
    │   ├── SnapshotAheadError         it holds more than the journal does
    │   ├── SnapshotNewerError         a later version wrote it
    │   └── SnapshotIncompleteError    no complete snapshot to restore from
    └── InternalError              a fault of this software
"""

from typing import ClassVar


class DrawdownError(Exception):
    """Root of the tree.

    ``reason`` is a stable upper-case code, the same embedded, over gRPC (``google.rpc.ErrorInfo``)
    and in logs. ``field`` names the input at fault, or is ``None``. ``definite`` says that nothing
    was certainly applied; when it is False the outcome is unknown and only a repeat with the same
    ids is safe. ``retryable`` says whether the same request may succeed later.
    """

    reason: str = "INTERNAL"
    field: str | None = None
    definite: bool = False
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        field: str | None = None,
        definite: bool | None = None,
    ) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason
        if field is not None:
            self.field = field
        if definite is not None:
            self.definite = definite

    @property
    def message(self) -> str:
        """What was wrong, where, and what to do."""
        return str(self.args[0]) if self.args else ""


class InvalidRequestError(DrawdownError):
    """The request cannot be understood. Nothing was applied; a retry of the same does not help."""

    reason = "INVALID"
    definite = True


class ForbiddenAddressError(InvalidRequestError):
    """The URL may not be called: its form, its host or an address of it is not allowed."""

    reason = "FORBIDDEN_ADDRESS"


class NotFoundError(DrawdownError):
    """A read of something that does not exist, or that this credential may not see."""

    reason = "NOT_FOUND"
    definite = True


class AccountNotFoundError(NotFoundError):
    """No account of that id. Accounts are created by ``create_account``, never by usage."""

    reason = "ACCOUNT_UNKNOWN"
    field = "account"


class EventNotFoundError(NotFoundError):
    """The journal kept has no applied event of that id, or not all that a correction compares it with."""

    reason = "EVENT_UNKNOWN"
    field = "event_id"


class GrantNotFoundError(NotFoundError):
    """The account has no grant of that id."""

    reason = "GRANT_UNKNOWN"
    field = "grant_id"


class AlreadyExistsError(DrawdownError):
    """The id is taken by something of other content. Nothing changed; use another id."""

    reason = "CONFLICT"
    definite = True


class PreconditionError(DrawdownError):
    """Refused by a rule; ``reason`` is the status. Nothing changed."""

    reason = "FAILED_PRECONDITION"
    definite = True


class NotEntitledError(PreconditionError):
    """A function under ``@requires`` was not run: ``reason`` is the status of the check."""

    reason = "NOT_ENTITLED"


class UnauthenticatedError(DrawdownError):
    """No credential was sent, or it is not known."""

    reason = "UNAUTHENTICATED"
    definite = True


class PermissionDeniedError(DrawdownError):
    """The credential lacks the right for this call."""

    reason = "PERMISSION_DENIED"
    definite = True


class OverloadedError(DrawdownError):
    """Shed before anything was written. Retry after back-off with the same ids."""

    retry_after_s: float = 0.0
    """When the server expects to have time for it; 0 where it does not say."""
    reason = "OVERLOADED"
    definite = True
    retryable = True


class ReadOnlyError(DrawdownError):
    """There is no space for the journal. Nothing was applied; resumes when space is free."""

    reason = "READ_ONLY"
    definite = True
    retryable = True


class UnavailableError(DrawdownError):
    """The answer is missing: it may or may not have been applied. Retry with the same ids."""

    reason = "UNAVAILABLE"
    retryable = True


class EngineHaltedError(UnavailableError):
    """The engine has stopped (closed, failed disk). Retry with the same ids once it is back."""

    reason = "ENGINE_HALTED"


class FolderLockedError(DrawdownError):
    """Another process owns the data folder. One folder has one owner; stop the other one first."""

    reason = "FOLDER_LOCKED"
    definite = True


class CorruptDataError(DrawdownError):
    """Stored bytes are damaged; nothing was changed. A retry does not help."""

    reason = "CORRUPT_DATA"
    definite = True


class ConfigError(DrawdownError):
    """A setting is unknown, of the wrong type or out of its range; ``field`` names it."""

    reason = "CONFIG"
    definite = True


class SnapshotError(DrawdownError):
    """The remote snapshot store could not be used. The journal is not affected."""

    reason = "SNAPSHOT"


class SnapshotUnavailableError(SnapshotError):
    """Not reachable, too slow, or it refused a command. Tried again with back-off."""

    reason = "SNAPSHOT_UNAVAILABLE"
    retryable = True


class SnapshotForeignError(SnapshotError):
    """The namespace holds the snapshot of another store. Give this one a namespace of its own."""

    reason = "SNAPSHOT_FOREIGN"


class SnapshotFencedError(SnapshotError):
    """A newer owner, or another copy of this folder, writes to the namespace; this process may not."""

    reason = "SNAPSHOT_FENCED"


class SnapshotAheadError(SnapshotError):
    """The snapshot holds more than this journal: the folder lost data or is an older copy."""

    reason = "SNAPSHOT_AHEAD"


class SnapshotNewerError(SnapshotError):
    """A later version of this software wrote the snapshot. Nothing was written."""

    reason = "SNAPSHOT_NEWER"


class SnapshotIncompleteError(SnapshotError):
    """There is no complete snapshot: a part is missing, damaged, or of a pass that never ended."""

    reason = "SNAPSHOT_INCOMPLETE"


class InternalError(DrawdownError):
    """A fault of this software; the outcome of a write is unknown."""
