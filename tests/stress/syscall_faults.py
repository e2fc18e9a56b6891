"""A fault at the N-th system call, for every N, call and phase: ``python -m tests.stress.syscall_faults``.

The server runs under the clients of the crash loop and one call meets an I/O error, a full disk, a
short write, or the end of the process. Then it starts without faults, which must succeed, and the
outside books are held against it: nothing acknowledged lost, nothing doubled, errors that called
themselves definite were, and the process ended in one of the ways it may.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stress import outcome_probe
from tests.stress.crash_loop import RICH_GRANT, CrashLoop
from tests.stress.outcome_probe import OutcomeProbe
from tests.stress.syscall_injection import Attached, Injection, missing, threads_of

# Small segments roll all the time; a checkpoint a second.
FLAGS = ("--log-level", "error", "--set", "segment_bytes=131072", "--set", "checkpoint_interval_s=1")
# 0 drained, 69 could not start, 74 the disk failed, -9 killed by the fault.
ENDINGS = {0, 69, 74, -9}
KILLED = -9
ERRORS = ("EIO", "ENOSPC", "kill")


@dataclass(frozen=True)
class Phase:
    """Where faults are put: the threads, the calls they make, and how long to wait for one."""

    name: str
    syscalls: tuple[str, ...]
    load_s: float
    engine_only: bool = True
    """None of the threads writes the control plane's database."""


PHASES = (
    Phase("start", ("openat", "pwrite64", "fdatasync", "fsync", "rename", "unlink"), 0.1),
    Phase("steady", ("pwrite64", "fdatasync"), 0.5),
    Phase("roll", ("rename", "fsync"), 0.5),
    Phase("supply", ("openat", "pwrite64", "fdatasync", "fsync"), 0.5),
    Phase("checkpoint", ("openat", "pwrite64", "fdatasync", "fsync", "rename", "unlink"), 1.3, False),
    Phase("shutdown", ("openat", "pwrite64", "fdatasync", "fsync", "rename", "unlink"), 0.1, False),
)


@dataclass(frozen=True)
class Point:
    """One fault at one place."""

    phase: Phase
    injection: Injection

    def __str__(self) -> str:
        fault = self.injection
        return f"{self.phase.name}: {fault.action} at {fault.syscall} {fault.nth}"


@dataclass
class Sweep:
    """All points, the first calls of everything before the second ones; a place where the N-th call
    is never made is left out from then on."""

    done: set[tuple[str, str, str]] = field(default_factory=set)

    def points(self) -> Iterator[Point]:
        nth = 0
        places = [place for phase in PHASES for place in places_of(phase)]
        while len(self.done) < len(places):
            nth += 1
            for phase, syscall, action in places:
                if (phase.name, syscall, action) not in self.done:
                    yield Point(phase, Injection(syscall, action, nth))

    def is_through(self, point: Point) -> None:
        """The call was made fewer times than this: no later point of the place will be met."""
        self.done.add((point.phase.name, point.injection.syscall, point.injection.action))


def places_of(phase: Phase) -> list[tuple[Phase, str, str]]:
    """What may happen to which call.

    A short write is put only where the engine alone writes: it is told of bytes that were never
    written, which it takes for a failure, while SQLite, writing on, would believe it.
    """
    found = []
    for syscall in phase.syscalls:
        short = syscall == "pwrite64" and phase.engine_only
        found += [(phase, syscall, action) for action in ((*ERRORS, "short") if short else ERRORS)]
    return found


class FaultLoop(CrashLoop):
    """The crash loop, whose lives end by a fault of a system call."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Each is looked for in the journal's files, of which there will be very many.
        self.correctors = self.correctors[:1]
        self.sweep = Sweep()
        self.probe = OutcomeProbe()
        self.met: list[Point] = []
        self.tried = 0
        self.endings: Counter[int] = Counter()
        self.log = self.folder.parent / "injected.log"

    async def sweep_through(self, points: int, every: int = 1) -> None:
        """Until so many points were met; ``every`` n-th point only."""
        try:
            self.server.start()
            self._set_up()
            create: dict[str, Any] = {"type": "create_account", "account": outcome_probe.ACCOUNT}
            self._must(self.server.execute(create), {"OK"})
            self._grant(outcome_probe.ACCOUNT, "first", RICH_GRANT)
            for number, point in enumerate(self.sweep.points()):
                if len(self.met) >= points:
                    break
                if number % every:
                    continue
                await self._try(point)
            await self._finish()
        finally:
            if self.server.is_running:
                self.server.kill()

    async def _try(self, point: Point) -> None:
        self.tried += 1
        before = len(self.faults)
        met = await (self._at_start(point) if point.phase.name == "start" else self._while_running(point))
        try:
            await asyncio.to_thread(self.server.start)
        except RuntimeError as error:
            self.book.wrong.append(f"{point}: the folder does not open afterwards: {error}")
            raise
        await asyncio.to_thread(self._compare)
        await self.probe.check(self.server.target)
        await asyncio.to_thread(self._top_up, self.tried)
        if met:
            self.met.append(point)
        else:
            self.sweep.is_through(point)
        if met and len(self.met) % 25 == 0:
            print(f"{len(self.met)} points met, {len(self.faults)} faults", file=sys.stderr, flush=True)
        for fault in self.faults[before:]:
            print(f"{point}: {fault}", file=sys.stderr, flush=True)

    async def _at_start(self, point: Point) -> bool:
        """A killed server that starts again, with the fault on its way."""
        await self._live(0.1)
        self.log.unlink(missing_ok=True)
        self.server.under = point.injection.at_start(self.log, paths_of(self.folder))
        try:
            await asyncio.to_thread(self.server.start)
            await self._live(point.phase.load_s)
        except RuntimeError:
            # It did not come up: that is one way to meet the fault.
            pass
        finally:
            self.server.under = ()
        self._judge(point)
        return point.injection.was_met(self.log)

    async def _while_running(self, point: Point) -> bool:
        attached = await asyncio.to_thread(Attached, self._threads(point.phase), point.injection, self.log)
        try:
            drained = point.phase.name == "shutdown" or self.random.random() < 0.3
            await self._live(point.phase.load_s, drained)
        finally:
            met = await asyncio.to_thread(attached.detach)
        self._judge(point)
        return met

    async def _live(self, seconds: float, drained: bool = False) -> None:
        """The clients for this long at most, then the end of the server, unless it ended before."""
        clients = [*self.streams, *self.reservers, *self.correctors, self.probe]
        running = [asyncio.create_task(client.run(self.server.target)) for client in clients]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.server.is_running:
            await asyncio.sleep(0.01)
        if not self.server.is_running or drained:
            await asyncio.to_thread(self.server.stop)
        else:
            await asyncio.to_thread(self.server.kill)
        await asyncio.gather(*running)

    def _judge(self, point: Point) -> None:
        """How the server ended."""
        code = self.server.exit_code
        self.endings[code] += 1
        if code not in ENDINGS or (code == KILLED and not (point.injection.kills or self.server.was_killed)):
            words = self.server.log.read_text(errors="replace")[-1_500:]
            self.book.wrong.append(f"{point}: the server ended with {code}: {words}")

    def _threads(self, phase: Phase) -> list[int]:
        assert self.server.process is not None
        threads = threads_of(self.server.process.pid)
        wanted = {"steady": "drawdown-commit", "roll": "drawdown-commit", "supply": "drawdown-segmen"}
        if name := wanted.get(phase.name):
            return [thread for thread, comm in threads.items() if comm == name]
        return [thread for thread, comm in threads.items() if not comm.startswith("drawdown-")]

    def table(self) -> str:
        """Points met, by phase and call."""
        met = Counter((point.phase.name, point.injection.syscall) for point in self.met)
        lines = [f"{'phase':<12} {'call':<10} {'points':>7}"]
        lines += [f"{phase:<12} {syscall:<10} {count:>7}" for (phase, syscall), count in sorted(met.items())]
        return "\n".join(lines)

    def summary(self) -> dict[str, Any]:
        actions = Counter(point.injection.action for point in self.met)
        return {
            **super().summary(),
            "points": len(self.met),
            "tried": self.tried,
            "actions": dict(actions),
            "endings": {str(code): count for code, count in sorted(self.endings.items())},
            "probes": dict(self.probe.said),
        }

    @property
    def faults(self) -> list[str]:
        return [*super().faults, *self.probe.wrong]


def paths_of(folder: Path) -> list[Path]:
    """Everything a start may open: what is there, and what it makes."""
    made = ("META.tmp", "SETTINGS.tmp", "RESERVE", "RESERVE.tmp", "FSYNC-FAILED", "rewritten-segment.tmp")
    made += tuple(f"segment-{number:06}.tmp" for number in range(1, 5))
    found = [path for path in folder.rglob("*") if not path.name.startswith("control.")]
    return [folder, *sorted({*found, *(folder / name for name in made)})]


def run(folder: Path, *, points: int, seed: int, every: int = 1) -> FaultLoop:
    loop = FaultLoop(folder, seed, flags=FLAGS)
    asyncio.run(loop.sweep_through(points, every))
    return loop


def main() -> int:
    """Print what was met and one JSON line; 0 iff every point left the books right."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.syscall_faults")
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000)
    parser.add_argument("--every", type=int, default=1, help="only every so manyth point of the sweep")
    arguments = parser.parse_args()
    if why := missing():
        print(f"not run: {why}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="drawdown-syscalls-") as root:
        loop = run(Path(root) / "data", points=arguments.points, seed=arguments.seed, every=arguments.every)
    print(loop.table())
    print(json.dumps(loop.summary()))
    return 1 if loop.faults else 0


if __name__ == "__main__":
    sys.exit(main())
