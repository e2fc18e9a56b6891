"""Who may import whom: downwards in the order of rooms, and the three single doors."""

from __future__ import annotations

import ast
from pathlib import Path

from .tree import PACKAGE, shown

# A room may import the rooms before it. Modules of the package's own top level stand where they belong.
ORDER = (
    "errors",
    "model",
    "config",
    "v1",
    "messages",
    "engine",
    "catalog",
    "subscriptions",
    "billing",
    "payments",
    "notices",
    "storage",
    "runtime",
    "server",
    "client",
    "embedded_notices",
    "embedded_recorder",
    "embedded_watch",
    "embedded",
    "aio",
    "cli",
    "__main__",
)
# Importable by these rooms only, wherever else they may stand in the order.
DOORS = {
    "drawdown._engine": {"engine"},
    "redis": {"storage"},
    "hiredis": {"storage"},
    "sqlalchemy": {"storage"},
    "alembic": {"storage"},
    "drawdown.v1": {"v1", "server", "client"},
    "grpc": {"v1", "server", "client"},
    "grpc_health": {"server", "client"},
    "grpc_reflection": {"server"},
    "grpc_status": {"server", "client"},
}
PURE = {"errors", "model", "catalog", "subscriptions", "billing"}
IMPURE_MODULES = {
    "socket",
    "subprocess",
    "threading",
    "asyncio",
    "time",
    "random",
    "os",
    "pathlib",
    "sqlite3",
}
# The one clock among the words: it stamps what a caller reports. Rules take time as an argument.
CLOCKS = {("instants.py", "time")}
MODULES_AT_LEAST = 30
IMPORTS_AT_LEAST = 150


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[str]:
    """Absolute dotted names a module imports, wherever the import statement stands."""
    relative = path.relative_to(PACKAGE.parent).with_suffix("")
    package = list(relative.parts if path.name == "__init__.py" else relative.parts[:-1])
    if package and package[-1] == "__init__":
        package.pop()
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            found.extend(f"{module}.{alias.name}" for alias in node.names)
    return found


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def test_rooms_import_downwards_only() -> None:
    """No room imports a room that stands after it, and no module stands outside the rooms."""
    wrong: list[str] = []
    seen = 0
    for path in modules():
        room = room_of(path)
        if room == "__init__":
            continue
        if room not in ORDER:
            wrong.append(f"{shown(path)}: {room!r} is not a room; add it to ORDER where it belongs")
            continue
        for name in imports_of(path):
            seen += 1
            parts = name.split(".")
            if parts[0] != "drawdown" or len(parts) < 2 or parts[1] in {"_engine", room}:
                continue
            if parts[1] in ORDER and ORDER.index(parts[1]) > ORDER.index(room):
                wrong.append(f"{shown(path)}: room {room!r} imports {name}, which stands above it")
    assert not wrong, "\n".join(wrong)
    assert len(modules()) >= MODULES_AT_LEAST, "the guard saw too few modules"
    assert seen >= IMPORTS_AT_LEAST, "the guard saw too few imports"


def test_each_door_has_one_room_behind_it() -> None:
    """``_engine``, ``redis``, ``v1`` and ``grpc`` are imported by their rooms and nobody else."""
    wrong: list[str] = []
    met: set[str] = set()
    for path in modules():
        room = room_of(path)
        for name in imports_of(path):
            for door, rooms in DOORS.items():
                if name == door or name.startswith(door + "."):
                    met.add(door)
                    if room not in rooms:
                        wrong.append(f"{shown(path)}: imports {name}; only {sorted(rooms)} may")
    assert not wrong, "\n".join(wrong)
    assert {"drawdown._engine", "redis", "drawdown.v1", "grpc"} <= met, f"the guard met only {sorted(met)}"


def test_pure_rooms_do_no_io() -> None:
    """Words and rules neither read a clock nor touch files, sockets or threads."""
    wrong = [
        f"{shown(path)}: a pure room imports {name}"
        for path in modules()
        if room_of(path) in PURE
        for name in imports_of(path)
        if name.split(".")[0] in IMPURE_MODULES and (path.name, name) not in CLOCKS
    ]
    assert not wrong, "\n".join(wrong)


def test_importing_the_package_is_light() -> None:
    """``drawdown/__init__.py`` itself imports neither grpc, redis nor the extension."""
    heavy = ("grpc", "redis", "google", "uvloop", "typer", "rich")
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    top = [
        name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    ]
    assert not [name for name in top if name.split(".")[0] in heavy or name.endswith("_engine")]
