"""Logs as one JSON object per line on stderr. Control characters are escaped by the encoding."""

import datetime
import logging
import sys
import traceback
from typing import Any, Final

import msgspec

TEXT_MAX: Final = 4096

_STANDARD: Final = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


class JsonFormatter(logging.Formatter):
    """Time (RFC 3339, UTC), level, logger, message, and whatever was passed as ``extra``."""

    def __init__(self) -> None:
        super().__init__()
        self._encoder = msgspec.json.Encoder(enc_hook=str)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time_text(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _plain(record.getMessage()),
        }
        for key, value in record.__dict__.items():
            if key not in _STANDARD:
                line[key] = _plain(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _plain("".join(traceback.format_exception(record.exc_info[1])))
        return self._encoder.encode(line).decode()


class MetadataKept(logging.Filter):
    """Keeps what callers send out of the log: grpcio tells metadata that is not UTF-8, value and all."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true; such a record has lost the value and its traceback."""
        if record.name == "grpc._cython.cygrpc" and str(record.msg).startswith("Invalid encoding on"):
            record.msg, record.args, record.exc_info = "metadata of a call is not UTF-8", (), None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def _time_text(created: float) -> str:
    return datetime.datetime.fromtimestamp(created, datetime.UTC).isoformat(timespec="microseconds")


def _plain(text: str) -> str:
    """At most ``TEXT_MAX`` characters, none of them a control but the line ends of tracebacks.

    JSON escapes C0 itself; C1 and DEL would reach a terminal as they are.
    """
    cut = text[:TEXT_MAX]
    return "".join(f"\\u{ord(c):04x}" if 0x7F <= ord(c) <= 0x9F else c for c in cut)


def start_logging(level: str) -> None:
    """Send every log of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(MetadataKept())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # It tells of every schema it does not change, too.
    logging.getLogger("alembic").setLevel(max(logging.WARNING, root.level))
