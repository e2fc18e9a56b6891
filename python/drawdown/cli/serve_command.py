"""``drawdown serve``: the server, in the foreground until SIGTERM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drawdown.errors import InvalidRequestError


def serve(
    data: Annotated[Path | None, typer.Option(help="Data folder; created if absent. Default ./data.")] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="gRPC address; port 0 picks a free one.")
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="CloudEvents and checks over HTTP; default: none."),
    ] = None,
    redis: Annotated[
        str | None, typer.Option(metavar="URL", help="Snapshots to Redis or Valkey; default: local only.")
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(metavar="URL", help="postgresql://… of the control plane; default: in the data folder."),
    ] = None,
    fsync: Annotated[
        str | None, typer.Option(help="always (durable when answered), interval=20ms, or os.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Prometheus metrics; default: none.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings; options override it.")] = None,
    insecure_listen: Annotated[
        bool | None, typer.Option("--insecure-listen", help="Allow plaintext off loopback.")
    ] = None,
    accept_clock: Annotated[
        bool | None, typer.Option("--accept-clock", help="Follow the wall clock across a long gap.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other setting; repeatable.")
    ] = None,
) -> None:
    """Serve until SIGTERM, then drain: acknowledge what is in flight, write a checkpoint, exit with 0.

    Prints one JSON line with the address once it is ready. All settings: docs/settings.md.
    """
    import os

    from drawdown.cli.options import pairs_from
    from drawdown.config import SETTINGS, load
    from drawdown.model.setting import PREFIX
    from drawdown.server.serve import run

    asked = pairs_from(setting, "set")
    unknown = sorted(set(asked) - set(SETTINGS))
    if unknown:
        raise InvalidRequestError(
            f"set: there is no setting {unknown[0]!r}; see docs/settings.md", field="set"
        )
    given = {f"{PREFIX}{name.upper()}": value for name, value in asked.items()}
    loaded = load(
        file=None if config is None else str(config),
        environment={**os.environ, **given},
        flags={
            "data": None if data is None else str(data),
            "listen": listen,
            "http": http,
            "redis": redis,
            "db": db,
            "fsync": fsync,
            "metrics": metrics,
            "insecure_listen": insecure_listen,
            "accept_clock": accept_clock,
            "log_level": log_level,
        },
    )
    raise typer.Exit(run(loaded))


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(serve)
