"""The audit log: who changed what, one JSON object per line, appended and never rewritten.

``access/audit.jsonl`` in the data folder, of mode 0600; at 64 MiB it is renamed to
``audit-<UTC time>.jsonl`` and a new one begun. Nothing is ever removed here. Refused calls are in it too.
"""

import contextlib
import datetime
import errno
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any, Final

from drawdown.storage.file_owner import give_to_owner_of, make_folder
from drawdown.storage.key_file import FOLDER
from drawdown.storage.small_file import OWNER_ONLY

FILE_BYTES_MAX: Final = 64 << 20
TEXT_MAX: Final = 256

_log = logging.getLogger("drawdown.audit")


class AuditFile:
    """Appends lines; safe to call from any thread."""

    def __init__(self, data: Path) -> None:
        self._path = data / FOLDER / "audit.jsonl"
        self._lock = threading.Lock()
        self._descriptor = -1
        self._size = 0

    def append(self, *, durable: bool, **facts: Any) -> None:
        """Add one line. With ``durable`` it survives power loss when this returns, else a killed process.

        A log that cannot be written does not undo what was done: that is logged as an error.
        """
        at = datetime.datetime.now(datetime.UTC)
        line: dict[str, Any] = {"at": at.isoformat(timespec="microseconds")}
        line.update(
            {key: value[:TEXT_MAX] if isinstance(value, str) else value for key, value in facts.items()}
        )
        # Escaped beyond what JSON asks for: a terminal obeys some of what is above 127, too.
        encoded = json.dumps(line, separators=(",", ":")).replace("\x7f", "\\u007f").encode() + b"\n"
        try:
            with self._lock:
                self._append(encoded, at, durable)
        except OSError as raised:
            _log.error("the audit log cannot be written", exc_info=raised, extra=line)

    def _append(self, line: bytes, at: datetime.datetime, durable: bool) -> None:
        try:
            self._make_room(len(line), at)
            self._write(line)
            if durable:
                os.fdatasync(self._descriptor)
        except OSError:
            # What the file now ends in is looked at when the next line opens it.
            self._close()
            raise

    def _write(self, line: bytes) -> None:
        written = os.write(self._descriptor, line)
        if written == len(line):
            self._size += written
            return
        # The disk is full. The piece goes, unless another process has written behind it.
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        with contextlib.suppress(OSError):
            if os.fstat(self._descriptor).st_size == end:
                os.ftruncate(self._descriptor, end - written)
        raise OSError(errno.ENOSPC, f"{written} of {len(line)} bytes were written", str(self._path))

    def _make_room(self, count: int, at: datetime.datetime) -> None:
        if self._descriptor >= 0 and self._size + count > FILE_BYTES_MAX:
            self._close()
            self._path.rename(self._path.with_name(f"audit-{at:%Y%m%dT%H%M%S.%f}.jsonl"))
        if self._descriptor < 0:
            make_folder(self._path.parent)
            flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, OWNER_ONLY)
            give_to_owner_of(self._path.parent, self._descriptor)
            self._size = os.fstat(self._descriptor).st_size
            if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
                # Cut by a crash: what follows is no part of it.
                self._write(b"\n")

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        """End the use; a later line opens the file again."""
        with self._lock:
            self._close()
