"""Whatever the Python interface can do, a person can type; the exceptions stand here with their reasons."""

from __future__ import annotations

import ast

from drawdown.client.control import ControlMethods
from drawdown.model.command_methods import CommandMethods

from .tree import PACKAGE

METHODS_AT_LEAST = 90
NOT_TYPED = {
    "check_batch": "check asks one",
    "control": "what the methods are made of",
    "create_plan": "a catalog file has it, under version control",
    "create_product": "a catalog file has it",
    "execute_json": "import and replay use execute",
    "provider_callback": "the HTTP door takes it",
    "put_rate_card": "a catalog file has it; rate import --card",
    "recorder": "replay streams many",
    "transfer_of": "transfer of the same id shows it and changes nothing",
    "void_and_replace": "a group for programs",
    "watch_balances": "top shows them live",
    "watch_entitlements": "for programs",
}


def methods() -> set[str]:
    """Public methods of the interface, commands and control plane included."""
    from drawdown.client.interface import Database

    found = set()
    for each in (Database, CommandMethods, ControlMethods):
        for base in each.__mro__[:-1]:
            found |= {name for name, value in vars(base).items() if callable(value) and name[0] != "_"}
    return found - {"close", "register"}


def called() -> set[str]:
    """Names of the attributes that the command line calls; what only a show or a bench calls is not typed."""
    names = set()
    files = [file for file in (PACKAGE / "cli").glob("*.py") if not file.stem.startswith(("demo", "bench"))]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                names.add(node.func.attr)
    return names


def test_every_method_has_a_command() -> None:
    wanted = methods()
    assert len(wanted) >= METHODS_AT_LEAST, "the guard saw too few methods"
    missing = wanted - called()
    assert missing == NOT_TYPED.keys() & wanted - called(), sorted(missing - NOT_TYPED.keys())
    assert not NOT_TYPED.keys() - missing, "these have a command, or are gone"
