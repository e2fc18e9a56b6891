"""Bad input of commands: refused with a status, the field's name, and a sentence that a person can use."""

from __future__ import annotations

import json
from typing import Any

import pytest
from drawdown import _engine

from tests.model.engine_world import EngineWorld
from tests.model.worlds import NOON, advance, create_grant, grant, policy, set_rate, void_and_replace

YEAR_1 = -62_135_596_800_000_000
YEAR_10000 = 253_402_300_800_000_000

EDGE = {"type": "set_period_edge", "account": "acme"}
ADVANCE = {"type": "advance_clock", "account": "acme"}

INVALID: list[tuple[str, dict[str, Any], str, str]] = [
    ("empty-account", {"type": "create_account", "account": ""}, "account", "empty"),
    ("long-account", {"type": "create_account", "account": "a" * 129}, "account", "128"),
    ("control-character", {"type": "create_account", "account": "a\nb"}, "account", "control"),
    ("scale-13", {"type": "create_credit_type", "name": "gold", "scale": 13}, "scale", "12"),
    ("empty-credit-type", {"type": "create_credit_type", "name": ""}, "name", "empty"),
    ("quantity-scale-13", {"type": "create_meter", "key": "m", "quantity_scale": 13}, "quantity_scale", "12"),
    ("rate-and-tiers", set_rate("bytes", credits="1", tiers=[{"credits": "1"}]), "credits", "tiers"),
    ("neither-rate-nor-tiers", set_rate("bytes"), "credits", "tiers"),
    ("negative-rate", set_rate("bytes", credits="-1"), "credits", "negative"),
    ("rate-not-a-decimal", set_rate("bytes", credits="1e3"), "credits", "1e3"),
    ("per-zero", set_rate("bytes", credits="1", per="0"), "per", "0"),
    ("last-tier-ends", set_rate("bytes", tiers=[{"up_to": "5", "credits": "1"}]), "tiers", "last"),
    (
        "tiers-descend",
        set_rate(
            "bytes", tiers=[{"up_to": "5", "credits": "1"}, {"up_to": "5", "credits": "1"}, {"credits": "1"}]
        ),
        "tiers",
        "above the one before",
    ),
    ("amount-zero", create_grant("g", "0"), "amount", "0"),
    ("amount-negative", create_grant("g", "-1"), "amount", "above 0"),
    ("amount-beyond-scale", create_grant("g", "0.001"), "amount", "0.001"),
    ("amount-exponent", create_grant("g", "1e2"), "amount", "1e2"),
    ("priority-0", create_grant("g", "1", priority=0), "priority", "100"),
    ("priority-101", create_grant("g", "1", priority=101), "priority", "100"),
    ("empty-scope", create_grant("g", "1", scope=[]), "scope", "empty"),
    (
        "ends-before-it-begins",
        create_grant("g", "1", effective_at=5, expires_at=5),
        "expires_at",
        "effective_at",
    ),
    ("empty-grant-id", create_grant("", "1"), "grant_id", "empty"),
    ("long-grant-id", create_grant("g" * 129, "1"), "grant_id", "128"),
    ("overdraft-without-limit", policy("overdraft"), "limit", "overdraft"),
    ("overdraft-below-zero", policy("overdraft", limit="-1"), "limit", "negative"),
    ("cap-below-zero", policy("overage", price="1", cap="-1"), "cap", "negative"),
    ("edge-too-near", {**EDGE, "at": NOON}, "at", "margin"),
    ("clock-back", {**ADVANCE, "to": NOON - 1}, "to", "back"),
    ("clock-at-the-end-of-numbers", {**ADVANCE, "to": 2**63 - 1}, "to", "9999"),
    ("clock-past-9999", {**ADVANCE, "to": YEAR_10000}, "to", "9999"),
    (
        "clock-begins-past-9999",
        {"type": "create_account", "account": "a", "test_clock": YEAR_10000},
        "test_clock",
        "9999",
    ),
    ("edge-past-9999", {**EDGE, "at": YEAR_10000}, "at", "9999"),
    ("begins-past-9999", create_grant("g", "1", effective_at=YEAR_10000), "effective_at", "9999"),
    ("ends-past-9999", create_grant("g", "1", expires_at=YEAR_10000), "expires_at", "9999"),
    ("begins-before-year-1", create_grant("g", "1", effective_at=YEAR_1 - 1), "effective_at", "9999"),
    (
        "replacement-ends-past-9999",
        void_and_replace(["seed"], grant("g", "1", expires_at=YEAR_10000)),
        "expires_at",
        "9999",
    ),
    (
        "released-past-9999",
        {"type": "release_grant", "account": "acme", "grant_id": "seed", "expires_at": YEAR_10000},
        "expires_at",
        "9999",
    ),
    ("rate-past-9999", set_rate("bytes", credits="1", valid_from=YEAR_10000), "valid_from", "9999"),
    ("rate-before-year-1", set_rate("bytes", credits="1", valid_from=YEAR_1 - 1), "valid_from", "9999"),
    (
        "table-past-9999",
        {"type": "assign_rate_table", "account": "acme", "table": "t", "valid_from": YEAR_10000},
        "valid_from",
        "9999",
    ),
    ("overage-apart-past-9999", policy("overage", price="1", since=YEAR_10000), "since", "9999"),
]


def seeded(engine: EngineWorld) -> EngineWorld:
    engine.do(create_grant("seed", "10"))
    return engine


@pytest.mark.parametrize(
    ("command", "field", "fragment"), [r[1:] for r in INVALID], ids=[r[0] for r in INVALID]
)
@pytest.mark.behaviour("S1-11")
def test_invalid_names_the_field_and_what_is_wrong(
    engine: EngineWorld, command: dict[str, Any], field: str, fragment: str
) -> None:
    """The outcome says INVALID, which field, and why; nothing changed."""
    digest = seeded(engine).side.engine.digest()
    outcome = engine.execute([command])[0]
    assert outcome["status"] == "INVALID"
    assert field in outcome["field"], outcome
    assert fragment in outcome["reason"], outcome
    assert digest == engine.side.engine.digest()


def test_the_last_and_the_first_instant_there_are(engine: EngineWorld) -> None:
    """From the first microsecond of year 1 to the last of 9999, as at every other door."""
    engine.do(
        create_grant("g", "1", effective_at=YEAR_1, expires_at=YEAR_10000 - 1),
        set_rate("bytes", credits="1", valid_from=YEAR_1),
        advance(YEAR_10000 - 1),
    )
    assert engine.grants()["g"].state == "expired"


UNREADABLE: list[tuple[str, bytes, str]] = [
    ("not-json", b"[{", "line 1"),
    ("not-an-array", b'{"type": "create_account", "account": "a"}', "sequence"),
    ("unknown-command", b'[{"type": "make_coffee"}]', "make_coffee"),
    ("unknown-field", b'[{"type": "create_account", "account": "a", "colour": 1}]', "colour"),
    ("missing-field", b'[{"type": "create_account"}]', "account"),
    (
        "priority-fraction",
        b'[{"type":"create_grant","account":"acme","grant":{"grant_id":"g","credit_type":"credits","amount":"1","priority":1.5}}]',
        "1.5",
    ),
    (
        "amount-float",
        b'[{"type":"create_grant","account":"acme","grant":{"grant_id":"g","credit_type":"credits","amount":1.5}}]',
        "",
    ),
    ("invalid-utf8", b'[{"type": "create_account", "account": "\xff"}]', ""),
]


@pytest.mark.parametrize(
    ("sent", "fragment"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
@pytest.mark.behaviour("S1-11")
def test_what_cannot_be_understood_raises_and_changes_nothing(
    engine: EngineWorld, sent: bytes, fragment: str
) -> None:
    """Bytes that are no group of commands: a definite error that names the culprit."""
    digest = seeded(engine).side.engine.digest()
    with pytest.raises(_engine.InvalidRequestError) as caught:
        engine.side.engine.execute(sent)
    assert fragment in str(caught.value)
    assert caught.value.definite is True
    assert digest == engine.side.engine.digest()


@pytest.mark.parametrize(
    ("command", "statuses"),
    [
        (create_grant("g", "1", to="nobody"), {"ACCOUNT_UNKNOWN"}),
        ({**policy("hard"), "account": "nobody"}, {"ACCOUNT_UNKNOWN"}),
        ({**EDGE, "account": "nobody", "at": 2**57}, {"ACCOUNT_UNKNOWN"}),
        ({"type": "suspend_account", "account": "nobody"}, {"ACCOUNT_UNKNOWN"}),
        ({"type": "release_grant", "account": "acme", "grant_id": "x"}, {"GRANT_UNKNOWN"}),
        (void_and_replace(["x"]), {"GRANT_UNKNOWN"}),
        (set_rate("nothing", credits="1"), {"METER_UNKNOWN", "INVALID"}),
        (set_rate("bytes", credit_type="gold", credits="1"), {"INVALID"}),
        (create_grant("g", "1", scope=["nothing"]), {"METER_UNKNOWN"}),
        (create_grant("g", "1", credit_type="gold"), {"INVALID"}),
        (create_grant("g", "92233720368547758.08"), {"INVALID"}),
        ({"type": "create_credit_type", "name": "credits", "scale": 3}, {"CONFLICT"}),
        ({"type": "create_meter", "key": "calls", "quantity_scale": 2}, {"CONFLICT"}),
    ],
    # A set's words in order: workers beside each other must find the same ids.
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else str(value),
)
def test_commands_about_what_is_unknown_or_already_otherwise(
    engine: EngineWorld, command: dict[str, Any], statuses: set[str]
) -> None:
    outcome = engine.execute([command])[0]
    assert outcome["status"] in statuses
    assert json.dumps(outcome)


def test_ids_of_128_bytes_are_taken_and_129_refused(engine: EngineWorld) -> None:
    """Bytes, not characters: 64 two-byte letters fit, 65 do not."""
    assert engine.try_do({"type": "create_account", "account": "é" * 64}) == ["OK"]
    assert engine.try_do({"type": "create_account", "account": "é" * 65}) == ["INVALID"]
    engine.do(create_grant("g", "5"))
    assert engine.use("calls", 1, event_id="é" * 64).status == "OK"
    assert engine.use("calls", 1, event_id="é" * 64).status == "DUPLICATE"
    assert engine.use("calls", 1, event_id="").status == "INVALID"
    assert engine.use("calls", 1, event_id="a" * 129).status == "INVALID"


@pytest.mark.parametrize(
    "settings", [{"dedupe_windows": 1}, {"dedupe_bucket_us": 1}, {"guaranteed_window_us": -1}], ids=str
)
def test_bad_settings_refuse_to_open_and_name_the_setting(tmp_path: Any, settings: dict[str, int]) -> None:
    with pytest.raises(_engine.InvalidRequestError, match=next(iter(settings))):
        _engine.Engine.open(str(tmp_path / "data"), json.dumps(settings).encode())
