"""More than the server can do, and what becomes of it: ``python -m tests.stress.overload --seconds N``.

The server is held to a part of one processor, so that clients on the same machine can offer ten times what
it does. Measured are: what is acknowledged at 1, 2, 4 and 10 times the capacity, over unary calls and over
streams; the same calls through the windows of the client library; calls with deadlines of 20 ms; a quiet
caller beside a noisy one. At the end the books: everything
acknowledged was applied, nothing that was refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drawdown import connect
from drawdown.cli.bench_preparation import prepare

from tests.stress.offered_load import Offer, OfferProcess
from tests.stress.processor_share import held_to
from tests.stress.server_process import ServerProcess

ACCOUNTS = 1_000
BATCH = 2_000
TIMES = (1, 2, 4, 10)
SHARE_PERCENT = 40
CLIENTS = 2
CLOSED_CALLERS = 32
MORE = 4
CALLERS = "unary, callers that pause as asked"
MANY_CALLERS = f"unary, {MORE}x as many of them"
WINDOWED_CALLERS = "windowed, callers that pause as asked"
WINDOWED_MANY_CALLERS = f"windowed, {MORE}x as many of them"
WINDOWED = f"windowed, {MORE}x"
# Calls of the quiet caller, one after the other.
QUIET_BATCH = 1
STREAMS = (4, 16)
SMALL = (
    *("--set", "segment_bytes=16777216"),
    *("--set", "reserve_bytes=0"),
    *("--set", "dedupe_budget_bytes=1073741824"),
)

# Over streams, which is how bulk comes: sixteen beside four.
STREAMS_RATIO_MIN = 0.8
# Callers that pause as they are asked to, and send again as soon as they were served: four times as many
# beside one lot. Each call done costs about one refusal, an eighth of its own cost; the rest is the spread.
CALLERS_RATIO_MIN = 0.6
# A refused call costs a gRPC server in Python a seventh of what a call of so many events costs, so that three
# refusals for each call done leave some two thirds of the capacity at best.
UNARY_RATIO_MIN = 0.5
# Where the client library keeps back what would be refused. The goal is 90 % in the median; one measurement
# of seconds is off by a sixth.
WINDOWED_RATIO_MIN = 0.75
# A caller that waits for a second is told in time.
UNKNOWN_RATIO_MAX = 0.01
QUIET_RATIO_MAX = 2.0


@dataclass
class Row:
    """One measurement."""

    name: str
    offered: float
    """Events per second; 0: as many as come through."""
    goodput: float
    calls: int = 0
    calls_ok: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    refused_p99_ms: float = 0.0


@dataclass
class Overload:
    """All measurements of one server."""

    seconds: float
    batch: int = BATCH
    rows: list[Row] = field(default_factory=list)
    acknowledged: int = 0
    unknown: int = 0
    applied: int = 0
    quiet_ms: dict[str, float] = field(default_factory=dict)
    held: bool = False
    faults: list[str] = field(default_factory=list)
    _seed: int = field(default_factory=time.time_ns)

    def run(self, *, times: tuple[int, ...] = TIMES, share_percent: int = SHARE_PERCENT) -> None:
        """Everything, one after the other; the findings are in the fields."""
        with tempfile.TemporaryDirectory(prefix="drawdown-overload-") as root, ExitStack() as end:
            server = ServerProcess(Path(root) / "data", *SMALL)
            server.start()
            end.callback(lambda: server.is_running and server.kill())
            with connect(server.target) as database:
                prepare(database, accounts=ACCOUNTS, grants=1)
            assert server.process is not None
            self.held = end.enter_context(held_to(server.process.pid, share_percent))
            self._unary(server.target, times)
            self._streams(server.target)
            self._quiet(server.target)
            self._books(server)

    def _begin(self, target: str, calls_per_s: float, **shape: Any) -> OfferProcess:
        self._seed += 1
        usual = {"batch": self.batch, "accounts": ACCOUNTS, "seconds": self.seconds, "seed": self._seed}
        return OfferProcess(target, Offer(calls_per_s=calls_per_s, **{**usual, **shape}))

    def _offer(self, target: str, name: str, calls_per_s: float, **shape: Any) -> Row:
        """Offered by several processes, added up."""
        clients = CLIENTS if calls_per_s else 1
        running = [self._begin(target, calls_per_s / clients, **shape) for _ in range(clients)]
        try:
            found = [each.report() for each in running]
        finally:
            for each in running:
                each.kill()
        batch = int(shape.get("batch", self.batch))
        row = Row(name, calls_per_s * batch, sum(each["goodput"] for each in found))
        for each in found:
            row.calls += each["calls"]
            row.calls_ok += each["calls_ok"]
            for kind in ("refused", "unknown"):
                counts = getattr(row, kind)
                for reason, count in each[kind].items():
                    counts[reason] = counts.get(reason, 0) + count
            row.p50_ms = max(row.p50_ms, each["p50_ms"])
            row.p99_ms = max(row.p99_ms, each["p99_ms"])
            row.refused_p99_ms = max(row.refused_p99_ms, each["refused_p99_ms"])
            self.acknowledged += each["events_ok"]
        self.unknown += sum(row.unknown.values()) * batch
        self.rows.append(row)
        return row

    def _unary(self, target: str, times: tuple[int, ...]) -> None:
        for name, many_name, windows in (
            (CALLERS, MANY_CALLERS, False),
            (WINDOWED_CALLERS, WINDOWED_MANY_CALLERS, True),
        ):
            self._offer(target, name, 0, concurrent=CLOSED_CALLERS, windows=windows)
            self._offer(target, many_name, 0, concurrent=MORE * CLOSED_CALLERS, windows=windows)
        capacity = self.row(CALLERS).goodput / self.batch
        self._offer(target, WINDOWED, self.most("unary", "windowed") / self.batch * MORE, windows=True)
        for many in times:
            self._offer(target, f"unary, {many}x", capacity * many)
        self._offer(target, "unary, 4x, deadline 20 ms", capacity * 4, deadline_s=0.02)

    def _streams(self, target: str) -> None:
        """Back-pressure: four times as many streams get together what one lot gets."""
        for streams in STREAMS:
            self._offer(target, f"{streams} streams", 0, streams=streams)

    def _quiet(self, target: str) -> None:
        """One caller with a small call at a time, beside another who is alike or who sends all it can."""
        for name, noise in (
            ("one stream", {"streams": 1}),
            ("16 streams of one noisy caller", {"streams": 16}),
        ):
            other = self._begin(target, 0, connections=1, seconds=self.seconds + 2, **noise)
            try:
                time.sleep(1)
                quiet = {"concurrent": 1, "batch": QUIET_BATCH, "connections": 1}
                row = self._offer(target, f"quiet caller beside {name}", 0, **quiet)
                found = other.report()
            finally:
                other.kill()
            self.acknowledged += found["events_ok"]
            self.unknown += sum(found["unknown"].values()) * self.batch
            self.quiet_ms[name] = row.p99_ms

    def _books(self, server: ServerProcess) -> None:
        conservation = server.query(type="conservation")
        if not conservation["holds"]:
            self.faults.append(f"conservation: {conservation['violations'][:3]}")
        with connect(server.target) as database:
            self.applied = int(database.stats()["events_applied"])
        if not self.acknowledged <= self.applied <= self.acknowledged + self.unknown:
            self.faults.append(
                f"{self.applied} events applied, {self.acknowledged} acknowledged, "
                f"of {self.unknown} nobody was told"
            )
        for row in self.rows:
            if set(row.refused) - {"OVERLOADED"}:
                self.faults.append(f"{row.name}: refused with {row.refused}")

    def most(self, *kinds: str) -> float:
        """The most that calls of these kinds were seen to come to."""
        return max(row.goodput for row in self.rows if row.name.startswith(kinds))

    def ratio(self, name: str) -> float:
        """What is acknowledged in a measurement, as a part of the most seen of its kind."""
        return self.row(name).goodput / self.most(name.partition(",")[0])

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)


def show(found: Overload) -> None:
    print(
        f"{'':38} {'offered/s':>11} {'acked/s':>11} {'calls':>7} {'refused':>8} {'unknown':>8}"
        f" {'p50 ms':>8} {'p99 ms':>8} {'refused p99':>11}"
    )
    for row in found.rows:
        offered = f"{row.offered:,.0f}" if row.offered else "-"
        print(
            f"{row.name:38} {offered:>11} {row.goodput:>11,.0f} {row.calls:>7}"
            f" {sum(row.refused.values()):>8} {sum(row.unknown.values()):>8}"
            f" {row.p50_ms:>8.1f} {row.p99_ms:>8.1f} {row.refused_p99_ms:>11.1f}"
        )


def judged(found: Overload) -> list[str]:
    """What is promised in docs/reliability.md and does not hold."""
    complaints = list(found.faults)
    for name, wanted in (("unary, 4x", UNARY_RATIO_MIN), (WINDOWED, WINDOWED_RATIO_MIN)):
        if (ratio := found.ratio(name)) < wanted:
            complaints.append(f"{name}: {ratio:.0%} of the most seen is acknowledged, wanted {wanted:.0%}")
    if (ratio := found.row(MANY_CALLERS).goodput / found.row(CALLERS).goodput) < CALLERS_RATIO_MIN:
        complaints.append(f"{MORE}x as many callers got {ratio:.0%} of what one lot got")
    beyond = found.row("unary, 4x")
    if (untold := sum(beyond.unknown.values())) > UNKNOWN_RATIO_MAX * beyond.calls:
        complaints.append(f"at 4x {untold} of {beyond.calls} calls ended unknown")
    few, many = (found.row(f"{streams} streams").goodput for streams in STREAMS)
    if many < STREAMS_RATIO_MIN * few:
        complaints.append(f"{STREAMS[1]} streams got {many / few:.0%} of what {STREAMS[0]} got")
    for row in found.rows:
        if row.name.startswith("quiet caller") and row.calls_ok < row.calls:
            complaints.append(f"{row.name}: {row.calls_ok} of {row.calls} calls were answered")
    calm, noisy = found.quiet_ms.values()
    if noisy > QUIET_RATIO_MAX * calm:
        complaints.append(
            f"the quiet caller's p99 is {noisy:.1f} ms beside the noisy one, {calm:.1f} ms without"
        )
    return complaints


def main() -> int:
    """Print the table and one JSON line; 0 iff what is promised holds and the books are right."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.overload")
    parser.add_argument("--seconds", type=float, default=10, help="per measurement")
    parser.add_argument("--batch", type=int, default=BATCH, help="events per call")
    parser.add_argument("--share", type=int, default=SHARE_PERCENT, help="percent of one processor")
    given = parser.parse_args()
    found = Overload(given.seconds, given.batch)
    found.run(share_percent=given.share)
    show(found)
    complaints = judged(found)
    summary = {
        "held_to_percent": given.share if found.held else None,
        "goodput_ratio": {
            name: round(found.ratio(name), 3) for name in (*(f"unary, {many}x" for many in TIMES), WINDOWED)
        },
        "quiet_p99_ms": {name: round(ms, 1) for name, ms in found.quiet_ms.items()},
        "acknowledged": found.acknowledged,
        "applied": found.applied,
        "unknown": found.unknown,
        "complaints": complaints,
    }
    print(json.dumps(summary))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
