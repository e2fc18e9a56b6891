"""``drawdown``: the list of commands, and how an exception becomes an exit code."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from drawdown.cli import (
    account_commands,
    bench_command,
    catalog_commands,
    catalog_file_commands,
    demo_command,
    doctor_command,
    folder_commands,
    grant_commands,
    import_command,
    invoice_commands,
    invoice_credit_commands,
    keys_commands,
    ledger_commands,
    notice_commands,
    pack_commands,
    purchase_commands,
    replay_command,
    report_commands,
    reservation_commands,
    salvage_command,
    serve_command,
    settings_command,
    subscription_commands,
    top_command,
    usage_commands,
)
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.exit_codes import INTERNAL, MEANINGS, UNAVAILABLE, exit_code_of
from drawdown.cli.written_output import Commands, reader_is_gone
from drawdown.errors import DrawdownError

app = CommandGroup(
    name="drawdown",
    help="Usage metering and prepaid credits: durable, exactly-once, atomic debits.",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items()) + ".",
    add_completion=False,
    pretty_exceptions_enable=False,
    cls=Commands,
)


def _show_version(asked: bool) -> None:
    if asked:
        from drawdown import __version__
        from drawdown.engine import build_info

        build = build_info()
        facts = f"{build['profile']} build, journal format {build['journal_format']}"
        planted = f", planted bugs: {build['planted_bugs']}" if build["planted_bugs"] else ""
        typer.echo(f"drawdown {__version__} ({facts}{planted})")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version and build.")
    ] = False,
) -> None:
    """Usage metering and prepaid credits: durable, exactly-once, atomic debits."""


for commands in (
    serve_command,
    settings_command,
    demo_command,
    bench_command,
    replay_command,
    usage_commands,
    reservation_commands,
    grant_commands,
    import_command,
    salvage_command,
    folder_commands,
    ledger_commands,
    top_command,
    doctor_command,
    account_commands,
    catalog_commands,
    catalog_file_commands,
    subscription_commands,
    purchase_commands,
    pack_commands,
    invoice_commands,
    invoice_credit_commands,
    notice_commands,
    report_commands,
    keys_commands,
):
    commands.register(app)


def main() -> None:
    """Run one command; errors are one sentence on standard error and an exit code."""
    try:
        app()
    except SystemExit as ended:
        # A reader that has gone: the command did its work, and what it told was not read.
        if reader_is_gone() and not ended.code:
            sys.exit(UNAVAILABLE)
        raise
    except DrawdownError as error:
        typer.echo(f"error: {error.message}", err=True)
        sys.exit(exit_code_of(error))
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
    except Exception as error:
        # Where it happened is of use to whoever mends it, and to nobody else: the sentence comes last.
        traceback.print_exc()
        typer.echo(
            f"this is a fault of drawdown itself, please report it: {type(error).__name__}: {error}", err=True
        )
        sys.exit(INTERNAL)


if __name__ == "__main__":
    main()
