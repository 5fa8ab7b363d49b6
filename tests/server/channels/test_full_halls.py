"""Who listens takes no place from who speaks, however many come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.server.limits import KeyLimits
from tests.server.channels.hall import Seat, hall, seated
from tests.server.returning import Returning
from tests.server.running import Running, eventually
from tests.server.test_tokens import bearer, made
from tests.server.test_websocket import refusal

LINK = "/v1/listen/hall.mp3"


@asynccontextmanager
async def published(
    directory: Path, **changes: Any
) -> AsyncIterator[tuple[Running, Seat, str, str]]:
    """A channel of a key that may have one connection, its publisher, the key, and a token to listen."""
    async with hall(directory, channel_linger_s=60.0, **changes) as server:
        key = server.keys.new("app", KeyLimits(connections=1))
        async with server.http(headers=bearer(key)) as http:
            token = await made(http, scopes=["listen"])
        async with seated(server, key=key) as seat:
            await seat.publish("a", "One. ")
            await seat.until("a", "started")
            yield server, seat, key, token


async def enter(stack: AsyncExitStack, http: httpx.AsyncClient, path: str) -> int:
    """Listen as long as the stack lasts, if that is allowed; the status."""
    answer = await stack.enter_async_context(http.stream("GET", path))
    return answer.status_code


@pytest.mark.asyncio
async def test_a_full_hall_keeps_its_publisher_out_of_nothing(tmp_path: Path) -> None:
    async with (
        published(tmp_path, key_listeners=3, max_connections=2) as (server, seat, key, token),
        server.http() as http,
        AsyncExitStack() as stack,
    ):
        limits, link = server.service.ledger.limits, f"{LINK}?token={token}"
        assert [await enter(stack, http, link) for _ in range(2)] == [200, 200]
        ear = await stack.enter_async_context(seated(server, key=token))
        await ear.listen("ear")
        assert (limits.listeners, limits.connections) == (3, 1)
        answer = await http.get(link)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["limit"]) == (429, "connection_limit", 3)
        assert int(answer.headers["retry-after"]) >= 1
        status, error, headers = await refusal(server, key=token)
        assert (status, error["code"], error["limit"]) == (429, "connection_limit", 3)
        assert int(headers["retry-after"]) >= 1
        # The key's own place is its own: its publisher may lose its socket, and come again.
        assert (await refusal(server, key=key))[1]["limit"] == 1
        await seat.socket.close()
        await eventually(lambda: limits.connections == 0)
        async with seated(server, key=key) as again:
            await again.publish("b", "Two. ")
            await again.until("b", "started")
        await ear.socket.close()
        await eventually(lambda: limits.listeners == 2)
        assert await enter(stack, http, link) == 200


@pytest.mark.asyncio
async def test_listeners_of_all_keys_and_of_none_have_a_bound(tmp_path: Path) -> None:
    async with (
        hall(tmp_path, max_listeners=1, max_connections=1) as server,
        seated(server) as seat,
        server.http() as http,
    ):
        await seat.publish("a", "One. ")
        await seat.until("a", "started")
        limits = server.service.ledger.limits
        for kind in ("mp3", "vtt"):
            async with AsyncExitStack() as stack:
                assert await enter(stack, http, f"/v1/listen/hall.{kind}") == 200
                answer = await http.get(LINK)
                assert answer.json()["error"]["code"] == "connection_limit"
            await eventually(lambda: limits.listeners == 0)
        assert (await http.get("/v1/listen/hall.mp3?back_ms=x")).status_code == 400
        assert (await http.get("/v1/listen/nobody.mp3")).status_code == 404
        assert (limits.listeners, limits.connections) == (0, 1)


@pytest.mark.asyncio
async def test_a_listeners_place_is_good_for_listening_alone(tmp_path: Path) -> None:
    async with (
        published(tmp_path, key_listeners=1) as (server, seat, key, token),
        Returning(server, token) as client,
    ):
        await client.say(type="subscribe", context="ear", channel="hall")
        await client.hear()
        client.drop()
        await client.waited_for()
        await seat.socket.close()
        limits = server.service.ledger.limits
        await eventually(lambda: limits.connections == 0)
        client.key = key  # its place would be a listener's, and it could speak
        resumed = await client.come_back()
        assert resumed["session"] != client.ready["session"]
        assert resumed["contexts"]["ear"]["recovered"] is False
        assert (limits.listeners, limits.connections) == (1, 1)
        await client.socket.close()
        await eventually(lambda: limits.connections == 0)
        # At the bound: on the place of its own session.
        client.key = token
        assert (await refusal(server, key=token))[0] == 429
        resumed = await client.come_back()
        assert resumed["contexts"]["ear"]["recovered"] is True
        await client.say(type="cancel", context="ear")
        await client.hear_until("done")
        assert limits.listeners == 1
