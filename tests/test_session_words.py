"""An engine that takes a sentence while it is written: what it is handed, what the listener is told."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.config import Settings
from streamer.server.run import sessions
from streamer.session import Session
from streamer.text.alignment import client_words
from streamer.text.lexicon import Lexicon
from streamer.text.normalizer import for_ear
from streamer.types import (
    Audio,
    AudioFormat,
    Done,
    Event,
    Failed,
    OptionsUpdate,
    SegmentStarted,
    Start,
    Text,
    Word,
    Words,
)
from streamer.voices import Catalogue
from tests.scripted_engine import ScriptedEngine, WordEngine
from tests.server.running import hear_until, running, say, settings_for

PCM = AudioFormat(codec="pcm_s16le", sample_rate=24000)
WORD = 2400
"""Samples of a word of the scripted engines."""
TEXT = "Hello there my friend. This is **the** second [one](http://x.y), of two! So it ends"
LEXICON = {"second one": "next", "my friend": "dear"}


def session(*engines: ScriptedEngine, start: Start | None = None, **fields: Any) -> Session:
    catalogue = Catalogue({engine.name: engine for engine in engines})
    setting = Settings(**fields)
    return Session(
        start or Start("c", audio=PCM), catalogue=catalogue, settings=setting, paced=False
    )


FADE = 96
"""Samples kept back within a segment: they may be its last."""


def sounding(words: int) -> int:
    """Samples of so many words of a segment that is not over."""
    return words * WORD - FADE


class Heard:
    """A listener: its events so far, in a task of its own."""

    def __init__(self, spoken: Session) -> None:
        self.session = spoken
        self.events: list[Event] = []
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async with aclosing(self.session.events()) as events:
            async for event in events:
                self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def words(self) -> list[Word]:
        return [word for event in self.of(Words) for word in event.words]

    async def write(self, text: str, **fields: Any) -> None:
        """The next text, and all that comes of it."""
        self.session.text(Text("c", text, **fields))
        await settle()

    async def end(self) -> list[Event]:
        self.session.end()
        async with asyncio.timeout(20):
            await self._task
        return self.events

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def settle() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_words_sound_as_they_are_written_before_their_sentence_is_whole() -> None:
    engine = WordEngine()
    heard = Heard(session(engine))
    await heard.write("Hel")
    assert not engine.spoken
    await heard.write("lo th")
    assert [(piece.text, piece.more) for piece in engine.spoken] == [("Hello", True)]
    assert [word.text for word in heard.words] == ["Hello"]
    assert heard.session.samples == sounding(1)
    assert heard.session.characters == len("Hello")
    assert heard.session.pending == len(" th")
    await heard.write("ere my ")
    assert heard.session.samples == sounding(3)
    assert heard.of(SegmentStarted) == []
    events = await heard.end()
    assert engine.texts == ["Hello there my"]
    (segment,) = heard.of(SegmentStarted)
    assert (segment.text, segment.offset, segment.reason) == ("Hello there my", 0, "end")
    assert isinstance(events[-1], Done)
    assert events[-1].characters == len("Hello there my ")


@pytest.mark.asyncio
async def test_the_segment_is_told_when_its_text_is_whole() -> None:
    engine = WordEngine()
    heard = Heard(session(engine, start=Start("c", audio=PCM, trace=True)))
    await heard.write("Hello there my friend")
    assert heard.of(SegmentStarted) == []
    await heard.write(". Next")
    (segment,) = heard.of(SegmentStarted)
    assert (segment.text, segment.reason, segment.start) == (
        "Hello there my friend.",
        "sentence",
        0,
    )
    assert segment.trace is not None
    times = segment.trace
    assert times.received_ms <= times.cut_ms <= times.synthesized_ms <= times.encoded_ms
    await heard.end()
    first, second = heard.of(SegmentStarted)
    assert (second.index, second.text, second.offset) == (1, "Next", 23)
    assert second.start > first.start
    assert [event.first for event in heard.of(Audio)].count(True) == 2


@pytest.mark.asyncio
async def test_text_that_is_whole_is_one_piece() -> None:
    engine = WordEngine()
    one = session(engine)
    one.text(Text("c", "Hello there my friend. And so on."))
    one.end()
    events = [event async for event in one.events()]
    assert [(p.text, p.more) for p in engine.spoken] == [
        ("Hello there my friend.", False),
        ("And so on.", False),
    ]
    kinds = [type(e) for e in events if isinstance(e, SegmentStarted | Audio)]
    assert kinds[:2] == [SegmentStarted, Audio]


def whole(text: str) -> list[str]:
    """What is said of each segment of a text, by one that was given all of it at once."""
    engine = WordEngine()

    async def speak() -> None:
        one = session(engine, start=Start("c", audio=PCM, lexicon=LEXICON))
        one.text(Text("c", text))
        one.end()
        async for _ in one.events():
            pass

    asyncio.run(speak())
    return engine.texts


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, len(TEXT)), max_size=12), turns=st.integers(0, 12))
def test_however_text_is_cut_the_same_is_said_and_told(cuts: list[int], turns: int) -> None:
    expected = whole(TEXT)
    engine = WordEngine()

    async def speak() -> Heard:
        heard = Heard(session(engine, start=Start("c", audio=PCM, lexicon=LEXICON)))
        at = sorted(cuts)
        for begin, end in zip([0, *at], [*at, len(TEXT)], strict=True):
            heard.session.text(Text("c", TEXT[begin:end]))
            for _ in range(turns):
                await asyncio.sleep(0)
        await heard.end()
        return heard

    heard = asyncio.run(speak())
    assert engine.texts == expected
    segments = heard.of(SegmentStarted)
    lexicon = Lexicon(LEXICON)
    assert [lexicon.apply(for_ear(s.text)).text for s in segments] == expected
    assert [segment.reason for segment in segments] == ["sentence", "sentence", "end"]
    assert all(TEXT.startswith(s.text, s.offset) for s in segments)
    assert all(TEXT[w.offset : w.offset + len(w.text)] == w.text for w in heard.words)
    said = [w for s in engine.texts for _, w in client_words(s)]
    assert heard.session.samples >= len(said) * WORD


@pytest.mark.asyncio
@pytest.mark.parametrize("times", [True, False])
async def test_an_interrupt_within_an_open_segment_tells_what_was_heard(times: bool) -> None:
    engine = WordEngine(times=times)
    heard = Heard(session(engine))
    await heard.write("Hello there my fri")
    assert heard.session.samples == sounding(3)
    await heard.stop()
    told = heard.session.interrupted(250)
    assert told.heard_text + told.unspoken_text == "Hello there my fri"
    if times:
        assert told.heard_text == "Hello there"
    assert engine.open == 0


@pytest.mark.asyncio
async def test_guessed_words_grow_with_the_text_and_each_is_told_once() -> None:
    heard = Heard(session(WordEngine(times=False)))
    text = (
        "This is a rather long sentence, which is written word by word, and it never seems to end."
    )
    for at in range(0, len(text), 3):
        await heard.write(text[at : at + 3])
    early = len(heard.words)
    await heard.end()
    assert [(w.offset, w.text) for w in heard.words] == client_words(text)
    assert early > 0
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)


@pytest.mark.asyncio
async def test_flush_and_new_options_end_the_open_segment() -> None:
    engine = WordEngine()
    heard = Heard(session(engine))
    await heard.write("Hello there my ")
    heard.session.flush()
    await settle()
    await heard.write("And then, ")
    await heard.write("not so fast ", options=OptionsUpdate(speed=0.5))
    await heard.end()
    assert engine.texts == ["Hello there my", "And then,", "not so fast"]
    assert [s.reason for s in heard.of(SegmentStarted)] == ["flush", "options", "end"]
    assert {p.index: p.options.speed for p in engine.spoken} == {0: 1, 1: 1, 2: 0.5}


@pytest.mark.asyncio
async def test_a_pause_of_the_input_ends_no_sentence_but_one_that_may_be_whole() -> None:
    engine = WordEngine()
    heard = Heard(session(engine, text_pause_ms=0))
    await heard.write("Hello my ")
    await asyncio.sleep(0.02)
    assert heard.of(SegmentStarted) == []
    await heard.write("friend.")
    async with asyncio.timeout(10):
        while not heard.of(SegmentStarted):
            await asyncio.sleep(0)
    (segment,) = heard.of(SegmentStarted)
    assert (segment.text, segment.reason) == ("Hello my friend.", "timer")
    await heard.end()


@pytest.mark.asyncio
async def test_a_context_whose_text_stops_within_a_sentence_ends_by_idle() -> None:
    heard = Heard(session(WordEngine(), idle_s=0.05))
    await heard.write("Hello there my ")
    async with asyncio.timeout(20):
        await heard._task
    (done,) = heard.of(Done)
    assert (done.reason, done.characters) == ("idle", len("Hello there my"))


@pytest.mark.asyncio
async def test_what_the_voice_cannot_say_later_in_a_sentence_is_anothers_segment() -> None:
    one, other = WordEngine("a", languages=("en",)), ScriptedEngine("b", languages=("zh",))
    one.voices = one.voices[:1]
    heard = Heard(session(one, other))
    text = 'She said "你好" to me. Good.'
    for character in text:
        await heard.write(character)
    await heard.end()
    assert one.texts == ["She said", "Good."]
    assert [segment.text for segment in other.spoken] == ['"你好" to me.']
    reasons = [(s.text, s.offset, s.reason) for s in heard.of(SegmentStarted)]
    assert reasons == [
        ("She said", 0, "language"),
        ('"你好" to me.', 9, "sentence"),
        ("Good.", 21, "end"),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("rest", ["**你好** to me. ", "**你好"])
async def test_what_nobody_can_say_later_in_a_sentence_fails_behind_what_came_before(
    rest: str,
) -> None:
    engine = WordEngine()
    engine.voices = engine.voices[:1]
    heard = Heard(session(engine))
    await heard.write("She said ")
    await heard.write(rest)
    await heard.end()
    assert engine.texts == ["She said"]
    (failed,) = heard.of(Failed)
    assert (failed.error.code, failed.error.details["offset"]) == ("language_not_supported", 11)
    assert heard.session.samples == 2 * WORD


@pytest.mark.asyncio
async def test_engines_of_both_kinds_take_turns_in_one_context() -> None:
    words, sentences = WordEngine("words"), ScriptedEngine("sentences")
    heard = Heard(session(words, sentences))
    await heard.write("Hello there ")
    await heard.write("now you go on. And", options=OptionsUpdate(voice="sentences-a"))
    await heard.write(" more ")
    await heard.write("back to me ", options=OptionsUpdate(voice="words-a"))
    await heard.end()
    assert words.texts == ["Hello there", "back to me"]
    assert [s.text for s in sentences.spoken] == ["now you go on.", "And more"]
    assert not any(segment.more for segment in sentences.spoken)
    assert heard.of(Done)[0].engine == "words+sentences"


@pytest.mark.asyncio
async def test_an_engine_that_fails_within_an_open_segment_ends_the_context() -> None:
    engine = WordEngine(fail_at=0)
    heard = Heard(session(engine))
    await heard.write("Hello there ")
    await heard._task
    (failed,) = heard.of(Failed)
    assert failed.error.code == "engine_failed"
    assert engine.open == 0


@pytest.mark.asyncio
async def test_an_open_segment_costs_what_was_handed_to_its_engine() -> None:
    engine = WordEngine()
    engine.capabilities = replace(engine.capabilities, price_per_1000=1000.0)
    heard = Heard(session(engine))
    await heard.write("Hello there my fri")
    assert heard.session.cost == pytest.approx(len("Hello there my"))
    await heard.stop()


@pytest.mark.asyncio
async def test_text_without_end_is_cut_behind_what_has_been_said() -> None:
    engine = WordEngine()
    heard = Heard(session(engine))
    for _ in range(120):
        await heard.write("word and ")
    await heard.end()
    assert " ".join(engine.texts) == ("word and " * 120).strip()
    assert len(engine.texts) > 2
    assert {s.reason for s in heard.of(SegmentStarted)} == {"length", "end"}


@pytest.mark.asyncio
async def test_over_a_websocket_words_sound_while_their_sentence_is_written(tmp_path: Path) -> None:
    engine = WordEngine()
    catalogue = Catalogue({engine.name: engine})
    setting = settings_for(tmp_path)
    async with (
        running(tmp_path, catalogue=catalogue, sessions=sessions(setting, catalogue)) as server,
        server.socket() as socket,
    ):
        await hear_until(socket, "ready")
        audio = {"codec": "pcm_s16le", "sample_rate": 24000, "transport": "json"}
        await say(socket, type="start", context="a", audio=audio)
        for piece in ("Hel", "lo th", "ere "):
            await say(socket, type="text", context="a", text=piece)
        early = await hear_until(socket, "audio")
        assert "segment" not in [message["type"] for message in early]
        for piece in ("my fri", "end."):
            await say(socket, type="text", context="a", text=piece)
        await say(socket, type="end", context="a")
        heard = early + await hear_until(socket, "done")
    (segment,) = [message for message in heard if message["type"] == "segment"]
    told = segment["text"], segment["offset"], segment["reason"], segment["start_ms"]
    assert told == ("Hello there my friend.", 0, "end", 0.0)
    words = [word["text"] for m in heard if m["type"] == "words" for word in m["words"]]
    assert words == ["Hello", "there", "my", "friend"]
    assert heard[-1]["samples"] == 4 * WORD
    assert engine.texts == ["Hello there my friend."]
    assert engine.open == 0
