"""Settings: where they come from, which goes before which, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamer.config import SETTINGS, Settings, data_dir, load
from streamer.errors import InvalidParameter, UnknownParameter
from streamer.providers import Provider


def file_of(path: Path, text: str) -> Path:
    file = path / "streamer.toml"
    file.write_text(text)
    return file


def test_every_row_is_a_field_with_help_and_a_flag() -> None:
    assert {row.name for row in SETTINGS} == set(Settings.__dataclass_fields__)
    for row in SETTINGS:
        assert row.help
        assert row.help[-1] in ".)"
        assert row.flag == "--" + row.name.replace("_", "-")
        assert row.environment == "STREAMER_" + row.name.upper()


def test_defaults_hold_without_any_source() -> None:
    assert load(environment={}) == Settings()


def test_flag_goes_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = file_of(tmp_path, "port = 1\nping_s = 1\nidle_s = 1")
    environment = {"STREAMER_PORT": "2", "STREAMER_PING_S": "2"}
    settings = load({"port": "3"}, environment, file)
    assert (settings.port, settings.ping_s, settings.idle_s) == (3, 2.0, 1.0)
    assert settings.drain_s == Settings().drain_s


def test_flags_not_given_leave_the_rest_alone() -> None:
    assert load({"port": None}, {"STREAMER_PORT": "7"}).port == 7


def test_lists_and_tables_are_read_from_text() -> None:
    settings = load(
        {"engines": "tone, hibari"},
        {"STREAMER_VOICE_ALIASES": "alloy=heart, nova = low", "STREAMER_ORIGINS": ""},
    )
    assert settings.engines == ["tone", "hibari"]
    assert settings.voice_aliases == {"alloy": "heart", "nova": "low"}
    assert settings.origins == []


def test_file_gives_lists_and_tables_their_toml_form(tmp_path: Path) -> None:
    file = file_of(tmp_path, 'engines = ["tone"]\nvoice_aliases = {alloy = "heart"}')
    settings = load(environment={}, file=file)
    assert settings.engines == ["tone"]
    assert settings.voice_aliases == {"alloy": "heart"}


@pytest.mark.parametrize(
    ("flags", "environment", "text"),
    [
        ({"prt": "1"}, {}, ""),
        ({}, {"STREAMER_PRT": "1"}, ""),
        ({}, {}, "prt = 1"),
    ],
)
def test_unknown_key_is_named(
    flags: dict[str, str], environment: dict[str, str], text: str, tmp_path: Path
) -> None:
    with pytest.raises(UnknownParameter) as caught:
        load(flags, environment, file_of(tmp_path, text))
    assert caught.value.param == "prt"
    assert "prt" in caught.value.message.lower()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "many"),
        ("port", "-1"),
        ("port", "80.5"),
        ("ping_s", "soon"),
        ("port", "65536"),
        ("ping_s", "0"),
        ("ping_s", "nan"),
        ("log_level", "loud"),
        ("tls", "other"),
        ("max_contexts", "0"),
        ("voice_aliases", "alloy"),
    ],
)
def test_bad_value_is_refused_by_name_from_every_source(
    name: str, value: str, tmp_path: Path
) -> None:
    sources: list[tuple[dict[str, str], dict[str, str], Path | None]] = [
        ({name: value}, {}, None),
        ({}, {"STREAMER_" + name.upper(): value}, None),
        ({}, {}, file_of(tmp_path, f'{name} = "{value}"')),
    ]
    for flags, environment, file in sources:
        with pytest.raises(InvalidParameter) as caught:
            load(flags, environment, file)
        assert caught.value.param == name


@pytest.mark.parametrize("text", ["port =", "port = 1\nport = 2", "[server]\nport = 1"])
def test_bad_file_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidParameter, UnknownParameter)) as caught:
        load(environment={}, file=file_of(tmp_path, text))
    assert str(tmp_path) in caught.value.message


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter) as caught:
        load(environment={}, file=tmp_path / "none.toml")
    assert caught.value.param == "config"


def test_data_dir_is_the_setting_or_below_xdg_or_home(tmp_path: Path) -> None:
    home = Path("~/.local/share/streamer").expanduser()
    assert data_dir(Settings(data_dir=str(tmp_path)), {}) == tmp_path
    assert data_dir(Settings(), {"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "streamer"
    assert data_dir(Settings(), {}) == home
    assert not (tmp_path / "streamer").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("STREAMER_PORT", "abc", "STREAMER_PORT: port must be a whole number, not 'abc'"),
        ("STREAMER_IDLE_S", "abc", "STREAMER_IDLE_S: idle_s must be a number, not 'abc'"),
        ("STREAMER_TLS", "yes", "STREAMER_TLS: tls must be 'self', not 'yes'"),
        (
            "STREAMER_LOG_FORMAT",
            "xml",
            "STREAMER_LOG_FORMAT: log_format must be 'json' or 'text', not 'xml'",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_what_it_should_be(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(InvalidParameter) as raised:
        load(environment={name: value})
    assert raised.value.message == message


BASE = "http://127.0.0.1:8/api"
CRUN = {"url": BASE, "key": "k-secret", "voices": {"anna": "Serena"}}


def test_providers_are_tables_in_a_file_and_json_elsewhere(tmp_path: Path) -> None:
    text = """
    [providers.crun]
    url = "http://127.0.0.1:8/api"
    key = "k-secret"
    voices = { anna = "Serena" }
    [providers.openai]
    price_per_1000 = 1
    models = { tts-1-hd = 2 }
    timeout_s = 5
    """
    told = json.dumps(
        {"crun": CRUN, "openai": {"price_per_1000": 1, "models": {"tts-1-hd": 2}, "timeout_s": 5}}
    )
    expected = {
        "crun": Provider(url=BASE, key="k-secret", voices={"anna": "Serena"}),
        "openai": Provider(price_per_1000=1.0, models={"tts-1-hd": 2.0}, timeout_s=5.0),
    }
    assert load(environment={}, file=file_of(tmp_path, text)).providers == expected
    assert load(environment={"STREAMER_PROVIDERS": told}).providers == expected
    assert load({"providers": told}, {}).providers == expected
    assert load({"providers": ""}, {}).providers == {}


def test_a_providers_key_is_not_shown() -> None:
    settings = load({"providers": json.dumps({"crun": CRUN})}, {})
    assert settings.providers["crun"].key == "k-secret"
    assert "k-secret" not in repr(settings)
    assert "k-secret" not in str(settings.providers)


@pytest.mark.parametrize(
    ("providers", "param"),
    [
        ("[]", "providers"),
        ("{", "providers"),
        ("[" * 100000, "providers"),
        ({"crun": 5}, "providers.crun"),
        ({"nobody": {}}, "providers.nobody"),
        ({"crun": {"urk": "k-secret"}}, "providers.crun.urk"),
        ({"crun": {"url": 5}}, "providers.crun.url"),
        *(
            ({"crun": {"url": url}}, "providers.crun.url")
            for url in (
                "ftp://a.example",
                "a.example",
                "https://",
                "https://me:k-secret@a.example",
                "https://a.example/?key=k-secret",
                "https://a.example/#x",
                "https://a.example:99999",
                "https://a.example/ x",
            )
        ),
        ({"crun": {"key": "k-secret\n"}}, "providers.crun.key"),
        ({"crun": {"key": "k-secret "}}, "providers.crun.key"),
        ({"crun": {"key": ["k-secret"]}}, "providers.crun.key"),
        ({"crun": {"voices": ["Serena"]}}, "providers.crun.voices"),
        ({"crun": {"timeout_s": 0}}, "providers.crun.timeout_s"),
        ({"crun": {"timeout_s": "1"}}, "providers.crun.timeout_s"),
        ({"crun": {"concurrency": 0}}, "providers.crun.concurrency"),
        ({"crun": {"text_limit": 1.5}}, "providers.crun.text_limit"),
        ({"crun": {"price_per_1000": -1}}, "providers.crun.price_per_1000"),
        ({"crun": {"models": ["a"]}}, "providers.crun.models"),
        ({"crun": {"models": {"a": -1}}}, "providers.crun.models"),
        ({"crun": {"models": {"a": 1, "b": None}}}, "providers.crun.models"),
    ],
)
def test_what_is_wrong_with_a_provider_is_named_and_its_key_is_not(
    providers: Any, param: str
) -> None:
    told = providers if isinstance(providers, str) else json.dumps(providers)
    with pytest.raises((InvalidParameter, UnknownParameter)) as caught:
        load(environment={"STREAMER_PROVIDERS": told})
    assert caught.value.param == param
    assert param in caught.value.message
    assert "k-secret" not in caught.value.message


@pytest.mark.parametrize(("value", "meant"), [("true", True), ("1", True), ("false", False)])
def test_truth_is_read_from_flags_and_environment(value: str, meant: bool) -> None:
    assert load({"hosted_strict": value}, {}).hosted_strict is meant
    assert load({}, {"STREAMER_HOSTED_STRICT": value}).hosted_strict is meant
    with pytest.raises(InvalidParameter) as caught:
        load({"hosted_strict": "perhaps"}, {})
    assert "true or false" in caught.value.message
