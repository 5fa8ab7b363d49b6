"""A key with another secret: what it has stored stays, what the former secret opened and lent ends."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.server.auth import KeyStore
from streamer.server.limits import KeyLimits
from streamer.server.tokens import PREFIX
from tests.server.returning import Returning
from tests.server.revoked import blobs, kept
from tests.server.running import Running, eventually, hear, hear_until, running, say
from tests.server.test_revocations import bearer, completed
from tests.server.test_websocket import refusal
from tests.server.voices import VOICES, cloned, recording, voiced

pytestmark = pytest.mark.asyncio
OFTEN_S = 0.02
NEVER_S = 1000.0


async def asked(server: Running, secret: str, path: str = "/v1/voices") -> tuple[int, str]:
    """Status and code with which a GET is answered."""
    async with server.http(headers=bearer(secret)) as http:
        answer = await http.get(path)
    return answer.status_code, answer.json().get("error", {}).get("code", "")


async def lent(server: Running, secret: str, **wish: Any) -> str:
    async with server.http(headers=bearer(secret)) as http:
        token: str = (await http.post("/v1/tokens", json=wish)).json()["token"]
    return token


async def test_all_that_the_key_has_stored_is_its_own_under_the_new_secret_alone(
    tmp_path: Path,
) -> None:
    first = KeyStore(tmp_path).new("app", KeyLimits(contexts=3))
    async with voiced(tmp_path, keys_recheck_s=OFTEN_S) as server:
        (key,) = server.keys.list()
        async with server.http(headers=bearer(first)) as http:
            await cloned(http, name="Ann")
            upload = (await http.post("/v1/files", content=recording())).json()
            await completed(http, text="Say it.", voice="Ann")
            hook = await http.post("/v1/webhooks", json={"url": "https://example.org/"})
            assert hook.status_code == 201
            paths = (VOICES, "/v1/jobs", "/v1/files", "/v1/webhooks", "/v1/webhooks/secret")
            told = {path: (await http.get(path)).json() for path in paths}
        before, there = kept(tmp_path, key.id), blobs(tmp_path)
        assert before["voices"] == before["jobs"] == before["webhook_endpoints"] == 1
        second = server.keys.rotate("app")
        for path in paths:
            assert await asked(server, first, path) == (401, "unauthenticated"), path
        status, error, _ = await refusal(server, key=first)
        assert (status, error["code"]) == (401, "unauthenticated")
        await server.service.revocations.look()
        async with server.http(headers=bearer(second)) as http:
            assert {path: (await http.get(path)).json() for path in paths} == told
            body = {"text": "One.", "voice": "Ann"}
            assert (await http.post("/v1/speech", json=body)).status_code == 200
        async with server.http() as http:  # a link is a key to its file by itself
            assert (await http.get(upload["url"])).status_code == 200
        assert (kept(tmp_path, key.id), blobs(tmp_path)) == (before, there)
        assert server.keys.find(second).limits == KeyLimits(contexts=3)


async def test_what_the_former_secret_has_opened_ends_as_a_revoked_key_s_and_no_other_s(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, keys_recheck_s=OFTEN_S) as server:
        first, other = server.keys.new("app"), server.keys.new("other")
        token = await lent(server, first)
        async with (
            server.socket(key=first) as one,
            server.socket(key=token) as two,
            server.socket(key=other) as three,
        ):
            for socket in (one, two, three):
                await hear(socket)
                await say(socket, type="text", context="a", text="forever ")
                await hear_until(socket, "binary")
            second = server.keys.rotate("app")
            async with server.socket(key=second) as four:
                await hear(four)
                for ended in (one, two):
                    error = (await hear_until(ended, "error"))[-1]
                    assert (error["code"], "context" in error) == ("key_revoked", False)
                    with pytest.raises(ConnectionClosed):
                        await ended.recv()
                    assert ended.close_code == 1008
                await eventually(lambda: len(server.service.connections) == 2)
                for socket in (three, four):
                    await say(socket, type="text", context="b", text="hello")
                    await hear_until(socket, "binary")
        assert await asked(server, token) == (401, "key_revoked")
        assert await asked(server, await lent(server, second)) == (200, "")


async def test_a_token_of_before_there_were_rotations_is_good_until_the_first(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as server:
        token = await lent(server, server.keys.new("app"))
        said = token.removeprefix(PREFIX).partition(".")[0]
        fields = msgspec.json.decode(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))
        assert "rotations" not in fields, "it is what the release before signed"
        assert await asked(server, token) == (200, "")
        server.keys.rotate("app")
        assert await asked(server, token) == (401, "key_revoked")


async def test_a_token_is_refused_that_was_asked_for_in_time_and_made_too_late(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as server:
        before = server.keys.find(server.keys.new("app"))
        server.keys.rotate("app")
        token, _ = server.service.resources.tokens.make(before, 60, ("speak", "usage"))
        assert await asked(server, token) == (401, "key_revoked")


async def test_a_session_that_is_away_ends_unless_its_client_comes_back_with_the_new_secret(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, keys_recheck_s=NEVER_S) as server:
        first = server.keys.new("app")
        async with Returning(server, first) as back, Returning(server, first) as lost:
            for client in (back, lost):
                await client.say(type="text", context="a", text="forever ")
                await client.hear_until("binary")
                client.drop()
            await eventually(lambda: server.service.ledger.counters.detached == 2)
            back.key = server.keys.rotate("app")
            assert (await back.come_back())["contexts"]["a"]["recovered"]
            with pytest.raises(InvalidStatus):
                await lost.come_back()
            now = {server.service.access.live(c.key) for c in server.service.connections if c.key}
            assert now == {True, False}
            server.service.settings = dataclasses.replace(
                server.service.settings, keys_recheck_s=OFTEN_S
            )
            look = asyncio.create_task(server.service.watch_keys())
            await eventually(lambda: len(server.service.connections) == 1)
            look.cancel()
            await back.say(type="cancel", context="a")
            await back.hear_until("done")
