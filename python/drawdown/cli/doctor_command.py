"""``drawdown doctor``: is everything here that drawdown needs? Each check says what to do if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from drawdown.cli import exit_codes
from drawdown.cli.options import ApiKeyOption, JsonOption, connect_target, folder_from
from drawdown.cli.output import console, print_json, table
from drawdown.config import load
from drawdown.errors import DrawdownError

Verdict = Literal["ok", "warning", "failed", "skipped"]

PYTHON_MIN = (3, 11)
FREE_BYTES_MIN = 1 << 30
FLUSH_SAMPLES = 32
FLUSH_MS_WARNING = 10.0
CLOCK_DRIFT_S_MAX = 1.0
DESCRIPTORS_MIN = 1024


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one check."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


def _python() -> Finding:
    import platform
    import sys

    found = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.version_info[:2] < PYTHON_MIN:
        return Finding(check="python", verdict="failed", found=found, advice="use CPython 3.11 or newer")
    return Finding(check="python", verdict="ok", found=found)


def _extension() -> Finding:
    from drawdown.engine import build_info

    facts = build_info()
    found = f"{facts['version']}, {facts['profile']} build"
    if facts["profile"] != "release":
        return Finding(
            check="extension", verdict="warning", found=found, advice="build it in release mode: make setup"
        )
    return Finding(check="extension", verdict="ok", found=found)


def _descriptors() -> Finding:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"at most {soft} open files"
    if soft < DESCRIPTORS_MIN:
        return Finding(
            check="open files",
            verdict="warning",
            found=found,
            advice=f"raise it to {DESCRIPTORS_MIN} or more (ulimit -n): each connection takes one",
        )
    return Finding(check="open files", verdict="ok", found=found)


def _clock() -> Finding:
    from drawdown.cli.machine import clock_is_synchronised

    known = clock_is_synchronised()
    if known is None:
        return Finding(check="clock", verdict="skipped", found="this kernel does not say")
    if not known:
        return Finding(
            check="clock",
            verdict="warning",
            found="the kernel does not report a synchronised clock",
            advice="run a time service (chrony, systemd-timesyncd); else a long gap at start needs "
            "--accept-clock",
        )
    return Finding(check="clock", verdict="ok", found="synchronised")


def _folder(data: Path) -> Iterator[Finding]:
    import os
    import shutil

    from drawdown.cli.machine import flush_ms

    if not data.exists():
        yield Finding(check="data folder", verdict="skipped", found=f"{data} does not exist yet")
    elif not data.is_dir() or not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            check="data folder",
            verdict="failed",
            found=f"{data} is not a folder that this user may read and write",
            advice="give the server a folder of its own",
        )
        return
    else:
        yield Finding(check="data folder", verdict="ok", found=str(data))
    place = next(each for each in (data, *data.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(place).free
    found = f"{free / (1 << 30):.1f} GiB free"
    if free < FREE_BYTES_MIN:
        yield Finding(
            check="disk space",
            verdict="warning",
            found=found,
            advice="without space the server takes no usage until there is some again",
        )
    else:
        yield Finding(check="disk space", verdict="ok", found=found)
    try:
        samples = sorted(flush_ms(place, FLUSH_SAMPLES))
    except OSError as error:
        yield Finding(check="disk flush", verdict="failed", found=str(error), advice="is it writable?")
        return
    median = samples[len(samples) // 2]
    found = f"fdatasync takes {median:.2f} ms in the median, {samples[-1]:.2f} ms at most"
    slow = median > FLUSH_MS_WARNING
    yield Finding(
        check="disk flush",
        verdict="warning" if slow else "ok",
        found=found,
        advice="every ack waits for it; use a disk with a write cache that survives power loss"
        if slow
        else "",
    )


def _lock(data: Path) -> Finding:
    from drawdown.cli.machine import is_locked

    if not data.is_dir():
        return Finding(check="folder lock", verdict="skipped", found="no folder")
    locked = is_locked(data)
    if locked is None:
        return Finding(check="folder lock", verdict="skipped", found="this kernel does not say")
    if locked:
        return Finding(
            check="folder lock", verdict="ok", found="a process has the folder open and is working on it"
        )
    return Finding(check="folder lock", verdict="ok", found="no process uses the folder")


def _settings() -> Finding:
    config = load()
    listen = config.process.listen
    if config.process.fsync != "always":
        return Finding(
            check="settings",
            verdict="warning",
            found=f"fsync is {config.process.fsync!r}",
            advice="acknowledged events of the last moments are lost in a power cut; set fsync=always",
        )
    return Finding(check="settings", verdict="ok", found=f"from the environment; listen {listen}")


def _server(target: str, api_key: str | None) -> Iterator[Finding]:
    import time

    with connect_target(target, api_key, timeout_s=5) as connection:
        began = time.perf_counter()
        engine, _ = connection.server_stats()
        took_ms = (time.perf_counter() - began) * 1000
        yield Finding(check="server", verdict="ok", found=f"{target} answers in {took_ms:.1f} ms")
        drift_s = abs(time.time() - engine["stamp_us"] / 1e6) if engine.get("stamp_us") else 0.0
        idle = "; an idle server's stamp stands still" if drift_s > CLOCK_DRIFT_S_MAX else ""
        yield Finding(
            check="server clock", verdict="ok", found=f"its newest stamp is {drift_s:.3f} s from here{idle}"
        )
        if engine.get("read_only"):
            yield Finding(
                check="server journal",
                verdict="failed",
                found=f"read-only: {engine['read_only']}",
                advice="free space on its disk; it goes on by itself",
            )
        else:
            yield Finding(check="server journal", verdict="ok", found="takes usage")


def _redis(url: str) -> Finding:
    import time

    from drawdown.storage import ping

    began = time.perf_counter()
    ping(url)
    took_ms = (time.perf_counter() - began) * 1000
    return Finding(check="redis", verdict="ok", found=f"answers in {took_ms:.1f} ms")


def _guarded(check: str, run: Callable[[], Iterator[Finding]], advice: str) -> Iterator[Finding]:
    try:
        yield from run()
    except (DrawdownError, OSError) as error:
        yield Finding(check=check, verdict="failed", found=str(error), advice=advice)


def findings(
    data: Path | None, target: str | None, api_key: str | None, redis: str | None
) -> Iterator[Finding]:
    """Every check in order; none raises."""
    yield _python()
    yield _extension()
    yield _descriptors()
    yield _clock()
    yield from _guarded("settings", lambda: iter([_settings()]), "correct the setting that it names")
    try:
        folder = folder_from(data)
    except DrawdownError:
        # The settings were found wanting already; a folder that they do not name is not looked at.
        yield Finding(check="data folder", verdict="skipped", found="the settings do not say which")
    else:
        yield from _folder(folder)
        yield _lock(folder)
    if target is None:
        yield Finding(check="server", verdict="skipped", found="none named; give --target")
    else:
        yield from _guarded("server", lambda: _server(target, api_key), "is it running there?")
    if redis is None:
        yield Finding(check="redis", verdict="skipped", found="none named; give --redis")
    else:
        yield from _guarded("redis", lambda: iter([_redis(redis)]), "snapshots resume when it is back")


def doctor(
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Data folder to look at.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="HOST:PORT", help="A running server to ask too.")
    ] = None,
    redis: Annotated[str | None, typer.Option(metavar="URL", help="The store of snapshots.")] = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Check the environment, the folder, the disk, the clock, a server and Redis. Changes nothing.

    Exits with 0 when nothing failed (warnings included), with 1 when something did.
    """
    found = list(findings(data, target, api_key, redis))
    if json:
        print_json(found)
    else:
        rows = [(each.check, each.verdict, each.found, each.advice) for each in found]
        console.print(table("Doctor", ["check", "verdict", "found", "what to do"], rows))
    if any(each.verdict == "failed" for each in found):
        raise typer.Exit(exit_codes.REFUSED)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(doctor)
