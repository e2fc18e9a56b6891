"""Where output goes that cannot be written: to a file that cannot be made, or a reader that has gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from drawdown.cli.exit_codes import UNAVAILABLE
from drawdown.errors import InvalidRequestError


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Raises ``InvalidRequestError`` naming ``output`` where the file cannot be written."""
    try:
        yield
    except OSError as fault:
        raise cannot_be_written(file, fault) from fault


def cannot_be_written(file: Path, fault: OSError) -> InvalidRequestError:
    """What to do about it."""
    # The errno alone: pyarrow's own text has more of it than of the reason.
    why = os.strerror(fault.errno) if fault.errno else str(fault)
    return InvalidRequestError(
        f"output: {str(file)!r} cannot be written ({why}); name a file in a folder "
        "that is there, may be written to and has room",
        field="output",
    )


def reader_is_gone() -> bool:
    """Send what waits for standard output; where nobody reads it any more it goes nowhere from now on."""
    try:
        sys.stdout.flush()
        return False
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True


class Commands(TyperGroup):
    """All commands. Typer itself would end one whose reader has gone with 1, which means "refused"."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the command line; some options print and end here."""
        with _own_exit_code():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is asked for."""
        with _own_exit_code():
            return super().invoke(ctx)


@contextmanager
def _own_exit_code() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise typer.Exit(UNAVAILABLE) from None
