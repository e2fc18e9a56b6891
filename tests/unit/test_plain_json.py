"""Amounts leave as plain decimal text, however small; all else as the encoder writes it."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from drawdown.model.plain_json import plain_builtins, plain_json

AT = datetime(2026, 1, 31, tzinfo=UTC)


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    amount: Decimal
    parts: tuple[tuple[str, Decimal], ...] = ()
    facts: dict[str, object] = {}
    absent: Decimal | None = None


def test_no_amount_has_an_exponent() -> None:
    small = Decimal("1E-9")
    shown = Shown(amount=small, parts=(("g", -small),), facts={"held": small, "at": AT, "note": "1E-9"})
    assert json.loads(plain_json(shown)) == {
        "amount": "0.000000001",
        "parts": [["g", "-0.000000001"]],
        # What was said in words stays as it was said.
        "facts": {"held": "0.000000001", "at": "2026-01-31T00:00:00Z", "note": "1E-9"},
    }
    assert plain_builtins(shown)["amount"] == "0.000000001"
    assert json.loads(plain_json([Decimal("1E+3"), Decimal("0E-9")])) == ["1000", "0.000000000"]


def test_what_has_no_small_amount_is_what_the_encoder_writes() -> None:
    shown = Shown(amount=Decimal("12.50"), facts={"at": AT})
    assert plain_json(shown) == msgspec.json.encode(shown)
