"""Connections that nobody uses are ended, and old ones if that is asked for; no call is lost by it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown.v1 import usage_pb2

from tests.server.calls import Calls, batch, set_up
from tests.server.processes import ServerProcess, serving

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
SETTINGS_ACK = b"\x00\x00\x00\x04\x01\x00\x00\x00\x00"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("impatient")
    with serving(folder / "data", connection_idle_s=1) as server:
        yield server


def seconds_until_ended(address: str, limit_s: float) -> float:
    """How long an idle connection lives; it speaks HTTP/2 and opens no stream."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=limit_s) as peer:
        peer.sendall(PREFACE + SETTINGS_ACK)
        began = time.monotonic()
        while time.monotonic() - began < limit_s:
            try:
                if not peer.recv(4096):
                    return time.monotonic() - began
            except ConnectionResetError:
                return time.monotonic() - began
        raise TimeoutError


def test_a_connection_without_a_call_is_ended(impatient: ServerProcess) -> None:
    assert 0.5 < seconds_until_ended(impatient.address, 20) < 20


def test_by_default_it_stays_for_a_quarter_of_an_hour(server: ServerProcess) -> None:
    """Nothing ends it within seconds; the setting is what does."""
    with pytest.raises(TimeoutError):
        seconds_until_ended(server.address, 3)


def test_a_client_that_rests_goes_on_afterwards(impatient: ServerProcess) -> None:
    """Its connection was ended while it rested: the next call opens another, and no caller sees an error."""
    with drawdown.connect(impatient.address) as db:
        for _ in range(3):
            time.sleep(1.6)
            assert db.stats()["events_applied"] >= 0


def test_an_open_stream_is_no_idle_connection(impatient: ServerProcess) -> None:
    """A usage stream that says nothing for seconds is not ended: its call is under way."""
    calls = Calls(impatient.address)
    set_up(calls)
    again = threading.Event()

    def requests() -> Iterator[usage_pb2.UsageBatch]:
        yield batch(1, ("before", 1))
        again.wait(30)
        yield batch(2, ("after", 1))

    answers = calls.stream(requests())
    next(answers)
    time.sleep(2.5)
    again.set()
    next(answers)
    calls.close()


def test_an_old_connection_ends_and_recording_goes_on(tmp_path: Path) -> None:
    """Connections of a second at most: a recorder goes from one to the next, and each event counts once."""
    with (
        serving(tmp_path / "data", connection_age_s=1, drain_s=1) as server,
        drawdown.connect(server.address) as db,
    ):
        db.create_credit_type("credits", scale=0)
        db.create_account("acme")
        db.create_grant("acme", "credits", "1000000", grant_id="g")
        began, sent = time.monotonic(), 0
        with db.recorder() as recorder:
            while time.monotonic() - began < 5:
                recorder.record("acme", credit_type="credits", credits="1", event_id=f"e-{sent}")
                sent += 1
                time.sleep(0.005)
        assert db.balance("acme", "credits").available == 1_000_000 - sent
