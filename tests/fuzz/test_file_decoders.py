"""Hostile bytes against every decoder written in Python: its own errors, never another exception.

``DRAWDOWN_FUZZ_ROUNDS`` and ``DRAWDOWN_FUZZ_SEED`` ask for more, and repeat a run.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.fuzz.file_decoders import DECODERS, Decoder

ROUNDS = int(os.environ.get("DRAWDOWN_FUZZ_ROUNDS", "400"))
SEED = int(os.environ.get("DRAWDOWN_FUZZ_SEED", "2026"))
TEXTS = [
    b"0",
    b"-1",
    b"1e999",
    b"9" * 40,
    b"\x00",
    b"\xff\xfe",
    b'"',
    b"{",
    b"[" * 3_000,
    b"NaN",
    b"2023-99-99",
    b"\n",
]


def mutated(source: random.Random, content: bytes, other: bytes) -> bytes:
    """The content changed in one to four places."""
    changed = bytearray(content)
    for _ in range(source.choice([1, 1, 2, 4])):
        at = source.randrange(len(changed) + 1)
        match source.randrange(7):
            case 0:
                del changed[at:]
            case 1:
                changed[at : at + 1] = bytes([source.randrange(256)])
            case 2:
                del changed[at : at + source.randrange(1, 9)]
            case 3:
                piece = changed[at : at + source.randrange(24)]
                changed[at:at] = piece
            case 4:
                start = source.randrange(len(other) + 1)
                changed[at : at + source.randrange(24)] = other[start : start + source.randrange(24)]
            case _:
                changed[at : at + source.randrange(8)] = source.choice(TEXTS)
    return bytes(changed)


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
def test_hostile_bytes_are_taken_or_refused_in_words(decoder: Decoder, tmp_path: Path) -> None:
    corpus = decoder.corpus()
    assert any(decoder.takes(content, tmp_path) for _, content in corpus), "no file of the corpus is taken"
    source = random.Random(SEED)
    refused = 0
    for number in range(ROUNDS):
        name, content = source.choice(corpus)
        hostile = mutated(source, content, source.choice(corpus)[1])
        try:
            refused += not decoder.takes(hostile, tmp_path)
        except Exception as raised:
            raise AssertionError(
                f"{decoder.name}, round {number} of seed {SEED}, from {name}: {type(raised).__name__}: "
                f"{raised}: {hostile[:300]!r}"
            ) from raised
    assert refused > ROUNDS // 20, f"{refused} of {ROUNDS} refused: the changes show nothing"
