"""Logs are one JSON object per line, whatever is in the text."""

import json
import logging

from drawdown.runtime.logs import JsonFormatter, MetadataKept


def line_of(message: str, **extra: object) -> str:
    record = logging.LogRecord("drawdown.test", logging.WARNING, __file__, 1, message, (), None)
    record.__dict__.update(extra)
    return JsonFormatter().format(record)


def test_control_characters_never_reach_the_terminal() -> None:
    line = line_of("a\nb\x1b[31m\x9b\x7f", account="x\r\ny\x85")
    assert "\n" not in line
    assert not any(ord(each) < 0x20 or 0x7F <= ord(each) <= 0x9F for each in line)
    assert json.loads(line)["message"].startswith("a\nb\x1b[31m")


def test_extra_facts_and_exceptions_are_fields() -> None:
    try:
        raise ValueError("inner")
    except ValueError as raised:
        record = logging.LogRecord(
            "drawdown.test", logging.ERROR, __file__, 1, "failed", (), (ValueError, raised, None)
        )
    record.__dict__["seq"] = 7
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["seq"]) == ("error", 7)
    assert "inner" in line["exception"]


def test_long_text_is_cut() -> None:
    assert len(json.loads(line_of("x" * 100_000))["message"]) == 4096


def test_metadata_that_grpcio_cannot_read_is_not_told() -> None:
    value = b"secret-\xff"
    try:
        value.decode()
    except UnicodeDecodeError as raised:
        record = logging.LogRecord(
            "grpc._cython.cygrpc",
            logging.ERROR,
            __file__,
            1,
            "Invalid encoding on %s",
            (value,),
            (UnicodeDecodeError, raised, None),
        )
    assert MetadataKept().filter(record)
    line = JsonFormatter().format(record)
    assert "secret" not in line
    assert json.loads(line)["level"] == "warning"
