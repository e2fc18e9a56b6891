"""``drawdown bench``: durable events per second over gRPC, with the answer checked before it is printed."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress

from drawdown.cli.bench_load import LoadFigures, LoadShape, run_load
from drawdown.cli.bench_preparation import CHARGE_UNITS, SCALE, prepare
from drawdown.cli.options import ApiKeyOption, JsonOption, TargetOption, connect_target
from drawdown.cli.output import print_json, print_table
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.engine import build_info
from drawdown.errors import InternalError, InvalidRequestError, PreconditionError

SKEWS = ("uniform", "zipf", "hot")
ENCODINGS = ("rows", "columns")


class BenchReport(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run. Layer: everything, from a client process over gRPC to the disk and back."""

    events_per_s: int
    batches_per_s: int
    ack_ms: dict[str, float]
    bytes_per_event: float
    server_cpu_s: float
    client_cpu_s: float
    applied: int
    refused: int
    duplicates: int
    seconds: float
    accounts: int
    grants: int
    server_resident_bytes: int
    shape: LoadShape
    machine: dict[str, Any]


def bench(
    streams: Annotated[int, typer.Option(min=1, max=1024, help="Concurrent usage streams.")] = 1,
    batch: Annotated[int, typer.Option(min=1, max=65_536, help="Events per message.")] = 1000,
    inflight: Annotated[int, typer.Option(min=1, max=1024, help="Unacknowledged messages per stream.")] = 4,
    accounts: Annotated[int, typer.Option(min=1, max=100_000_000)] = 100_000,
    grants: Annotated[int, typer.Option(min=1, max=100, help="Per account; the second is scoped.")] = 3,
    skew: Annotated[str, typer.Option(help="uniform, zipf (0.99) or hot (one account).")] = "uniform",
    encoding: Annotated[str, typer.Option(help="rows or columns.")] = "rows",
    duration: Annotated[float, typer.Option(min=0.1, help="Seconds that are measured.")] = 10.0,
    warmup: Annotated[float, typer.Option(min=0.0, help="Seconds of load before measuring starts.")] = 1.0,
    pregenerate: Annotated[
        int,
        typer.Option(
            min=0,
            help="Batches per stream to encode before measuring, so that the client's own cost is left out.",
        ),
    ] = 0,
    fsync: Annotated[
        str, typer.Option(help="Flush policy of the server that is started: always, interval=20ms or os.")
    ] = "always",
    data: Annotated[
        Path | None, typer.Option("--data", help="A prepared folder to use and keep; created if absent.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Setting of the server; repeatable."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of event ids and accounts; default: new ids on every run.")
    ] = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Measure durable events per second over gRPC, and how long acks take.

    Without a target it prepares a temporary folder and starts a server on it. Every run checks its
    answer first: each event applied, every credit accounted for.
    """
    if build_info().get("profile") != "release":
        raise PreconditionError(
            "this is a debug build; measure a release build: make setup", reason="DEBUG_BUILD"
        )
    _check_choice(skew, "skew", SKEWS)
    _check_choice(encoding, "encoding", ENCODINGS)
    shape = LoadShape(
        streams=streams,
        batch=batch,
        inflight=inflight,
        accounts=accounts,
        skew=skew,
        encoding=encoding,
        duration_s=duration,
        warmup_s=warmup,
        pregenerate=pregenerate,
        seed=time.time_ns() if seed is None else seed,
    )
    if target is not None:
        with connect_target(target, api_key) as database:
            _prepare(database, accounts, grants, quiet=json)
            report = _measure(target, api_key, database, shape, grants, None)
    else:
        report = _own_server(shape, grants, data, {"fsync": fsync, **_pairs(setting)}, quiet=json)
    _show(report, json)


def _check_choice(given: str, name: str, choices: tuple[str, ...]) -> None:
    if given not in choices:
        raise InvalidRequestError(f"{name}: {given!r} is not one of {', '.join(choices)}", field=name)


def _pairs(setting: list[str] | None) -> dict[str, str]:
    from drawdown.cli.options import pairs_from

    return pairs_from(setting, "set")


def _own_server(
    shape: LoadShape, grants: int, data: Path | None, settings: dict[str, str], *, quiet: bool
) -> BenchReport:
    """Prepare in this process, the fastest way, then measure a server process on the folder."""
    from drawdown.config import load
    from drawdown.embedded import open_configured

    with tempfile.TemporaryDirectory(prefix="drawdown-bench-") as temporary:
        folder = Path(temporary) / "data" if data is None else data
        if not folder.exists():
            # A store to be measured, not one that a disk was to bring: it is begun whatever `create` says.
            with open_configured(folder, load()) as database:
                _prepare(database, shape.accounts, grants, quiet=quiet)
        with (
            ServerProcess(folder, settings=settings) as server,
            connect_target(server.target) as database,
        ):
            return _measure(server.target, None, database, shape, grants, server)


def _prepare(database: Database, accounts: int, grants: int, *, quiet: bool) -> None:
    with Progress(transient=True, disable=quiet) as progress:
        task = progress.add_task(f"preparing {accounts:,} accounts", total=accounts)
        prepare(
            database,
            accounts=accounts,
            grants=grants,
            progress=lambda done: progress.update(task, completed=done),
        )


def _measure(
    target: str,
    api_key: str | None,
    database: Database,
    shape: LoadShape,
    grants: int,
    server: ServerProcess | None,
) -> BenchReport:
    before = database.verify().totals["credits"]
    figures = run_load(target, api_key, shape, server.cpu_s if server is not None else lambda: 0.0)
    _check_answer(database, before, figures, alone=server is not None)
    if not figures.measured_batches:
        raise PreconditionError(
            "nothing was acknowledged in the time that is measured: give more --pregenerate, a shorter "
            "--warmup or a longer --duration",
            reason="NOTHING_MEASURED",
        )
    window = figures.measured_s or shape.duration_s
    return BenchReport(
        events_per_s=round(figures.measured_events / window),
        batches_per_s=round(figures.measured_batches / window),
        ack_ms=_percentiles(figures.latencies_ns),
        bytes_per_event=round(figures.sent_bytes / max(1, figures.sent_events), 2),
        server_cpu_s=round(figures.server_cpu_s, 2),
        client_cpu_s=round(figures.client_cpu_s, 2),
        applied=figures.applied,
        refused=figures.refused,
        duplicates=figures.duplicates,
        seconds=round(window, 3),
        accounts=shape.accounts,
        grants=grants,
        server_resident_bytes=server.resident_bytes() if server is not None else 0,
        shape=shape,
        machine=machine_facts(),
    )


def _check_answer(
    database: Database, before: dict[str, Decimal], figures: LoadFigures, *, alone: bool
) -> None:
    """Raise unless each event sent was applied at its price, and every credit is accounted for."""
    if figures.applied != figures.sent_events:
        raise InternalError(
            f"sent {figures.sent_events:,} events, applied {figures.applied:,} "
            f"({figures.refused:,} refused, {figures.duplicates:,} duplicates): the figures mean nothing"
        )
    conservation = database.verify()
    if not conservation.holds:
        raise InternalError(f"credits are not accounted for: {'; '.join(conservation.violations[:3])}")
    burned = conservation.totals["credits"]["burned"] - before["burned"]
    expected = Decimal(figures.applied * CHARGE_UNITS).scaleb(-SCALE)
    if alone and burned != expected:
        raise InternalError(
            f"{figures.applied:,} events cost {expected:f} credits, but {burned:f} were burned"
        )


def _percentiles(latencies_ns: list[int]) -> dict[str, float]:
    """p50, p99 and max in milliseconds, of a sorted list."""
    if not latencies_ns:
        return {}
    last = len(latencies_ns) - 1
    at = {"p50": last // 2, "p99": last * 99 // 100, "max": last}
    return {name: round(latencies_ns[position] / 1e6, 3) for name, position in at.items()}


def machine_facts() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "commit": commit or "unknown",
        "cpus": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "build": build_info(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _show(report: BenchReport, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    shape = report.shape
    print_table(
        f"{shape.streams} stream(s), {shape.batch:,} per message, {shape.inflight} in flight, "
        f"{shape.encoding}, {shape.skew}, {report.accounts:,} accounts with {report.grants} grants, "
        f"batches made {'beforehand' if shape.pregenerate else 'while sending'}",
        ["figure", "value"],
        [
            ("durable events/s", report.events_per_s),
            ("batches/s", report.batches_per_s),
            *((f"ack {name}, ms", f"{value:.3f}") for name, value in report.ack_ms.items()),
            ("bytes/event", f"{report.bytes_per_event:.2f}"),
            ("server CPU, s", f"{report.server_cpu_s:.2f}"),
            ("client CPU, s", f"{report.client_cpu_s:.2f}"),
            ("applied", report.applied),
            ("refused", report.refused),
            ("duplicates", report.duplicates),
            ("measured, s", f"{report.seconds:.2f}"),
            ("server memory, MiB", report.server_resident_bytes >> 20),
            ("commit", report.machine["commit"]),
            ("machine", f"{report.machine['cpus']} × {report.machine['processor']}"),
        ],
    )


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(bench)
