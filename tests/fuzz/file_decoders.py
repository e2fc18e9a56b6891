"""Every decoder of files and stored values that is written in Python, behind one form.

A decoder takes bytes and either takes them or raises one of its own errors; any other exception is a
finding. The corpora lie in ``corpus/python_*``; those of the engine's decoders beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drawdown.catalog.catalog_file import CatalogContent
from drawdown.cli.catalog_file_commands import content_of
from drawdown.cli.price_list import read_price_list
from drawdown.cli.trace_file import TraceFile
from drawdown.client.control.content import struct_of
from drawdown.errors import DrawdownError
from drawdown.model.api_key import key_id_of
from drawdown.storage.key_file import KeyFile
from drawdown.storage.redis_layout import GLOBAL, Manifest, Owner, RunFacts, seal, unseal

CORPUS = Path(__file__).resolve().parent / "corpus"
COLUMNS = {"input": "input_tokens", "output": "output_tokens"}

Decode = Callable[[bytes, Path], None]


@dataclass(frozen=True)
class Decoder:
    """One decoder; ``suffix`` is that of the file it reads."""

    name: str
    decode: Decode
    suffix: str = ""
    refusals: tuple[type[Exception], ...] = (DrawdownError,)

    def corpus(self) -> list[tuple[str, bytes]]:
        folder = CORPUS / f"python_{self.name}"
        return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]

    def takes(self, content: bytes, folder: Path) -> bool:
        """Whether the bytes were taken. Raises what a decoder must never raise."""
        path = folder / f"hostile{self.suffix}"
        path.write_bytes(content)
        try:
            self.decode(content, path)
        except self.refusals:
            return False
        return True


def _catalog(_: bytes, path: Path) -> None:
    struct_of(CatalogContent, content_of(path))


def _price_list(_: bytes, path: Path) -> None:
    read_price_list(path, COLUMNS, "id")


def _trace(_: bytes, path: Path) -> None:
    trace = TraceFile(path, time_column="when", account_column="who", quantity_columns=["prompt"])
    for row in trace.rows():
        assert all(quantity >= 0 for quantity in row.quantities)


def _keys(_: bytes, path: Path) -> None:
    (path.parent / "access").mkdir(exist_ok=True)
    path.replace(path.parent / "access" / "keys.json")
    KeyFile(path.parent).all_keys()


def _key_text(content: bytes, _: Path) -> None:
    if key_id_of(content.decode("utf-8", errors="replace")) is None:
        raise DrawdownError("no key")


def _owner(content: bytes, _: Path) -> None:
    owner = Owner.decoded(content)
    assert Owner.decoded(owner.encoded()) == owner


def _run_facts(content: bytes, _: Path) -> None:
    facts = RunFacts.decoded(content)
    assert RunFacts.decoded(facts.encoded()) == facts


def _manifest(content: bytes, _: Path) -> None:
    Manifest.decoded(content)


def _sealed(content: bytes, _: Path) -> None:
    assert seal(GLOBAL, unseal(GLOBAL, content, "global")) == content


DECODERS = (
    Decoder("catalog_toml", _catalog, ".toml"),
    Decoder("catalog_yaml", _catalog, ".yaml"),
    Decoder("price_list", _price_list, ".json"),
    Decoder("trace_csv", _trace, ".csv"),
    Decoder("trace_jsonl", _trace, ".jsonl"),
    Decoder("key_file", _keys, ".json"),
    Decoder("key_text", _key_text),
    Decoder("redis_owner", _owner, refusals=(ValueError,)),
    Decoder("redis_run_facts", _run_facts, refusals=(ValueError,)),
    Decoder("redis_manifest", _manifest, refusals=(ValueError,)),
    Decoder("redis_sealed", _sealed),
)
