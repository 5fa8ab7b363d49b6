"""Sockets that are lost at any byte: nothing is missing afterwards, or it is said what is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from streamer import connect
from streamer.client import Client, Context
from streamer.errors import ContextLost
from streamer.types import Done, Event, Start, Started
from tests.robustness.caption_drops import captions_over_drops, listen_over_drops
from tests.robustness.checks import idle, log_is_clean, metric
from tests.robustness.drops import (
    HASTE,
    PATIENT,
    Line,
    Speech,
    cutter,
    pause_over_drops,
    speak_over_drops,
    spoken,
)
from tests.server_process import ServerProcess, running_server

SHORT = Speech(Start("short"), [Line("All is well.")])
LONG = " ".join(["A sentence of eight words, all of them short."] * 6)
SHUT_S = 0.3
"""How long a client tries in vain before the next step of a test."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("tone,hibari", PATIENT) as process:
        yield process
        log_is_clean(process)


@pytest.fixture(scope="module")
def impatient() -> Iterator[ServerProcess]:
    """It keeps two seconds, and waits as long."""
    with running_server("tone", ("--resume-s", "2")) as process:
        yield process
        log_is_clean(process)


async def begun(client: Client) -> Context:
    """A context that has something to say for a while, and has begun to."""
    context = await client.start(voice="tone-low", lead_ms=60_000)
    await context.push(LONG)
    await context.end()
    assert isinstance(await anext(context), Started)
    return context


async def rest(context: Context, heard: list[Event]) -> None:
    async for event in context:
        heard.append(event)


async def gone(server: ServerProcess) -> None:
    """Until the server holds nothing: no context, no connection, with a socket or without."""
    await idle(server)
    assert await metric(server, "streamer_detached_connections") == 0


@pytest.mark.asyncio
async def test_20_lost_sockets_are_not_heard(server: ServerProcess) -> None:
    assert await speak_over_drops(server, 20, seed=1) >= 10
    await idle(server)


@pytest.mark.asyncio
async def test_pauses_are_right_to_a_word_over_lost_sockets(server: ServerProcess) -> None:
    assert await pause_over_drops(server, 15, seed=1) >= 20
    await idle(server)


@pytest.mark.asyncio
async def test_each_cue_is_heard_once_over_lost_sockets(server: ServerProcess) -> None:
    assert await captions_over_drops(server, 2, seed=4) >= 1
    await idle(server)


@pytest.mark.asyncio
async def test_who_listens_over_lost_sockets_hears_what_others_hear(server: ServerProcess) -> None:
    assert await listen_over_drops(server, 4, seed=1) >= 3
    await idle(server)


@pytest.mark.asyncio
async def test_a_client_that_closes_is_not_waited_for(impatient: ServerProcess) -> None:
    async with connect(impatient.url) as client:
        assert client.ready.limits["resume_s"] == 2
        context = await begun(client)
    with pytest.raises(ConnectionError):
        await rest(context, [])
    await gone(impatient)


@pytest.mark.asyncio
async def test_what_went_unheard_for_longer_than_is_kept_is_lost_and_said_so(
    impatient: ServerProcess,
) -> None:
    async with (
        cutter(impatient, seed=1) as proxy,
        connect(proxy.url, patience=HASTE) as client,
    ):
        context = await client.start(voice="tone-low", lead_ms=60_000)
        assert isinstance(await anext(context), Started)
        proxy.muted = True  # the server speaks, and does not know that nobody hears
        await context.push(LONG)
        await context.end()
        async with asyncio.timeout(30):
            while await metric(impatient, "streamer_active_contexts"):
                await asyncio.sleep(0.01)
        proxy.muted = False
        proxy.cut()
        with pytest.raises(ContextLost) as caught:
            await rest(context, [])
        assert caught.value.__cause__ is None, "the server has said so"
        assert client.reconnects == 1
        assert isinstance((await spoken(client, SHORT))[-1], Done)
    await gone(impatient)


@pytest.mark.asyncio
async def test_a_client_that_finds_no_way_back_in_time_has_lost_it(
    impatient: ServerProcess,
) -> None:
    async with (
        cutter(impatient, seed=1) as proxy,
        connect(proxy.url, patience=HASTE) as client,
    ):
        context = await begun(client)
        proxy.shut = True
        proxy.cut()
        with pytest.raises(ContextLost) as caught:
            await rest(context, [])
        assert isinstance(caught.value.__cause__, OSError)
        with pytest.raises(OSError):
            await client.start()
    async with asyncio.timeout(10):
        while await metric(impatient, "streamer_detached_connections"):
            await asyncio.sleep(0.05)
    await gone(impatient)


@pytest.mark.asyncio
async def test_a_server_that_starts_anew_knows_nothing_and_speaks_on() -> None:
    with running_server("tone") as server:
        async with connect(server.url, patience=HASTE) as client:
            context = await begun(client)
            server.kill()
            await asyncio.sleep(SHUT_S)
            waiting = await client.start(voice="tone-low")
            await waiting.push("Said while")
            await asyncio.to_thread(server.restart)
            await waiting.push(" nobody was there.")
            await waiting.end()
            with pytest.raises(ContextLost):
                await rest(context, [])
            events = [event async for event in waiting]
            assert isinstance(events[-1], Done)
            assert events[-1].characters == len("Said while nobody was there.")
            assert client.reconnects == 1
        await gone(server)
