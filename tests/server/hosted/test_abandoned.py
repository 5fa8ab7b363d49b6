"""Our engine in Evolink's client's role, interrupted, and our own server in Evolink's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.config import Settings
from streamer.engines.hosted import open_evolink
from streamer.engines.hosted.engine import Hosted
from streamer.protocols.evolink import Client
from streamer.protocols.hosted import Call
from streamer.providers import Provider
from streamer.types import Options, Segment
from tests.server.running import eventually, running


def engine_for(url: str, key: str) -> Hosted:
    provider = Provider(url=f"{url}/evolink", voice="alba", key=key)
    return open_evolink(Settings(providers={"evolink": provider}, fetch_allow=["127.0.0.1"]))


async def listen(engine: Hosted, *texts: str) -> None:
    options = Options(engine.voices[0])

    async def segments() -> AsyncIterator[Segment]:
        for index, text in enumerate(texts):
            yield Segment(index, text, 0, options)

    async for _ in engine.synthesize(segments(), lambda: 0.0):
        pass


@pytest.mark.asyncio
async def test_an_interrupt_ends_the_tasks_there_and_nothing_is_charged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Call] = []
    cancel = Client.cancel

    def noted(client: Client, call: Call) -> Call | None:
        sent.append(call)
        return cancel(client, call)

    monkeypatch.setattr(Client, "cancel", noted)
    async with running(tmp_path, price_per_1000=5.0) as server:
        key = server.keys.new("agent")
        engine = engine_for(server.url, key)
        listener = asyncio.create_task(listen(engine, "forever one", "forever two"))
        await eventually(lambda: len(server.sessions.made) >= 2)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        await eventually(lambda: engine.abandoned.ended == 2)
        await engine.aclose()
        async with server.http(headers={"Authorization": f"Bearer {key}"}) as http:
            for call in sent:
                task = (await http.get(f"/evolink/v1/tasks/{call.task}")).json()
                assert (task["status"], task["error"]["code"]) == ("failed", "request_cancelled")
                assert task["usage"] == {"credits_reserved": 0}
            usage = (await http.get("/v1/usage")).json()
            assert not any(row["characters"] or row["cost"] for row in usage["usage"])
    assert len(sent) == 2
    assert engine.abandoned.failed == 0
