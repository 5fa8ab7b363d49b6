"""Who may publish and who may listen: scopes, the channels of a token, and tokens in a URL."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from streamer.errors import ScopeMissing
from streamer.server.auth import ANONYMOUS, Key
from streamer.server.endpoint import Endpoint
from streamer.server.logs import configure
from streamer.server.meter import Meter
from tests.server.channels.hall import hall, seated
from tests.server.running import Running, hear, hear_until, running, say
from tests.server.test_tokens import APP, Clock, bearer, clock, kept, lending, made, refused
from tests.server.test_websocket import refusal

__all__ = ["clock"]  # a fixture


def told(key: Key) -> str:
    """Which of two channels it is for, as text."""
    heard = []
    for channel in ("hall", "lobby"):
        with suppress(ScopeMissing):
            key.allow_listening(channel)
            heard.append(channel)
    return " ".join(heard)


def linked(server: Running, scope: str = "listen") -> httpx.AsyncClient:
    """A client of an address that takes tokens in its query and tells what they are for."""

    async def work(request: Request, meter: Meter) -> Response:
        return Response(told(meter.key))

    app: Any = Endpoint(server.service, get=work, scope=scope, linked=True)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def answered(http: httpx.AsyncClient, **options: Any) -> tuple[int, str]:
    """The status, and what was told, or the code of the error."""
    answer = await http.get("/", **options)
    body = answer.text if answer.is_success else answer.json()["error"]["code"]
    return answer.status_code, body


# On a socket.


@pytest.mark.parametrize("scope", ["speak", "publish", "listen"])
@pytest.mark.asyncio
async def test_each_of_the_three_opens_a_socket(tmp_path: Path, clock: Clock, scope: str) -> None:
    async with (
        lending(tmp_path, clock) as (server, http),
        server.socket(key=await made(http, scopes=[scope])) as socket,
    ):
        assert (await hear(socket))["type"] == "ready"
        for message in (
            {"type": "start", "context": "a"},
            {"type": "text", "context": "a", "text": "one"},
        ):
            await say(socket, **message)
            if scope == "speak":
                break
            error = await hear(socket)
            assert (error["code"], error["param"]) == ("scope_missing", "scope")
            assert error["context"] == "a"
    assert len(server.sessions.made) == (scope == "speak")


@pytest.mark.asyncio
async def test_no_other_scope_opens_a_socket(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token = await made(http, scopes=["manage", "usage"])
        status, error, _ = await refusal(server, key=token)
        assert (status, error["code"], error["param"]) == (403, "scope_missing", "scope")


@pytest.mark.asyncio
async def test_publishing_wants_its_scope_and_the_tokens_channel(
    tmp_path: Path, clock: Clock
) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token = await made(http, scopes=["publish"], channels=["hall", "annex"])
        async with server.socket(key=token) as socket:
            await hear(socket)
            await say(socket, type="start", context="a", channel="lobby")
            error = await hear(socket)
            assert (error["code"], error["param"]) == ("scope_missing", "channel")
        for scopes in (["speak"], ["listen"], ["speak", "listen"]):
            async with server.socket(key=await made(http, scopes=scopes)) as socket:
                await hear(socket)
                await say(socket, type="start", context="a", channel="hall")
                error = (await hear_until(socket, "error"))[-1]
                assert (error["code"], error["param"]) == ("scope_missing", "scope")


@pytest.mark.asyncio
async def test_listening_wants_its_scope_and_the_tokens_channel(tmp_path: Path) -> None:
    async with hall(tmp_path) as server:
        key = server.keys.new("app")
        async with server.http(headers=bearer(key)) as http, seated(server, key=key) as seat:
            await seat.publish("a")
            await seat.until("a", "started")
            for scopes, channels, param in (
                (["listen"], ["lobby"], "channel"),
                (["listen"], ["lobby", "hall"], None),
                (["listen"], None, None),
                (["speak", "publish"], ["hall"], "scope"),
            ):
                token = await made(http, scopes=scopes, channels=channels)
                async with seated(server, key=token) as listener:
                    await listener.say(type="subscribe", context="x", channel="hall")
                    heard = await listener.until("x", "started" if param is None else "error")
                    assert heard.told[-1].get("param") == param
                    if param is None:
                        await listener.say(type="text", context="x", text="Mine.")
                        error = (await listener.until("x", "error")).told[-1]
                        assert error["code"] == "not_available"


@pytest.mark.asyncio
async def test_nobody_begins_to_listen_with_a_token_that_has_expired(
    tmp_path: Path, clock: Clock
) -> None:
    async with (
        hall(tmp_path, change=clock.into) as server,
        server.http(headers=bearer(server.keys.new("app"))) as http,
    ):
        publisher = await made(http, scopes=["publish"])
        listener = await made(http, scopes=["listen"], ttl_s=10)
        async with seated(server, key=publisher) as seat, seated(server, key=listener) as ear:
            await seat.publish("a")
            await seat.until("a", "started")
            await ear.listen("x")
            clock.now += 10
            await ear.say(type="subscribe", context="y", channel="hall")
            assert (await ear.until("y", "error")).told[-1]["code"] == "token_expired"
            await ear.until("x", "segment", "packet")  # what had begun goes on


# What is lent.


@pytest.mark.asyncio
async def test_a_token_says_its_channels(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (_, http):
        wish = {"scopes": ["listen"], "channels": ["hall-1", "hall-1", "A.b_c"]}
        answer = (await http.post("/v1/tokens", json=wish)).json()
        assert (answer["scopes"], answer["channels"]) == (["listen"], ["hall-1", "A.b_c"])
        for name in ("", "a/b", "ä", "x" * 65, "a\n"):
            wish = {"scopes": ["listen"], "channels": [name]}
            assert (await refused(http, wish))[2] == "channels"


@pytest.mark.asyncio
async def test_a_key_without_the_scope_lends_none(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (server, http):
        older = server.keys.new("older", scopes=["speak", "manage", "usage", "tokens"])
        for scope in ("publish", "listen"):
            answer = await refused(http, {"scopes": [scope]}, headers=bearer(older))
            assert answer == (403, "scope_missing", "scope")


# In a URL.


@pytest.mark.asyncio
async def test_a_url_takes_a_token_that_listens(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (server, http), linked(server) as links:
        token = await made(http, scopes=["listen"])
        assert await answered(links, params={"token": token}) == (200, "hall lobby")
        token = await made(http, scopes=["listen"], channels=["lobby"], ttl_s=10)
        assert await answered(links, params={"token": token}) == (200, "lobby")
        assert await answered(links, headers=bearer(token)) == (200, "lobby")
        clock.now += 10
        assert await answered(links, params={"token": token}) == (401, "token_expired")
        assert await answered(links) == (401, "unauthenticated")


@pytest.mark.asyncio
async def test_a_url_takes_nothing_that_could_do_more(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (server, http), linked(server) as links:
        secret = server.keys.new("listener", scopes=["listen"])
        assert await answered(links, headers=bearer(secret)) == (200, "hall lobby")
        empty = {"token": ""}
        assert await answered(links, params=empty, headers=bearer(secret)) == (200, "hall lobby")
        for key in (secret, "", "nonsense"):
            assert await answered(links, params={"token": key}) == (401, "unauthenticated")
        for scopes in (["listen", "speak"], ["speak"], ["listen", "publish"], ["usage"]):
            token = await made(http, scopes=scopes)
            answer = await answered(links, params={"token": token})
            assert answer == (403, "scope_missing"), scopes
        # Not even where its key could not do that any more, nor with a good key beside it.
        token = await made(http, scopes=["listen", "speak"])
        good = bearer(secret)
        answer = await answered(links, params={"token": token}, headers=good)
        assert answer == (403, "scope_missing")


@pytest.mark.asyncio
async def test_no_other_address_takes_a_token_in_its_url(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (server, http), server.http() as bare:
        token = await made(http, scopes=["listen"])
        for path in ("/v1/voices", "/v1/usage", "/v1/jobs", "/metrics", "/v1/files/x/content"):
            answer = await bare.get(path, params={"token": token})
            assert answer.status_code == 401, path
        status, error, _ = await refusal(server, path=f"/v1/stream?token={token}")
        assert (status, error["code"]) == (401, "unauthenticated")


@pytest.mark.asyncio
async def test_a_token_of_an_origin_wants_it_in_a_url_too(tmp_path: Path, clock: Clock) -> None:
    async with lending(tmp_path, clock) as (server, http), linked(server) as links:
        token = await made(http, scopes=["listen"], origin=APP)
        query = {"token": token}
        assert await answered(links, params=query) == (403, "origin_not_allowed")
        assert await answered(links, params=query, headers={"origin": APP}) == (200, "hall lobby")


@pytest.mark.asyncio
async def test_without_keys_a_token_still_limits_its_link(tmp_path: Path, clock: Clock) -> None:
    async with (
        running(tmp_path, change=clock.into) as server,
        server.http() as http,
        linked(server) as links,
    ):
        assert await answered(links) == (200, "hall lobby")
        # What a page writes that has no token.
        assert await answered(links, params={"token": ""}) == (200, "hall lobby")
        assert await answered(links, params={"token": "x"}) == (401, "unauthenticated")
        token = await made(http, scopes=["listen"], channels=["hall"])
        assert await answered(links, params={"token": token}) == (200, "hall")
        server.keys.new("first")
        assert await answered(links, params={"token": token}) == (401, "unauthenticated")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a server writes at its most talkative."""
    loggers = [logging.getLogger(name) for name in ("streamer", "uvicorn", "asyncio")]
    before = [(each, each.handlers, each.level, each.propagate) for each in loggers]
    stream = io.StringIO()
    configure("debug", "json", stream)
    yield stream
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.asyncio
async def test_no_log_no_file_and_no_error_holds_a_token_of_a_url(
    tmp_path: Path, clock: Clock, logged: io.StringIO
) -> None:
    async with lending(tmp_path, clock) as (server, http):
        token, wider = await made(http, scopes=["listen"]), await made(http)
        said = ""
        async with linked(server) as links, server.http() as bare:
            for one in (token, wider, token[:-1]):
                said += (await links.get("/", params={"token": one})).text
                for path in ("/v1/voices", "/nowhere", "/v1/stream", "/v1/listen/hall.mp3"):
                    said += (await bare.get(path, params={"token": one})).text
        said += str(await refusal(server, path=f"/v1/stream?token={token}"))
    assert "token made" in logged.getvalue()
    assert "/v1/voices" in logged.getvalue()
    for secret in (token, wider, token.rpartition(".")[2], token[20:60]):
        assert secret not in said + kept(tmp_path) + logged.getvalue()


def test_who_has_no_key_may_do_all() -> None:
    ANONYMOUS.allow_speaking("hall")
    assert told(ANONYMOUS) == "hall lobby"
