"""Every hostile case against one server, with honest clients beside it.

``python -m tests.stress.hostile.run [--scale N] [--only NAME …] [--list]``: exit code 0 when the server
stood, every honest event was applied exactly once and no answer was a fault.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.stress.hostile import call_cases, frame_cases, message_cases
from tests.stress.hostile.case import CASES, Case, Target
from tests.stress.hostile.honest import HonestClient
from tests.stress.server_process import ServerProcess

assert call_cases and frame_cases and message_cases

ALONE_S = 3.0
HONEST_SHARE = 0.99
P99_RATIO_MAX = 3.0
# On a machine this busy a p99 below this says nothing about the server.
P99_MS_FLOOR = 50.0
# Of a case with fewer honest calls beside it nothing can be said.
SAMPLES_MIN = 100
RSS_SLACK = 64 << 20
SMALL = (
    "--set",
    "segment_bytes=1048576",
    "--set",
    "reserve_bytes=0",
    "--set",
    "dedupe_budget_bytes=67108864",
)


@dataclass
class Outcome:
    """What one run showed."""

    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    alone: dict[str, object] = field(default_factory=dict)
    beside: dict[str, object] = field(default_factory=dict)
    rss_before: int = 0
    rss_after: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    p99_ms: dict[str, float] = field(default_factory=dict)
    """Of the honest client beside one case, where it made calls enough meanwhile."""
    log: str = ""


def prepare(server: ServerProcess) -> None:
    """A meter at one credit per unit; an account to attack, two honest ones."""
    commands: list[dict[str, object]] = [
        {"type": "create_credit_type", "name": "credits", "scale": 6},
        {"type": "create_meter", "key": "tokens"},
        {"type": "set_rate", "table": "default", "meter": "tokens", "credit_type": "credits", "credits": "1"},
    ]
    for account in ("target", "alone", "beside"):
        grant = {"grant_id": "all", "credit_type": "credits", "amount": "1000000"}
        commands.append({"type": "create_account", "account": account})
        commands.append({"type": "create_grant", "account": account, "grant": grant})
    assert set(server.execute(*commands)) == {"OK"}


def resident_bytes(server: ServerProcess) -> int:
    assert server.process is not None
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096


def run(cases: list[Case], *, scale: int, alone_s: float = ALONE_S, say: bool = False) -> Outcome:
    """Run the cases in turn. Everything of what went wrong is in the outcome; nothing is raised."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="drawdown-hostile-") as folder:
        server = ServerProcess(Path(folder) / "data", *SMALL)
        server.start()
        try:
            prepare(server)
            _attack(server, cases, outcome, scale=scale, alone_s=alone_s, say=say)
            _look_after(server, outcome)
        except Exception as raised:
            outcome.failed["the server"] = f"{type(raised).__name__}: {raised}"
        finally:
            if server.is_running:
                server.kill()
            outcome.log = server.log.read_text(errors="replace")
    return outcome


def _attack(
    server: ServerProcess, cases: list[Case], outcome: Outcome, *, scale: int, alone_s: float, say: bool
) -> None:
    with HonestClient(server.target, "alone") as honest:
        time.sleep(alone_s)
        outcome.alone = honest.figures()
        del outcome.alone["samples"]
    outcome.rss_before = resident_bytes(server)
    target = Target(server.target, scale, outcome.answers)
    with HonestClient(server.target, "beside") as honest:
        for each in cases:
            began = outcome.began[each.name] = time.monotonic()
            try:
                each.run(target)
            except Exception as raised:
                outcome.failed[each.name] = f"{type(raised).__name__}: {raised}"
            outcome.seconds[each.name] = time.monotonic() - began
            if say:
                verdict = outcome.failed.get(each.name, "ok")
                print(f"  {each.name:45} {outcome.seconds[each.name]:6.2f} s  {verdict}", flush=True)
            if not server.is_running:
                outcome.failed[each.name] = "the server ended"
                return
        outcome.beside = honest.figures()
        _p99_of_each(outcome, outcome.beside.pop("samples"))


def _p99_of_each(outcome: Outcome, samples: object) -> None:
    assert isinstance(samples, list)
    for name, began in outcome.began.items():
        times = sorted(ms for at, ms in samples if began <= at <= began + outcome.seconds[name])
        if len(times) >= SAMPLES_MIN:
            outcome.p99_ms[name] = times[len(times) * 99 // 100]


def _look_after(server: ServerProcess, outcome: Outcome) -> None:
    """The books, the honest account, and a clean end."""
    if not server.is_running:
        return
    outcome.rss_after = resident_bytes(server)
    conservation = server.query(type="conservation")
    if not conservation["holds"]:
        outcome.failed["conservation"] = str(conservation["violations"])
    for account, figures in (("alone", outcome.alone), ("beside", outcome.beside)):
        balance = server.query(type="balance", account=account, credit_type="credits")
        burned = 1_000_000 * 10**6 - balance["available"]
        calls = int(str(figures["calls"]))
        if not burned == calls * 10**6 == int(str(figures["applied"])) * 10**6:
            outcome.failed[f"account {account}"] = f"{figures}, burned {burned}"
    code = server.stop()
    if code != 0:
        outcome.failed["drain"] = f"exit code {code}"


def judged(outcome: Outcome) -> list[str]:
    """What the honest clients and the memory say against it, one sentence each."""
    complaints = [f"{name}: {what}" for name, what in outcome.failed.items()]
    calls, failures = (int(str(outcome.beside.get(name, 0))) for name in ("calls", "failures"))
    if calls == 0 or failures > calls * (1 - HONEST_SHARE):
        complaints.append(f"honest calls: {failures} of {calls} failed: {outcome.beside}")
    for line in outcome.log.splitlines():
        if '"forged"' in line and '"message":"forged"' in line:
            complaints.append(f"a log line was forged: {line[:200]}")
        # What a path that is no UTF-8 leaves behind of grpcio's own server (grpc_listener.py).
        if "UnicodeDecodeError" in line and "_server_main_loop" in line:
            continue
        # The library that serves reflection logs bytes it cannot read; the call ends all the same.
        if ("internal fault" in line or "Traceback" in line) and "ServerReflection" not in line:
            complaints.append(f"a fault in the log: {line[:2000]}")
    return complaints


def slow(outcome: Outcome) -> str | None:
    """What the honest client's p99 says against it; for the long tier on a machine of its own."""
    alone, beside = (float(str(each.get("p99_ms") or 0)) for each in (outcome.alone, outcome.beside))
    for name, p99 in {"all hostile clients": beside, **outcome.p99_ms}.items():
        if p99 > max(P99_RATIO_MAX * alone, P99_MS_FLOOR):
            return f"honest p99: {p99:.1f} ms beside {name}, {alone:.1f} ms alone"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=20, help="how much of everything; 1 is the quick tier")
    parser.add_argument("--only", nargs="+", choices=sorted(CASES), metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--log", type=Path, help="where to keep the server's log")
    given = parser.parse_args()
    if given.list:
        for each in CASES.values():
            print(f"{each.name:45} {'quick' if each.quick else '     '}  {' '.join(each.says.split())}")
        return 0
    chosen = [CASES[name] for name in given.only] if given.only else list(CASES.values())
    outcome = run(chosen, scale=given.scale, say=True)
    complaints = judged(outcome)
    if too_slow := slow(outcome):
        complaints.append(too_slow)
    growth = outcome.rss_after - outcome.rss_before
    if growth > outcome.rss_before // 10 + RSS_SLACK:
        complaints.append(
            f"memory: {outcome.rss_before >> 20} MiB before, {outcome.rss_after >> 20} MiB after"
        )
    print(f"{len(chosen)} cases; answers {outcome.answers}")
    print(f"honest alone  {outcome.alone}\nhonest beside {outcome.beside}")
    worst = sorted(outcome.p99_ms.items(), key=lambda each: -each[1])[:5]
    print("honest p99 beside " + ", ".join(f"{name}: {p99:.0f} ms" for name, p99 in worst))
    print(f"memory {outcome.rss_before >> 20} MiB before, {outcome.rss_after >> 20} MiB after")
    if given.log:
        given.log.write_text(outcome.log)
    print("\n".join(complaints) or "nothing to complain of")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
