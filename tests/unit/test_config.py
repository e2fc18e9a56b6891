"""Settings: precedence, ranges, and errors that name the setting and its source."""

import re
from pathlib import Path

import msgspec
import pytest
from drawdown import config
from drawdown.cli.settings_command import settings_table
from drawdown.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "drawdown"


def test_flags_pass_the_environment_which_passes_the_file(tmp_path: Path) -> None:
    file = tmp_path / "drawdown.toml"
    file.write_text('data = "from-file"\nlisten = "127.0.0.1:1"\nstreams_max = 7\n')
    loaded = config.load(
        file=str(file),
        environment={"DRAWDOWN_DATA": "from-environment", "DRAWDOWN_STREAMS_MAX": "8", "PATH": "x"},
        flags={"data": "from-flags", "redis": None},
    )
    assert loaded.process.data == "from-flags"
    assert loaded.process.streams_max == 8
    assert loaded.process.listen == "127.0.0.1:1"
    assert loaded.process.redis == ""


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"flags": {"listn": "x"}}, "listn", "did you mean 'listen'"),
        ({"environment": {"DRAWDOWN_LISTN": "x"}}, "listn", "DRAWDOWN_LISTN"),
        ({"environment": {"DRAWDOWN_STREAMS_MAX": "many"}}, "streams_max", "environment"),
        ({"flags": {"streams_max": 0}}, "streams_max", ">= 1"),
        ({"flags": {"streams_max": "7"}}, "streams_max", "int"),
        ({"flags": {"fsync": "sometimes"}}, "fsync", "sometimes"),
        ({"flags": {"listen": "7070"}}, "listen", "HOST:PORT"),
        ({"flags": {"listen": "127.0.0.1:70000"}}, "listen", "HOST:PORT"),
        (
            {"flags": {"guaranteed_window_s": 90, "dedupe_window_s": 60}},
            "guaranteed_window_s",
            r"\(90\) is more than dedupe_window_s \(60\)",
        ),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, dict[str, object]], field: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        config.load(**{"environment": {}, **given})  # type: ignore[arg-type]
    assert refused.value.field == field


def test_unknown_keys_in_the_file_are_errors(tmp_path: Path) -> None:
    file = tmp_path / "drawdown.toml"
    file.write_text("colour = 'red'\n")
    with pytest.raises(ConfigError, match="colour"):
        config.load(file=str(file), environment={})
    file.write_text("= broken")
    with pytest.raises(ConfigError, match="not TOML"):
        config.load(file=str(file), environment={})
    with pytest.raises(ConfigError, match="absent"):
        config.load(file=str(tmp_path / "absent.toml"), environment={})


def test_the_table_has_a_row_per_setting_with_its_environment_variable() -> None:
    """Every field of every section, in code and in docs/settings.md; numbers have a unit and a range."""
    rows = [line for line in settings_table().splitlines() if line.startswith("| `")]
    fields = {
        each.name
        for section in (config.ProcessConfig, config.EngineConfig)
        for each in msgspec.structs.fields(section)
    }
    assert set(config.SETTINGS) == fields and len(fields) >= 50
    document = (ROOT / "docs" / "settings.md").read_text("utf-8").splitlines()
    for setting, row in zip(config.SETTINGS.values(), rows, strict=True):
        assert setting.environment in row
        assert setting.description in row
        assert row in document
        if setting.kind == "int":
            assert setting.unit and setting.range, setting.name


def test_every_setting_is_read_somewhere() -> None:
    """One that nothing reads says something that is not so."""
    sources = [path for path in PACKAGE.rglob("*.py") if path.name != "config.py" or path.parent != PACKAGE]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    text += (PACKAGE / "config.py").read_text("utf-8").partition("def engine_settings")[2]
    assert not [name for name in config.SETTINGS if f".{name}" not in text and f'"{name}"' not in text]


def test_no_variable_of_the_environment_is_missing() -> None:
    """What is read from the environment anywhere in the product is a setting or on the other list."""
    known = {each.environment for each in config.SETTINGS.values()}
    known |= {config.PREFIX + name.upper() for name in config.OTHER_VARIABLES}
    document = (ROOT / "docs" / "settings.md").read_text("utf-8")
    found: set[str] = set()
    tests = {path for path in ROOT.glob("rust/*/src/hand_offs*") for path in [path, *path.glob("*")]}
    for path in {*PACKAGE.rglob("*.py"), *ROOT.glob("rust/*/src/**/*.rs")} - tests:
        found |= set(re.findall(r"DRAWDOWN_[A-Z_]*[A-Z]", path.read_text("utf-8")))
    assert len(found) >= 5, "the guard saw too few variables"
    assert found <= known, found - known
    assert not [name for name in known if f"`{name}`" not in document]


def test_every_default_lies_in_its_own_range() -> None:
    given = {name: setting.default for name, setting in config.SETTINGS.items()}
    assert config.load(environment={}, flags=given) == config.Config()


def test_at_start_a_gap_longer_than_the_dedupe_window_needs_a_clock_to_trust() -> None:
    """The engine was never told, so that it was 35 days whatever the window."""
    for window_s in (86_400, 366 * 86_400):
        given = config.load(environment={}, flags={"dedupe_window_s": window_s}).engine_settings()
        assert given["start_gap_max_s"] == window_s
