"""What is written down in several languages is the same in all of them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import drawdown._engine as module
import msgspec
from drawdown.engine import status_names
from drawdown.messages import field_types as message_hints
from drawdown.model.status import STATUS_NAMES
from drawdown.v1 import usage_pb2

from .tree import PACKAGE, ROOT

RUST_STATUS = ROOT / "rust" / "drawdown-core" / "src" / "status.rs"
STATUSES_COUNT = 16


def test_statuses_are_equal_in_rust_proto_and_python() -> None:
    """The closed list of outcomes: same names, same numbers, same order of precedence."""
    declared = re.findall(r"^    (\w+) = (\d+),$", RUST_STATUS.read_text(encoding="utf-8"), re.MULTILINE)
    in_source = [re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() for name, _ in declared]
    assert [int(number) for _, number in declared] == list(range(1, STATUSES_COUNT + 1))
    in_proto = [
        value.name.removeprefix("STATUS_")
        for value in sorted(usage_pb2.Status.DESCRIPTOR.values, key=lambda value: value.number)
        if value.number
    ]
    assert in_source == list(status_names()) == in_proto == list(STATUS_NAMES)


def test_the_stub_names_what_the_extension_has() -> None:
    """Every public name of the compiled module stands in the stub, and the other way round."""
    tree = ast.parse((PACKAGE / "_engine.pyi").read_text(encoding="utf-8"))
    stubbed: dict[str, set[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            stubbed[node.name] = {
                each.name
                for each in node.body
                if isinstance(each, ast.FunctionDef) and not each.name.startswith("__")
            }
        elif isinstance(node, ast.FunctionDef):
            stubbed[node.name] = set()
    assert len(stubbed) >= 15, "the guard saw too few names"
    public = {name for name in dir(module) if not name.startswith("_")}
    assert public == set(stubbed)
    for name, methods in stubbed.items():
        built = getattr(module, name)
        if isinstance(built, type) and not issubclass(built, Exception):
            assert {each for each in vars(built) if not each.startswith("__")} == methods, name


def test_the_package_version_is_the_workspace_version() -> None:
    """One version, in one place."""
    import drawdown

    (version,) = re.findall(
        r'^\[workspace\.package\]\nversion = "([^"]+)"',
        (ROOT / "Cargo.toml").read_text("utf-8"),
        re.MULTILINE,
    )
    assert drawdown.__version__ == version == module.__version__


def test_generated_code_is_what_the_schema_says() -> None:
    """``drawdown/v1`` is exactly what tools/gen_proto.py makes of ``proto/``."""
    checked = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "gen_proto.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_awaited_methods_are_what_the_plain_ones_say() -> None:
    """``client/control/awaited.py`` is exactly what tools/gen_awaited.py makes of its neighbours."""
    checked = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "gen_awaited.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_requests_and_answers_have_the_fields_of_their_messages() -> None:
    """Every call of the control plane: the same field names, nested ones too, in Struct and message."""
    from drawdown.client.control import over_grpc
    from drawdown.runtime.control import concepts
    from drawdown.runtime.control.registry import CALLS

    assert concepts
    assert len(CALLS) >= 18, "the guard saw too few calls"
    seen: set[tuple[str, str]] = set()
    for request in CALLS:
        method = over_grpc.method_of(request.rpc)
        assert method.input_type.name == request.__name__ + "Request", request.rpc
        compare_fields(request, method.input_type, seen)
        compare_fields(request.answer, method.output_type, seen)
    assert len(seen) >= 40, "the guard saw too few messages"


def compare_fields(struct: type[msgspec.Struct], message: Any, seen: set[tuple[str, str]]) -> None:
    """The same names here and below; ``seen`` keeps what was compared."""
    key = (struct.__name__, message.full_name)
    if key in seen:
        return
    seen.add(key)
    hints = message_hints(struct)
    assert set(hints) == {field.name for field in message.fields}, key
    for field in message.fields:
        inner = hints[field.name]
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            compare_fields(inner, field.message_type, seen)


def test_generated_documents_are_current() -> None:
    """The settings table and the command reference are those of the code."""
    checked = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "gen_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


PROTO_FIELD = re.compile(r"^(?:optional |repeated )?[\w.]+(?:<\w+, \w+>)? (\w+) = \d+;")


def test_every_proto_field_is_documented() -> None:
    """The schema is the reference for other languages: unit, range and absence stand above the field."""
    bare: list[str] = []
    seen = 0
    for path in sorted(Path(ROOT / "proto").rglob("*.proto")):
        above = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            text = line.strip()
            if PROTO_FIELD.match(text):
                seen += 1
                if not above.startswith("//"):
                    bare.append(f"{path.name}:{number}: {text}")
            above = text
    assert seen > 1000
    assert not bare, "\n".join(bare)
