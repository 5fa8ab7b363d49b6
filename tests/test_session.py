import asyncio
import gc
import math
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pytest

from streamer.config import Settings
from streamer.engines.base import Lead
from streamer.errors import (
    ContextConflict,
    EngineFailed,
    InvalidParameter,
    LanguageNotSupported,
    StreamerError,
    TextGap,
    TextLimit,
    UnknownVoice,
    UnsupportedParameter,
)
from streamer.listeners import Listeners
from streamer.session import Session
from streamer.text.alignment import client_words
from streamer.types import (
    Audio,
    AudioFormat,
    Done,
    Event,
    Failed,
    Mark,
    OptionsUpdate,
    PcmChunk,
    Segment,
    SegmentStarted,
    Start,
    Started,
    Text,
    Word,
    Words,
)
from streamer.voices import Catalogue, Speaker
from tests.scripted_engine import ScriptedEngine

Kind = TypeVar("Kind")

PCM = AudioFormat(codec="pcm_s16le", sample_rate=24000)
TEXT = "Hello there my friend. This is the second sentence. And a third one."


def session(
    *engines: ScriptedEngine,
    start: Start | None = None,
    settings: Settings | None = None,
    paced: bool = False,
    background: bool = False,
) -> Session:
    catalogue = Catalogue({engine.name: engine for engine in engines or (ScriptedEngine(),)})
    return Session(
        start or Start("c", audio=PCM),
        catalogue=catalogue,
        settings=settings or Settings(),
        paced=paced,
        background=background,
    )


async def spoken(session: Session, text: str = TEXT, **fields: Any) -> list[Event]:
    session.text(Text("c", text, **fields))
    session.end()
    return [event async for event in session.events()]


def of(kind: type[Kind], events: list[Event]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.asyncio
async def test_a_context_begins_with_started_and_ends_with_done() -> None:
    events = await spoken(session())
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Done)
    assert events[-1].reason == "end"
    assert events[-1].characters == len(TEXT)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("own", "told"), [(None, 2 * len(TEXT) / 1000), (30.0, 30 * len(TEXT) / 1000), (0.0, None)]
)
async def test_an_engine_may_have_a_price_of_its_own(own: float | None, told: float | None) -> None:
    engine = ScriptedEngine()
    engine.capabilities = replace(engine.capabilities, price_per_1000=own)
    one = session(engine, settings=Settings(price_per_1000=2.0))
    (done,) = of(Done, await spoken(one))
    assert done.cost == (None if told is None else pytest.approx(told))
    assert one.cost == pytest.approx(told or 0.0)


def priced(name: str, price: float | None, *languages: str) -> ScriptedEngine:
    engine = ScriptedEngine(name, languages=languages)
    engine.voices = engine.voices[:1]
    engine.capabilities = replace(engine.capabilities, price_per_1000=price)
    return engine


@pytest.mark.asyncio
async def test_a_line_that_another_engine_speaks_costs_as_that_one_does() -> None:
    engines = priced("a", 0.0, "en"), priced("b", 40.0, "zh")
    text = "Hello there. 你好,世界。 Good bye."
    one = session(*engines)
    assert one.quote(Text("c", text)) == pytest.approx(40 * len(text) / 1000)
    (done,) = of(Done, await spoken(one, text))
    assert done.cost == pytest.approx(40 * len("你好,世界。") / 1000)
    for size in (1, 7, len(text)):
        rehearsal = session(*engines)
        for at in range(0, len(text), size):
            rehearsal.text(Text("c", text[at : at + size]))
            rehearsal.rehearse()
        rehearsal.end()
        assert rehearsal.rehearse().cost == pytest.approx(done.cost)


@pytest.mark.asyncio
async def test_the_model_behind_the_slash_goes_to_its_engine_alone_at_its_price() -> None:
    one, other = priced("a", 1.0, "en"), priced("b", 40.0, "zh")
    one.capabilities = replace(one.capabilities, models={"usual": None, "large": 10.0})
    start = Start("c", OptionsUpdate(model="a/large"), PCM)
    told = session(one, other, start=start)
    (done,) = of(Done, await spoken(told, "Hello there. 你好。"))
    assert [segment.options.model for segment in one.spoken] == ["large"]
    assert [segment.options.model for segment in other.spoken] == [""]
    assert done.cost == pytest.approx((13 * 10 + 3 * 40) / 1000)
    assert session(one, start=start).quote(Text("c", "Hi.")) == pytest.approx(0.03)
    usual = session(one, start=Start("c", OptionsUpdate(model="a/usual"), PCM))
    assert usual.quote(Text("c", "Hi.")) == pytest.approx(0.003)
    for model, error in (("a/huge", UnknownVoice), ("b/large", UnsupportedParameter)):
        with pytest.raises(error) as caught:
            session(one, other, start=Start("c", OptionsUpdate(model=model), PCM))
        assert caught.value.param == "model"


@pytest.mark.asyncio
async def test_a_quote_is_of_whom_the_text_asks_for_and_takes_nothing() -> None:
    one = session(priced("a", 0.0, "en"), priced("b", 40.0, "mul"), settings=Settings())
    assert one.quote(Text("c", "Hello there.")) == 0
    dear = Text("c", "Hello there.", options=OptionsUpdate(voice="b-a"))
    assert one.quote(dear) == pytest.approx(40 * 12 / 1000)
    assert one.quote(Text("c", "Hello there.")) == 0
    with pytest.raises(UnknownVoice):
        one.quote(Text("c", "Hello", options=OptionsUpdate(voice="nobody")))
    assert (one.characters, one.pending, one.cost) == (0, 0, 0)


@pytest.mark.asyncio
async def test_quotes_of_a_text_in_pieces_are_never_less_than_what_it_costs() -> None:
    text = "Hello there. Hello 你好 and good bye. 世界 is big. Bye."
    for size in (1, 2, 5, 11, len(text)):
        one = session(priced("a", 1.0, "en"), priced("b", 40.0, "mul"))
        quoted = 0.0
        for at in range(0, len(text), size):
            piece = Text("c", text[at : at + size])
            quoted += one.quote(piece)
            one.text(piece)
        (done,) = of(Done, await spoken(one, ""))
        assert done.cost is not None
        assert 0.04 < done.cost <= quoted + 1e-9


@pytest.mark.asyncio
async def test_packets_are_contiguous_from_zero_to_the_samples_that_done_tells() -> None:
    events = await spoken(session())
    at = 0
    for audio in of(Audio, events):
        assert audio.packet.pts == at
        at += audio.packet.duration
        assert len(audio.packet.data) == 2 * audio.packet.duration
    done = of(Done, events)[0]
    assert at == done.samples > 0
    assert done.audio_ms == pytest.approx(at / 24)


@pytest.mark.asyncio
async def test_words_quote_the_input_and_run_to_the_end_of_the_sound() -> None:
    events = await spoken(session())
    words = [word for event in of(Words, events) for word in event.words]
    assert [word.text for word in words] == [w.strip(".") for w in TEXT.split()]
    assert all(TEXT[w.offset : w.offset + len(w.text)] == w.text for w in words)
    assert all(a.end <= b.start for a, b in pairwise(words))
    assert words[-1].end == of(Done, events)[0].samples


@pytest.mark.asyncio
async def test_segments_come_before_their_first_packet_which_is_flagged() -> None:
    events = await spoken(session())
    segments = of(SegmentStarted, events)
    assert [s.text for s in segments] == [
        "Hello there my friend.",
        "This is the second sentence.",
        "And a third one.",
    ]
    firsts = [audio for audio in of(Audio, events) if audio.first]
    assert len(firsts) == 3
    for segment, audio in zip(segments, firsts, strict=True):
        assert audio.packet.pts <= segment.start < audio.packet.pts + audio.packet.duration
        assert events.index(segment) < events.index(audio)
        assert TEXT[segment.offset :].startswith(segment.text)


@pytest.mark.asyncio
async def test_only_the_very_last_packet_is_flagged_last() -> None:
    for codec in ("pcm_s16le", "opus", "mp3", "flac"):
        events = await spoken(session(start=Start("c", audio=AudioFormat(codec=codec))))
        flags = [audio.last for audio in of(Audio, events)]
        assert flags == [False] * (len(flags) - 1) + [True], codec


class BelatedEngine(ScriptedEngine):
    """Learns only after the last sound of a segment that it was the last."""

    def _chunks(self, segment: Segment) -> list[PcmChunk]:
        sound = [replace(chunk, last=False) for chunk in super()._chunks(segment)]
        return [*sound, PcmChunk(np.zeros(0, np.float32), segment.index, last=True)]


@pytest.mark.asyncio
async def test_the_last_packet_is_flagged_where_the_last_chunk_is_empty() -> None:
    for codec in ("pcm_s16le", "opus", "mp3", "flac"):
        start = Start("c", audio=AudioFormat(codec=codec))
        events = await spoken(session(BelatedEngine(), start=start))
        flags = [audio.last for audio in of(Audio, events)]
        assert flags == [False] * (len(flags) - 1) + [True], codec


@pytest.mark.asyncio
async def test_pauses_lie_between_segments_and_not_at_the_ends() -> None:
    events = await spoken(session())
    first, second, third = of(SegmentStarted, events)
    assert first.start == 0
    assert second.start > 4 * 2400
    assert third.start - second.start == second.start + 2400
    assert of(Done, events)[0].samples == third.start + 4 * 2400


class BreathlessEngine(ScriptedEngine):
    """Says the second segment in one breath with the first."""

    def _chunks(self, segment: Segment) -> list[PcmChunk]:
        first, *others = super()._chunks(segment)
        return [replace(first, joins=segment.index == 1), *others]


@pytest.mark.asyncio
async def test_no_pause_is_put_before_a_segment_that_joins_the_one_before() -> None:
    events = await spoken(session(BreathlessEngine()))
    first, second, third = of(SegmentStarted, events)
    assert (first.start, second.start) == (0, 4 * 2400)
    assert third.start > second.start + 5 * 2400


@pytest.mark.asyncio
async def test_speed_outside_the_engines_range_is_made_up_for_and_word_times_scale() -> None:
    plain = of(Done, await spoken(session()))[0].samples
    for speed in (0.25, 0.5, 2.0, 4.0):
        start = Start("c", OptionsUpdate(speed=speed), PCM)
        engine = ScriptedEngine()
        events = await spoken(session(engine, start=start))
        done = of(Done, events)[0]
        assert done.samples == pytest.approx(plain / speed, rel=0.03)
        assert engine.spoken[0].options.speed == min(max(speed, 0.5), 2.0)
        last = of(Words, events)[-1].words[-1]
        assert last.end == pytest.approx(done.samples, abs=30)


@pytest.mark.asyncio
async def test_an_engine_without_word_times_gets_estimates_that_say_so() -> None:
    events = await spoken(session(ScriptedEngine(times=False)))
    words = of(Words, events)
    assert {event.timing for event in words} == {"estimated"}
    assert [w.text for event in words for w in event.words] == [w.strip(".") for w in TEXT.split()]


class Telling(ScriptedEngine):
    """Has no word times, and says from the chunk `known` on how long a segment is."""

    def __init__(self, known: int) -> None:
        super().__init__(times=False)
        self.known = known

    def _chunks(self, segment: Segment) -> list[PcmChunk]:
        chunks = super()._chunks(segment)
        total = sum(len(chunk.samples) for chunk in chunks)
        return [
            replace(chunk, total=total if number >= self.known else None)
            for number, chunk in enumerate(chunks)
        ]


LONG = "Please remember to bring your passport and two photographs with a pen to the counter."
WHOLE = Start("c", audio=PCM, cut="sentence")


@pytest.mark.asyncio
@pytest.mark.parametrize(("known", "soon"), [(0, 14), (5, 9), (1 << 30, 0)])
async def test_estimates_come_as_the_sound_does_and_before_it_where_its_length_is_known(
    known: int, soon: int
) -> None:
    """`soon` are the words that come before the first packet they are in."""
    events = await spoken(session(Telling(known), start=WHOLE), LONG)
    words = [word for event in of(Words, events) for word in event.words]
    assert [(word.offset, word.text) for word in words] == client_words(LONG)
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] == of(Done, events)[0].samples
    assert len(of(Words, events)) > 2
    before = sent = 0
    for event in events:
        if isinstance(event, Audio):
            sent = event.packet.pts + event.packet.duration
        elif isinstance(event, Words):
            before += sum(word.start >= sent for word in event.words)
    assert before >= soon


@pytest.mark.asyncio
async def test_estimates_wait_for_the_end_where_nobody_listens() -> None:
    engine = ScriptedEngine(times=False)
    live = await spoken(session(engine, start=WHOLE), LONG)
    job = await spoken(session(engine, start=WHOLE, background=True), LONG)
    known = await spoken(session(Telling(0), start=WHOLE, background=True), LONG)
    assert len(of(Words, live)) > len(of(Words, job)) == 1
    told = [[w for event in of(Words, events) for w in event.words] for events in (job, known)]
    assert told[0] == told[1]


@pytest.mark.asyncio
async def test_what_was_told_by_a_guess_stays_when_the_rest_is_guessed_at_an_interrupt() -> None:
    speaking = session(ScriptedEngine(times=False), start=WHOLE)
    speaking.text(Text("c", LONG))
    told: list[Word] = []
    async with aclosing(speaking.events()) as events:
        async for event in events:
            told += event.words if isinstance(event, Words) else ()
            if speaking.samples >= 1.2 * 24000:
                break
    heard = speaking.interrupted(played_ms=1200)
    assert told
    assert heard.heard_words[: len(told)] == tuple(told)
    assert heard.heard_text + heard.unspoken_text == LONG


@pytest.mark.asyncio
async def test_words_of_the_engine_that_come_behind_a_guess_are_not_told_again() -> None:
    """In a chain, whose steps tell times or don't."""

    class Late(ScriptedEngine):
        def _chunks(self, segment: Segment) -> list[PcmChunk]:
            chunks = super()._chunks(segment)
            for chunk in chunks[:8]:
                chunks[8] = replace(chunks[8], words=chunk.words + chunks[8].words)
            return [replace(chunk, words=()) for chunk in chunks[:8]] + chunks[8:]

    engine = Late()
    engine.capabilities = replace(engine.capabilities, word_times="estimated")
    events = await spoken(session(engine, start=WHOLE), LONG)
    words = [(word.offset, word.text) for event in of(Words, events) for word in event.words]
    assert words == client_words(LONG)


@pytest.mark.asyncio
async def test_characters_share_the_time_of_their_word() -> None:
    events = await spoken(session(start=Start("c", audio=PCM, timestamps="char")), "Go on.")
    characters = [w for event in of(Words, events) for w in event.words]
    assert "".join(w.text for w in characters) == "Goon"
    assert [w.offset for w in characters] == [0, 1, 3, 4]
    assert characters[-1].end == of(Done, events)[0].samples


@pytest.mark.asyncio
async def test_the_lexicon_changes_what_is_spoken_but_not_what_the_words_quote() -> None:
    engine = ScriptedEngine()
    start = Start("c", audio=PCM, lexicon={"nginx": "engine x"})
    events = await spoken(session(engine, start=start), "I like nginx a lot.")
    assert engine.spoken[0].text == "I like engine x a lot."
    words = [w.text for event in of(Words, events) for w in event.words]
    assert words == ["I", "like", "nginx", "a", "lot"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("text", "lexicon"),
    [
        ("**Hello** there, _my_ own `friend`, [read](https://a.example/b) it.", {}),
        ("A SQL and a UN are *two*.", {"SQL": "sequel", "UN": "United Nations of all"}),
    ],
)
async def test_a_word_of_changed_text_comes_before_the_sound_after_it(
    text: str, lexicon: dict[str, str]
) -> None:
    events = await spoken(session(start=Start("c", audio=PCM, lexicon=lexicon)), text)
    at = seen = 0
    for event in events:
        if isinstance(event, Audio):
            at = event.packet.pts + event.packet.duration
        if isinstance(event, Words):
            for word in event.words:
                assert at <= word.start or word.text == "UN", word
                assert text[word.offset : word.offset + len(word.text)] == word.text
                seen += 1
    assert seen == 7


@pytest.mark.asyncio
async def test_a_mark_comes_before_the_packet_that_holds_its_sample() -> None:
    speaking = session()
    speaking.text(Text("c", "One two three. "))
    speaking.text(Text("c", "Four five six.", mark="here"))
    speaking.text(Text("c", "", mark="end"))
    speaking.end()
    events = [event async for event in speaking.events()]
    here, end = of(Mark, events)
    four = next(w for event in of(Words, events) for w in event.words if w.text == "Four")
    assert (here.mark, here.pts) == ("here", four.start)
    follower = next(e for e in events[events.index(here) :] if isinstance(e, Audio))
    assert follower.packet.pts <= here.pts < follower.packet.pts + follower.packet.duration
    assert (end.mark, end.pts) == ("end", of(Done, events)[0].samples)


@pytest.mark.asyncio
async def test_options_with_text_begin_a_new_segment() -> None:
    engine = ScriptedEngine()
    speaking = session(engine)
    speaking.text(Text("c", "Say this"))
    speaking.text(Text("c", " and that.", options=OptionsUpdate(speed=2, voice="scripted-b")))
    speaking.end()
    events = [event async for event in speaking.events()]
    told = [(segment.reason, segment.voice) for segment in of(SegmentStarted, events)]
    assert told == [("options", "scripted-a"), ("end", "scripted-b")]
    first, second = engine.spoken
    assert (first.options.speed, first.options.voice.id) == (1, "scripted-a")
    assert (second.options.speed, second.options.voice.id) == (2, "scripted-b")
    assert first.options.seed == second.options.seed


@pytest.mark.asyncio
async def test_a_trace_tells_the_stages_in_order() -> None:
    events = await spoken(session(start=Start("c", audio=PCM, trace=True)))
    for segment in of(SegmentStarted, events):
        trace = segment.trace
        assert trace is not None
        times = [trace.received_ms, trace.cut_ms, trace.synthesized_ms, trace.encoded_ms]
        assert times == sorted(times)


@pytest.mark.asyncio
async def test_text_the_voice_cannot_say_goes_to_the_next_engine_that_can() -> None:
    english = ScriptedEngine("english")
    other = ScriptedEngine("other", languages=("ja",), sample_rate=48000)
    events = await spoken(session(english, other), "Good morning to you. おはようございます。")
    assert [s.text for s in english.spoken] == ["Good morning to you."]
    assert [s.text for s in other.spoken] == ["おはようございます。"]
    done = of(Done, events)[0]
    assert done.engine == "english+other"
    first, second = of(SegmentStarted, events)
    assert (first.voice, second.voice) == ("english-a", "other-a")
    words = [w for event in of(Words, events) for w in event.words if w.offset >= second.offset]
    assert words[-1].end == pytest.approx(done.samples, abs=2)


@pytest.mark.asyncio
async def test_text_nobody_can_say_fails_with_its_offset_after_what_came_before() -> None:
    events = await spoken(session(), "Good morning to you. おはようございます。")
    assert len(of(SegmentStarted, events)) == 1
    failure = events[-1]
    assert isinstance(failure, Failed)
    assert isinstance(failure.error, LanguageNotSupported)
    assert failure.error.details["offset"] == 21
    assert of(Audio, events)[-1].last


@pytest.mark.asyncio
async def test_text_without_anything_to_say_is_silent_and_done() -> None:
    events = await spoken(session(), "  ... — \n")
    assert [type(event) for event in events] == [Started, Done]
    events = await spoken(session(start=Start("c", audio=AudioFormat("opus", "ogg"))), "...")
    assert len(of(Audio, events)) == 1  # the file's header and end
    assert of(Done, events)[0].first_audio_ms is None


@pytest.mark.asyncio
async def test_an_engine_that_fails_ends_the_context_with_its_error() -> None:
    engine = ScriptedEngine(fail_at=1)
    events = await spoken(session(engine))
    assert isinstance(events[-1], Failed)
    assert isinstance(events[-1].error, EngineFailed)
    assert engine.open == 0


@pytest.mark.asyncio
async def test_cancelling_frees_the_engine_and_tells_what_was_heard() -> None:
    engine = ScriptedEngine()
    speaking = session(engine)
    speaking.text(Text("c", TEXT))
    async with aclosing(speaking.events()) as events:
        async for event in events:
            if isinstance(event, SegmentStarted) and event.index == 1:
                break
    assert engine.open == 0
    told = speaking.interrupted(played_ms=250)
    assert [w.text for w in told.heard_words] == ["Hello", "there"]
    assert told.heard_text == "Hello there"
    assert told.heard_text + told.unspoken_text == TEXT
    assert told.clock == "client"


@pytest.mark.asyncio
async def test_words_heard_of_a_segment_without_times_are_guessed_before_its_end() -> None:
    text = "Seven words stand in this one sentence. More."
    speaking = session(ScriptedEngine(times=False))
    speaking.text(Text("c", text))
    async with aclosing(speaking.events()) as events:
        async for event in events:
            assert not isinstance(event, Words)
            if speaking.samples >= 0.5 * 24000:  # 0.1 s a word
                break
    told = speaking.interrupted(played_ms=500)
    assert told.heard_text == "Seven"
    assert told.heard_text + told.unspoken_text == text
    assert speaking.interrupted(played_ms=500) == told, "each word once"


@pytest.mark.asyncio
async def test_cancelling_while_the_engine_works_leaves_nothing_behind() -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    speaking = session(engine)
    before = asyncio.all_tasks()

    async def consume() -> None:
        async with aclosing(speaking.events()) as events:
            async for _ in events:
                pass

    speaking.text(Text("c", TEXT))
    task = asyncio.create_task(consume())
    while not engine.spoken:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.open == 0
    assert asyncio.all_tasks() == before
    assert speaking.interrupted().heard_text == ""


@pytest.mark.asyncio
@pytest.mark.parametrize("turns", range(4))
async def test_cancelling_right_after_a_text_ends_the_context(turns: int) -> None:
    engine = ScriptedEngine()
    one = session(engine)

    async def speak() -> None:
        async with aclosing(one.events()) as events:
            async for _ in events:
                pass

    task = asyncio.create_task(speak())
    one.text(Text("c", "Hello"))
    await asyncio.sleep(0.02)
    one.text(Text("c", " wor"))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done, "the cancellation was lost"
    assert engine.open == 0
    assert one.interrupted().unspoken_text == "Hello wor"


@pytest.mark.asyncio
async def test_cancelling_twice_still_closes_the_engine_in_peace() -> None:
    class Slow(ScriptedEngine):
        """Takes a while to be closed."""

        async def synthesize(
            self, segments: AsyncIterator[Segment], lead: Lead
        ) -> AsyncGenerator[PcmChunk, None]:
            try:
                async with aclosing(super().synthesize(segments, lead)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            finally:
                await asyncio.sleep(0.02)

    engine = Slow()
    one = session(engine)
    one.text(Text("c", TEXT))

    async def speak() -> None:
        async with aclosing(one.events()) as events:
            async for _ in events:
                pass

    task = asyncio.create_task(speak())
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.open == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["end", "cancel", "close", "fail", "language", "idle"])
async def test_a_session_that_is_over_frees_its_encoder_without_the_garbage_collector(
    how: str,
) -> None:
    engine = ScriptedEngine(fail_at=1 if how == "fail" else None)
    one = session(engine, settings=Settings(idle_s=0.01 if how == "idle" else 60), paced=True)
    one.text(Text("c", "Привет." if how == "language" else TEXT))

    async def speak(one: Session) -> None:
        async with aclosing(one.events()) as events:
            async for event in events:
                if how == "close" and isinstance(event, Audio):
                    return

    left = weakref.ref(one)
    gc.disable()
    try:
        task = asyncio.create_task(speak(one))
        if how == "end":
            one.end()
        await asyncio.sleep(0.05)
        if how == "cancel":
            task.cancel()
        await asyncio.wait([task], timeout=5)
        del task, one
        await asyncio.sleep(0)
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.asyncio
async def test_sound_held_back_by_the_encoder_comes_out_when_the_text_pauses() -> None:
    for codec in ("opus", "mp3", "aac"):
        speaking = session(start=Start("c", audio=AudioFormat(codec=codec)), paced=True)
        speaking.text(Text("c", "One two three."))
        speaking.flush()
        end, word_end = 0, 0
        async with aclosing(speaking.events()) as events:
            async with asyncio.timeout(10):
                async for event in events:
                    if isinstance(event, Words):
                        word_end = event.words[-1].end
                    if isinstance(event, Audio):
                        end = event.packet.pts + event.packet.duration
                        if word_end == 3 * 2400 and end >= word_end:
                            break
        assert end >= word_end, codec


class LingeringEngine(ScriptedEngine):
    """Takes a moment to go after its last segment, as one with workers does."""

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        async for chunk in super().synthesize(segments, lead):
            yield chunk
        await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_an_engine_that_goes_slowly_does_not_disturb_the_end_of_the_sound() -> None:
    for codec in ("flac", "mp3", "aac"):
        odd = OptionsUpdate(speed=0.77)  # no whole number of frames
        start = Start("c", odd, AudioFormat(codec=codec))
        events = await spoken(session(LingeringEngine(), start=start, paced=True), "One two three.")
        assert isinstance(events[-1], Done), codec


@pytest.mark.asyncio
async def test_a_context_nobody_uses_ends_by_idle() -> None:
    speaking = session(settings=Settings(idle_s=0.05), paced=True)
    async with asyncio.timeout(10):
        events = [event async for event in speaking.events()]
    assert isinstance(events[-1], Done)
    assert events[-1].reason == "idle"


@pytest.mark.asyncio
async def test_input_that_pauses_is_cut_by_the_timer() -> None:
    speaking = session(settings=Settings(idle_s=5, text_pause_ms=20), paced=True)
    speaking.text(Text("c", "so let me think about it "))
    async with asyncio.timeout(10), aclosing(speaking.events()) as events:
        async for event in events:
            if isinstance(event, SegmentStarted):
                break
    assert isinstance(event, SegmentStarted)
    assert event.reason == "timer"


@pytest.mark.asyncio
async def test_the_timer_leaves_a_listener_alone_who_has_enough_to_play() -> None:
    speaking = session(settings=Settings(idle_s=5, text_pause_ms=20, lead_ms=5000), paced=True)
    speaking.text(Text("c", "One two three four five six. And so let us think "))
    cut: list[SegmentStarted] = []

    async def consume() -> None:
        async with aclosing(speaking.events()) as events:
            async for event in events:
                if isinstance(event, SegmentStarted):
                    cut.append(event)

    task = asyncio.create_task(consume())
    while not cut:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert len(cut) == 1
    speaking.text(Text("c", "about it."))
    speaking.end()
    await task
    assert [s.text for s in cut] == [
        "One two three four five six.",
        "And so let us think about it.",
    ]


@pytest.mark.asyncio
async def test_the_same_seed_and_text_give_the_same_bytes_however_the_text_comes() -> None:
    def data(events: list[Event]) -> list[bytes]:
        return [audio.packet.data for audio in of(Audio, events)]

    start = Start("c", OptionsUpdate(seed=7), AudioFormat())
    whole = await spoken(session(start=start))
    speaking = session(start=start)
    for character in TEXT:
        speaking.text(Text("c", character))
    speaking.end()
    assert data([event async for event in speaking.events()]) == data(whole)


@pytest.mark.asyncio
async def test_text_already_received_is_dropped_and_a_hole_is_refused() -> None:
    engine = ScriptedEngine()
    speaking = session(engine)
    speaking.text(Text("c", "Hello there"))
    speaking.text(Text("c", "there my friend.", at=6))
    with pytest.raises(TextGap) as caught:
        speaking.text(Text("c", "x", at=100))
    assert caught.value.details["expected"] == 22
    speaking.end()
    events = [event async for event in speaking.events()]
    assert [s.text for s in of(SegmentStarted, events)] == ["Hello there my friend."]


@pytest.mark.asyncio
async def test_text_said_again_after_the_end_does_no_harm_and_more_of_it_does() -> None:
    speaking = session()
    speaking.text(Text("c", "Hello there."))
    speaking.end()
    for text, at in (("Hello there.", 0), ("there.", 6), ("", 12), ("", 0)):
        speaking.text(Text("c", text, at=at))
    for text, at in (("there. More", 6), ("x", 12), ("x", 100)):
        with pytest.raises(ContextConflict):
            speaking.text(Text("c", text, at=at))
    speaking.end()
    events = [event async for event in speaking.events()]
    assert [s.text for s in of(SegmentStarted, events)] == ["Hello there."]


@pytest.mark.asyncio
async def test_too_much_unspoken_text_is_refused_and_what_was_taken_is_spoken() -> None:
    speaking = session(settings=Settings(max_pending_chars=40))
    speaking.text(Text("c", "Hello there my friend."))
    with pytest.raises(TextLimit):
        speaking.text(Text("c", "x" * 40))
    speaking.end()
    with pytest.raises(ContextConflict):
        speaking.text(Text("c", "more"))
    events = [event async for event in speaking.events()]
    assert isinstance(events[-1], Done)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("start", "error", "param"),
    [
        (Start("c", OptionsUpdate(voice="nobody")), UnknownVoice, "voice"),
        (Start("c", OptionsUpdate(voice="")), UnknownVoice, "voice"),
        (Start("c", OptionsUpdate(model="nothing")), UnknownVoice, "model"),
        (Start("c", audio=AudioFormat(codec="")), InvalidParameter, "audio.codec"),
        (Start("c", OptionsUpdate(speed=5)), InvalidParameter, "speed"),
        (Start("c", OptionsUpdate(pitch=0.1)), InvalidParameter, "pitch"),
        (Start("c", OptionsUpdate(volume=-1)), InvalidParameter, "volume"),
        (Start("c", OptionsUpdate(language="not a language")), InvalidParameter, "language"),
        (Start("c", OptionsUpdate(language="de")), LanguageNotSupported, "language"),
        (Start("c", lead_ms=1), InvalidParameter, "pacing.lead_ms"),
        (
            Start("c", OptionsUpdate(instructions="whisper"), strict=True),
            UnsupportedParameter,
            "instructions",
        ),
    ],
)
async def test_what_cannot_be_started_is_refused_naming_the_parameter(
    start: Start, error: type[StreamerError], param: str
) -> None:
    with pytest.raises(error) as caught:
        session(start=start)
    assert caught.value.param == param


@pytest.mark.asyncio
async def test_instructions_nobody_can_follow_are_ignored_with_a_warning() -> None:
    start = Start("c", OptionsUpdate(instructions="whisper"), PCM)
    events = await spoken(session(start=start), "Hi.")
    assert of(Started, events)[0].warnings == ("instructions_ignored",)


@pytest.mark.asyncio
async def test_a_mark_of_text_that_comes_again_is_told_once() -> None:
    speaking = session()
    speaking.text(Text("c", "One two three. ", at=0, mark="here"))
    speaking.text(Text("c", "One two three. ", at=0, mark="here"))
    speaking.end()
    events = [event async for event in speaking.events()]
    assert [mark.mark for mark in of(Mark, events)] == ["here"]


@pytest.mark.asyncio
async def test_marks_without_end_are_refused() -> None:
    speaking = session(settings=Settings(max_pending_chars=10))
    for _ in range(10):
        speaking.text(Text("c", "", mark="m"))
    with pytest.raises(TextLimit) as caught:
        speaking.text(Text("c", "", mark="m"))
    assert caught.value.param == "mark"


@pytest.mark.asyncio
async def test_text_with_nothing_to_hear_does_not_wait_for_ever() -> None:
    speaking = session(settings=Settings(max_pending_chars=20), paced=True)
    task = asyncio.ensure_future(_consume(speaking))
    for _ in range(5):
        speaking.text(Text("c", "--- --- --- "))
        speaking.flush()
        await asyncio.sleep(0.01)
    speaking.end()
    assert isinstance((await task)[-1], Done)


async def _consume(speaking: Session) -> list[Event]:
    return [event async for event in speaking.events()]


def in_background(engine: ScriptedEngine, **settings: Any) -> Session:
    return Session(
        Start("c", audio=PCM),
        catalogue=Catalogue({engine.name: engine}),
        settings=replace(Settings(), **settings),
        background=True,
    )


class AskingEngine(ScriptedEngine):
    """Writes down the lead before and after each chunk."""

    leads: list[float]

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        self.leads = [lead()]
        async for chunk in super().synthesize(segments, lead):
            yield chunk
            self.leads.append(lead())


@pytest.mark.asyncio
async def test_in_the_background_nobody_waits_and_the_sound_is_the_same() -> None:
    engine = AskingEngine()
    events = await spoken(in_background(engine))
    assert set(engine.leads) == {math.inf}
    sound = [event.packet.data for event in of(Audio, events)]
    assert sound == [event.packet.data for event in of(Audio, await spoken(session()))]


@pytest.mark.asyncio
async def test_in_the_background_neither_a_pause_nor_idleness_ends_a_segment_or_the_context() -> (
    None
):
    engine = ScriptedEngine()
    speaking = in_background(engine, text_pause_ms=1, idle_s=0.01)
    events: list[Event] = []

    async def speak() -> None:
        events.extend([event async for event in speaking.events()])

    task = asyncio.create_task(speak())
    for piece in ("Hello there my ", "friend."):
        speaking.text(Text("c", piece))
        await asyncio.sleep(0.05)
    speaking.end()
    async with asyncio.timeout(5):
        await task
    assert [segment.text for segment in engine.spoken] == ["Hello there my friend."]
    assert of(Done, events)[0].reason == "end"


@pytest.mark.asyncio
async def test_a_rehearsal_tells_who_would_speak_and_makes_room_for_more_text() -> None:
    rehearsed = in_background(ScriptedEngine(), max_pending_chars=60)
    for _ in range(5):
        rehearsed.text(Text("c", "Hello there my friend. "))
        assert rehearsed.rehearse() == Speaker("scripted-a", "scripted", False)
        assert rehearsed.pending < 60
    with pytest.raises(TextLimit):
        rehearsed.text(Text("c", "x" * 61))


@pytest.mark.asyncio
async def test_a_rehearsal_refuses_what_nobody_here_can_say() -> None:
    rehearsed = in_background(ScriptedEngine())
    rehearsed.text(Text("c", "Hello there. Добрый день, друзья."))
    rehearsed.end()
    with pytest.raises(LanguageNotSupported) as caught:
        rehearsed.rehearse()
    assert caught.value.details["offset"] == 13


@pytest.mark.asyncio
async def test_in_the_background_a_session_steps_aside_while_a_listener_waits() -> None:
    listeners = Listeners()
    engine = ScriptedEngine()
    engine.gate.clear()
    catalogue = Catalogue({engine.name: engine})

    def opened(*, background: bool) -> Session:
        return Session(
            Start("c", audio=PCM),
            catalogue=catalogue,
            settings=Settings(),
            paced=False,
            background=background,
            listeners=listeners,
        )

    live = asyncio.create_task(spoken(opened(background=False)))
    while not engine.spoken:
        await asyncio.sleep(0)
    assert listeners.waiting
    behind = asyncio.create_task(spoken(opened(background=True)))
    while len(engine.spoken) < 2:
        await asyncio.sleep(0)
    assert listeners.waiting
    engine.gate.set()
    async with asyncio.timeout(10):
        await live
        assert not listeners.waiting
        await behind
