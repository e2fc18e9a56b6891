"""``drawdown settings``: every setting in one table, and the same table for docs/settings.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from drawdown.cli.options import JsonOption
from drawdown.cli.output import print_json, print_table
from drawdown.config import OTHER_VARIABLES, SETTINGS, load
from drawdown.model.setting import PREFIX, without_secrets


def settings(
    config: Annotated[Path | None, typer.Option(help="TOML file of settings, as for serve.")] = None,
    json: JsonOption = False,
) -> None:
    """List every setting with unit, range, default, environment variable, and what it is here.

    Exits with 64 when the environment or the file has one that cannot be: the same as a server would.
    """
    in_force = _in_force(config)
    if json:
        rows = [
            {**msgspec.to_builtins(each), "environment": each.environment, "in_force": in_force[each.name]}
            for each in SETTINGS.values()
        ]
        print_json(rows)
        return
    print_table(
        "Settings",
        ["setting", "in force", "default", "unit", "range", "environment", "meaning"],
        [
            (
                each.name,
                str(in_force[each.name]),
                str(each.default),
                each.unit,
                each.range,
                each.environment,
                each.description,
            )
            for each in SETTINGS.values()
        ],
    )


def _in_force(config: Path | None) -> dict[str, Any]:
    loaded = load(file=None if config is None else str(config))
    values = {**msgspec.structs.asdict(loaded.process), **msgspec.structs.asdict(loaded.engine)}
    return {
        name: without_secrets(name, value) if isinstance(value, str) else value
        for name, value in msgspec.to_builtins(values).items()
    }


def settings_table() -> str:
    """Every setting as a Markdown table."""
    rows = [
        "| Setting | Environment | Type | Unit | Default | Range | Meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS.values():
        default = "(none)" if setting.default in ("", {}) else str(setting.default).replace("True", "true")
        span = setting.range.replace("|", "\\|")
        rows.append(
            f"| `{setting.name}` | `{setting.environment}` | {setting.kind} | {setting.unit} "
            f"| `{default.replace('False', 'false')}` | {'`' + span + '`' if span else ''} "
            f"| {setting.description} |"
        )
    return "\n".join(rows) + "\n"


def variables_table() -> str:
    """What else is read from the environment."""
    rows = ["| Environment | Meaning |", "|---|---|"]
    rows += [f"| `{PREFIX}{name.upper()}` | {meaning} |" for name, meaning in OTHER_VARIABLES.items()]
    return "\n".join(rows) + "\n"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(settings)
