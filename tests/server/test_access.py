"""The one allow-list: which pages may ask, and when a key is due."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.config import Settings
from streamer.errors import InternalError, InvalidParameter, OriginNotAllowed, Unauthenticated
from streamer.server.access import Access, check_origin_form, is_loopback
from streamer.server.auth import ANONYMOUS, KeyStore

ALLOWED: list[tuple[dict[str, Any], bool, str, str, str | None]] = [
    # settings, has keys, scheme, Host, Origin
    ({}, False, "http", "127.0.0.1:8090", None),
    ({}, False, "http", "localhost:8090", "http://localhost:8090"),
    ({}, False, "http", "127.0.0.1:8090", "http://localhost:5173"),
    ({}, False, "http", "127.0.0.1:8090", "https://127.0.0.1"),
    ({}, False, "http", "[::1]:8090", "http://[::1]:3000"),
    ({}, True, "http", "tts.example.org", None),
    ({}, True, "https", "tts.example.org", "https://tts.example.org"),
    ({"host": "0.0.0.0"}, True, "http", "tts.lan:8090", "http://tts.lan:8090"),
    ({"host": "0.0.0.0"}, True, "http", "TTS.lan:8090", "http://tts.LAN:8090"),
    ({"origins": ["https://app.example.org"]}, True, "http", "x", "https://app.example.org"),
    ({"origins": ["https://app.example.org/"]}, True, "http", "x", "https://app.example.org"),
]
REFUSED: list[tuple[dict[str, Any], bool, str, str, str | None]] = [
    ({}, False, "http", "127.0.0.1:8090", "https://evil.example"),
    ({}, False, "http", "127.0.0.1:8090", "null"),
    ({}, False, "http", "127.0.0.1:8090", "http://localhost.evil.example"),
    ({}, False, "http", "127.0.0.1:8090", "http://127.0.0.1.evil.example"),
    ({}, False, "http", "127.0.0.1:8090", "http://[::1"),
    ({}, False, "http", "127.0.0.1:8090", "file://localhost"),
    # A page's own name, made to resolve to 127.0.0.1.
    ({}, False, "http", "evil.example:8090", "http://evil.example:8090"),
    ({}, False, "http", "evil.example:8090", None),
    ({"host": "0.0.0.0"}, True, "http", "tts.lan:8090", "http://localhost:3000"),
    ({"host": "0.0.0.0"}, True, "https", "tts.lan", "http://tts.lan"),
    ({"host": "0.0.0.0"}, True, "http", "tts.lan:8090", "http://tts.lan:8091"),
    ({"origins": ["https://app.example.org"]}, True, "http", "x", "https://app.example.org.evil"),
    ({"origins": ["https://app.example.org"]}, True, "http", "x", "http://app.example.org"),
]


def access(directory: Path, settings: dict[str, Any], keyed: bool) -> Access:
    keys = KeyStore(directory)
    if keyed:
        keys.new("app")
    unasked: Any = None
    return Access(Settings(**settings), keys, unasked)


def check(rule: Access, scheme: str, host: str, origin: str | None) -> str | None:
    headers = {"host": host} if origin is None else {"host": host, "origin": origin}
    return rule.check_origin(headers, scheme)


@pytest.mark.parametrize(("settings", "keyed", "scheme", "host", "origin"), ALLOWED)
def test_allowed_origins(
    tmp_path: Path, settings: Any, keyed: bool, scheme: str, host: str, origin: str | None
) -> None:
    assert check(access(tmp_path, settings, keyed), scheme, host, origin) == origin


@pytest.mark.parametrize(("settings", "keyed", "scheme", "host", "origin"), REFUSED)
def test_refused_origins(
    tmp_path: Path, settings: Any, keyed: bool, scheme: str, host: str, origin: str | None
) -> None:
    with pytest.raises(OriginNotAllowed):
        check(access(tmp_path, settings, keyed), scheme, host, origin)


def test_a_page_that_reads_from_its_own_server_is_known_without_an_origin(tmp_path: Path) -> None:
    rule = access(tmp_path, {}, True)
    headers = {"host": "tts.example.org"}
    for site, origin in (
        ("same-origin", "https://tts.example.org"),
        ("same-site", None),
        ("cross-site", None),
        ("none", None),
    ):
        assert rule.check_origin(headers | {"sec-fetch-site": site}, "https") == origin


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://app.example.org", "https://app.example.org"),
        ("HTTPS://App.Example.ORG", "https://app.example.org"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("http://a.example:443", "http://a.example:443"),
    ],
)
def test_an_origin_is_what_browsers_send(given: str, origin: str) -> None:
    assert check_origin_form(given) == origin


@pytest.mark.parametrize(
    "given",
    [
        *("", "*", "null", "app.example.org", "//app.example.org", "https://", "https:app.example"),
        *("https://app.example.org/", "https://app.example.org/a", "https://app.example.org?a"),
        *("https://app.example.org#a", "https://user@app.example.org", "https://*.example.org"),
        *("https://app.example.org:443", "http://app.example.org:80", "https://a.example:"),
        *("https://a.example:0", "https://a.example:65536", "https://a.example:080"),
        *("https://a..example", "https://.example", "https://b\u00fccher.example"),
        *(
            "https://\u212aelvin.example",
            "https://a.example\n",
            " https://a.example",
            "https://::1",
        ),
        *("https://a.example,https://b.example", "https://a.example https://b.example"),
        "https://" + "a." * 200 + "example",
    ],
)
def test_what_browsers_do_not_send_is_no_origin(given: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_origin_form(given)
    assert caught.value.param == "origin"


def test_revoking_the_last_key_does_not_open_the_server(tmp_path: Path) -> None:
    rule = access(tmp_path, {}, True)
    rule.keys.revoke("app")
    with pytest.raises(Unauthenticated):
        rule.check_key(None, None)


def test_making_the_first_key_ends_anonymous_connections(tmp_path: Path) -> None:
    rule = access(tmp_path, {}, False)
    assert rule.live(ANONYMOUS)
    rule.keys.new("app")
    assert not rule.live(ANONYMOUS)
    assert rule.live(rule.keys.list()[0])


def test_a_key_is_not_live_once_its_secret_has_been_replaced_and_is_with_the_next(
    tmp_path: Path,
) -> None:
    rule = access(tmp_path, {}, True)
    (before,) = rule.keys.list()
    other = rule.keys.find(rule.keys.new("other"))
    now = rule.check_key(rule.keys.rotate("app"), None)
    assert not rule.live(before)
    assert rule.live(now)
    assert rule.live(other)
    assert not rule.revoked(), "what it has stored stays"


def test_a_broken_key_file_shuts_the_server_without_telling_clients_why(tmp_path: Path) -> None:
    rule = access(tmp_path, {}, True)
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(InternalError) as caught:
        rule.check_key("anything", None)
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("app.localhost", True),
        ("", False),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
