"""A context of captions: every cue at its time, or told why not."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest

from streamer.config import Settings
from streamer.engines.base import Lead
from streamer.engines.tone import Tone
from streamer.errors import (
    ContextConflict,
    EngineFailed,
    InvalidCaptions,
    LanguageNotSupported,
    NotAvailable,
    TextGap,
    TextLimit,
    UnknownVoice,
)
from streamer.types import (
    Audio,
    AudioFormat,
    Capabilities,
    Caption,
    Cue,
    CueOptions,
    Interrupted,
    Late,
    OptionsUpdate,
    PcmChunk,
    Segment,
    SegmentStarted,
    Started,
    Text,
    Words,
)
from tests import virtual_time
from tests.captions.heard import (
    RATE,
    Heard,
    cued,
    fed,
    heard,
    offset,
    onset,
    session,
    spoken,
)
from tests.captions.talk import srt, stamp, talk, vtt
from tests.scripted_engine import ScriptedEngine


def words(count: int, id: str = "a") -> str:
    """A text of so many words, others for each cue: of the scripted engine, tenths of a second."""
    name = "".join(chr(ord("a") + ord(letter) % 26) for letter in id)
    return " ".join(
        f"{name}{chr(ord('a') + n % 26)}{chr(ord('a') + n // 26)}" for n in range(count)
    )


def cue(id: str, start_s: float | None, count: int, length_s: float | None = None) -> Cue:
    start_ms = None if start_s is None else 1000 * start_s
    end_ms = None if start_ms is None or length_s is None else start_ms + 1000 * length_s
    return Cue("c", words(count, id), id, start_ms, end_ms)


class Unhurried(ScriptedEngine):
    """Speaks as fast as it likes: all hurry is ours."""

    def __init__(self, name: str = "scripted", **how: object) -> None:
        super().__init__(name)
        self.capabilities = Capabilities(word_times="model")


def test_a_file_is_spoken_at_its_times_and_is_as_long() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\nHello there.\n\n00:05.000 --> 00:06.500\nGood bye.\n"
    come = virtual_time.run(spoken(text))
    assert [one.start for one in come.of(SegmentStarted)] == [RATE, 5 * RATE]
    assert come.done.samples == 6.5 * RATE == len(come.sound)
    assert not come.late
    assert not come.skipped
    assert onset(come.sound, 0) / RATE == pytest.approx(1, abs=0.02)
    assert onset(come.sound, 2 * RATE) / RATE == pytest.approx(5, abs=0.02)
    assert not come.sound[: RATE - 10].any()


def test_the_segment_says_which_cue_it_is_of_and_words_quote_the_input() -> None:
    text = srt(talk(30, seed=3))
    come = virtual_time.run(spoken(text))
    input = "\n".join(one.text for one in come.of(SegmentStarted))
    for one in come.of(SegmentStarted):
        assert input[one.offset :][: len(one.text)] == one.text
    for told in come.of(Words):
        for word in told.words:
            assert input[word.offset :][: len(word.text)] == word.text
    assert [one.cue for one in come.of(SegmentStarted)] == [one.id for one in talk(30, seed=3)]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_same_comes_however_the_text_is_cut(size: int) -> None:
    text = vtt(talk(20, seed=1, dense=0.5))

    async def cut() -> Heard:
        one = session(options=OptionsUpdate(seed=1))
        for at in range(0, len(text), size):
            one.text(Text("c", text[at : at + size]))
        one.end()
        return await heard(one)

    whole = virtual_time.run(spoken(text, options=OptionsUpdate(seed=1)))
    come = virtual_time.run(cut())
    told = [e for e in come.events if not isinstance(e, Audio)]
    assert told[:-1] == [e for e in whole.events if not isinstance(e, Audio)][:-1]
    assert np.array_equal(come.sound, whole.sound)


def test_a_dense_cue_is_hurried_to_fit_and_one_that_fits_is_not() -> None:
    cues = [cue("a", 0, 10, 1), cue("b", 1, 12, 1), cue("c", 2, 5, 1), cue("d", 3, 30, 1)]
    come = virtual_time.run(cued(cues))
    assert come.rates["a"] == 1 == come.rates["c"]
    assert come.rates["b"] == pytest.approx(1.2, abs=0.03)
    assert come.rates["d"] == 1.35
    assert come.starts == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert not come.late


def test_the_engine_is_asked_to_hurry_and_only_the_rest_is_stretched() -> None:
    engine = ScriptedEngine()
    virtual_time.run(cued([cue("a", 0, 12, 1), cue("b", 1, 3, 1)], engine))
    assert [segment.options.speed for segment in engine.spoken] == [1, pytest.approx(1.2, 0.03), 1]


def test_an_engine_with_a_price_is_asked_once() -> None:
    engine = ScriptedEngine()
    engine.capabilities = replace(engine.capabilities, price_per_1000=10.0)
    come = virtual_time.run(cued([cue("a", 0, 12, 1), cue("b", 1, 3, 1)], engine))
    assert len(engine.spoken) == 2
    assert come.rates["a"] == pytest.approx(1.2, abs=0.03)
    assert come.done.characters == len(words(12)) + len(words(3))
    assert come.done.cost == pytest.approx(come.done.characters / 100)


def test_characters_of_what_is_said_again_count_once() -> None:
    engine = ScriptedEngine()
    come = virtual_time.run(cued([cue("a", 0, 12, 1), cue("b", 1, 3, 1)], engine))
    assert len(engine.spoken) == 3
    assert come.done.characters == len(words(12)) + len(words(3))


def test_an_engine_that_has_one_speed_is_stretched() -> None:
    engine = Unhurried()
    come = virtual_time.run(cued([cue("a", 0, 12, 1), cue("b", 1, 3, 1)], engine))
    assert len(engine.spoken) == 2
    assert come.rates["a"] == pytest.approx(1.2, abs=0.02)
    assert come.starts["b"] == 1


def test_an_engine_that_fails_to_hurry_is_not_asked_for_ever() -> None:
    class Reluctant(ScriptedEngine):
        async def synthesize(
            self, segments: AsyncIterator[Segment], lead: Lead
        ) -> AsyncGenerator[PcmChunk, None]:
            async with aclosing(super().synthesize(segments, lead)) as chunks:
                async for chunk in chunks:
                    if self.spoken[-1].options.speed > 1:
                        raise EngineFailed("too fast for me")
                    yield chunk

    engine = Reluctant()
    come = virtual_time.run(cued([cue("a", 0, 12, 1), cue("b", 1, 3, 1)], engine))
    assert [segment.options.speed > 1 for segment in engine.spoken] == [False, True, False]
    assert come.rates == {"a": pytest.approx(1.2, abs=0.02), "b": 1}
    assert not come.late


def test_words_of_what_is_stretched_lie_where_they_are_heard() -> None:
    come = virtual_time.run(cued([cue("a", 0, 12, 1), cue("b", 1, 3, 1)], Unhurried()))
    first, _ = come.of(Words)
    ends = [word.end / RATE for word in first.words]
    assert ends == pytest.approx([n / 12 for n in range(1, 13)], abs=0.02)


def test_cues_of_the_same_time_share_their_slot() -> None:
    come = virtual_time.run(cued([cue("a", 0, 8, 1), cue("b", 0, 4, 1), cue("c", 1, 5, 1)]))
    assert come.rates == {
        "a": pytest.approx(1.2, abs=0.03),
        "b": pytest.approx(1.2, abs=0.03),
        "c": 1,
    }
    assert set(come.late) == {"b"}


def test_what_does_not_fit_makes_the_next_late_and_that_is_told() -> None:
    come = virtual_time.run(cued([cue("a", 0, 27, 1), cue("b", 1, 5, 1), cue("c", 3, 5, 1)]))
    assert come.late == {"b": pytest.approx(1, abs=0.03)}
    assert come.starts["b"] == pytest.approx(2, abs=0.03)
    assert come.starts["c"] == 3
    begun = [e for e in come.events if isinstance(e, (Late, SegmentStarted))]
    assert [type(e) for e in begun] == [SegmentStarted, Late, SegmentStarted, SegmentStarted]


def test_late_cues_catch_up() -> None:
    cues = [cue("a", 0, 40, 1), *(cue(str(n), n, 8, 1) for n in range(1, 12))]
    come = virtual_time.run(cued(cues))
    late = [come.late.get(str(n), 0.0) for n in range(1, 12)]
    assert late[0] > 1.8
    assert late == sorted(late, reverse=True)
    assert late[-1] == 0


def test_a_cue_that_would_be_too_late_is_skipped() -> None:
    options = CueOptions(max_late_ms=1000)
    cues = [cue("a", 0, 30, 1), cue("b", 1, 5, 1), cue("c", 2, 5, 1)]
    come = virtual_time.run(cued(cues, cues=options))
    assert come.skipped == [("b", "late")]
    assert come.late == {"c": pytest.approx(0.22, abs=0.05)}


def test_with_skip_no_cue_begins_late() -> None:
    options = CueOptions(overrun="skip")
    cues = [cue("a", 0, 30, 1), cue("b", 1, 5, 1), cue("c", 2, 5, 1), cue("d", 3, 5, 1)]
    come = virtual_time.run(cued(cues, cues=options))
    assert come.skipped == [("b", "late"), ("c", "late")]
    assert come.starts == {"a": 0, "d": 3}


def test_with_merge_those_that_wait_are_said_in_one_breath() -> None:
    options = CueOptions(overrun="merge")
    cues = [cue("a", 0, 33, 1), cue("b", 1, 10, 1), cue("c", 2, 4, 1), cue("d", 4, 5, 1)]
    come = virtual_time.run(cued(cues, cues=options))
    late = {one.cue: one for one in come.of(Late)}
    assert late["b"].into is None
    assert late["c"].into == "b"
    assert come.rates["b"] == come.rates["c"] == 1  # 1.4 s in 1.5 s, where b alone had none
    assert come.starts["d"] == 4
    alone = virtual_time.run(cued(cues))
    assert alone.rates["b"] == 1.35


def test_mixed_cues_of_a_file_are_in_time_however_long_their_engine_takes() -> None:
    class Slow(ScriptedEngine):
        async def synthesize(
            self, segments: AsyncIterator[Segment], lead: Lead
        ) -> AsyncGenerator[PcmChunk, None]:
            async with aclosing(super().synthesize(segments, lead)) as chunks:
                async for chunk in chunks:
                    await asyncio.sleep(1)
                    yield chunk

    cues = [cue("a", 0, 20, 3), cue("b", 1, 5, 2), cue("c", 1.5, 5, 2)]
    come = virtual_time.run(cued(cues, Slow(), cues=CueOptions(overlap="mix")))
    assert come.starts == {"a": 0, "b": 1, "c": 1.5}
    assert not come.late


def test_mixed_cues_sound_at_once() -> None:
    options = CueOptions(overlap="mix")
    cues = [cue("a", 0, 20, 3), cue("b", 1, 10, 2), cue("c", 4, 5, 1)]
    come = virtual_time.run(cued(cues, cues=options))
    assert come.starts == {"a": 0, "b": 1, "c": 4}
    assert not come.late
    level = np.abs(come.sound)
    assert level[round(1.2 * RATE) : round(1.8 * RATE)].max() > 1.5 * level[: RATE // 2].max()
    queued = virtual_time.run(cued(cues))
    assert queued.starts["b"] > 1


def test_cues_come_in_any_order() -> None:
    cues = [cue("c", 4, 5, 1), cue("a", 0, 5, 1), cue("b", 2, 5, 1)]
    come = virtual_time.run(cued(cues))
    assert list(come.starts) == ["a", "b", "c"]


def test_the_sound_begins_at_its_origin() -> None:
    cues = [cue("a", 10, 5, 1), cue("b", 12, 5, 1), cue("x", 9, 5, 1)]
    for origin_ms in (10000.0, None):
        come = virtual_time.run(cued(cues, cues=CueOptions(origin_ms=origin_ms)))
        assert come.starts == {"a": 0, "b": 2}
        assert come.skipped == [("x", "invalid")]
        assert come.done.samples == 3 * RATE


def test_what_is_not_spoken_is_told_and_the_sound_is_as_long_as_the_captions() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\nHello.\n\n00:03.000 --> 00:04.000\n[music]\n"
    come = virtual_time.run(spoken(text))
    assert come.skipped == [("2", "description")]
    assert come.done.samples == 4 * RATE


def test_names_choose_voices() -> None:
    options = CueOptions(speakers={"Anna": "scripted-b"})
    text = "WEBVTT\n\n00:01.000 --> 00:03.000\n<v Anna>Hello there.\n\n00:04.000 --> 00:05.000\n<v Bob>Yes.\n"
    engine = ScriptedEngine()
    come = virtual_time.run(spoken(text, engine, cues=options))
    assert [one.options.voice.id for one in engine.spoken] == ["scripted-b", "scripted-a"]
    assert [one.voice for one in come.of(SegmentStarted)] == ["scripted-b", "scripted-a"]


def test_a_cue_names_its_voice_by_itself_or_by_a_speaker() -> None:
    engine = ScriptedEngine()
    options = CueOptions(speakers={"Anna": "scripted-b"})
    cues = [replace(cue("a", 0, 2), voice="anna"), replace(cue("b", 1, 2), voice="scripted-b")]
    virtual_time.run(cued(cues, engine, cues=options))
    assert [one.options.voice.id for one in engine.spoken] == ["scripted-b"] * 2


def test_a_voice_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownVoice) as refused:
        session(cues=CueOptions(speakers={"Anna": "nobody"}))
    assert refused.value.param == "cues.speakers"
    with pytest.raises(UnknownVoice) as refused:
        session().cue(replace(cue("a", 0, 2), voice="nobody"))
    assert refused.value.param == "voice"


def test_a_long_cue_is_spoken_in_parts_and_is_one_cue() -> None:
    sentence = "One two three four five six seven eight nine ten. "
    text = sentence * 30
    come = virtual_time.run(cued([Cue("c", text, "a", 0, None), cue("b", 60, 5)]))
    segments = come.of(SegmentStarted)
    assert len(segments) > 2
    assert " ".join(one.text for one in segments[:-1]) == text.strip()
    assert {one.cue for one in segments[:-1]} == {"a"}
    assert not come.late


def test_text_that_nobody_can_speak_ends_the_context_behind_what_came_before() -> None:
    come = virtual_time.run(
        cued([cue("a", 0, 5, 1), Cue("c", "Hello 你好", "b", 2000, 3000), cue("d", 4, 5, 1)])
    )
    assert isinstance(come.failed.error, LanguageNotSupported)
    assert come.failed.error.details["offset"] == len(words(5)) + 1 + len("Hello ")
    assert list(come.starts) == ["a"]


class Fails(ScriptedEngine):
    """At every text that says so."""

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        async def checked() -> AsyncGenerator[Segment, None]:
            async for segment in segments:
                if "fail" in segment.text:
                    raise EngineFailed("as told", retryable="gone" not in segment.text)
                yield segment

        async with aclosing(super().synthesize(checked(), lead)) as chunks:
            async for chunk in chunks:
                yield chunk


def test_a_cue_whose_engine_fails_is_silent_and_the_next_says_so() -> None:
    cues = [cue("a", 0, 5), Cue("c", "it fails", "b", 1000), cue("d", 2, 5)]
    come = virtual_time.run(cued(cues, Fails()))
    assert [(one.cue, one.lost) for one in come.of(SegmentStarted)] == [
        ("a", False),
        ("b", False),
        ("d", True),
    ]
    assert come.starts == {"a": 0, "b": 1, "d": 2}
    assert [event.lost for event in come.of(Audio) if event.first] == [False, False, True]
    assert come.done.reason == "end"


def test_where_the_last_cue_fails_the_context_does() -> None:
    come = virtual_time.run(cued([cue("a", 0, 5), Cue("c", "it fails", "b", 1000)], Fails()))
    assert isinstance(come.failed.error, EngineFailed)


def test_an_engine_that_is_gone_ends_the_context() -> None:
    cues = [cue("a", 0, 5), Cue("c", "it fails and is gone", "b", 1000), cue("d", 2, 5)]
    come = virtual_time.run(cued(cues, Fails()))
    assert isinstance(come.failed.error, EngineFailed)
    assert list(come.starts) == ["a"]
    again = [Cue("c", "it fails", str(n), 1000 * n) for n in range(5)]
    come = virtual_time.run(cued(again, Fails()))
    assert isinstance(come.failed.error, EngineFailed)
    assert len(come.of(SegmentStarted)) == 2


def test_captions_of_captions_name_their_cues() -> None:
    come = virtual_time.run(cued([cue("a", 0, 5), cue("b", 2, 30)], captions=True))
    assert {one.cue for one in come.of(Caption)} == {"a", "b"}
    first = come.of(Caption)[0]
    assert (first.text, first.start) == (words(5), 0)


@pytest.mark.parametrize("timestamps", ["none", "segment", "char", "word"])
def test_words_come_as_they_are_asked_for(timestamps: str) -> None:
    come = virtual_time.run(cued([cue("a", 0, 3)], timestamps=timestamps, captions=True))
    units = [told.unit for told in come.of(Words)]
    assert units == ([] if timestamps in ("none", "segment") else [timestamps])
    assert come.of(Caption)


def test_a_trace_counts_from_the_first_cue() -> None:
    come = virtual_time.run(cued([cue("a", 0, 3), cue("b", 1, 3)], trace=True))
    for segment in come.of(SegmentStarted):
        assert segment.trace is not None
        assert segment.trace.received_ms == 0 <= segment.trace.synthesized_ms


def test_the_tap_hears_all_of_it() -> None:
    parts: list[np.ndarray] = []

    async def run() -> Heard:
        from streamer.captions.session import CaptionSession
        from streamer.types import Start
        from streamer.voices import Catalogue

        engine = ScriptedEngine()
        one = CaptionSession(
            Start("c", input="captions", audio=AudioFormat(codec="mp3")),
            catalogue=Catalogue({engine.name: engine}),
            settings=Settings(),
            paced=False,
            tap=parts.append,
        )
        one.cue(cue("a", 1, 5, 1))
        one.end()
        assert one.rate == RATE
        return await heard(one)

    come = virtual_time.run(run())
    sound = np.concatenate(parts)
    assert len(sound) == 2 * RATE == come.done.samples
    assert onset(sound, 0) == pytest.approx(RATE, abs=500)


def test_what_is_not_captions_is_refused_at_once() -> None:
    with pytest.raises(InvalidCaptions):
        session().text(Text("c", "[Script Info]\nScriptType: v4.00+\n"))
    one = session()
    one.text(Text("c", "Hello"))
    with pytest.raises(InvalidCaptions):
        one.end()
    other = session(settings=Settings(idle_s=1), paced=True)
    other.text(Text("c", "Hello"))
    assert isinstance(virtual_time.run(heard(other)).failed.error, InvalidCaptions)


def test_what_a_context_of_captions_does_not_do() -> None:
    one = session()
    with pytest.raises(NotAvailable):
        one.pause()
    with pytest.raises(NotAvailable):
        one.text(Text("c", "WEBVTT", mark="m"))
    one.text(Text("c", "WEBVTT\n\n"))
    with pytest.raises(TextGap):
        one.text(Text("c", "more", at=100))
    one.end()
    one.text(Text("c", "BVTT\n\n", at=2))
    with pytest.raises(ContextConflict):
        one.text(Text("c", "more"))
    with pytest.raises(ContextConflict):
        one.cue(Cue("c", "more"))


def test_text_that_comes_again_is_taken_once() -> None:
    async def run() -> Heard:
        one = session()
        text = vtt(talk(8))
        one.text(Text("c", text, at=0))
        one.text(Text("c", text, at=0))
        one.text(Text("c", text[5:], at=5))
        assert one.received == len(text)
        one.end()
        return await heard(one)

    assert len(virtual_time.run(run()).of(SegmentStarted)) == len(talk(8))


def test_more_than_may_wait_is_refused() -> None:
    one = session(settings=Settings(max_pending_chars=100))
    one.cue(cue("a", 0, 20))
    with pytest.raises(TextLimit):
        one.cue(cue("b", 1, 20))
    assert one.pending == len(words(20))


def test_it_is_rehearsed_without_being_spoken() -> None:
    engine = ScriptedEngine()
    engine.capabilities = replace(engine.capabilities, price_per_1000=10.0)
    one = session(engine)
    one.text(Text("c", vtt(talk(20))))
    one.rehearse()
    one.end()
    speaker = one.rehearse()
    spoken = sum(len(said.text) for said in talk(20))
    assert speaker.cost == pytest.approx(spoken / 100)
    assert one.pending == 0
    assert not engine.spoken
    other = session(engine)
    other.text(Text("c", vtt(talk(20)) + "\n\n00:25.000 --> 00:26.000\n你好\n\n"))
    with pytest.raises(LanguageNotSupported) as refused:
        other.rehearse()
    assert refused.value.details["offset"] == spoken + len(talk(20))


def test_it_is_quoted_at_the_price_of_who_may_speak() -> None:
    cheap, dear = ScriptedEngine("cheap"), ScriptedEngine("dear", languages=("zh",))
    dear.capabilities = replace(dear.capabilities, price_per_1000=1000.0)
    dear.voices = [replace(voice, languages=("zh",)) for voice in dear.voices]
    one = session(cheap, dear)
    assert one.quote(Cue("c", "Hello")) == 0
    assert one.quote(Cue("c", "你好")) == 2
    assert one.quote(Cue("c", "Hello", voice="dear-a")) == 5
    assert one.quote(Text("c", "Hello", options=OptionsUpdate(voice="dear-a"))) == 5
    speakers = CueOptions(speakers={"ZOE": "dear-a"})
    assert session(cheap, dear, cues=speakers).quote(Text("c", "Hello")) == 5


# Live: the clock runs.


def live(script: object, **how: object) -> Heard:
    """What comes of a session that a script feeds, on a clock of its own."""

    async def run() -> Heard:
        clock = asyncio.get_running_loop().time
        one = session(paced=True, clock=clock, **how)  # type: ignore[arg-type]
        return await fed(one, script(one))  # type: ignore[operator]

    return virtual_time.run(run())


def test_live_silence_is_sent_in_real_time_and_hardly_ahead() -> None:
    async def script(one: object) -> AsyncIterator[None]:
        await asyncio.sleep(3)
        one.end()  # type: ignore[attr-defined]
        yield

    come = live(script)
    ends = [event.packet.pts + event.packet.duration for event in come.of(Audio)]
    sent = [
        at for event, at in zip(come.events, come.times, strict=True) if isinstance(event, Audio)
    ]
    ahead = [end / RATE - at for end, at in zip(ends, sent, strict=True)]
    assert max(ahead) < 0.16
    assert min(ahead[3:]) > 0.05
    assert come.done.audio_ms == pytest.approx(3000, abs=200)


def test_live_a_cue_that_comes_at_its_time_is_hardly_late() -> None:
    async def script(one: object) -> AsyncIterator[None]:
        for second in range(1, 6):
            await asyncio.sleep(1)
            one.cue(cue(str(second), second, 5))  # type: ignore[attr-defined]
        one.end()  # type: ignore[attr-defined]
        yield

    come = live(script)
    assert len(come.late) == 5
    assert max(come.late.values()) < 0.15


@pytest.mark.parametrize("delay_ms", [300, 1000, 3000])
def test_live_a_delay_makes_it_in_time(delay_ms: int) -> None:
    async def script(one: object) -> AsyncIterator[None]:
        for second in range(1, 6):
            await asyncio.sleep(1)
            one.cue(cue(str(second), second, 5))  # type: ignore[attr-defined]
        one.end()  # type: ignore[attr-defined]
        yield

    come = live(script, cues=CueOptions(delay_ms=delay_ms))
    assert not come.late
    first = come.times[[isinstance(event, Audio) for event in come.events].index(True)]
    assert first == pytest.approx(delay_ms / 1000, abs=0.01)
    assert come.starts == {str(second): second for second in range(1, 6)}


def test_live_a_cue_is_corrected_until_it_begins() -> None:
    async def script(one: object) -> AsyncIterator[None]:
        say = one.cue  # type: ignore[attr-defined]
        say(Cue("c", "First try", "a", 2000, 3000))
        await asyncio.sleep(1.5)
        say(Cue("c", "Second try here", "a"))
        await asyncio.sleep(1)
        say(Cue("c", "Second try here and more", "a"))
        say(Cue("c", "Second try here and more", "a"))
        say(Cue("c", "Something else", "a"))
        one.end()  # type: ignore[attr-defined]
        yield

    come = live(script)
    assert [(one.cue, one.text) for one in come.of(SegmentStarted)] == [
        ("a", "Second try here"),
        ("a", "and more"),
    ]
    assert come.starts["a"] > 2
    assert come.of(SegmentStarted)[0].start == 2 * RATE
    assert come.skipped == [("a", "spoken")]


def test_live_a_cue_is_moved_and_taken_back() -> None:
    engine = ScriptedEngine()

    async def script(one: object) -> AsyncIterator[None]:
        say = one.cue  # type: ignore[attr-defined]
        say(cue("a", 2, 5, 1))
        say(cue("b", 4, 5, 1))
        await asyncio.sleep(1)
        say(cue("a", 3, 5, 1))
        say(Cue("c", "", "b"))
        one.end()  # type: ignore[attr-defined]
        yield

    async def run() -> Heard:
        one = session(engine, paced=True)
        return await fed(one, script(one))

    come = virtual_time.run(run())
    assert come.starts == {"a": 3}
    assert come.skipped == [("b", "empty")]
    assert len(engine.spoken) == 2  # "a" was not made again


def test_live_cues_without_times_are_spoken_when_they_come() -> None:
    async def script(one: object) -> AsyncIterator[None]:
        await asyncio.sleep(1)
        one.cue(Cue("c", "It comes now."))  # type: ignore[attr-defined]
        await asyncio.sleep(2)
        one.cue(Cue("c", "And so does this."))  # type: ignore[attr-defined]
        one.end()  # type: ignore[attr-defined]
        yield

    come = live(script)
    assert come.starts == {"1": pytest.approx(1.12, abs=0.05), "2": pytest.approx(3.12, abs=0.05)}


def test_live_the_clock_of_a_first_origin_begins_with_the_first_cue() -> None:
    async def script(one: object) -> AsyncIterator[None]:
        await asyncio.sleep(5)
        one.cue(cue("a", 100, 5, 1))  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        one.cue(cue("b", 103, 5, 1))  # type: ignore[attr-defined]
        one.end()  # type: ignore[attr-defined]
        yield

    come = live(script, cues=CueOptions(origin_ms=None))
    assert come.starts == {"a": 0, "b": 3}
    assert come.done.samples == 4 * RATE
    assert come.times[-1] > 5


def test_live_the_first_cue_of_a_first_origin_is_in_time_also_where_late_ones_are_left_out() -> (
    None
):
    async def script(one: object) -> AsyncIterator[None]:
        one.cue(cue("a", 100, 5, 1))  # type: ignore[attr-defined]
        one.end()  # type: ignore[attr-defined]
        yield

    come = live(script, cues=CueOptions(origin_ms=None, overrun="skip"))
    assert come.starts == {"a": 0}
    assert not come.skipped


def test_live_the_clock_does_not_wait_long_for_the_first_cue_of_a_first_origin() -> None:
    engine = ScriptedEngine()
    engine.gate.clear()

    async def script(one: object) -> AsyncIterator[None]:
        one.cue(cue("a", 100, 5, 1))  # type: ignore[attr-defined]
        await asyncio.sleep(2)
        engine.gate.set()
        one.end()  # type: ignore[attr-defined]
        yield

    async def run() -> Heard:
        one = session(engine, paced=True, cues=CueOptions(origin_ms=None))
        return await fed(one, script(one))

    come = virtual_time.run(run())
    assert come.late == {"a": pytest.approx(1.7, abs=0.1)}


def test_live_what_is_not_ready_in_time_is_late_and_the_clock_goes_on() -> None:
    engine = ScriptedEngine()
    engine.gate.clear()

    async def script(one: object) -> AsyncIterator[None]:
        one.cue(cue("a", 1, 5, 1))  # type: ignore[attr-defined]
        await asyncio.sleep(2)
        engine.gate.set()
        one.end()  # type: ignore[attr-defined]
        yield

    async def run() -> Heard:
        one = session(engine, paced=True)
        return await fed(one, script(one))

    come = virtual_time.run(run())
    assert come.late == {"a": pytest.approx(1.08, abs=0.06)}


def test_live_silence_is_no_further_ahead_than_its_client_wants() -> None:
    async def script(one: object) -> AsyncIterator[None]:
        for second in range(1, 8):
            await asyncio.sleep(1.0173)  # at any time within a slice of silence
            one.cue(cue(str(second), None, 3))  # type: ignore[attr-defined]
        one.end()  # type: ignore[attr-defined]
        yield

    for delay_ms in (0, 1000):
        come = live(script, lead_ms=80, cues=CueOptions(delay_ms=delay_ms))
        assert len(come.late) == 7
        assert max(come.late.values()) < 0.11


def test_live_what_ends_by_itself_is_not_filled_up_to_the_end_of_its_captions() -> None:
    async def script(one: object) -> AsyncIterator[None]:
        one.cue(cue("a", 1, 5, 60))  # type: ignore[attr-defined]
        yield

    come = live(script, settings=Settings(idle_s=5))
    assert come.done.reason == "idle"
    assert come.starts == {"a": 1}
    assert come.done.audio_ms < 8000


def test_live_a_cue_that_is_not_ready_is_not_made_later_by_the_one_that_sounds() -> None:
    engine = ScriptedEngine()

    async def script(one: object) -> AsyncIterator[None]:
        one.cue(cue("a", 0, 40, 4))  # type: ignore[attr-defined]
        await asyncio.sleep(0.2)
        engine.gate.clear()
        one.cue(cue("b", 1, 5, 1))  # type: ignore[attr-defined]
        await asyncio.sleep(1.3)
        engine.gate.set()
        one.end()  # type: ignore[attr-defined]
        yield

    async def run() -> Heard:
        one = session(engine, paced=True, cues=CueOptions(overlap="mix"))
        return await fed(one, script(one))

    come = virtual_time.run(run())
    assert 0.4 < come.late["b"] < 0.7  # speech is sent a second ahead where nothing is due


def test_cues_of_two_voices_are_not_said_in_one_breath() -> None:
    options = CueOptions(overrun="merge")
    cues = [cue("a", 0, 30, 1), cue("b", 1, 5, 1), cue("c", 2, 5, 1), cue("d", 6, 5, 1)]
    cues[2] = replace(cues[2], voice="scripted-b")
    come = virtual_time.run(cued(cues, cues=options))
    late = {one.cue: one for one in come.of(Late)}
    assert {*late} == {"b", "c"}
    assert late["c"].into is None
    assert come.rates["b"] == 1.35  # it has no time of its own left, and none of c's
    cues[2] = replace(cues[2], voice="scripted-a")
    again = virtual_time.run(cued(cues, cues=options))
    assert {one.cue: one.into for one in again.of(Late)} == {"b": None, "c": "b"}


def test_live_nothing_for_too_long_ends_it_but_a_cue_to_come_does_not() -> None:
    async def script(one: object) -> AsyncIterator[None]:
        one.cue(cue("a", 12, 5))  # type: ignore[attr-defined]
        yield

    come = live(script, settings=Settings(idle_s=5))
    assert come.done.reason == "idle"
    assert come.starts == {"a": 12}
    assert come.done.audio_ms == pytest.approx(17600, abs=400)


def test_unpaced_the_last_cue_waits_for_the_next_one_but_not_forever() -> None:
    async def run() -> tuple[Heard, float]:
        one = session(settings=Settings(idle_s=2))
        one.cue(cue("a", 1, 5))
        come = await heard(one)
        return come, asyncio.get_running_loop().time()

    come, _ = virtual_time.run(run())
    assert come.starts == {"a": 1}
    assert come.done.reason == "idle"


def test_what_was_heard_is_told() -> None:
    async def run() -> Interrupted:
        one = session(paced=True)
        one.cue(cue("a", 0, 5))
        one.cue(Cue("c", "Then this.", "b", 1000))
        one.cue(Cue("c", "Not yet.", "d", 60000))
        async with aclosing(one.events()) as events:
            async for event in events:
                if isinstance(event, Audio) and event.packet.pts > 1.5 * RATE:
                    break
        return one.interrupted(1100)

    told = virtual_time.run(run())
    assert told.heard_text == words(5) + "\nThen"
    assert told.unspoken_text == " this.\nNot yet."
    assert [word.text for word in told.heard_words] == [*words(5).split(), "Then"]
    assert told.clock == "client"


def test_closing_it_frees_the_engine_and_its_task() -> None:
    engine = ScriptedEngine()
    engine.gate.clear()

    async def run() -> int:
        one = session(engine, paced=True)
        one.cue(cue("a", 0, 5))
        before = len(asyncio.all_tasks())
        async with aclosing(one.events()) as events:
            async for event in events:
                if isinstance(event, Audio) and engine.open:
                    break
        assert engine.open == 0
        return len(asyncio.all_tasks()) - before

    assert virtual_time.run(run()) == 0


def test_live_what_is_far_away_is_not_made_yet_so_that_it_may_be_corrected() -> None:
    engine = ScriptedEngine()

    async def script(one: object) -> AsyncIterator[None]:
        one.cue(cue("a", 100, 5, 1))  # type: ignore[attr-defined]
        await asyncio.sleep(60)
        assert not engine.spoken
        one.cue(Cue("c", "Said otherwise", "a"))  # type: ignore[attr-defined]
        one.end()  # type: ignore[attr-defined]
        yield

    async def run() -> Heard:
        one = session(engine, paced=True)
        return await fed(one, script(one))

    come = virtual_time.run(run())
    assert come.starts == {"a": 100}
    assert [segment.text for segment in engine.spoken] == ["Said otherwise"]


def test_no_more_sound_is_made_ahead_than_is_reasonable_to_hold() -> None:
    engine = ScriptedEngine()

    async def run() -> float:
        one = session(engine)
        for n in range(12):
            one.cue(cue(str(n), 20 * n, 100, 20))
        one.end()
        async with aclosing(one.events()) as events:
            await anext(events)
            await anext(events)
            await asyncio.sleep(100)
            return sum(len(segment.text.split()) for segment in engine.spoken) / 10

    assert 30 <= virtual_time.run(run()) <= 50  # seconds, of 120


def test_live_an_engine_that_hangs_on_one_cue_makes_no_other_late() -> None:
    class Hanging(ScriptedEngine):
        async def synthesize(
            self, segments: AsyncIterator[Segment], lead: Lead
        ) -> AsyncGenerator[PcmChunk, None]:
            async with aclosing(super().synthesize(segments, lead)) as chunks:
                async for chunk in chunks:
                    if self.spoken[-1].text in (words(5, "a"), words(5, "b")):
                        await asyncio.Event().wait()
                    yield chunk

    engine = Hanging()

    async def script(one: object) -> AsyncIterator[None]:
        one.cue(cue("a", 1, 5, 1))  # type: ignore[attr-defined]
        one.cue(cue("b", 6, 5, 1))  # type: ignore[attr-defined]
        one.cue(cue("d", 8, 5, 1))  # type: ignore[attr-defined]
        await asyncio.sleep(5)
        one.cue(Cue("c", "Said otherwise", "b"))  # type: ignore[attr-defined]
        one.end()  # type: ignore[attr-defined]
        yield

    async def run() -> Heard:
        one = session(engine, paced=True)
        return await fed(one, script(one))

    come = virtual_time.run(run())
    assert come.skipped == [("a", "late")]
    assert come.starts == {"b": 6, "d": 8}
    assert engine.open == 0


def test_what_an_engine_was_given_is_booked_also_if_nobody_waits_for_it() -> None:
    engine = ScriptedEngine()
    engine.capabilities = replace(engine.capabilities, price_per_1000=1000.0)
    engine.gate.clear()

    async def run() -> tuple[int, float]:
        one = session(engine, paced=True)
        one.cue(cue("a", 0, 5))
        async with aclosing(one.events()) as events:
            async for event in events:
                if isinstance(event, Audio) and engine.open:
                    break
        return one.characters, one.cost

    assert virtual_time.run(run()) == (len(words(5)), len(words(5)))


def test_long_contexts_forget_what_was_heard() -> None:
    one = session(settings=Settings(max_context_chars=500))
    one.text(Text("c", vtt(talk(60))))
    one.end()
    come = virtual_time.run(heard(one))
    assert come.done.characters > 600
    told = one.interrupted(10**9)
    assert 300 < len(told.heard_text) <= 600
    assert told.unspoken_text == ""


@pytest.mark.parametrize("codec", ["opus", "mp3", "aac", "flac", "pcm_s16le"])
def test_every_codec_keeps_the_length(codec: str) -> None:
    come = virtual_time.run(
        cued([cue("a", 1, 3, 1.0)], Tone(), audio=AudioFormat(codec=codec, container="none"))
    )
    started = come.of(Started)[0]
    assert started.audio.sample_rate is not None
    assert come.done.samples == 2 * started.audio.sample_rate
    assert stamp(1500) == "00:00:01.500"


def test_each_cue_of_three_minutes_is_heard_at_its_time() -> None:
    cues = talk(180, seed=7, dense=0.06)
    come = virtual_time.run(spoken(vtt(cues), Tone()))
    check_times(come, {cue.id: cue.start_ms * RATE // 1000 for cue in cues})
    assert come.done.samples == cues[-1].end_ms * RATE // 1000 == len(come.sound)
    assert come.late
    assert not come.skipped


def check_times(come: Heard, times: dict[str, int]) -> None:
    """Of the sound itself: each cue is heard within 50 ms of its time, or of the end of the one before."""
    late = {one.cue: one.by for one in come.of(Late)}
    sound = come.sound
    for segment in come.of(SegmentStarted):
        assert segment.cue is not None
        time = times[segment.cue]
        assert segment.start - time == late.get(segment.cue, 0)
        before = offset(sound, segment.start)
        assert segment.start - max(time, before) <= 0.05 * RATE
        assert onset(sound, segment.start) - segment.start <= 0.05 * RATE
