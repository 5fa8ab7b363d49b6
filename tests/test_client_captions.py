"""The Python client with cues and channels, against a scripted server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import connect
from streamer.client import Client, Context
from streamer.client.cues import KNOWN, PER_CUE, Cues
from streamer.errors import ContextConflict, ContextLost, NotAvailable, StreamerError, TextLimit
from streamer.types import (
    AudioFormat,
    Cancel,
    Caption,
    Cue,
    CueOptions,
    End,
    Event,
    Flush,
    Interrupt,
    Interrupted,
    Late,
    Played,
    Ready,
    Recovered,
    SegmentStarted,
    Skipped,
    Start,
    Subscribe,
    Text,
    Word,
    Words,
)
from tests.client_wire import Wire, all_of, audio, done, nothing, serving, started
from tests.test_client_resume import AT_ONCE, Gate, Sessions, lost

FILE = Start("c1", input="captions")


def cue(id: str, text: str = "Hm.", context: str = "c1", **times: Any) -> Cue:
    return Cue(context, text, id, **times)


def begun(id: str, text: str = "Hm.", offset: int = 0, start: int = 0) -> SegmentStarted:
    return SegmentStarted("c1", 0, text, offset, start, "end", cue=id)


# Cues.


@pytest.mark.asyncio
async def test_cues_are_said_and_what_becomes_of_them_is_told() -> None:
    word = Word("Hi", 0, 400, 0)
    events: list[Event] = [
        started(),
        begun("1", "Hi."),
        Words("c1", (word,), "model"),
        audio(),
        Caption("c1", 0, "Hi.", 0, 500, (word,), "1"),
        Late("c1", "cue-1", 120, 1.35),
        Late("c1", "x", 80, 1.35, "cue-1"),
        Skipped("c1", "cue-2", "empty"),
        done(),
    ]
    options = CueOptions(None, 500.0, speakers={"Ann": "heart"})

    async def script(wire: Wire) -> None:
        await wire.expect(
            Start("c1", input="captions", cues=options, captions=True, channel="hall"),
            cue("1", "Hi.", start_ms=1000.0, end_ms=2000.0),
            cue("cue-1", "Well.", voice="Ann"),
            cue("x", "<v Ann>So."),
            cue("cue-2", ""),
            Text("c1", "WEBVTT\n\n", 0),
            Flush("c1"),
            End("c1"),
        )
        await wire.send(*events)

    cues = {"origin_ms": None, "delay_ms": 500.0, "speakers": {"Ann": "heart"}}
    async with serving(script) as url, connect(url, cues=cues, input="captions") as client:
        context = await client.start(captions=True, channel="hall")
        assert await context.cue("Hi.", 1000.0, 2000.0, "1") == "1"
        assert await context.cue("Well.", voice="Ann") == "cue-1"
        assert await context.cue("<v Ann>So.", id="x") == "x"
        assert await context.cue("") == "cue-2"
        await context.push("WEBVTT\n\n")
        await context.flush()
        await context.end()
        assert await all_of(context) == events
        with pytest.raises(ContextConflict):
            await context.cue("Too late.")


@pytest.mark.asyncio
async def test_a_context_of_text_takes_no_cue_and_does_not_suffer_by_one() -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), End("c1"))
        await wire.send(started(), done())

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        with pytest.raises(ContextConflict) as caught:
            await context.cue("Hi.")
        assert caught.value.param == "input"
        await context.end()
        assert await all_of(context) == [started(), done()]


@pytest.mark.parametrize("options", [{"input": "captions"}, {"channel": "hall"}])
@pytest.mark.asyncio
async def test_a_pause_that_would_end_the_context_is_not_asked_for(options: Any) -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1", **options), End("c1"))
        await wire.send(started(), done())

    async with serving(script) as url, connect(url) as client:
        context = await client.start(**options)
        for ask in (context.pause, context.go_on):
            with pytest.raises(NotAvailable):
                await ask()
        await context.end()
        assert await all_of(context) == [started(), done()]


@pytest.mark.parametrize(
    ("played_ms", "heard", "unspoken"),
    [
        (None, "Hi there. You.\nAnd so.", ""),
        (450.0, "Hi", " there. You.\nAnd so."),
        (750.0, "Hi there. You.", "\nAnd so."),
    ],
)
@pytest.mark.asyncio
async def test_an_interrupt_after_the_end_is_answered_from_what_was_spoken_of_the_cues(
    played_ms: float | None, heard: str, unspoken: str
) -> None:
    words = (Word("Hi", 0, 400, 0), Word("You", 600, 700, 10), Word("so", 800, 900, 19))

    async def script(wire: Wire) -> None:
        await wire.expect(FILE, Text("c1", "WEBVTT", 0), End("c1"))
        await wire.send(started(), begun("1", "Hi there."), begun("1", "You.", 10, 600))
        await wire.send(Words("c1", words, "model"), begun("2", "And so.", 15, 800), done())

    async with serving(script) as url, connect(url) as client:
        context = await client.start(input="captions")
        await context.push("WEBVTT")
        await context.end()
        await all_of(context)
        answer = await context.interrupt(played_ms)
    assert (answer.heard_text.replace("\n", " "), answer.unspoken_text.replace("\n", " ")) == (
        heard.replace("\n", " "),
        unspoken.replace("\n", " "),
    )
    assert len(answer.heard_text + answer.unspoken_text) == len("Hi there. You.\nAnd so.")


# Cues over lost sockets.


@pytest.mark.asyncio
async def test_cues_that_nothing_was_told_of_are_said_again_in_their_place() -> None:
    server = Sessions()

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(
            FILE,
            *(cue(id, start_ms=1000.0) for id in ("1", "2", "3")),
            Text("c1", "WEBVTT", 0),
            cue("4"),
        )
        await wire.send(started(), begun("1"), Skipped("c1", "2", "late"))
        wire.drop()

    async def after(wire: Wire) -> None:
        await server.resume(wire, {"c1": 2}, {"c1": Recovered(True, 6)})
        # Of the third nothing is told, but of none behind it either.
        await wire.expect(cue("3", start_ms=1000.0), cue("4"), cue("5"), End("c1"))
        await wire.send(done())

    gate = Gate()
    async with serving(before, after) as url, connect(url, patience=gate.patience) as client:
        context = await client.start(input="captions")
        for id in ("1", "2", "3"):
            await context.cue("Hm.", 1000.0, id=id)
        await context.push("WEBVTT")
        await context.cue("Hm.", id="4")
        await lost(client)
        await context.cue("Hm.", id="5")
        await context.end()
        gate.open.set()
        events = await all_of(context)
    assert events == [started(), begun("1"), Skipped("c1", "2", "late"), done()]


@pytest.mark.asyncio
async def test_a_correction_is_said_again_though_its_cue_has_begun() -> None:
    server = Sessions()

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(FILE, cue("1", "Good"))
        await wire.send(started(), begun("1", "Good"))
        await wire.expect(cue("1", "Good day."))  # as if it had not arrived
        await wire.send(begun("1", "Morning."))  # of the first text
        wire.drop()

    async def after(wire: Wire) -> None:
        await server.resume(wire, {"c1": 2}, {"c1": Recovered(True)})
        await wire.expect(cue("1", "Good day."), End("c1"))
        await wire.send(done())

    gate = Gate()
    async with serving(before, after) as url, connect(url, patience=gate.patience) as client:
        context = await client.start(input="captions")
        await context.cue("Good", id="1")
        assert [await anext(context), await anext(context)] == [started(), begun("1", "Good")]
        await context.cue("Good day.", id="1")
        await lost(client)
        await context.end()
        gate.open.set()
        assert await all_of(context) == [begun("1", "Morning."), done()]


@pytest.mark.asyncio
async def test_cues_of_a_context_that_the_server_never_heard_of_are_said_with_it() -> None:
    server = Sessions()

    async def before(wire: Wire) -> None:
        await wire.expect(FILE, cue("cue-1"))
        wire.drop()

    async def after(wire: Wire) -> None:
        await server.resume(wire, {}, {"c1": Recovered(False)})
        await wire.expect(FILE, cue("cue-1"), cue("cue-2"))
        await wire.send(started(), begun("cue-1"), begun("cue-2"), done())

    gate = Gate()
    async with serving(before, after) as url, connect(url, patience=gate.patience) as client:
        context = await client.start(input="captions")
        await context.cue("Hm.")
        await lost(client)
        await context.cue("Hm.")
        gate.open.set()
        assert len(await all_of(context)) == 4


@pytest.mark.asyncio
async def test_more_cues_than_may_wait_are_refused_and_the_rest_is_kept() -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(FILE, cue("cue-1"), cue("cue-2"))
        await wire.send(started(), begun("cue-1"))
        await wire.expect(cue("cue-4"), End("c1"))
        await wire.send(done())

    bound = 2 * (PER_CUE + 3)
    async with serving(script) as url, connect(url, buffer_bytes=bound * 10) as client:
        client._contexts._bound = bound
        context = await client.start(input="captions")
        context._bound = bound * 10
        await context.cue("Hm.")
        await context.cue("Hm.")
        with pytest.raises(TextLimit):
            await context.cue("Hm.")
        assert [await anext(context), await anext(context)] == [started(), begun("cue-1")]
        await context.cue("Hm.")
        await context.end()
        assert await all_of(context) == [done()]


def kept(cues: Cues) -> list[Cue]:
    return [cue for _, cue in cues.behind(0)]


def test_what_is_told_of_late_says_nothing_of_a_later_cue_of_that_id() -> None:
    cues = Cues(10**6)
    first, again, other = cue("1", "One."), cue("1", "One. Two."), cue("2")
    cues.add(first, 0)
    cues.told("1")
    assert kept(cues) == []
    cues.add(again, 0)
    cues.told("1")
    assert kept(cues) == [again]
    cues.add(other, 0)
    cues.told("2")
    assert kept(cues) == []


def test_memory_is_that_of_the_cues_that_wait() -> None:
    cues = Cues(10**6)
    for turn in range(2 * KNOWN):
        cues.add(cue(str(turn)), turn)
        cues.told(str(turn))
    assert kept(cues) == []
    assert cues._held == 0
    assert not cues._places
    assert len(cues._known) == KNOWN


ids = st.sampled_from(["1", "2", "3"])


@given(st.data())
def test_whatever_a_server_may_lack_is_kept(data: st.DataObject) -> None:
    """A server reads in order and tells, of what it has read, in any order and more than once; what it has
    said may arrive late."""
    cues, said, read = Cues(10**6), 0, 0
    wire: list[str] = []
    log: list[Cue] = []
    for step in data.draw(st.lists(st.sampled_from(["say", "read", "tell", "arrive"]))):
        match step:
            case "say":
                log.append(cue(data.draw(ids), str(said)))
                cues.add(log[-1], 0)
                said += 1
            case "read" if read < said:
                read += 1
            case "tell" if read:
                wire.append(data.draw(st.sampled_from([each.id for each in log[:read]])))
            case "arrive" if wire:
                cues.told(wire.pop(0))
        waits = kept(cues)
        assert waits == log[len(log) - len(waits) :]
        assert len(waits) >= said - read


# Channels.


@pytest.mark.asyncio
async def test_a_channel_is_listened_to_in_a_context_that_is_only_read() -> None:
    events: list[Event] = [
        started(),
        SegmentStarted("c1", 7, "And on.", 311, 75_000, "sentence"),
        Words("c1", (Word("And", 75_000, 75_200, 311),), "model"),
        audio(),
        done(),
    ]
    options: dict[str, Any] = {"captions": True, "back_ms": 5000.0, "timestamps": "segment"}

    async def script(wire: Wire) -> None:
        await wire.expect(Subscribe("c1", "hall", AudioFormat("mp3"), **options), Played("c1", 5.0))
        await wire.send(*events)

    async with serving(script) as url, connect(url, voice="heart", audio="mp3") as client:
        context = await client.subscribe("hall", **options)
        for ask in (
            lambda: context.push("Hi."),
            lambda: context.cue("Hi."),
            context.flush,
            context.end,
            context.pause,
            context.go_on,
        ):
            with pytest.raises(NotAvailable) as caught:
                await ask()
            assert caught.value.param == "type"
        await context.played(5.0)
        assert await all_of(context) == events
        answer = await context.interrupt(500.0)
        assert (answer.heard_text, answer.unspoken_text, answer.heard_words) == ("", "", ())
        assert answer.played == 500


@pytest.mark.asyncio
async def test_an_option_that_listening_has_not_is_refused_before_anything_is_sent() -> None:
    async with serving(nothing) as url, connect(url, speed=1.5) as client:
        for options in ({"voice": "heart"}, {"speed": 2.0}, {"lead_ms": 20}, {"context": "c9"}):
            with pytest.raises(TypeError):
                await client.subscribe("hall", **options)


@pytest.mark.asyncio
async def test_listening_is_interrupted_and_cancelled_as_speech_is() -> None:
    heard = Interrupted("c1", "", (), "", 300, "client")

    async def script(wire: Wire) -> None:
        await wire.expect(Subscribe("c1", "hall"))
        await wire.send(started(), audio())
        await wire.expect(Interrupt("c1", 300.0))
        await wire.send(heard)
        await wire.expect(Subscribe("c2", "hall"))
        await wire.send(started("c2"))
        await wire.expect(Cancel("c2"))
        await wire.send(done("c2", "cancelled"))

    async with serving(script) as url, connect(url) as client:
        context = await client.subscribe("hall")
        assert await anext(context) == started()
        assert await context.interrupt(300.0) == heard
        context = await client.subscribe("hall")
        await context.cancel()


async def listening(client: Client, url: str) -> tuple[Context, list[Event], StreamerError | None]:
    context = await client.subscribe("hall")
    heard: list[Event] = []
    try:
        await all_of(context, heard)
    except StreamerError as error:
        return context, heard, error
    return context, heard, None


@pytest.mark.parametrize("recovered", [True, False])
@pytest.mark.asyncio
async def test_a_listener_goes_on_over_another_socket_or_is_told_that_it_can_not(
    recovered: bool,
) -> None:
    server = Sessions()

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(Subscribe("c1", "hall"))
        await wire.send(started(), audio(size=1))
        server.keep(audio(size=2))
        wire.drop()

    async def after(wire: Wire) -> None:
        if not recovered:
            server.kept.clear()
        await server.resume(wire, {"c1": 1}, {"c1": Recovered(recovered)})
        if recovered:
            await wire.send(done())

    async with serving(before, after) as url, connect(url, patience=AT_ONCE) as client:
        _, heard, error = await listening(client, url)
    assert heard[:2] == [started(), audio(size=1)]
    if recovered:
        assert (heard[2:], error) == ([audio(size=2), done()], None)
    else:
        assert isinstance(error, ContextLost)


@pytest.mark.asyncio
async def test_a_listener_of_whom_nothing_came_subscribes_again() -> None:
    server = Sessions()

    async def before(wire: Wire) -> None:
        await wire.expect(Subscribe("c1", "hall"))
        wire.drop()

    async def after(wire: Wire) -> None:
        await server.resume(wire, {}, {"c1": Recovered(False)})
        await wire.expect(Subscribe("c1", "hall"))
        await wire.send(started(), done())

    async with (
        asyncio.timeout(10),
        serving(before, after, readies=(Ready("s-1", "t-1", {}, "r"),)) as url,
        connect(url, patience=AT_ONCE) as client,
    ):
        _, heard, error = await listening(client, url)
    assert (heard, error) == ([started(), done()], None)
