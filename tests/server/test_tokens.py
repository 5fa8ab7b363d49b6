"""Tokens: what a key lends, to whom and for how long; and that nothing else passes for one."""

from __future__ import annotations

import base64
import logging
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import StreamerError, TokenExpired, Unauthenticated
from streamer.protocols.native.times import parse_time
from streamer.server.auth import DEFAULT_SCOPES, KeyStore
from streamer.server.limits import KeyLimits
from streamer.server.resources import Resources
from streamer.server.tokens import PREFIX, Grant, Tokens, is_token, read, sign
from tests.server.running import Running, eventually, hear, hear_until, running, say
from tests.server.test_websocket import refusal
from tests.server.voices import cloned, voiced

APP = "https://app.example.org"
SECRET, OTHER = b"1" * 32, b"2" * 32
NOW = 1_800_000_000.0

texts = st.text(max_size=20)
grants = st.builds(
    Grant,
    key=texts,
    expires_ms=st.integers(0, 2**53),
    scopes=st.lists(texts, max_size=3).map(tuple),
    origin=st.none() | texts,
    voices=st.none() | st.lists(texts, max_size=3).map(tuple),
    channels=st.none() | st.lists(texts, max_size=3).map(tuple),
    rotations=st.integers(0, 2**31),
)


class Clock:
    """A time of day that stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now

    def into(self, resources: Resources) -> Resources:
        return replace(resources, tokens=Tokens(resources.database, self))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def lending(
    directory: Path, clock: Clock, limits: KeyLimits | None = None, **changes: Any
) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    """A server with one key, and a client that has it."""
    changes.setdefault("origins", [APP])
    async with running(directory, change=clock.into, **changes) as server:
        key = server.keys.new("app", limits or KeyLimits())
        async with server.http(headers=bearer(key)) as http:
            yield server, http


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


async def made(http: httpx.AsyncClient, **wish: Any) -> str:
    answer = await http.post("/v1/tokens", json=wish)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


async def refused(http: httpx.AsyncClient, wish: Any, **options: Any) -> tuple[int, str, str]:
    """Status, code and parameter of a token that is not to be had."""
    answer = await http.post("/v1/tokens", json=wish, **options)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("param")


async def asked(
    server: Running, token: str, path: str = "/v1/voices", **headers: str
) -> tuple[int, str]:
    """Status and code with which a GET is answered."""
    async with server.http() as http:
        answer = await http.get(path, headers=bearer(token) | headers)
    return answer.status_code, answer.json().get("error", {}).get("code", "")


async def spoken(server: Running, token: str, **body: Any) -> tuple[int, str, str]:
    async with server.http() as http:
        wanted = {"text": "one two", **body}
        answer = await http.post("/v1/speech", json=wanted, headers=bearer(token))
    if answer.status_code == 200:
        return 200, "", ""
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("param") or ""


# What is signed, and what is not.


@given(grants)
def test_a_token_says_what_was_signed(grant: Grant) -> None:
    token = sign(SECRET, grant)
    assert read(SECRET, token) == grant
    assert is_token(token)
    assert set(token) <= {*string.ascii_letters, *string.digits, *"-_."}


@given(grants, st.data())
def test_no_altered_token_is_accepted(grant: Grant, data: st.DataObject) -> None:
    token = sign(SECRET, grant)
    begin = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(begin, min(len(token), begin + 4)))
    alphabet = string.ascii_letters + string.digits + "-_.=+/ \n\0é\udcff"
    piece = data.draw(st.text(st.sampled_from(alphabet), max_size=4))
    altered = token[:begin] + piece + token[end:]
    if altered != token:
        with pytest.raises(Unauthenticated):
            read(SECRET, altered)


@given(grants, grants)
def test_a_signature_is_good_for_what_it_signed_alone(one: Grant, other: Grant) -> None:
    said, _, _ = sign(SECRET, one).partition(".")
    _, _, signature = sign(SECRET, other).partition(".")
    if one != other:
        with pytest.raises(Unauthenticated):
            read(SECRET, f"{said}.{signature}")


@given(grants)
def test_another_servers_token_is_none(grant: Grant) -> None:
    with pytest.raises(Unauthenticated):
        read(OTHER, sign(SECRET, grant))


@given(st.text() | st.text().map(PREFIX.__add__))
def test_garbage_is_no_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        read(SECRET, text)


def test_what_a_later_release_may_say_is_not_passed_over() -> None:
    class Later(Grant, frozen=True, kw_only=True):
        only_on_sundays: bool = False

    token = sign(SECRET, Later(key="k", expires_ms=1, scopes=("speak",), only_on_sundays=True))
    with pytest.raises(Unauthenticated):
        read(SECRET, token)


def test_every_character_cut_off_makes_it_invalid() -> None:
    token = sign(SECRET, Grant(key="k", expires_ms=1, scopes=("speak",)))
    for length in range(len(token)):
        with pytest.raises(Unauthenticated):
            read(SECRET, token[:length])


# What is asked for.


@pytest.mark.asyncio
async def test_a_token_says_what_it_is_good_for(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (_, http):
        answer = await http.post("/v1/tokens", json={})
        told = answer.json()
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        assert told.pop("token").startswith(PREFIX)
        assert parse_time(told.pop("expires_at")) == NOW + 300
        assert told.pop("channels") is None
        assert told == {"scopes": ["speak"], "origin": None, "voices": None}
        wish = {
            "ttl_s": 10,
            "scopes": ["usage", "speak", "speak"],
            "origin": "HTTPS://App.Example.org",
            "voices": ["alba", "alba"],
        }
        told = (await http.post("/v1/tokens", json=wish)).json()
        assert parse_time(told["expires_at"]) == NOW + 10
        assert told["scopes"] == ["usage", "speak"]
        assert (told["origin"], told["voices"]) == (APP, ["alba"])


@pytest.mark.parametrize(
    ("wish", "status", "code", "param"),
    [
        ({"ttl_s": 0}, 400, "invalid_parameter", "ttl_s"),
        ({"ttl_s": 3600.5}, 400, "invalid_parameter", "ttl_s"),
        ({"ttl_s": "300"}, 400, "invalid_parameter", "ttl_s"),
        ({"scopes": []}, 400, "invalid_parameter", "scopes"),
        ({"scopes": ["sing"]}, 400, "invalid_parameter", "scopes"),
        ({"scopes": ["tokens"]}, 400, "invalid_parameter", "scopes"),
        ({"scopes": ["speak", "metrics"]}, 403, "scope_missing", "scope"),
        ({"voices": []}, 400, "invalid_parameter", "voices"),
        ({"voices": ["nobody"]}, 404, "unknown_voice", "voices"),
        ({"voices": ["alba"] * 33}, 400, "invalid_parameter", "voices"),
        ({"voices": ["alba"], "scopes": ["manage"]}, 400, "invalid_parameter", "voices"),
        ({"channels": []}, 400, "invalid_parameter", "channels"),
        ({"channels": ["hall"]}, 400, "invalid_parameter", "channels"),
        ({"channels": ["a b"], "scopes": ["listen"]}, 400, "invalid_parameter", "channels"),
        ({"channels": ["c"] * 33, "scopes": ["listen"]}, 400, "invalid_parameter", "channels"),
        ({"key": "x"}, 400, "unknown_parameter", "key"),
        ([], 400, "invalid_message", None),
    ],
)
@pytest.mark.asyncio
async def test_bad_wishes_are_refused_by_name(
    tmp_path: Path, clock: Clock, wish: Any, status: int, code: str, param: str | None
) -> None:
    async with lending(tmp_path, clock) as (_, http):
        assert await refused(http, wish) == (status, code, param)


@pytest.mark.asyncio
async def test_only_a_key_for_it_makes_tokens(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token = await made(http, scopes=["speak", "manage", "usage"])
        assert await refused(http, {}, headers=bearer(token)) == (403, "scope_missing", "scope")
        without = server.keys.new("speaks", scopes=["speak"])
        assert await refused(http, {}, headers=bearer(without)) == (403, "scope_missing", "scope")
        bare = await http.post("/v1/tokens", json={}, headers={"authorization": ""})
        assert bare.status_code == 401


@pytest.mark.asyncio
async def test_the_longest_time_is_a_setting(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock, token_max_s=60.0) as (_, http):
        told = (await http.post("/v1/tokens", json={})).json()
        assert parse_time(told["expires_at"]) == NOW + 60
        assert (await refused(http, {"ttl_s": 61}))[2] == "ttl_s"


# Where it stands for its key.


@pytest.mark.asyncio
async def test_a_token_goes_wherever_a_key_goes(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token = await made(http)
        for options in (
            {"key": token},
            {"additional_headers": bearer(token)},
            {"additional_headers": {"X-API-Key": token}},
        ):
            async with server.socket(**options) as socket:
                assert (await hear(socket))["type"] == "ready"
                await say(socket, type="text", context="a", text="one two")
                await say(socket, type="end", context="a")
                assert (await hear_until(socket, "done", "error"))[-1]["type"] == "done"
        speech = {"input": "one", "voice": "alba", "model": "scripted"}
        text = {"text": "one"}
        for path, body in (("/v1/speech", text), ("/v1/audio/speech", speech)):
            for headers in (bearer(token), {"X-API-Key": token}):
                answer = await http.post(path, json=body, headers={"authorization": ""} | headers)
                assert answer.status_code == 200, answer.text


@pytest.mark.asyncio
async def test_what_a_token_uses_is_its_keys_use(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock, KeyLimits(requests_per_minute=4)) as (server, http):
        token = await made(http)
        assert await spoken(server, token) == (200, "", "")
        (row,) = (await http.get("/v1/usage")).json()["usage"]
        (key,) = server.keys.list()
        assert (row["key"], row["characters"], row["contexts"]) == (key.id, 7, 1)
        assert await spoken(server, token) == (200, "", "")
        assert (await spoken(server, token))[:2] == (429, "rate_limited")


@pytest.mark.asyncio
async def test_a_token_outlives_a_restart(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (_, http):
        token = await made(http)
    async with running(tmp_path, change=clock.into) as server:
        assert await asked(server, token) == (200, "")


@pytest.mark.asyncio
async def test_another_data_directory_knows_nothing_of_it(tmp_path: Path, clock: Clock) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with lending(tmp_path / "one", clock) as (one, http):
        token = await made(http)
        (key,) = one.keys.list()
    async with lending(tmp_path / "two", clock) as (two, _):
        (tmp_path / "two" / "keys.json").write_bytes(msgspec.json.encode([key]))
        assert await asked(two, token) == (401, "unauthenticated")


@pytest.mark.asyncio
async def test_without_keys_a_token_still_limits_whoever_shows_it(
    tmp_path: Path, clock: Clock
) -> None:
    async with running(tmp_path, change=clock.into) as server, server.http() as http:
        token = await made(http, ttl_s=10)
        assert await asked(server, token) == (200, "")
        assert await asked(server, token, "/v1/jobs") == (403, "scope_missing")
        assert await asked(server, "anything", "/v1/jobs") == (200, "")
        assert await asked(server, PREFIX + "no.token") == (401, "unauthenticated")
        server.keys.new("first")
        assert await asked(server, token) == (401, "unauthenticated")
        server.keys.revoke("first")
        assert await asked(server, token) == (401, "unauthenticated")


# What it is not for.


@pytest.mark.asyncio
async def test_an_expired_token_is_refused_by_name(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token = await made(http, ttl_s=10)
        clock.now += 9.999
        assert await asked(server, token) == (200, "")
        clock.now += 0.001
        assert await asked(server, token) == (401, "token_expired")
        assert await spoken(server, token) == (401, "token_expired", "")
        status, error, _ = await refusal(server, key=token)
        assert (status, error["code"]) == (401, "token_expired")


@pytest.mark.asyncio
async def test_what_is_live_goes_on_when_its_token_expires_and_nothing_new_begins(
    tmp_path: Path, clock: Clock
) -> None:
    async with (
        lending(tmp_path, clock) as (server, http),
        server.socket(key=await made(http, ttl_s=10)) as socket,
    ):
        await say(socket, type="text", context="a", text="one")
        await hear_until(socket, "binary")
        clock.now += 10
        await say(socket, type="text", context="b", text="two")
        error = (await hear_until(socket, "error"))[-1]
        assert (error["code"], error["context"]) == ("token_expired", "b")
        await say(socket, type="text", context="a", text=" three")
        await say(socket, type="end", context="a")
        heard = await hear_until(socket, "done")
        assert [each["data"] for each in heard if each["type"] == "binary"] == ["three"]


@pytest.mark.asyncio
async def test_revoking_the_key_ends_its_tokens_and_their_connections(
    tmp_path: Path, clock: Clock
) -> None:
    async with lending(tmp_path, clock, keys_recheck_s=0.01) as (server, http):
        token = await made(http)
        async with server.socket(key=token) as socket:
            await hear(socket)
            server.keys.revoke("app")
            assert (await hear_until(socket, "error"))[-1]["code"] == "key_revoked"
        assert await asked(server, token) == (401, "key_revoked")
        await eventually(lambda: not server.service.connections)


@pytest.mark.asyncio
async def test_a_token_of_an_origin_is_for_its_pages_alone(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock, origins=[APP, "https://b.example"]) as (server, http):
        token = await made(http, origin=APP)
        assert await asked(server, token, origin=APP) == (200, "")
        assert await asked(server, token, origin="https://App.example.org") == (200, "")
        for headers in (
            {"origin": "https://b.example"},
            {"origin": server.url},
            {"origin": "http://app.example.org"},
            {"sec-fetch-site": "same-origin"},
            {},
        ):
            assert await asked(server, token, **headers) == (403, "origin_not_allowed")
            status, error, _ = await refusal(server, key=token, additional_headers=headers)
            assert (status, error["code"]) == (403, "origin_not_allowed")
        async with server.socket(key=token, origin=APP) as socket:
            assert (await hear(socket))["type"] == "ready"
        # A page can read why.
        async with server.http() as other:
            headers = bearer(token) | {"origin": "https://b.example"}
            answer = await other.get("/v1/stream", headers=headers)
            assert answer.json()["error"]["code"] == "origin_not_allowed"
            assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.asyncio
async def test_the_servers_own_pages_may_read_without_saying_their_origin(
    tmp_path: Path, clock: Clock
) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token = await made(http, origin=server.url)
        reads = {"sec-fetch-site": "same-origin"}
        assert await asked(server, token, **reads) == (200, "")
        assert await asked(server, token, **{"sec-fetch-site": "cross-site"}) == (
            403,
            "origin_not_allowed",
        )


@pytest.mark.asyncio
async def test_an_origin_that_the_server_does_not_allow_is_not_let_in_by_a_token(
    tmp_path: Path, clock: Clock
) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token = await made(http, origin="https://elsewhere.example")
        headers = {"origin": "https://elsewhere.example"}
        assert await asked(server, token, **headers) == (403, "origin_not_allowed")


@pytest.mark.asyncio
async def test_a_token_that_speaks_sees_nothing_that_the_key_keeps(
    tmp_path: Path, clock: Clock
) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token = await made(http)
        for path in ("/v1/voices", "/v1/voices/alba", "/v1/models"):
            assert await asked(server, token, path) == (200, "")
        for path in (
            *("/v1/jobs", "/v1/jobs/x", "/v1/jobs/x/audio", "/v1/jobs/x/words"),
            *("/v1/files", "/v1/files/x", "/v1/files/x/content", "/v1/usage", "/metrics"),
            *("/v1/webhooks", "/v1/webhooks/secret", "/v1/webhooks/deliveries"),
        ):
            assert await asked(server, token, path) == (403, "scope_missing"), path
            assert await asked(server, token, "/native" + path if path != "/metrics" else path) == (
                403,
                "scope_missing",
            )
        for method, path in (
            *(("POST", "/v1/jobs"), ("POST", "/v1/files"), ("POST", "/v1/voices")),
            *(("POST", "/v1/voices/design"), ("POST", "/v1/webhooks"), ("POST", "/v1/tokens")),
            *(("DELETE", "/v1/voices/x"), ("DELETE", "/v1/files/x"), ("DELETE", "/v1/jobs/x")),
            *(("DELETE", "/v1/webhooks/x"), ("POST", "/v1/webhooks/secret")),
        ):
            answer = await http.request(method, path, headers=bearer(token), json={})
            assert answer.json()["error"]["code"] == "scope_missing", path


@pytest.mark.asyncio
async def test_a_token_that_manages_makes_jobs_of_its_key(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (_, http):
        token = await made(http, scopes=["manage"])
        answer = await http.post("/v1/jobs", json={"text": "one"}, headers=bearer(token))
        assert answer.status_code == 202, answer.text
        (job,) = (await http.get("/v1/jobs")).json()["jobs"]
        assert job["id"] == answer.json()["id"]
        refused = await http.post("/v1/speech", json={"text": "one"}, headers=bearer(token))
        assert refused.json()["error"]["code"] == "scope_missing"


@pytest.mark.asyncio
async def test_hosted_apis_take_tokens_by_the_same_scopes(tmp_path: Path, clock: Clock) -> None:
    stream = {"model": "qwen3-tts-flash", "input": "one", "voice": "alba"}
    task = {"taskType": "ping", "ping": True}
    async with lending(tmp_path, clock) as (_, http):
        speaks, manages = await made(http), await made(http, scopes=["manage"])

        async def status(token: str, path: str, body: Any) -> int:
            answer = await http.post(path, json=body, headers=bearer(token))
            return answer.status_code

        assert await status(manages, "/modelstream/v1/audio/speech", stream) == 403
        assert await status(speaks, "/modelstream/v1/audio/speech", stream) == 200
        for path in ("/aimlapi/v1/tts", "/evolink/v1/audios/generations"):
            assert await status(speaks, path, {}) == 403
            assert await status(manages, path, {}) == 400
        assert await status(speaks, "/runware/v1", [task]) == 403
        assert await status(manages, "/runware/v1", [task]) == 200
        http.headers.pop("authorization")
        for token, code in ((speaks, 403), (manages, 200)):
            first = {"taskType": "authentication", "apiKey": token}
            answer = await http.post("/runware/v1", json=[first, task])
            assert answer.status_code == code


@pytest.mark.asyncio
async def test_runware_sockets_begin_no_task_after_a_token_has_expired(
    tmp_path: Path, clock: Clock
) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token = await made(http, scopes=["manage"], ttl_s=10, origin=APP)
        first = [{"taskType": "authentication", "apiKey": token}]
        poll = {"taskType": "getResponse", "taskUUID": "0d7a5c2e-7a3b-4a77-9f0e-1f1e5d6c7b8a"}
        options: dict[str, Any] = {"subprotocols": None, "path": "/runware/v1"}
        async with server.socket(**options, origin=APP) as socket:
            await socket.send(msgspec.json.encode(first).decode())
            assert (await hear(socket))["data"][0]["taskType"] == "authentication"
            clock.now += 10
            await socket.send(msgspec.json.encode([poll]).decode())
            (error,) = (await hear(socket))["errors"]
            assert "expired" in error["message"]
        clock.now -= 10
        async with server.socket(**options) as socket:
            await socket.send(msgspec.json.encode(first).decode())
            (error,) = (await hear(socket))["errors"]
            assert "origin" in error["message"]


# Voices.


@asynccontextmanager
async def choosing(
    directory: Path, clock: Clock, **changes: Any
) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    """A server with a key whose engines have several voices: tone's, then `polly`, who can be cloned."""
    async with voiced(directory, change=clock.into, **changes) as server:
        key = server.keys.new("app")
        async with server.http(headers=bearer(key)) as http:
            yield server, http


@pytest.mark.asyncio
async def test_only_a_tokens_voices_speak(tmp_path: Path, clock: Clock) -> None:
    not_for = (403, "scope_missing", "voice")
    async with choosing(tmp_path, clock) as (server, http):
        ann = await cloned(http, name="Ann")
        token = await made(http, voices=["polly", "Ann"])
        assert await spoken(server, token, voice="polly") == (200, "", "")
        assert await spoken(server, token, voice="Ann") == (200, "", "")
        assert await spoken(server, token, voice=ann["id"]) == (200, "", "")
        assert await spoken(server, token, voice="tone-low") == not_for
        assert await spoken(server, token) == not_for  # the server's default is tone's
        assert await spoken(server, token, model="tone") == not_for
        assert await spoken(server, token, model="parrot") == (200, "", "")
        unknown = await spoken(server, token, voice="nobody")
        assert unknown == (404, "unknown_voice", "voice")
        async with server.http(headers=bearer(token)) as lent:
            for path, status in (("polly", 200), (ann["id"], 200), ("tone-low", 403)):
                assert (await lent.get(f"/v1/voices/{path}")).status_code == status
                assert (await lent.get(f"/v1/voices/{path}/preview")).status_code == status
            for voice, status in (("polly", 200), ("Ann", 200), ("tone-low", 403)):
                body = {"input": "one", "voice": voice, "model": "tts-1"}
                answer = await lent.post("/v1/audio/speech", json=body)
                assert answer.status_code == status
                body["model"] = "qwen3-tts-flash"
                answer = await lent.post("/modelstream/v1/audio/speech", json=body)
                assert answer.status_code == status


@pytest.mark.asyncio
async def test_a_voice_is_held_to_wherever_it_is_named_on_a_socket(
    tmp_path: Path, clock: Clock
) -> None:
    async with (
        choosing(tmp_path, clock) as (server, http),
        server.socket(key=await made(http, voices=["polly"])) as socket,
    ):
        await hear(socket)
        for message in (
            {"type": "start", "context": "a", "voice": "tone-low"},
            {"type": "start", "context": "a"},
            {"type": "text", "context": "a", "text": "One."},
            {"type": "text", "context": "a", "text": "One.", "voice": "tone-low"},
        ):
            await say(socket, **message)
            error = await hear(socket)
            assert (error["code"], error["param"]) == ("scope_missing", "voice")
            assert error["context"] == "a"
        await say(socket, type="start", context="b", voice="polly")
        await say(socket, type="text", context="b", text="One two. ")
        await say(socket, type="text", context="b", text="Three.", voice="tone-low")
        error = (await hear_until(socket, "error"))[-1]
        assert (error["code"], error["context"]) == ("scope_missing", "b")


@pytest.mark.asyncio
async def test_a_token_lists_its_voices_and_no_other(tmp_path: Path, clock: Clock) -> None:
    async with choosing(tmp_path, clock) as (server, http):
        ann, bob = await cloned(http, name="Ann"), await cloned(http, 220, name="Bob")
        told = (await http.get("/v1/voices")).json()
        aliases = {alias for alias, id in told["aliases"].items() if id == "polly"}
        assert {ann["id"], bob["id"], "polly"} < {voice["id"] for voice in told["voices"]}
        for voices in (["polly"], ["polly", "Ann"], [ann["id"]]):
            token = await made(http, voices=voices)
            async with server.http(headers=bearer(token)) as lent:
                told = (await lent.get("/v1/voices")).json()
                named = {"Ann": ann["id"]}
                assert {v["id"] for v in told["voices"]} == {named.get(v, v) for v in voices}
                assert {*told["aliases"]} == (aliases if "polly" in voices else set())


@pytest.mark.asyncio
async def test_an_alias_lends_the_voice_that_it_stands_for(tmp_path: Path, clock: Clock) -> None:
    async with choosing(tmp_path, clock) as (server, http):
        aliases = (await http.get("/v1/voices")).json()["aliases"]
        alias, id = next(iter(aliases.items()))
        told = (await http.post("/v1/tokens", json={"voices": [alias]})).json()
        assert told["voices"] == [id]
        assert await spoken(server, told["token"], voice=alias) == (200, "", "")
        assert await spoken(server, told["token"], voice=id) == (200, "", "")


@pytest.mark.asyncio
async def test_another_keys_voice_can_not_be_lent(tmp_path: Path, clock: Clock) -> None:
    async with choosing(tmp_path, clock) as (server, http):
        await cloned(http, name="Ann")
        other = bearer(server.keys.new("other"))
        answer = await refused(http, {"voices": ["Ann"]}, headers=other)
        assert answer == (404, "unknown_voice", "voices")


# What is kept and told.


@pytest.mark.asyncio
async def test_no_log_and_no_file_holds_a_token(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with lending(tmp_path, clock, log_level="debug") as (server, http):
        token = await made(http, origin=APP)
        await asked(server, token, origin=APP)
        await asked(server, token)
        await asked(server, token[:-1])
        async with server.socket(key=token, origin=APP) as socket:
            await hear(socket)
        clock.now += 301
        await refusal(server, key=token, additional_headers={"origin": APP})
    signature = token.rpartition(".")[2]
    encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    logged = "\n".join(str(vars(record)) for record in caplog.records if "streamer" in record.name)
    assert "token made" in logged
    logged += kept(tmp_path)
    for secret in (token, signature, encoded, encoded[-40:]):
        assert secret not in logged


def kept(directory: Path) -> str:
    """All that is in files."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return "".join(path.read_bytes().decode("latin-1") for path in files)


def test_a_tokens_scopes_end_with_its_keys(tmp_path: Path) -> None:
    clock, unused = Clock(), cast(Any, None)
    tokens = Tokens(unused, clock)
    tokens._secret = SECRET
    store = KeyStore(tmp_path)
    store.new("app")
    (key,) = store.list()
    assert key.scopes == DEFAULT_SCOPES
    token, expires = tokens.make(key, 10, ("speak", "usage"))
    less = msgspec.structs.replace(key, scopes=("speak",))
    lent = tokens.lend(less, tokens.read(token), None)
    assert (lent.id, lent.scopes, expires) == (key.id, ("speak",), NOW + 10)
    clock.now += 10
    with pytest.raises(TokenExpired):
        lent.check_time()
    with pytest.raises(StreamerError):
        tokens.read(token)
