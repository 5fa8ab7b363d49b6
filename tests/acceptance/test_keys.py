"""Keys, origins and limits against the real server: refused in time, by name, and never in the log."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from streamer.protocols.native import subprotocols_for
from streamer.server.auth import KeyStore
from streamer.server.limits import KeyLimits
from tests.robustness.checks import log_is_clean
from tests.robustness.client import client
from tests.robustness.drain import begin
from tests.server_process import ServerProcess, running_server

TEXT = "A most secret sentence, heard by nobody else. "
TTL_S = 4.0
"""Long enough for a few words on a machine that does much else."""
FLAGS = ("--keys-recheck-s", "0.1", "--price-per-1000", "10", "--log-level", "debug")


@dataclass
class Keyed:
    """A server that wants keys, and all keys it ever knew."""

    server: ServerProcess
    store: KeyStore
    secrets: list[str]

    def new(self, name: str, **limits: Any) -> str:
        secret = self.store.new(name, KeyLimits(**limits))
        self.secrets.append(secret)
        return secret

    async def token(self, key: str, **wish: Any) -> str:
        """One made with this key; as secret as a key."""
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30) as http:
            headers = {"authorization": f"Bearer {key}"}
            answer = await http.post("/v1/tokens", json=wish, headers=headers)
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        self.secrets += [token, token.rpartition(".")[2]]
        return token

    async def speech(self, key: str, text: str = TEXT) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30) as http:
            headers = {"authorization": f"Bearer {key}"}
            return await http.post("/v1/speech", json={"text": text}, headers=headers)


@pytest.fixture(scope="module")
def keyed() -> Iterator[Keyed]:
    """At the end nothing secret is in the log, however it was said."""
    with running_server("tone", FLAGS) as server:
        it = Keyed(server, KeyStore(server.log_path.parent / "data"), ["sk-streamer-wrong"])
        it.new("first")
        yield it
        encoded = [base64.urlsafe_b64encode(s.encode()).decode().rstrip("=") for s in it.secrets]
        hidden = ("secret sentence", "sk-streamer", "st-streamer", *it.secrets, *encoded)
        log_is_clean(server, *hidden)


def code_of(body: bytes | bytearray) -> str:
    code: str = json.loads(body)["error"]["code"]
    return code


@pytest.mark.asyncio
async def test_key_revoked_while_streaming_closes_its_connections_and_no_other(
    keyed: Keyed,
) -> None:
    doomed, other = keyed.new("doomed"), keyed.new("other")
    async with (
        client(keyed.server.websocket_url, key=doomed) as one,
        client(keyed.server.websocket_url, key=doomed) as idle,
        client(keyed.server.websocket_url, key=other) as two,
    ):
        await begin(one, "a", TEXT * 40)
        await begin(two, "a", TEXT)
        keyed.store.revoke("doomed")
        for revoked in (one, idle):
            await asyncio.wait_for(revoked.socket.wait_closed(), 20)
            assert revoked.errors[-1]["code"] == "key_revoked"
            assert "context" not in revoked.errors[-1]
        (await two.ending("a")).check_complete()
    assert {one.closed, idle.closed} == {(1008, "key_revoked")}
    assert (await keyed.speech(doomed)).status_code == 401


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        (lambda keyed: {}, 401, "unauthenticated"),
        (lambda keyed: {"X-API-Key": "sk-streamer-wrong"}, 401, "unauthenticated"),
        (lambda keyed: {"Authorization": "Bearer not a key"}, 401, "unauthenticated"),
        (lambda keyed: {"X-API-Key": keyed.revoked()}, 401, "key_revoked"),
        (
            lambda keyed: {"X-API-Key": keyed.secrets[1], "Origin": "https://evil.example"},
            403,
            "origin_not_allowed",
        ),
    ],
    ids=["none", "wrong", "odd", "revoked", "origin"],
)
async def test_handshake_is_refused_over_http_before_the_upgrade(
    keyed: Keyed, headers: Callable[[Any], dict[str, str]], status: int, code: str
) -> None:
    sent = headers(_Keys(keyed))
    with pytest.raises(InvalidStatus) as refused:
        async with client(keyed.server.websocket_url, additional_headers=sent):
            pass
    response = refused.value.response
    assert response.status_code == status
    assert code_of(response.body) == code
    assert response.headers["x-request-id"]
    async with httpx.AsyncClient(base_url=keyed.server.url, timeout=30) as http:
        preview = await http.get("/v1/stream", headers=sent)
        posted = await http.post("/v1/speech", json={"text": TEXT}, headers=sent)
    assert (preview.status_code, code_of(preview.content)) == (status, code)
    assert (posted.status_code, code_of(posted.content)) == (status, code)


class _Keys:
    """What the table above asks of the server's keys."""

    def __init__(self, keyed: Keyed) -> None:
        self.secrets = keyed.secrets
        self._keyed = keyed

    def revoked(self) -> str:
        secret = self._keyed.new("gone")
        self._keyed.store.revoke("gone")
        return secret


@pytest.mark.asyncio
async def test_key_in_a_subprotocol_opens_and_a_wrong_one_does_not(keyed: Keyed) -> None:
    async with client(keyed.server.websocket_url, key=keyed.secrets[1]) as one:
        assert one.socket.subprotocol == "streamer.v1"
    offered = subprotocols_for("sk-streamer-wrong")
    with pytest.raises(InvalidStatus) as refused:
        async with client(keyed.server.websocket_url, subprotocols=offered):
            pass
    assert refused.value.response.status_code == 401


@pytest.mark.asyncio
async def test_connections_over_the_keys_limit_are_refused_until_one_is_free(keyed: Keyed) -> None:
    key = keyed.new("two connections", connections=2)
    url = keyed.server.websocket_url
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(client(url, key=key))
        async with client(url, key=key) as second:
            with pytest.raises(InvalidStatus) as refused:
                async with client(url, key=key):
                    pass
            assert refused.value.response.status_code == 429
            assert code_of(refused.value.response.body) == "connection_limit"
            second.abort()
        await _opens_again(url, key)


async def _opens_again(url: str, key: str) -> None:
    for _ in range(200):
        try:
            async with client(url, key=key):
                return
        except InvalidStatus:
            await asyncio.sleep(0.02)
    raise AssertionError("a place that was left is not free")


@pytest.mark.asyncio
async def test_contexts_over_the_keys_limit_are_refused_alone(keyed: Keyed) -> None:
    key = keyed.new("one context", contexts=1)
    async with client(keyed.server.websocket_url, key=key) as one:
        await begin(one, "a", TEXT)
        await one.say(type="start", context="b")
        assert (await one.ending("b")).outcome == "context_limit"
        answer = await keyed.speech(key)
        assert (answer.status_code, code_of(answer.content)) == (429, "context_limit")
        assert one.heard["a"].ending is None
        await one.say(type="cancel", context="a")
        await one.ending("a")
        (await one.speak("c", TEXT, pacing={"lead_ms": 60000})).check_complete()
    assert (await keyed.speech(key)).status_code == 200


@pytest.mark.asyncio
async def test_budget_and_rates_are_held_to_and_typed(keyed: Keyed) -> None:
    # 0.01 per character here.
    poor = keyed.new("poor", budget=0.01 * len(TEXT))
    answer = await keyed.speech(poor)
    assert answer.status_code == 200
    answer = await keyed.speech(poor)
    assert (answer.status_code, code_of(answer.content)) == (402, "budget_spent")
    slow = keyed.new("slow", chars_per_minute=len(TEXT) + 5)
    rare = keyed.new("rare", requests_per_minute=1)
    for key in (slow, rare):
        assert (await keyed.speech(key)).status_code == 200
        answer = await keyed.speech(key)
        assert (answer.status_code, code_of(answer.content)) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) > 0
    for key, code in ((poor, "budget_spent"), (slow, "rate_limited"), (rare, "rate_limited")):
        async with client(keyed.server.websocket_url, key=key) as one:
            assert (await one.speak("a", TEXT)).outcome == code
            assert await one.settled()


@pytest.mark.asyncio
async def test_a_token_speaks_for_its_key_and_its_origin_until_its_time_is_up(keyed: Keyed) -> None:
    key = keyed.new("lends", budget=0.01 * len(TEXT) * 2)
    origin = keyed.server.url
    token = await keyed.token(key, ttl_s=TTL_S, origin=origin, voices=["tone-high"])
    told = time.monotonic()
    with pytest.raises(InvalidStatus) as refused:
        async with client(keyed.server.websocket_url, key=token):
            pass
    assert code_of(refused.value.response.body) == "origin_not_allowed"
    headers = {"Origin": origin}
    async with client(keyed.server.websocket_url, key=token, additional_headers=headers) as one:
        assert (await one.speak("a", TEXT, voice="tone-low")).outcome == "scope_missing"
        (await one.speak("b", TEXT, voice="tone-high")).check_complete()
        await asyncio.sleep(told + TTL_S - time.monotonic() + 0.1)
        assert (await one.speak("c", TEXT, voice="tone-high")).outcome == "token_expired"
    answer = await keyed.speech(token)
    assert (answer.status_code, code_of(answer.content)) == (401, "token_expired")
    assert (await keyed.speech(key)).status_code == 200  # what the token used is taken off
    answer = await keyed.speech(key)
    assert (answer.status_code, code_of(answer.content)) == (402, "budget_spent")


@pytest.mark.asyncio
async def test_a_key_that_another_process_rotates_goes_on_with_its_new_secret_alone(
    keyed: Keyed,
) -> None:
    before = keyed.new("leaked")
    token = await keyed.token(before)
    command = (sys.executable, "-m", "streamer", "keys", "rotate", "leaked", "--data-dir")
    async with (
        client(keyed.server.websocket_url, key=before) as one,
        client(keyed.server.websocket_url, key=token) as two,
    ):
        await begin(one, "a", TEXT * 40)
        directory = keyed.server.log_path.parent / "data"
        rotating = await asyncio.create_subprocess_exec(
            *command, str(directory), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await asyncio.wait_for(rotating.communicate(), 60)
        assert rotating.returncode == 0
        now = told.decode().strip()
        keyed.secrets.append(now)
        for ended in (one, two):
            await asyncio.wait_for(ended.socket.wait_closed(), 20)
            assert ended.closed == (1008, "key_revoked")
    async with client(keyed.server.websocket_url, key=now) as three:
        (await three.speak("a", TEXT)).check_complete()
    for secret, code in ((before, "unauthenticated"), (token, "key_revoked")):
        answer = await keyed.speech(secret)
        assert (answer.status_code, code_of(answer.content)) == (401, code)


@pytest.mark.asyncio
async def test_revoking_a_key_closes_what_its_tokens_have_opened(keyed: Keyed) -> None:
    token = await keyed.token(keyed.new("lends once"))
    async with client(keyed.server.websocket_url, key=token) as one:
        await begin(one, "a", TEXT * 40)
        keyed.store.revoke("lends once")
        await asyncio.wait_for(one.socket.wait_closed(), 20)
    assert one.closed == (1008, "key_revoked")
    answer = await keyed.speech(token)
    assert (answer.status_code, code_of(answer.content)) == (401, "key_revoked")
