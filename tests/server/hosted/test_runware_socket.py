"""A client of Runware finds all that its document says: over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from streamer.protocols.runware.tasks import MOST_TASKS
from streamer.server.auth import KeyStore
from streamer.server.hosted.runware import sessions, websocket
from tests.server.hosted.runware import PATH, Item, new_id, task
from tests.server.hosted.tones import toned
from tests.server.running import Running, eventually


def socket(server: Running) -> Any:
    return server.socket(path=PATH, subprotocols=None)


async def say(one: ClientConnection, *tasks: object) -> None:
    await one.send(json.dumps(list(tasks)))


async def hear(one: ClientConnection) -> Item:
    async with asyncio.timeout(10):
        told: Item = json.loads(await one.recv())
    return told


async def authenticated(one: ClientConnection, key: str = "any", session: str = "") -> str:
    """Its connectionSessionUUID."""
    asked = {"taskType": "authentication", "apiKey": key}
    await say(one, asked | ({"connectionSessionUUID": session} if session else {}))
    (told,) = (await hear(one))["data"]
    assert told["taskType"] == "authentication"
    return str(told["connectionSessionUUID"])


async def closed(one: ClientConnection) -> int | None:
    """The code that it is closed with."""
    try:
        async with asyncio.timeout(10):
            while True:
                await one.recv()
    except ConnectionClosed as end:
        return end.rcvd.code if end.rcvd else None


@pytest.mark.asyncio
async def test_a_task_is_answered_when_it_has_ended(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, socket(server) as one:
        await authenticated(one)
        asked = task(numberResults=2)
        await say(one, asked)
        told = await hear(one)
        assert set(told) == {"data"}
        assert [item["taskUUID"] for item in told["data"]] == [asked["taskUUID"]] * 2
        assert all(item["audioURL"] for item in told["data"])


@pytest.mark.asyncio
async def test_an_async_task_is_polled(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, socket(server) as one:
        await authenticated(one)
        asked = task(deliveryMethod="async")
        await say(one, asked)
        (told,) = (await hear(one))["data"]
        assert told == {"taskType": "audioInference", "taskUUID": asked["taskUUID"]}
        while told.get("status") != "success":
            await say(one, {"taskType": "getResponse", "taskUUID": asked["taskUUID"]})
            (told,) = (await hear(one))["data"]
        assert told["audioURL"]


@pytest.mark.asyncio
async def test_pings_are_answered(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, socket(server) as one:
        await authenticated(one)
        await say(one, {"taskType": "ping", "ping": True})
        assert await hear(one) == {"data": [{"taskType": "ping", "pong": True}]}


@pytest.mark.asyncio
async def test_errors_come_apart_from_data(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, socket(server) as one:
        await authenticated(one)
        good, bad = task("Hey."), task("Hey.", ttl=1)
        await say(one, bad, good)
        first, second = sorted(
            [await hear(one), await hear(one)], key=lambda told: "errors" in told
        )
        assert first["data"][0]["taskUUID"] == good["taskUUID"]
        assert second["data"] == []
        assert second["errors"][0]["taskUUID"] == bad["taskUUID"]
        assert second["errors"][0]["parameter"] == "ttl"


@pytest.mark.asyncio
@pytest.mark.parametrize("message", ["[", "{}", "[]", '"x"', json.dumps([{}] * (MOST_TASKS + 1))])
async def test_what_is_no_array_of_tasks_is_told_and_the_connection_goes_on(
    tmp_path: Path, message: str
) -> None:
    async with toned(tmp_path) as server, socket(server) as one:
        await authenticated(one)
        await one.send(message)
        (error,) = (await hear(one))["errors"]
        assert error["code"] == "invalidRequest"
        await one.send(b'[{"taskType": "ping"}]')
        assert (await hear(one))["data"]


@pytest.mark.asyncio
@pytest.mark.parametrize("first", ['[{"taskType":"ping","ping":true}]', "[", json.dumps([task()])])
async def test_authentication_comes_first(tmp_path: Path, first: str) -> None:
    async with toned(tmp_path) as server, socket(server) as one:
        await one.send(first)
        (error,) = (await hear(one))["errors"]
        assert error["code"] in ("missingApiKey", "invalidRequest")
        assert await closed(one) == 1008


@pytest.mark.asyncio
async def test_a_key_is_needed_where_there_are_keys(tmp_path: Path) -> None:
    async with toned(tmp_path) as server:
        key = server.keys.new("one")
        async with socket(server) as one:
            await say(one, {"taskType": "authentication", "apiKey": "wrong"})
            assert (await hear(one))["errors"][0]["code"] == "invalidApiKey"
            assert await closed(one) == 1008
        async with socket(server) as one:
            await say(one, {"taskType": "authentication"})
            assert (await hear(one))["errors"][0]["code"] == "missingApiKey"
            assert await closed(one) == 1008
        async with socket(server) as one:
            session = await authenticated(one, key)
            assert await authenticated(one, key) == session  # again: the same
            other = server.keys.new("two")
            await say(one, {"taskType": "authentication", "apiKey": other})
            assert (await hear(one))["errors"][0]["parameter"] == "apiKey"


@pytest.mark.asyncio
async def test_a_connection_without_authentication_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "AUTHENTICATION_S", 0.05)
    async with toned(tmp_path) as server, socket(server) as one:
        assert (await hear(one))["errors"][0]["code"] == "invalidApiKey"
        assert await closed(one) == 1008


@pytest.mark.asyncio
async def test_a_silent_connection_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "IDLE_S", 0.5)
    async with toned(tmp_path) as server, socket(server) as one:
        await authenticated(one)
        assert await closed(one) == 1001


@pytest.mark.asyncio
async def test_a_session_is_resumed_with_the_answers_that_found_nobody(tmp_path: Path) -> None:
    async with toned(tmp_path) as server:
        asked = task("one two three four five six seven eight nine ten")
        async with socket(server) as one:
            session = await authenticated(one)
            await say(one, asked)
            jobs = server.service.resources.jobs
            while not await jobs.list(""):  # taken, before the client goes
                await asyncio.sleep(0.002)
            one.transport.abort()
        await eventually(lambda: not server.service.connections)
        async with socket(server) as two:
            assert await authenticated(two, session=session) == session
            told = await hear(two)
            assert told["data"][0]["taskUUID"] == asked["taskUUID"]


@pytest.mark.asyncio
async def test_the_newer_of_two_sockets_has_the_session(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, socket(server) as one, socket(server) as two:
        session = await authenticated(one)
        assert await authenticated(two, session=session) == session
        assert await closed(one) == 1001
        await say(two, {"taskType": "ping"})
        assert (await hear(two))["data"]


@pytest.mark.asyncio
async def test_a_session_of_another_key_or_none_is_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "KEPT_S", 0.01)
    async with toned(tmp_path) as server:
        first, second = server.keys.new("one"), server.keys.new("two")
        async with socket(server) as one, socket(server) as two:
            session = await authenticated(one, first)
            assert await authenticated(two, second, session) != session
        await asyncio.sleep(0.1)
        async with socket(server) as one:
            assert await authenticated(one, first, session) != session
        async with socket(server) as one:
            assert await authenticated(one, first, new_id()) != session


@pytest.mark.asyncio
async def test_a_shut_down_lets_tasks_end_and_closes(tmp_path: Path) -> None:
    async with toned(tmp_path, drain_s=5.0) as server, socket(server) as one:
        await authenticated(one)
        asked = task("one two three four five six seven eight nine ten")
        await say(one, asked)
        jobs = server.service.resources.jobs
        while not await jobs.list(""):
            await asyncio.sleep(0.002)
        server.server.should_exit = True
        told = await hear(one)
        assert told["data"][0]["taskUUID"] == asked["taskUUID"]
        assert await closed(one) == 1001


@pytest.mark.asyncio
async def test_a_look_at_the_keys_leaves_alone_who_has_yet_to_show_one(tmp_path: Path) -> None:
    async with toned(tmp_path, keys_recheck_s=0.01) as server:
        key = server.keys.new("one")
        async with socket(server) as one:
            await asyncio.sleep(0.1)
            await authenticated(one, key)


@pytest.mark.asyncio
@pytest.mark.parametrize("end", [KeyStore.revoke, KeyStore.rotate])
async def test_a_revoked_key_closes_its_connections_and_so_does_one_with_another_secret(
    tmp_path: Path, end: Callable[[KeyStore, str], object]
) -> None:
    async with toned(tmp_path, keys_recheck_s=0.02) as server:
        key = server.keys.new("one")
        server.keys.new("two")
        async with socket(server) as one:
            await authenticated(one, key)
            end(server.keys, "one")
            assert (await hear(one))["errors"][0]["code"] == "tokenRevoked"
            assert await closed(one) == 1008
