"""Groups of commands, and how a command is told which database it works on."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, Final, TypeVar

import typer

from drawdown.cli.options import ApiKeyOption, DatabaseOptions, DataOption, TargetOption

CommandT = TypeVar("CommandT", bound=Callable[..., None])

TYPED: Final = tuple(
    Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=option)
    for name, option in (("data", DataOption), ("target", TargetOption), ("api_key", ApiKeyOption))
)
"""What stands on the command line for a command's ``options``."""


class CommandGroup(typer.Typer):
    """Commands of one subject. One that has a parameter ``options: DatabaseOptions`` takes --data, --target
    and --api-key for it, which are declared nowhere else.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(no_args_is_help=True, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[CommandT], CommandT]:
        """Add the function below as a command; the function itself stays as it is."""
        add = super().command(name, **settings)

        def added(command: CommandT) -> CommandT:
            add(_with_options_typed(command))
            return command

        return added


def _with_options_typed(command: Callable[..., None]) -> Callable[..., None]:
    """The command as Typer can declare it: with the database options one by one."""
    signature = inspect.signature(command, eval_str=True)
    if "options" not in signature.parameters:
        return command

    @functools.wraps(command)
    def typed(*, data: Any, target: Any, api_key: Any, **own: Any) -> None:
        command(options=DatabaseOptions(data, target, api_key), **own)

    parameters: list[Parameter] = []
    for name, each in signature.parameters.items():
        parameters += TYPED if name == "options" else [each]
    typed.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return typed
