"""A mapping as TOML, for files that people keep under version control: stable order, one table per thing."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_BARE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def toml_text(content: Mapping[str, Any]) -> str:
    """The document. Values: text, whole numbers, truth values, ``Decimal`` (as text), lists, mappings."""
    lines = [f"{_key(name)} = {_inline(value)}" for name, value in content.items() if not _is_block(value)]
    for name, value in content.items():
        if _is_tables(value):
            for each in value:
                lines += ["", f"[[{_key(name)}]]", *_table(each, _key(name))]
        elif _is_table(value):
            lines += ["", f"[{_key(name)}]", *_table(value, _key(name))]
    return "\n".join(lines).strip("\n") + "\n"


def _table(content: Mapping[str, Any], path: str) -> list[str]:
    """Plain values first, then sub-tables, as TOML wants it."""
    plain = [f"{_key(name)} = {_listed(value)}" for name, value in content.items() if not _is_table(value)]
    nested: list[str] = []
    for name, value in content.items():
        if _is_table(value):
            below = f"{path}.{_key(name)}"
            nested += [f"[{below}]", *_table(value, below)]
    return plain + nested


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value)


def _is_tables(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(each, Mapping) for each in value)
    )


def _is_block(value: Any) -> bool:
    return _is_table(value) or _is_tables(value)


def _listed(value: Any) -> str:
    """Lists of tables one to a line, as what changes should be a line of a comparison."""
    if not _is_tables(value):
        return _inline(value)
    return "[\n" + "".join(f"  {_inline(each)},\n" for each in value) + "]"


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f'"{value:f}"'
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_inline(each)}" for name, each in value.items()) + " }"
    return "[" + ", ".join(_inline(each) for each in value) + "]"


def _quoted(text: str) -> str:
    """JSON's escapes are TOML's, but for one character that TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if name and set(name) <= _BARE else _quoted(name)
