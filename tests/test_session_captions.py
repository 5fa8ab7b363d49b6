"""Captions among the events of a session: of every word, whatever else the client wants to be told."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import pairwise

import pytest

from streamer.config import Settings
from streamer.session import Session
from streamer.types import (
    Audio,
    AudioFormat,
    Caption,
    Done,
    Event,
    OptionsUpdate,
    Paused,
    SegmentStarted,
    Start,
    Text,
    Timestamps,
    Word,
    Words,
)
from streamer.voices import Catalogue
from tests.pausing_listener import Listener, Noise, NoisyWords
from tests.scripted_engine import ScriptedEngine, WordEngine
from tests.virtual_time import run

PCM = AudioFormat("pcm_f32le", sample_rate=24000)
SEED = OptionsUpdate(seed=1)
TEXT = (
    "Hello there my friend. This is the second sentence, and it is so long that nobody would want to "
    "read it at once, or in one caption. And so it ends."
)


async def events_of(engine: ScriptedEngine, start: Start, text: str = TEXT) -> list[Event]:
    session = Session(
        start,
        catalogue=Catalogue({engine.name: engine}),
        settings=Settings(),
        clock=lambda: 0.0,
        paced=False,
    )
    session.text(Text("c", text))
    session.end()
    async with aclosing(session.events()) as events:
        return [event async for event in events]


def captions_in(events: list[Event]) -> list[Caption]:
    return [event for event in events if isinstance(event, Caption)]


@pytest.mark.parametrize("engine", [ScriptedEngine, WordEngine])
@pytest.mark.parametrize("timestamps", ["none", "segment", "char", "word"])
def test_captions_are_the_same_whatever_times_the_client_wants(
    engine: type[ScriptedEngine], timestamps: Timestamps
) -> None:
    start = Start("c", SEED, audio=PCM, timestamps=timestamps, captions=True)
    wordy = Start("c", SEED, audio=PCM, captions=True)
    found = asyncio.run(events_of(engine(), start))
    captions = captions_in(found)
    assert captions == captions_in(asyncio.run(events_of(engine(), wordy)))
    assert " ".join(" ".join(c.text for c in captions).split()) == TEXT
    assert len(captions) == 4
    plain = asyncio.run(events_of(engine(), Start("c", SEED, audio=PCM, timestamps=timestamps)))
    assert [event for event in found if not isinstance(event, Caption)] == plain


@pytest.mark.parametrize("engine", [ScriptedEngine, WordEngine])
def test_captions_have_the_words_that_are_told(engine: type[ScriptedEngine]) -> None:
    events = asyncio.run(events_of(engine(), Start("c", SEED, audio=PCM, captions=True)))
    words = [w for event in events if isinstance(event, Words) for w in event.words]
    assert [w for c in captions_in(events) for w in c.words] == words


def test_a_caption_comes_before_the_last_of_its_sound() -> None:
    events = asyncio.run(events_of(ScriptedEngine(), Start("c", SEED, audio=PCM, captions=True)))
    out = 0
    segments: list[SegmentStarted] = []
    for event in events:
        if isinstance(event, Audio):
            out = event.packet.pts + event.packet.duration
        elif isinstance(event, SegmentStarted):
            segments.append(event)
        elif isinstance(event, Caption):
            assert out < event.end
            assert any(segment.start <= event.start for segment in segments)


@pytest.mark.parametrize("engine", [ScriptedEngine, WordEngine])
def test_a_caption_that_was_not_sent_before_a_pause_comes_again_as_what_was_heard_and_the_rest(
    engine: type[ScriptedEngine],
) -> None:
    async def main() -> list[Caption]:
        speaker = engine()
        session = Session(
            Start("c", SEED, PCM, cut="sentence", captions=True),
            catalogue=Catalogue({speaker.name: speaker}),
            settings=Settings(),
        )
        session.text(Text("c", "Hello there my “friend”, this is one. Two."))
        session.end()
        sent, paused = [], False
        async with aclosing(session.events()) as events:
            async for event in events:
                if isinstance(event, Caption) and not paused:  # it is on its way out
                    paused = True
                    session.pause(played_ms=250.0)
                    session.go_on()
                elif isinstance(event, Caption):
                    sent.append(event)
        return sent

    sent = asyncio.run(main())
    assert [c.text for c in sent] == ["Hello there", "my “friend”, this is one.", "Two."]
    assert [c.index for c in sent] == [0, 1, 2]
    assert all(a.end <= b.start for a, b in pairwise(sent))


def _lies(listener: Listener) -> list[Word]:
    """The captions' words as they lie now: those that were unheard at a pause are forgotten."""
    known: list[Word] = []
    for event in listener.events:
        if isinstance(event, Paused):
            known = [word for word in known if word.offset < len(event.heard_text)]
        elif isinstance(event, Caption):
            known += event.words
    return known


@pytest.mark.parametrize("engine", [Noise, NoisyWords])
@pytest.mark.parametrize("latency_s", [0.0, 0.003])
def test_behind_a_pause_every_word_has_one_caption(
    engine: type[ScriptedEngine], latency_s: float
) -> None:
    async def main(at_s: float, again_s: float) -> None:
        start = Start("c", SEED, audio=PCM, captions=True)
        listener = Listener(engine(), start=start, latency_s=latency_s, lead_ms=200)
        listener.session.text(Text("c", TEXT))
        listener.session.end()
        for seconds in (at_s, again_s):
            await listener.until(seconds)
            if isinstance(listener.events[-1], Done):
                break
            await listener.pause()
            listener.go_on()
        await listener.over()
        lies = _lies(listener)
        assert [(w.text, w.offset) for w in lies] == [(w.text, w.offset) for w in listener.words]
        assert all(a.start <= b.start for a, b in pairwise(lies))

    for step in range(12):
        run(main(0.03 + step * 0.31, 0.4 + step * 0.33))
