"""Every trouble with Redis beside a server that takes usage: ``python -m tests.stress.redis_faults``.

A real Valkey behind a proxy is killed, emptied, set back, paused, filled up, made read-only, locked and cut
off. Usage is sent all the time and must not feel it; once the trouble is over, what is restored from Redis
must be the server's state to the digest, within a minute.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from drawdown import connect
from drawdown.errors import DrawdownError
from drawdown.storage import restore_from_redis
from drawdown.storage.redis_restore import RestoreReport

from tests.storage.valkey import SNAPSHOT_PASSWORD, ValkeyProcess, snapshot_user
from tests.stress.fault_proxy import NONE, Fault, FaultProxy
from tests.stress.hostile.run import resident_bytes
from tests.stress.server_process import ServerProcess
from tests.stress.steady_sender import ACCOUNTS, Sender, p99

GRANTED = 10**9
HEALED_S = 60.0
HOLD_S = 2.0
PAUSE_S = 30.0
PASS_S = 3.0
# Over all faults of a run that has each of them, not of one: other work on the machine comes and goes.
RATE_RATIO_MIN = 0.8
P99_RATIO_MAX = 2.0
P99_MS_FLOOR = 50.0
NAMESPACE = "{drawdown}"
SETTINGS = {
    "segment_bytes": 1 << 20,
    "reserve_bytes": 0,
    "dedupe_budget_bytes": 64 << 20,
    "snapshot_interval_s": 1,
    "redis_timeout_ms": 500,
}
# Remembered event ids up to their budget, which fills meanwhile, and what the allocator keeps around them.
MEMORY_GROWTH = 2 * SETTINGS["dedupe_budget_bytes"]


@dataclass
class Result:
    """What one fault did."""

    name: str
    sound_rate: float
    """Events acknowledged per second in the moments before it."""
    rate: float
    healed_s: float | None
    """From the end of the trouble until a restore had the server's state; ``None``: not within a minute."""
    sound_p99_ms: float = 0.0
    p99_ms: float = 0.0
    """Of a batch, while the trouble lasted."""

    def row(self) -> str:
        healed = "never" if self.healed_s is None else f"{self.healed_s:.1f}"
        ratio = self.rate / self.sound_rate
        rates = f"{self.sound_rate:>16,.0f} {self.rate:>9,.0f} {ratio:>6.2f}"
        return f"{self.name:22} {rates} {self.sound_p99_ms:>9.1f} {self.p99_ms:>9.1f} {healed:>9}"


@dataclass
class RedisFaults:
    """The server, its Redis and what was found."""

    folder: Path
    results: list[Result] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    say: bool = False
    """Print every result as it comes."""

    def run(self, names: list[str], *, rounds: int = 1, hold_s: float = HOLD_S) -> None:
        """Every fault named, in turn; everything that went wrong is in ``wrong``."""
        self.hold_s = hold_s
        self.valkey = ValkeyProcess(self.folder / "valkey", "--maxmemory-policy", "noeviction").start()
        with FaultProxy(f"127.0.0.1:{self.valkey.port}") as self.proxy:
            url = self.valkey.snapshot_url.replace(f"127.0.0.1:{self.valkey.port}", self.proxy.address)
            flags = {**SETTINGS, "redis": url}
            pairs = [part for name, value in flags.items() for part in ("--set", f"{name}={value}")]
            self.server = ServerProcess(self.folder / "data", *pairs)
            self.server.start()
            try:
                self._prepare()
                self.sender = Sender(self.server.target)
                self._healed()
                self.memory["before"] = resident_bytes(self.server)
                for name in names * rounds:
                    self._suffer(name)
                self.memory["after"] = resident_bytes(self.server)
                self.sender.end()
                self._count()
            finally:
                if self.server.is_running:
                    self.server.kill()
                self.valkey.kill()

    def _prepare(self) -> None:
        with connect(self.server.target) as database:
            database.create_credit_type("credits")
            database.create_meter("calls")
            database.set_rate(meter="calls", credits=1)
            for number in range(ACCOUNTS):
                database.create_account(f"a{number}")
                database.create_grant(f"a{number}", "credits", GRANTED, grant_id="all")

    def _suffer(self, name: str) -> None:
        first = len(self.sender.latencies_ms)
        sound = self.sender.rate_over(1.0)
        sound_ms = self.sender.latencies_ms[first:]
        rates: list[float] = []
        during_ms: list[float] = []

        def hold(seconds: float = self.hold_s) -> None:
            first = len(self.sender.latencies_ms)
            rates.append(self.sender.rate_over(seconds))
            during_ms.extend(self.sender.latencies_ms[first:])

        self.hold = hold
        FAULTS[name](self)
        healed = self._healed()
        if healed is None:
            self.wrong.append(f"{name}: what Redis holds is not the server's state a minute later")
        if not min(rates) > 0:
            self.wrong.append(f"{name}: nothing was taken meanwhile")
        self.results.append(Result(name, sound, min(rates), healed, p99(sound_ms), p99(during_ms)))
        if self.say:
            print(self.results[-1].row(), flush=True)

    def _healed(self) -> float | None:
        """Seconds until what is restored is the server's state; nothing is sent meanwhile."""
        began = time.monotonic()
        with self.sender.resting():
            return self._like_the_server(began)

    def _like_the_server(self, began: float) -> float | None:
        with connect(self.server.target) as database:
            while time.monotonic() - began < HEALED_S:
                restored = self._restored()
                if restored is not None and restored.digest == database.digest():
                    return time.monotonic() - began
                time.sleep(0.3)
            seq = database.verify().seq
            self.wrong.append(f"restored {restored}, the server is at {seq}, {database.digest()}")
        return None

    def _restored(self) -> RestoreReport | None:
        copy = self.folder / "restored"
        shutil.rmtree(copy, ignore_errors=True)
        try:
            return restore_from_redis(self.valkey.snapshot_url, str(copy))
        except DrawdownError:
            return None
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _count(self) -> None:
        """Everything acknowledged is there, once."""
        self.sent = self.sender.acknowledged
        with connect(self.server.target) as database:
            left = sum(
                Decimal(database.balance(f"a{number}", "credits").available) for number in range(ACCOUNTS)
            )
            burned = ACCOUNTS * GRANTED - left
            if burned != self.sent:
                self.wrong.append(f"{burned} credits burned, {self.sent} events of one credit acknowledged")
            if not database.verify().holds:
                self.wrong.append("conservation does not hold")
        self.wrong += [f"usage was refused: {failure}" for failure in self.sender.failures[:5]]
        if self.memory["after"] > self.memory["before"] + MEMORY_GROWTH:
            self.wrong.append(f"memory: {self.memory}")
        if self.server.stop() != 0:
            self.wrong.append("the server did not end well")
        said = self.server.log.read_text(errors="replace")
        if "background work failed" in said:
            # Trouble with Redis is expected and has words of its own.
            self.wrong.append(
                f"a fault of this software: {said[said.index('background work failed') :][:2_000]}"
            )

    # The faults. Each brings the trouble, holds it while usage goes on, and takes it away.

    def restarted_empty(self) -> None:
        self.valkey.kill()
        self.hold()
        self._forget_files()
        self.valkey.start()

    def restarted_older(self) -> None:
        """From an RDB of a while ago."""
        self.valkey.client().save()
        time.sleep(2.5)
        self.valkey.kill()
        self.hold()
        self.valkey.start()
        self._forget_files()

    def restarted_from_a_cut_log(self) -> None:
        client = self.valkey.client()
        client.config_set("appendonly", "yes")
        while client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.05)
        time.sleep(2.5)
        self.valkey.kill()
        self.hold()
        for log in (self.valkey.folder / "appendonlydir").glob("*.incr.aof"):
            whole = log.read_bytes()
            log.write_bytes(whole[: len(whole) * 2 // 3 + 5])
        usual = self.valkey.arguments
        self.valkey.arguments = (*usual, "--appendonly", "yes")
        self.valkey.start()
        self.valkey.arguments = usual
        self.valkey.client().config_set("appendonly", "no")
        self._forget_files()

    def _forget_files(self) -> None:
        (self.valkey.folder / "dump.rdb").unlink(missing_ok=True)
        shutil.rmtree(self.valkey.folder / "appendonlydir", ignore_errors=True)

    def paused(self) -> None:
        seconds = PAUSE_S if self.hold_s >= HOLD_S else self.hold_s
        self.valkey.client().execute_command("CLIENT", "PAUSE", int(seconds * 1000), "ALL")
        self.hold(seconds)

    def frozen(self) -> None:
        self.valkey.freeze()
        self.hold()
        self.valkey.thaw()

    def out_of_memory(self) -> None:
        client = self.valkey.client()
        client.config_set("maxmemory", "1mb")
        self.hold()
        client.config_set("maxmemory", "0")

    def read_only(self) -> None:
        client = self.valkey.client()
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        self.hold()
        client.execute_command("REPLICAOF", "NO", "ONE")

    def locked(self) -> None:
        """Another password, and nobody stays signed in."""
        client = self.valkey.client()
        name, *_ = snapshot_user()
        client.execute_command("ACL", "SETUSER", name, "resetpass", ">another")
        self.proxy.reset_all()
        self.hold()
        client.execute_command("ACL", "SETUSER", name, "resetpass", f">{SNAPSHOT_PASSWORD}")

    def emptied(self) -> None:
        """FLUSHALL again and again, in the middle of passes."""
        client = self.valkey.client()
        emptying = threading.Event()

        def flush() -> None:
            while not emptying.wait(0.05):
                client.flushall()

        thread = threading.Thread(target=flush)
        thread.start()
        self.hold()
        emptying.set()
        thread.join()

    def emptied_at_rest(self) -> None:
        """FLUSHALL while nothing is sent: nothing will change that a pass could notice."""
        self.hold()
        with self.sender.resting():
            time.sleep(2.5)
            self.valkey.client().flushall()
            if self._like_the_server(time.monotonic()) is None:
                self.wrong.append("emptied at rest: nobody noticed")

    def connections_cut(self) -> None:
        """At random moments, some of them between WATCH and EXEC."""
        cutting = threading.Event()

        def cut() -> None:
            while not cutting.wait(0.013):
                self.proxy.reset_all()

        thread = threading.Thread(target=cut)
        thread.start()
        self.hold()
        cutting.set()
        thread.join()

    def cut_before_exec(self) -> None:
        """Each time between WATCH and EXEC."""
        before = self.proxy.resets
        self.proxy.fault = Fault("reset before EXEC", reset_before=b"EXEC")
        # Time for a pass or two.
        self.hold(max(self.hold_s, PASS_S))
        if self.proxy.resets == before:
            self.wrong.append("reset before EXEC: there was none")
        self.proxy.fault = NONE

    def another_store(self) -> None:
        client = self.valkey.client()
        mine = client.get(f"{NAMESPACE}:owner")
        client.set(f"{NAMESPACE}:owner", "00000000-0000-0000-0000-000000000001 7")
        self.hold()
        if client.get(f"{NAMESPACE}:owner") != b"00000000-0000-0000-0000-000000000001 7":
            self.wrong.append("another store's namespace was written to")
        client.set(f"{NAMESPACE}:owner", mine)

    def pointer_to_nothing(self) -> None:
        self.valkey.client().set(f"{NAMESPACE}:current", "999")
        self.hold()

    def wrong_types(self) -> None:
        client = self.valkey.client()
        for key in client.keys(f"{NAMESPACE}:g*"):
            client.delete(key)
            client.lpush(key, "not what it was")
        self.hold()

    def half_open(self) -> None:
        self._through(Fault("half-open", swallow=True))

    def a_byte_a_second(self) -> None:
        self._through(Fault("1 byte/s", bytes_per_s=1))

    def _through(self, fault: Fault) -> None:
        self.proxy.fault = fault
        self.hold()
        self.proxy.fault = NONE
        self.proxy.reset_all()


FAULTS: dict[str, Callable[[RedisFaults], None]] = {
    "killed, back empty": RedisFaults.restarted_empty,
    "killed, back older": RedisFaults.restarted_older,
    "killed, log cut": RedisFaults.restarted_from_a_cut_log,
    "CLIENT PAUSE": RedisFaults.paused,
    "frozen": RedisFaults.frozen,
    "out of memory": RedisFaults.out_of_memory,
    "read-only": RedisFaults.read_only,
    "wrong password": RedisFaults.locked,
    "FLUSHALL in passes": RedisFaults.emptied,
    "FLUSHALL at rest": RedisFaults.emptied_at_rest,
    "connections cut": RedisFaults.connections_cut,
    "cut before EXEC": RedisFaults.cut_before_exec,
    "another store": RedisFaults.another_store,
    "pointer to nothing": RedisFaults.pointer_to_nothing,
    "wrong types": RedisFaults.wrong_types,
    "half-open": RedisFaults.half_open,
    "1 byte/s": RedisFaults.a_byte_a_second,
}


def main() -> int:
    """Print a table and one JSON line; 0 iff nothing was lost and Redis was right each time."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.redis_faults")
    parser.add_argument("--rounds", type=int, default=4, help="each has every fault once")
    parser.add_argument("--only", nargs="+", choices=sorted(FAULTS), metavar="FAULT")
    parser.add_argument("--hold-s", type=float, default=HOLD_S, help="how long each trouble lasts")
    given = parser.parse_args()
    print(f"{'fault':22} {'events/s before':>16} {'during':>9} {'ratio':>6}", end="")
    print(f" {'p99 ms':>9} {'during':>9} {'healed s':>9}")
    with tempfile.TemporaryDirectory(prefix="drawdown-redis-") as root:
        found = RedisFaults(Path(root), say=True)
        found.run(given.only or list(FAULTS), rounds=given.rounds, hold_s=given.hold_s)
    before = sum(each.sound_rate for each in found.results)
    rate_ratio = sum(each.rate for each in found.results) / before
    sound_p99 = statistics.median(each.sound_p99_ms for each in found.results)
    p99_during = statistics.median(each.p99_ms for each in found.results)
    if not given.only:
        if rate_ratio < RATE_RATIO_MIN:
            found.wrong.append(f"usage went on at {rate_ratio:.2f} of the rate before")
        if p99_during > max(P99_RATIO_MAX * sound_p99, P99_MS_FLOOR):
            found.wrong.append(f"p99 of a batch: {p99_during:.1f} ms, {sound_p99:.1f} ms before")
    summary = {
        "faults": len(found.results),
        "acknowledged": found.sent,
        "rate_ratio": round(rate_ratio, 3),
        "p99_ms": {"before": round(sound_p99, 1), "during": round(p99_during, 1)},
        "healed_s_max": max((each.healed_s or HEALED_S for each in found.results), default=None),
        "memory_mib": {name: size >> 20 for name, size in found.memory.items()},
        "wrong": found.wrong,
    }
    print(json.dumps(summary))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
