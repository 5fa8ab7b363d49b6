"""A server that is told to go while many listen."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from streamer.text.alignment import client_words
from tests.robustness.checks import log_is_clean
from tests.robustness.client import DEADLINE_S, Client, client
from tests.server_process import ServerProcess

TEXT = "These words are live while the server is told to go, and they go on. To the very end."
LONG = "Nobody will hear the end of this, as it has none. " * 40


async def begin(one: Client, context: str, text: str, *, end: bool = True, **options: Any) -> None:
    """Start an utterance and wait for its first sound."""
    options.setdefault("pacing", {"lead_ms": 100})
    await one.say(type="start", context=context, **options)
    await one.say(type="text", context=context, text=text)
    await one.say(type="end" if end else "flush", context=context)

    def sounds() -> bool:
        return context in one.heard and one.heard[context].packets > 0

    await one.until(sounds, f"the first sound of {context}")


async def exit_code(server: ServerProcess) -> int:
    return await asyncio.to_thread(server.wait, DEADLINE_S)


async def drain_under_streams(server: ServerProcess, count: int, voice: str) -> None:
    """SIGTERM under so many live streams and one download: all end as if nothing was; new ones may not
    begin; then the server goes with 0."""
    async with AsyncExitStack() as stack:
        ones = [await stack.enter_async_context(client(server.websocket_url)) for _ in range(count)]
        # The first has its end only when new ones have been refused, however long that takes.
        await asyncio.gather(
            *(begin(one, "live", TEXT, end=one is not ones[0], voice=voice) for one in ones)
        )
        # More than the socket's buffers hold, so that it is live until it is read.
        audio = {"codec": "pcm_f32le", "container": "none", "sample_rate": 48000, "channels": 2}
        body = {"text": LONG, "voice": "tone-low", "audio": audio}
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S)
        )
        whole = len((await http.post("/v1/speech", json=body)).content)
        assert whole > 50_000_000
        download = await stack.enter_async_context(http.stream("POST", "/v1/speech", json=body))
        assert download.status_code == 200

        server.terminate()
        await _new_ones_are_refused(server, ones[0])
        await ones[0].say(type="end", context="live")
        ends = await asyncio.gather(*(one.ending("live") for one in ones))
        words = client_words(TEXT)
        for heard in ends:
            heard.check_complete()
            assert [(w["offset"], w["text"]) for w in heard.words] == words
        size = sum([len(piece) async for piece in download.aiter_raw()])
        assert size == whole
        for one in ones:
            await one.socket.wait_closed()
    assert {one.closed for one in ones} == {(1001, "draining")}
    assert await exit_code(server) == 0
    log_is_clean(server, "live while", "Nobody will")


async def _draining(http: httpx.AsyncClient) -> None:
    """Wait until the signal has been heard."""
    deadline = time.monotonic() + DEADLINE_S
    while (await http.get("/readyz")).status_code == 200:
        assert time.monotonic() < deadline, "still ready"
        await asyncio.sleep(0.01)


async def _new_ones_are_refused(server: ServerProcess, one: Client) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as http:
        await _draining(http)
        for path, body in (("/v1/speech", {"text": "No."}), ("/v1/audio/speech", {"input": "No."})):
            answer = await http.post(path, json=body)
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "draining"
        assert (await http.get("/v1/stream")).status_code == 503
    with pytest.raises(InvalidStatus) as refused:
        async with client(server.websocket_url):
            pass
    assert refused.value.response.status_code == 503
    assert json.loads(refused.value.response.body)["error"]["code"] == "draining"
    await one.say(type="start", context="new")
    assert (await one.ending("new")).outcome == "draining"


async def drain_cuts_what_waits(server: ServerProcess) -> None:
    """Contexts that wait for text, or speak for longer than `drain_s`, are cut and told so."""
    async with client(server.websocket_url) as one:
        await begin(one, "speaks", LONG, voice="tone-low")
        await begin(one, "waits", "Some text.", end=False, voice="tone-low")
        await one.say(type="start", context="silent")
        server.terminate()
        await one.say(type="text", context="waits", text="What is live may still go on. ")
        for context in ("speaks", "waits", "silent"):
            assert (await one.ending(context)).outcome == "drained"
        waited = one.heard["waits"].ending
        assert waited is not None
        assert waited["characters"] == len("Some text.What is live may still go on.")
        await one.socket.wait_closed()
    assert one.closed == (1001, "draining")
    assert await exit_code(server) == 0
    log_is_clean(server)


async def second_signal_forces(server: ServerProcess) -> None:
    """Whoever asks twice does not want to wait."""
    async with client(server.websocket_url) as one:
        await begin(one, "speaks", LONG, voice="tone-low")
        server.terminate()
        async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as http:
            await _draining(http)
        server.process.send_signal(signal.SIGTERM)
        assert await exit_code(server) == 0
        await one.socket.wait_closed()
    log_is_clean(server)
