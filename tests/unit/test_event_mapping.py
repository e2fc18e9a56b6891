"""The settings file's tables of CloudEvents: what is understood, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawdown.config import load
from drawdown.errors import ConfigError


def loaded(tmp_path: Path, text: str) -> object:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return load(file=str(file), environment={}).event_types


def test_tables_become_mappings_and_settings_stay_settings(tmp_path: Path) -> None:
    text = """
    http = "127.0.0.1:7080"
    [cloudevents."a.b".tokens]
    quantity = "$.usage.total"
    decimals = 2
    dimensions = { model = "request.model" }
    [cloudevents."a.b".requests]
    """
    types = loaded(tmp_path, text)
    assert set(types) == {"a.b"}  # type: ignore[call-overload]
    tokens, requests = types["a.b"].values()  # type: ignore[index]
    assert (tokens.quantity, tokens.decimals, tokens.optional) == ("$.usage.total", 2, False)
    assert tokens.dimensions == {"model": "request.model"}
    assert requests.quantity is None
    assert load(file=str(tmp_path / "settings.toml"), environment={}).process.http == "127.0.0.1:7080"
    assert load(environment={}).event_types == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cloudevents = 3", "give tables"),
        ('[cloudevents]\n"a" = 3', 'cloudevents."a": give a table per meter'),
        ('[cloudevents."a"]', "give a table per meter"),
        ('[cloudevents."a".m]\nquantty = "x"', "quantty"),
        ('[cloudevents."a".m]\nquantity = ""', 'cloudevents."a".m: '),
        ('[cloudevents."a".m]\nquantity = "x..y"', "names joined by points"),
        ('[cloudevents."a".m]\nquantity = 7', "quantity"),
        ('[cloudevents."a".m]\ndecimals = 13', "decimals"),
        ('[cloudevents."a".m]\ndimensions = { model = 1 }', "dimensions"),
        ("[cloud]\nx = 1", "there is no setting 'cloud'"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, text)
    assert said in str(raised.value)
    assert str(tmp_path) in str(raised.value)
