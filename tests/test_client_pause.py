"""Pause and go on in the Python client, against a scripted server and after its last word."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from streamer import connect
from streamer.client import Patience
from streamer.errors import ContextConflict, EngineFailed
from streamer.types import (
    Audio,
    Cancel,
    Continue,
    Continued,
    Event,
    Failed,
    Interrupt,
    Interrupted,
    Mark,
    Packet,
    Pause,
    Paused,
    Played,
    Recovered,
    Resume,
    Resumed,
    SegmentStarted,
    Start,
    Text,
    Word,
    Words,
)
from tests.client_wire import (
    SPOKEN,
    WORDS,
    Wire,
    all_of,
    audio,
    done,
    serving,
    started,
)

PAUSED = Paused("c1", "Hi", WORDS[:1], " there.", 500, "client")
CONTINUED = Continued("c1", 1000, 3)
AGAIN = (Word("there", 1000, 1600, 3),)


def at(pts: int) -> Audio:
    return Audio("c1", Packet(b"s", pts, 100))


async def spoken(wire: Wire, *events: Event) -> None:
    await wire.expect(Start("c1"), Text("c1", "Hi there.", 0))
    await wire.send(*events)


@pytest.mark.asyncio
async def test_a_pause_says_what_was_heard_and_the_rest_comes_again() -> None:
    last = replace(done(), samples=1600)

    async def script(wire: Wire) -> None:
        await spoken(wire, *SPOKEN[:3], at(0))
        await wire.expect(Pause("c1", 500.0))
        await wire.send(PAUSED)
        await wire.expect(Continue("c1"))
        await wire.send(CONTINUED, Words("c1", AGAIN, "model"), at(1000))
        await wire.send(last)

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        assert [await anext(context) for _ in range(4)] == [*SPOKEN[:3], at(0)]
        assert await context.pause(500.0) == PAUSED
        assert await context.go_on() == CONTINUED
        assert await all_of(context) == [
            PAUSED,
            CONTINUED,
            Words("c1", AGAIN, "model"),
            at(1000),
            last,
        ]
        # By the new times: of the old ones nothing is known any more.
        heard = await context.interrupt(1500.0)
        assert (heard.heard_text, heard.heard_words) == ("Hi", WORDS[:1])
        assert (await context.interrupt(1600.0)).heard_text == "Hi there."


@pytest.mark.asyncio
async def test_what_waits_to_be_read_is_dropped_where_it_was_not_heard() -> None:
    before: list[Event] = [
        started(),
        SegmentStarted("c1", 0, "Hi", 0, 0, "clause"),
        Words("c1", WORDS, "model"),
        Mark("c1", "first", 0),
        at(0),
        at(300),
    ]
    unheard: list[Event] = [
        SegmentStarted("c1", 1, "there.", 3, 400, "end"),
        Mark("c1", "second", 400),
        at(400),
    ]

    async def script(wire: Wire) -> None:
        await spoken(wire, *before, *unheard)
        await wire.expect(Pause("c1"))
        await wire.send(at(500), PAUSED)
        await wire.expect(Cancel("c1"))
        await wire.send(done(reason="cancelled"))

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        assert await context.pause() == PAUSED
        before[2] = Words("c1", WORDS[:1], "model")
        assert [await anext(context) for _ in range(7)] == [*before, PAUSED]
        await context.cancel()


@pytest.mark.asyncio
async def test_a_pause_of_one_that_is_paused_says_the_same_and_is_told_once() -> None:
    async def script(wire: Wire) -> None:
        await spoken(wire, *SPOKEN[:3])
        await wire.expect(Pause("c1", 500.0))
        await wire.send(PAUSED)
        await wire.expect(Pause("c1", 900.0))
        await wire.send(PAUSED)
        await wire.expect(Interrupt("c1"))
        await wire.send(Interrupted("c1", "Hi", WORDS[:1], " there.", 500, "client"))

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        assert [await anext(context) for _ in range(3)] == SPOKEN[:3]
        assert await context.pause(500.0) == PAUSED
        assert await context.pause(900.0) == PAUSED
        assert await anext(context) == PAUSED
        answer = await context.interrupt()
        assert answer.heard_text == "Hi"
        assert await all_of(context) == [answer]
        with pytest.raises(ContextConflict):
            await context.pause()
        assert await context.go_on() is None


@pytest.mark.asyncio
async def test_going_on_without_a_pause_says_nothing() -> None:
    async def script(wire: Wire) -> None:
        await spoken(wire, *SPOKEN)

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        assert await context.go_on() is None
        await context.push("Hi there.")
        assert await all_of(context) == SPOKEN


@pytest.mark.asyncio
async def test_a_pause_that_nobody_waits_for_any_more_is_ended_all_the_same() -> None:
    paused = asyncio.Event()

    async def script(wire: Wire) -> None:
        await spoken(wire, *SPOKEN[:3])
        await wire.expect(Pause("c1"))
        paused.set()
        await wire.expect(Continue("c1"))
        await wire.send(PAUSED, CONTINUED, done())

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        pausing = asyncio.create_task(context.pause())
        await paused.wait()
        pausing.cancel()
        await asyncio.wait([pausing])
        assert await context.go_on() == CONTINUED
        assert (await all_of(context))[-3:] == [PAUSED, CONTINUED, done()]


@pytest.mark.asyncio
async def test_an_error_while_paused_is_raised() -> None:
    async def script(wire: Wire) -> None:
        await spoken(wire, started())
        await wire.expect(Pause("c1"))
        await wire.send(PAUSED)
        await wire.expect(Continue("c1"))
        await wire.send(Failed(EngineFailed("out of breath"), "c1"))

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        await context.pause()
        with pytest.raises(EngineFailed):
            await context.go_on()
        with pytest.raises(EngineFailed):
            await context.pause()


@pytest.mark.asyncio
async def test_an_interrupt_ends_a_pause_that_is_waited_for() -> None:
    paused = asyncio.Event()

    async def script(wire: Wire) -> None:
        await spoken(wire, started())
        await wire.expect(Pause("c1"))
        paused.set()
        await wire.expect(Interrupt("c1"))
        await wire.send(PAUSED, Interrupted("c1", "Hi", WORDS[:1], " there.", 500, "client"))

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        pausing = asyncio.create_task(context.pause())
        await paused.wait()
        assert (await context.interrupt()).heard_text == "Hi"
        with pytest.raises(ContextConflict):
            await pausing


# After the last word.


@pytest.mark.parametrize(
    ("reported", "played_ms", "heard"),
    [(None, 500.0, "Hi"), (500.0, None, "Hi"), (None, None, "Hi there.")],
)
@pytest.mark.asyncio
async def test_after_the_last_packet_the_client_answers_itself(
    reported: float | None, played_ms: float | None, heard: str
) -> None:
    async def script(wire: Wire) -> None:
        await spoken(wire, *SPOKEN)

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        assert await all_of(context) == SPOKEN
        if reported is not None:
            await context.played(reported)
        paused = await context.pause(played_ms)
        assert paused.heard_text == heard
        assert await context.pause(0.0) == paused, "it is paused"
        answer = await context.interrupt(1000.0)
        assert (answer.heard_text, answer.played) == (heard, paused.played)
        assert await context.go_on() is None
        assert await all_of(context) == []
        assert (await context.interrupt(1000.0)).heard_text == "Hi there."


@pytest.mark.asyncio
async def test_a_pause_that_crosses_the_end_on_the_wire_is_answered_all_the_same() -> None:
    async def script(wire: Wire) -> None:
        await spoken(wire, *SPOKEN[:-1])
        await wire.expect(Pause("c1", 400.0))
        await wire.send(SPOKEN[-1])
        await wire.send(Failed(EngineFailed("unknown by now"), "c1"))

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        assert (await context.pause(400.0)).heard_text == "Hi"
        assert await all_of(context) == SPOKEN


@pytest.mark.asyncio
async def test_a_pause_of_a_cancelled_context_is_a_conflict() -> None:
    async def script(wire: Wire) -> None:
        await spoken(wire, started())
        await wire.expect(Cancel("c1"))
        await wire.send(done(reason="cancelled"))

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        await context.cancel()
        with pytest.raises(ContextConflict):
            await context.pause()


# Over a lost socket.


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.asyncio
async def test_a_pause_without_answer_is_asked_again(arrived: bool) -> None:
    async def before(wire: Wire) -> None:
        await spoken(wire, started())
        await wire.expect(Pause("c1", 500.0))
        wire.drop()

    async def after(wire: Wire) -> None:
        assert await wire.receive() == Resume("s-1", "t-1", {"c1": 0})
        wire.dialect.send(started())
        await wire.send(Resumed("s-1", {"c1": Recovered(True, 9)}))
        if arrived:
            await wire.send(PAUSED)
        await wire.expect(Pause("c1", 500.0))
        await wire.send(PAUSED)
        await wire.expect(Continue("c1"))
        wire.drop()

    async def last(wire: Wire) -> None:
        number = 2 if arrived else 1
        assert await wire.receive() == Resume("s-1", "t-1", {"c1": number})
        wire.dialect.send(started())
        for _ in range(number):
            wire.dialect.send(audio())
        await wire.send(Resumed("s-1", {"c1": Recovered(True, 9)}), CONTINUED)
        await wire.expect(Continue("c1"), Played("c1", 5.0))
        await wire.send(done())

    patience = Patience(chance=lambda: 0.0)
    async with serving(before, after, last) as url, connect(url, patience=patience) as client:
        context = await client.start()
        await context.push("Hi there.")
        assert await anext(context) == started()
        assert await context.pause(500.0) == PAUSED
        assert await context.go_on() == CONTINUED
        await context.played(5.0)
        assert await all_of(context) == [PAUSED, CONTINUED, done()]
        assert client.reconnects == 2
