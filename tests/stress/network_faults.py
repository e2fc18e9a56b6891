"""A broken network between retrying clients and the server: ``python -m tests.stress.network_faults``.

Clients record through a proxy that delays, resets, half-closes and swallows. What they were told is kept: an
acknowledged event must be there, one refused definitely must not be, of others nobody can know. In the end
everything is sent again over a sound connection, and each answer must fit what was said before.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from drawdown import connect
from drawdown.client.interface import Database
from drawdown.client.recorder import RecorderOptions
from drawdown.errors import DrawdownError
from drawdown.model import now_us

from tests.stress.fault_proxy import NONE, Fault, FaultProxy
from tests.stress.server_process import ServerProcess

FAULTS = (
    Fault("delay", delay_s=0.05),
    Fault("reset after the request", reset_after_request_bytes=1),
    Fault("reset before the reply", reset_at_reply=True),
    Fault("half-close", half_close_at_reply=True),
    Fault("swallow everything", swallow=True),
    Fault("swallow replies", swallow_replies=True),
    Fault("1 kB/s", bytes_per_s=1_000),
    Fault("1 Mbit/s", bytes_per_s=125_000),
    Fault("everything twice", twice=True),
    Fault("refuse connections", refuse=True),
)
ACCOUNT = "acme"
GRANTED = 10**9
WORKERS = 4
BATCH = 5
CALL_S = 1.5
NOTHING_TWICE = "nothing was sent twice"
SMALL = (
    "--set",
    "segment_bytes=1048576",
    "--set",
    "reserve_bytes=0",
    "--set",
    "dedupe_budget_bytes=67108864",
)


@dataclass
class Said:
    """What callers were told, by event id; ``times`` are repeated with the event."""

    times: dict[str, int] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def prepare(database: Database) -> None:
    database.create_credit_type("credits")
    database.create_meter("calls")
    database.set_rate(meter="calls", credits=1)
    database.create_account(ACCOUNT)
    database.create_grant(ACCOUNT, "credits", GRANTED, grant_id="all")


def record_calls(target: str, number: int, ended: threading.Event, said: Said) -> None:
    """One caller with unary calls: a batch at a time, given up after ``CALL_S``."""
    with connect(target, timeout_s=CALL_S) as database:
        turn = 0
        while not ended.is_set():
            turn += 1
            time_us = now_us()
            ids = [f"call-{number}-{turn}-{each}" for each in range(BATCH)]
            with said.lock:
                said.times.update(dict.fromkeys(ids, time_us))
            events = [
                {"account": ACCOUNT, "meter": "calls", "quantity": 1, "event_id": each, "time": time_us}
                for each in ids
            ]
            try:
                results = database.record_batch(events)
            except DrawdownError as error:
                with said.lock:
                    said.errors[f"{error.reason} {'definite' if error.definite else 'unknown'}"] += 1
                    (said.refused if error.definite else said.unknown).update(ids)
                continue
            with said.lock:
                for each, result in zip(ids, results, strict=True):
                    if result.status not in ("OK", "DUPLICATE"):
                        said.wrong.append(f"{each}: {result.status}")
                    said.acknowledged.add(each)


def record_stream(target: str, number: int, ended: threading.Event, said: Said) -> None:
    """One recorder, which re-sends by itself until everything is acknowledged."""
    with connect(target, timeout_s=60) as database:
        options = RecorderOptions(window=4, backoff_s_max=0.2, retry_s=120)
        ids = []
        with database.recorder(batch=20, linger_ms=5, options=options) as recorder:
            turn = 0
            while not ended.is_set():
                turn += 1
                time_us, each = now_us(), f"stream-{number}-{turn}"
                ids.append(each)
                with said.lock:
                    said.times[each] = time_us
                recorder.record(ACCOUNT, "calls", quantity=1, event_id=each, time=time_us)
                time.sleep(0.002)
        with said.lock:
            said.acknowledged.update(ids)
            taken = recorder.totals.applied + recorder.totals.duplicates
            if taken != len(ids):
                said.wrong.append(f"stream {number}: {taken} of {len(ids)} taken")


def judge(target: str, said: Said) -> dict[str, int]:
    """Send everything once more over a sound connection, then count."""
    counted: Counter[str] = Counter()
    with connect(target) as database:
        ids = sorted(said.times)
        for first in range(0, len(ids), 500):
            events = [
                {
                    "account": ACCOUNT,
                    "meter": "calls",
                    "quantity": 1,
                    "event_id": each,
                    "time": said.times[each],
                }
                for each in ids[first : first + 500]
            ]
            for each, result in zip(ids[first : first + 500], database.record_batch(events), strict=True):
                kind = (
                    "acknowledged"
                    if each in said.acknowledged
                    else "refused"
                    if each in said.refused
                    else "unknown"
                )
                counted[f"{kind} {result.status}"] += 1
                wanted = {
                    "acknowledged": {"DUPLICATE"},
                    "refused": {"OK"},
                    "unknown": {"OK", "DUPLICATE"},
                }
                if result.status not in wanted[kind]:
                    said.wrong.append(f"{each}: {kind}, and now {result.status}")
        burned = GRANTED - Decimal(database.balance(ACCOUNT, "credits").available)
        if burned != len(ids):
            said.wrong.append(f"{burned} credits burned for {len(ids)} events of one credit")
        if not database.verify().holds:
            said.wrong.append("conservation does not hold")
    return dict(counted)


def run(rounds: int, *, seed: int, fault_s: float = 0.6, sound_s: float = 0.3) -> tuple[Said, dict[str, int]]:
    """Every fault in every round; what was said, and the count of the last sending."""
    chance, said, ended = random.Random(seed), Said(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="drawdown-network-") as root:
        server = ServerProcess(Path(root) / "data", *SMALL)
        server.start()
        try:
            with connect(server.target) as database:
                prepare(database)
            with FaultProxy(server.target) as proxy:
                threads = [
                    threading.Thread(target=record_calls, args=(proxy.address, number, ended, said))
                    for number in range(WORKERS)
                ]
                threads.append(threading.Thread(target=record_stream, args=(proxy.address, 0, ended, said)))
                for thread in threads:
                    thread.start()
                for _ in range(rounds):
                    for fault in chance.sample(FAULTS, len(FAULTS)):
                        proxy.fault = fault
                        if fault.twice:
                            proxy.reset_all()
                        time.sleep(chance.uniform(fault_s / 2, fault_s))
                        proxy.fault = NONE
                        # What hangs in a swallowed connection learns of it.
                        proxy.reset_all()
                        time.sleep(chance.uniform(0, sound_s))
                ended.set()
                for thread in threads:
                    thread.join(180)
                    if thread.is_alive():
                        said.wrong.append("a client never came to an end over a sound network")
                if not proxy.echoes:
                    said.wrong.append(NOTHING_TWICE)
            counted = judge(server.target, said)
            if server.stop() != 0:
                said.wrong.append("the server did not end well")
        finally:
            if server.is_running:
                server.kill()
    return said, counted


def main() -> int:
    """Print what was said and one JSON line; 0 iff every answer fits."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.network_faults")
    parser.add_argument("--rounds", type=int, default=20, help="each has every fault once")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000)
    given = parser.parse_args()
    said, counted = run(given.rounds, seed=given.seed)
    for what, count in sorted(said.errors.items()):
        print(f"{count:>7} calls ended: {what}")
    summary = {
        "rounds": given.rounds,
        "faults": given.rounds * len(FAULTS),
        "seed": given.seed,
        "events": len(said.times),
        "acknowledged": len(said.acknowledged),
        "sent_again": counted,
        "wrong": said.wrong[:20],
    }
    print(json.dumps(summary))
    return 1 if said.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
