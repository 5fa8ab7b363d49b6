"""Tasks at a provider that nobody waits for any more are ended there, and nobody waits for that either."""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from streamer.engines.hosted import CLIENTS, abandoned, open_evolink
from streamer.engines.hosted.engine import Hosted
from streamer.engines.hosted.row import AHEAD
from streamer.errors import EngineFailed
from streamer.protocols.hosted import Call, HostedClient, Utterance
from streamer.types import PcmChunk
from tests.engines.conformance import given, nothing_heard
from tests.engines.hosted_suite import settings_for
from tests.engines.test_hosted import eventually, segments
from tests.providers.base import Act, running
from tests.providers.evolink import VOICE, EvolinkProvider

pytestmark = pytest.mark.asyncio

TEXTS = [f"number {number}" for number in range(AHEAD + 3)]
NEVER = 1 << 30


@pytest.fixture
def provider() -> Iterator[EvolinkProvider]:
    """Its tasks take for ever."""
    with running(EvolinkProvider()) as provider:
        provider.waits = NEVER
        yield provider
        assert provider.settled()


@asynccontextmanager
async def opened(provider: EvolinkProvider, **fields: Any) -> AsyncIterator[Hosted]:
    before = asyncio.all_tasks()
    engine = open_evolink(settings_for(provider, **{"voice": VOICE, **fields}))
    try:
        yield engine
        assert (engine.open, engine.waiting) == (0, 0)
    finally:
        await engine.aclose()
        assert asyncio.all_tasks() <= before


def speaking(engine: Hosted, *texts: str) -> AsyncGenerator[PcmChunk, None]:
    return engine.synthesize(given(*segments(engine, *texts)), nothing_heard)


async def listen(engine: Hosted, *texts: str) -> None:
    async for _ in speaking(engine, *texts):
        pass


async def interrupted(listener: asyncio.Task[None]) -> None:
    """It has gone."""
    listener.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(listener, return_exceptions=True)


async def test_an_interrupt_ends_the_task_and_those_that_were_begun_ahead(
    provider: EvolinkProvider,
) -> None:
    async with opened(provider) as engine:
        listener = asyncio.create_task(listen(engine, *TEXTS))
        await eventually(lambda: len({poll.path for poll in provider.asked("poll")}) > AHEAD)
        await interrupted(listener)
        await eventually(lambda: engine.abandoned.ended == AHEAD + 1)
        await eventually(lambda: not engine.abandoned.open)
    assert sorted(provider.cancelled) == TEXTS[: AHEAD + 1]
    for request in provider.asked("cancel"):
        assert request.method == "POST"
        assert request.headers["authorization"] == f"Bearer {provider.key}"
    assert engine.abandoned.failed == 0


async def test_a_task_whose_answer_is_still_to_come_is_ended_once_it_is_known(
    provider: EvolinkProvider,
) -> None:
    told = threading.Event()
    provider.usually("speech", Act(until=told))
    async with opened(provider) as engine:
        listener = asyncio.create_task(listen(engine, TEXTS[0]))
        await eventually(lambda: provider.asked("speech"))
        await interrupted(listener)
        assert engine.open == 0
        told.set()
        await eventually(lambda: engine.abandoned.ended == 1)
    assert provider.cancelled == TEXTS[:1]
    assert not provider.asked("poll")


async def test_a_task_that_was_not_asked_for_yet_is_not_made(
    provider: EvolinkProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(provider, concurrency=1) as engine:
        connecting = asyncio.Event()

        async def slowly(url: Any) -> None:
            connecting.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(engine._fetcher._streams, "_certificates", slowly)
        listener = asyncio.create_task(listen(engine, *TEXTS))
        await connecting.wait()
        await interrupted(listener)
        assert engine.abandoned.open == 0
        await asyncio.sleep(0.1)
    assert provider.requests == []


async def test_a_task_that_has_ended_is_left_alone(provider: EvolinkProvider) -> None:
    provider.waits = 0
    provider.failures = ["generation_timeout"]
    async with opened(provider) as engine:
        with pytest.raises(EngineFailed):
            await listen(engine, TEXTS[0])
        stream = speaking(engine, TEXTS[1])
        await anext(stream)
        await stream.aclose()
        await listen(engine, TEXTS[2])
        provider.script("speech", Act(status=400))
        with pytest.raises(EngineFailed):
            await listen(engine, TEXTS[3])
        assert engine.abandoned.open == 0
    assert not provider.asked("cancel")


async def test_a_task_that_is_given_up_is_ended(provider: EvolinkProvider) -> None:
    async with opened(provider, timeout_s=1.5) as engine:
        with pytest.raises(EngineFailed, match="in time"):
            await listen(engine, TEXTS[0])
        await eventually(lambda: engine.abandoned.ended == 1)
    async with opened(provider) as engine:
        provider.usually("poll", Act(status=404))
        with pytest.raises(EngineFailed, match="no such thing"):
            await listen(engine, TEXTS[1])
        await eventually(lambda: engine.abandoned.ended == 1)


@pytest.mark.parametrize(
    "act", [Act(status=404), Act(status=503), Act(fault="reset"), Act(fault="moved")]
)
async def test_what_goes_wrong_with_it_is_counted_and_logged_and_nobodys_error(
    provider: EvolinkProvider, act: Act, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streamer.engines")
    provider.usually("cancel", act)
    async with opened(provider) as engine:
        listener = asyncio.create_task(listen(engine, TEXTS[0]))
        await eventually(lambda: provider.asked("poll"))
        await interrupted(listener)
        await eventually(lambda: engine.abandoned.failed == 1)
        provider.waits = 0
        await listen(engine, TEXTS[1])
    assert engine.abandoned.ended == 0
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("INFO", "task not ended")
    assert provider.key not in str(vars(record))


async def test_a_provider_that_never_answers_it_delays_nobody_and_not_for_ever(
    provider: EvolinkProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandoned, "PATIENCE_S", 1.0)
    provider.usually("cancel", Act(fault="hang"))
    async with opened(provider, concurrency=1) as engine:
        listener = asyncio.create_task(listen(engine, TEXTS[0]))
        await eventually(lambda: provider.asked("poll"))
        await interrupted(listener)
        assert (engine.abandoned.open, engine.abandoned.failed) == (1, 0)
        provider.waits = 0
        await listen(engine, TEXTS[1])  # its place is free
        await eventually(lambda: engine.abandoned.failed == 1)
        assert engine.abandoned.open == 0


async def test_only_so_many_are_ended_at_once(
    provider: EvolinkProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandoned, "AT_ONCE", 2)
    monkeypatch.setattr(abandoned, "GRACE_S", 0.0)
    provider.usually("cancel", Act(fault="hang"))
    provider.script("speech", Act(), Act(latency_s=0.3))
    async with opened(provider) as engine:
        for number, text in enumerate(TEXTS[:4], 1):
            listener = asyncio.create_task(listen(engine, text))
            await eventually(lambda n=number: len(provider.asked("speech")) == n)
            await asyncio.sleep(0.02)
            await interrupted(listener)
        assert engine.abandoned.open == 2
        assert engine.abandoned.failed == 2


@pytest.mark.parametrize("grace_s", [0.0, 5.0])
async def test_closing_the_engine_ends_it_too_after_a_moment(
    provider: EvolinkProvider, monkeypatch: pytest.MonkeyPatch, grace_s: float
) -> None:
    monkeypatch.setattr(abandoned, "GRACE_S", grace_s)
    provider.usually("cancel", Act(latency_s=0.2) if grace_s else Act(fault="hang"))
    async with opened(provider) as engine:
        listener = asyncio.create_task(listen(engine, TEXTS[0]))
        await eventually(lambda: provider.asked("poll"))
        await interrupted(listener)
        await engine.aclose()
        assert engine.abandoned.open == 0
        engine.abandoned.end(Call("GET", "/v1/tasks/t-1", task="t-1"))
        assert engine.abandoned.open == 0
    assert engine.abandoned.ended == (grace_s > 0)


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_that_says_that_it_cancels_does(name: str) -> None:
    module, _, attribute = CLIENTS[name].partition(":")
    client: HostedClient = getattr(importlib.import_module(module), attribute)()
    created = client.create(Utterance("Hi.", "v", id="i"), client.traits.model)
    assert client.cancel(created) is None or client.traits.cancels
    asked = Call("GET", "/v1/tasks/t-1", task="t-1")
    assert (client.cancel(asked) is not None) is client.traits.cancels
