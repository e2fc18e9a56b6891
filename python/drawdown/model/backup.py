"""A joint backup of engine and control plane, asked for and taken."""

from datetime import datetime

from drawdown.model.request import Request, Value


class BackupTaken(Value, frozen=True):
    """A complete backup."""

    destination: str
    store_id: str
    taken_at: datetime
    seq: int
    """Everything up to this journal position is in it."""
    files: int
    bytes: int
    rows: int


class TakeBackup(Request, frozen=True):
    """Copy engine and control plane, as they are at one moment, into a new folder of the server's machine."""

    rpc = "AdminService/TakeBackup"
    right = "admin"
    answer = BackupTaken
    destination: str
