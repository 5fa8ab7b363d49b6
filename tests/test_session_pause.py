"""Pause and continue: what was not heard is said again, as it was, and nothing else changes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from streamer.config import Settings
from streamer.errors import NotAvailable
from streamer.session import Session
from streamer.text.alignment import client_words
from streamer.types import (
    Audio,
    AudioFormat,
    Continued,
    Done,
    Failed,
    OptionsUpdate,
    Paused,
    PcmChunk,
    Samples,
    Segment,
    SegmentStarted,
    Start,
    Started,
    Text,
    Word,
    Words,
)
from streamer.voices import Catalogue
from tests.audio.sounds import decode_file, decode_packets
from tests.pausing_listener import Listener, Noise, NoisyWords
from tests.scripted_engine import ScriptedEngine, WordEngine
from tests.virtual_time import run

TEXT = (
    "Hello there my friend. This is the second sentence, and it is longer. A third one."
    " And so it ends at last."
)
RATE = 24000
FADE = 120
"""Samples of the fade-in behind a pause."""


async def whole(text: str = TEXT, **fields: Any) -> Listener:
    """A listener who never pauses, when all is over."""
    listener = Listener(**fields)
    listener.session.text(Text("c", text))
    listener.session.end()
    await listener.over()
    return listener


def clean(words: list[Word]) -> list[tuple[str, int]]:
    return [(word.text, word.offset) for word in words]


async def paused_at(
    seconds: float, *, text: str = TEXT, end: bool = True, **fields: Any
) -> tuple[Listener, Paused]:
    listener = Listener(**fields)
    listener.session.text(Text("c", text))
    if end:
        listener.session.end()
    await listener.until(seconds)
    return listener, await listener.pause()


def test_a_pause_says_what_was_heard_and_nothing_comes_until_it_goes_on() -> None:
    async def main() -> None:
        listener, paused = await paused_at(0.55)
        assert paused.heard_text + paused.unspoken_text == TEXT
        assert paused.clock == "client"
        assert paused.heard_text == "Hello there my friend."
        count = len(listener.events)
        await asyncio.sleep(5)
        assert len(listener.events) == count
        listener.go_on()
        done = await listener.over()
        assert isinstance(done, Done)
        assert listener.session.underruns == 0
        assert done.samples == len(listener.sound())

    run(main())


def test_it_goes_on_at_the_first_word_not_heard_behind_what_was_sent() -> None:
    async def main() -> None:
        heard_all = await whole()
        sound, words = heard_all.sound(), heard_all.words
        listener, paused = await paused_at(1.0)
        end = len(listener.sound())
        listener.go_on()
        await listener.over()
        (continued,) = listener.of(Continued)
        first = words[len(paused.heard_words)]
        assert (continued.start, continued.offset) == (end, first.offset)
        again = listener.sound()
        np.testing.assert_array_equal(again[:end], sound[:end])
        rest = sound[first.start :]
        np.testing.assert_array_equal(again[end + FADE :], rest[FADE:])
        assert (np.abs(again[end : end + FADE]) <= np.abs(rest[:FADE]) + 1e-9).all()
        assert clean(listener.words) == clean(words)
        by = end - first.start
        assert listener.words[len(paused.heard_words) :] == [
            Word(word.text, word.start + by, word.end + by, word.offset)
            for word in words[len(paused.heard_words) :]
        ]

    run(main())


def test_what_is_at_hand_comes_before_the_engine_is_asked_again() -> None:
    class Counting(Noise):
        pulled = 0

        async def synthesize(self, segments: Any, lead: Any) -> Any:
            async for chunk in super().synthesize(segments, lead):
                self.pulled += 1
                yield chunk

    async def main() -> None:
        engine = Counting()
        listener, _ = await paused_at(1.0, engine=engine)
        pulled, count = engine.pulled, len(listener.events)
        await asyncio.sleep(2)
        assert engine.pulled <= pulled + 1
        pulled = engine.pulled
        listener.go_on()
        while not isinstance(listener.events[-1], Audio):
            await asyncio.sleep(0)
        assert engine.pulled == pulled
        assert isinstance(listener.events[count], Continued)
        assert isinstance(listener.events[count + 1], SegmentStarted | Words | Audio)
        await listener.over()

    run(main())


def test_segments_and_words_are_told_again_before_the_first_packet_with_their_new_times() -> None:
    async def main() -> None:
        listener, paused = await paused_at(0.55)
        count = len(listener.events)
        listener.go_on()
        await listener.over()
        behind = listener.events[count:]
        assert isinstance(behind[0], Continued)
        assert isinstance(behind[1], SegmentStarted)
        assert (behind[1].index, behind[1].start) == (1, behind[0].start)
        assert isinstance(behind[2], Words)
        assert behind[2].words[0].start == behind[0].start
        first = next(event for event in behind if isinstance(event, Audio))
        assert first.first
        told = {segment.index for segment in listener.segments}
        assert told == {0, 1, 2, 3}
        for segment in (event for event in behind if isinstance(event, SegmentStarted)):
            word = next(word for word in listener.words if word.offset == segment.offset)
            assert word.start == segment.start
        assert not any(event.lost for event in behind if isinstance(event, Audio))
        assert paused.heard_words[-1].text == "friend"

    run(main())


def test_marks_move_along_and_are_told_once_more_only_if_not_heard() -> None:
    async def main() -> None:
        listener = Listener(lead_ms=100)
        listener.session.text(Text("c", "One two three. ", mark="first"))
        listener.session.text(Text("c", "Four five six.", mark="second"))
        listener.session.text(Text("c", "", mark="end"))
        listener.session.end()
        await listener.until(0.15)
        await listener.pause()
        listener.go_on()
        done = await listener.over()
        assert isinstance(done, Done)
        four = next(word for word in listener.words if word.text == "Four")
        assert listener.marks == [("first", 0), ("second", four.start), ("end", done.samples)]

    run(main())


def test_paused_before_any_sound_it_begins_as_if_nothing_had_been() -> None:
    async def main() -> None:
        listener = Listener()
        paused = await listener.pause()
        assert (paused.heard_text, paused.unspoken_text, paused.played) == ("", "", 0)
        listener.session.text(Text("c", TEXT))
        listener.session.end()
        await asyncio.sleep(1)
        assert listener.events == [paused]
        listener.go_on()
        await listener.over()
        assert [type(event) for event in listener.events[:3]] == [Paused, Started, Continued]
        np.testing.assert_array_equal(listener.sound()[FADE:], (await whole()).sound()[FADE:])

    run(main())


def test_paused_twice_the_answer_is_the_same_and_going_on_unpaused_does_nothing() -> None:
    async def main() -> None:
        listener = Listener()
        listener.go_on()
        listener.session.text(Text("c", TEXT))
        listener.session.end()
        await listener.until(1.0)
        first = await listener.pause()
        await asyncio.sleep(0.5)
        listener.session.played(5000)
        epoch = listener.session.epoch
        assert listener.session.pause(played_ms=10) == first == listener.session.pause()
        assert listener.session.epoch == epoch == 1
        listener.go_on()
        listener.go_on()
        await listener.over()
        assert len(listener.of(Continued)) == 1

    run(main())


def test_an_interrupt_after_a_pause_says_what_the_pause_said() -> None:
    async def main() -> None:
        for engine in (Noise(), Noise(times=False), NoisyWords()):
            listener, paused = await paused_at(1.0, engine=engine, end=False)
            listener.session.text(Text("c", " More."))
            told = await listener.interrupt()
            assert (told.heard_text, told.heard_words) == (paused.heard_text, paused.heard_words)
            assert (told.played, told.clock) == (paused.played, paused.clock)
            assert told.heard_text + told.unspoken_text == TEXT + " More."
            assert engine.open == 0

    run(main())


def test_cancelled_while_paused_it_is_free_and_counts_what_was_sent() -> None:
    async def main() -> None:
        listener, _ = await paused_at(0.3)
        await listener.stop()
        assert listener.engine.open == 0
        done = listener.session.done("cancelled")
        assert done.samples == len(listener.sound())

    run(main())


def test_a_context_that_stays_paused_ends_by_idle_and_one_that_goes_on_does_not() -> None:
    async def main() -> None:
        listener, _ = await paused_at(0.3, idle_s=10)
        count = len(listener.sound())
        await asyncio.sleep(9.9)
        assert isinstance(listener.events[-1], Paused)
        done = await listener.over()
        assert isinstance(done, Done)
        assert (done.reason, done.samples) == ("idle", count)
        assert listener.engine.open == 0

        listener, _ = await paused_at(0.3, idle_s=10, end=False)
        await asyncio.sleep(9.9)
        listener.go_on()
        await asyncio.sleep(9.9)
        assert not listener.of(Done)
        listener.session.end()
        done = await listener.over()
        assert isinstance(done, Done)
        assert done.reason == "end"

    run(main())


def test_text_flush_and_end_are_taken_while_it_is_paused() -> None:
    async def main() -> None:
        listener, paused = await paused_at(0.3, text="Hello there my friend. ", end=False)
        listener.session.text(Text("c", "This is the second sentence, and it is"))
        listener.session.flush()
        listener.session.text(Text("c", " longer."))
        listener.session.end()
        again = listener.session.pause()
        assert again.unspoken_text.endswith("longer.")
        assert again.heard_text == paused.heard_text
        await asyncio.sleep(1)
        listener.go_on()
        done = await listener.over()
        assert isinstance(done, Done)
        assert [word.text for word in listener.words][-2:] == ["is", "longer"]
        assert done.samples == len(listener.sound())

    run(main())


def test_between_words_it_goes_on_at_the_next_one_and_skips_the_pause() -> None:
    async def main() -> None:
        words = (await whole()).words
        gap = next((a, b) for a, b in pairwise(words) if b.start - a.end > 4800)
        listener, paused = await paused_at((gap[0].end + 2400) / RATE)
        assert paused.heard_words[-1].text == gap[0].text
        listener.go_on()
        await listener.over()
        (continued,) = listener.of(Continued)
        word = next(word for word in listener.words if word.offset == gap[1].offset)
        assert word.start == continued.start

    run(main())


def test_behind_the_last_word_it_goes_on_where_it_was() -> None:
    class Trailing(Noise):
        """Half a second of breath behind the words."""

        def _chunks(self, segment: Segment) -> list[PcmChunk]:
            chunks = super()._chunks(segment)
            chunks[-1] = replace(chunks[-1], last=False)
            breath = np.full(12000, 0.01, np.float32)
            return [*chunks, PcmChunk(breath, segment.index, last=True)]

    async def main() -> None:
        listener, paused = await paused_at(
            0.5, text="One two three.", engine=Trailing(), lead_ms=100
        )
        assert paused.unspoken_text == ""
        end = len(listener.sound())
        listener.go_on()
        done = await listener.over()
        assert isinstance(done, Done)
        assert done.samples == len(listener.sound())
        assert done.samples - end == round(0.8 * RATE) - paused.played
        assert [event.last for event in listener.of(Audio)].count(True) == 1

    run(main())


def test_a_pause_while_the_last_packet_is_being_sent_keeps_done_back_and_says_the_end_again() -> (
    None
):
    async def main(codec: str, container: str) -> None:
        listener = Listener(
            start=Start("c", audio=AudioFormat(codec, container), lead_ms=60000), latency_s=0.01
        )
        listener.session.text(Text("c", "One two three four."))
        listener.session.end()
        while not any(event.last for event in listener.of(Audio)):
            await asyncio.sleep(0.001)
        paused = await listener.pause()
        assert not listener.of(Done)
        count = len(listener.packets)
        listener.go_on()
        done = await listener.over()
        assert isinstance(done, Done)
        assert done.reason == "end"
        assert len(listener.packets) > count
        assert listener.packets[-1].pts + listener.packets[-1].duration == done.samples
        assert paused.unspoken_text

    for codec, container in (
        ("pcm_f32le", "none"),
        ("opus", "ogg"),
        ("flac", "flac"),
        ("mp3", "mp3"),
    ):
        run(main(codec, container))


@pytest.mark.parametrize("timestamps", ["none", "segment", "char"])
def test_other_timestamps_are_told_again_in_their_way(timestamps: Any) -> None:
    async def main() -> None:
        start = Start("c", audio=AudioFormat("pcm_f32le", sample_rate=RATE), timestamps=timestamps)
        listener, paused = await paused_at(1.0, start=start)
        assert paused.heard_text.startswith("Hello there my friend.")
        listener.go_on()
        await listener.over()
        (continued,) = listener.of(Continued)
        units = {event.unit for event in listener.of(Words)}
        assert units == ({"char"} if timestamps == "char" else set())
        if timestamps == "char":
            assert "".join(word.text for word in listener.words) == "".join(
                character for character in TEXT if character.isalnum()
            )
            first = next(w for w in listener.words if w.offset == continued.offset)
            assert first.start == continued.start

    run(main())


def test_guessed_words_are_heard_and_go_on_though_the_others_are_not_known() -> None:
    text = "Please remember to bring your passport and two photographs with a pen to the counter."

    async def main() -> None:
        heard_all = await whole(text, engine=Noise(times=False))
        for lead_ms in (40, 300):
            listener, paused = await paused_at(
                1.0, text=text, engine=Noise(times=False), lead_ms=lead_ms
            )
            assert paused.heard_words
            end = len(listener.sound())
            listener.go_on()
            done = await listener.over()
            assert isinstance(done, Done)
            (continued,) = listener.of(Continued)
            assert continued.start == end
            told = [word for event in listener.of(Words) for word in event.words]
            heard = [*paused.heard_words, *(w for w in told if w.start >= end)]
            assert clean(heard) == clean(heard_all.words)
            assert all(a.end <= b.start for a, b in pairwise(heard))
            assert heard[-1].end <= done.samples
            ended = paused.heard_words[-1].end
            np.testing.assert_array_equal(
                listener.sound()[end + FADE :], heard_all.sound()[ended + FADE :]
            )

    run(main())


def test_a_sentence_that_is_still_being_written_moves_as_a_whole() -> None:
    async def main() -> None:
        listener = Listener(NoisyWords())
        for piece in ("Hello ", "there ", "my ", "fri"):
            listener.session.text(Text("c", piece))
        await listener.until(0.25)
        paused = await listener.pause()
        assert paused.heard_text == "Hello there"
        listener.session.text(Text("c", "end. Next "))
        end = len(listener.sound())
        listener.go_on()
        await asyncio.sleep(0.2)
        listener.session.text(Text("c", "one."))
        listener.session.end()
        await listener.over()
        assert [word.text for word in listener.words] == [
            "Hello",
            "there",
            "my",
            "friend",
            "Next",
            "one",
        ]
        assert listener.words[2].start == end
        assert listener.words[3].start == end + 2400
        told = [(segment.text, segment.start) for segment in listener.segments]
        assert told[0] == ("Hello there my friend.", 0)
        assert told[1] == ("Next one.", listener.words[4].start)

    run(main())


@pytest.mark.parametrize(
    "options", [{"speed": 0.25}, {"speed": 3.0}, {"pitch": 0.6}, {"volume": 0.5}]
)
def test_speed_pitch_and_volume_are_said_again_as_they_were(options: dict[str, Any]) -> None:
    async def main() -> None:
        start = Start("c", OptionsUpdate(**options), AudioFormat("pcm_f32le", sample_rate=RATE))
        heard_all = await whole(start=start)
        listener, paused = await paused_at(0.33, start=start, lead_ms=100)
        end = len(listener.sound())
        listener.go_on()
        await listener.over()
        first = heard_all.words[len(paused.heard_words)]
        np.testing.assert_array_equal(
            listener.sound()[end + FADE :], heard_all.sound()[first.start + FADE :]
        )
        assert clean(listener.words) == clean(heard_all.words)

    run(main())


def test_an_engine_that_fails_while_it_is_paused_fails_behind_what_was_not_heard() -> None:
    async def main() -> None:
        listener = Listener(Noise(fail_at=1), lead_ms=100)
        listener.session.text(Text("c", TEXT))
        await listener.until(0.01)
        listener.engine.gate.clear()
        await listener.until(0.38)
        paused = await listener.pause()
        listener.engine.gate.set()
        await asyncio.sleep(1)
        assert listener.events[-1] == paused
        assert listener.engine.open == 0
        listener.go_on()
        failed = await listener.over()
        assert isinstance(failed, Failed)
        assert failed.error.code == "engine_failed"
        assert [word.text for word in listener.words] == ["Hello", "there", "my", "friend"]
        assert len(listener.sound()) == listener.session.samples

    run(main())


def test_by_the_servers_own_clock_it_is_rather_a_word_too_few() -> None:
    async def main() -> None:
        listener = Listener()
        listener.session.text(Text("c", TEXT))
        listener.session.end()
        await listener.until(1.0)
        paused = await listener.pause(report=False)
        assert paused.clock == "server"
        assert paused.played == pytest.approx(0.85 * RATE, abs=240)
        listener.go_on()
        await listener.until(len(listener.sound()) / RATE + 0.1)
        again = await listener.pause(report=False)
        assert again.played >= paused.played
        assert again.heard_words[: len(paused.heard_words)] == paused.heard_words
        listener.go_on()
        assert isinstance(await listener.over(), Done)

    run(main())


def test_a_listener_far_behind_what_is_kept_loses_sound_and_is_told() -> None:
    async def main() -> None:
        text = "word " * 60 + "and so on."
        listener = Listener(replay_s=0.5, lead_ms=200)
        listener.session.text(Text("c", text))
        listener.session.end()
        await listener.until(5.0)
        async with listener.lock:
            paused = listener.session.pause(played_ms=100)
        assert len(paused.heard_words) == 1
        count = len(listener.packets)
        listener.go_on()
        await listener.over()
        audio = listener.of(Audio)[count:]
        assert [event.lost for event in audio].count(True) == 1
        assert audio[0].lost
        (continued,) = listener.of(Continued)
        assert listener.words[0].start >= 0
        assert continued.offset > 5 * 30

    run(main())


def test_only_a_little_is_kept_by_reference() -> None:
    async def main() -> None:
        listener = Listener(replay_s=1.0, lead_ms=500)
        ring = listener.session._packets.ring
        assert ring is not None
        most = 0
        listener.session.text(Text("c", "word " * 150 + "and so on."))
        listener.session.end()
        for second in range(12):
            await listener.until(second)
            most = max(most, ring.end - ring.start)
        assert most < (1.0 + 0.5 + 0.5) * RATE
        assert not any(piece.flags.owndata and piece.size > RATE for piece in ring._pieces)
        await listener.stop()

    run(main())


def test_nobody_pauses_where_nobody_listens_and_nothing_is_kept() -> None:
    engine = ScriptedEngine()
    cases: list[dict[str, Any]] = [{"paced": False}, {"background": True}]
    for options in cases:
        session = Session(
            Start("c"), catalogue=Catalogue({engine.name: engine}), settings=Settings(), **options
        )
        with pytest.raises(NotAvailable):
            session.pause()
        assert session._packets.ring is None


def test_while_paused_no_context_is_less_urgent_and_then_what_is_at_hand_counts() -> None:
    async def main() -> None:
        listener, _ = await paused_at(0.3)
        pacer = listener.session._pace._pacer
        assert pacer.lead() > 1.0
        await asyncio.sleep(3)
        assert pacer.lead() > 1.0
        listener.go_on()
        assert 0.5 < pacer.lead() < 2.0
        assert pacer.wait() == 0
        await listener.over()
        assert listener.session.underruns == 0

    run(main())


FORMATS: list[AudioFormat] = [
    AudioFormat("opus"),
    AudioFormat("opus", sample_rate=16000, frame_ms=60),
    AudioFormat("opus", channels=2),
    AudioFormat("opus", "ogg"),
    AudioFormat("mp3"),
    AudioFormat("mp3", "mp3", sample_rate=44100),
    AudioFormat("aac"),
    AudioFormat("aac", "adts"),
    AudioFormat("flac"),
    AudioFormat("flac", "flac", sample_rate=22050),
    AudioFormat("pcm_s16le"),
    AudioFormat("pcm_s16le", "wav"),
    AudioFormat("pcm_f32le", channels=2),
    AudioFormat("pcm_mulaw", sample_rate=8000),
    AudioFormat("pcm_alaw", "wav", sample_rate=8000),
]


class Scale(ScriptedEngine):
    """Each word a tone of its own, 200 Hz above the one before."""

    def _chunks(self, segment: Segment) -> list[PcmChunk]:
        chunks = super()._chunks(segment)
        for number, chunk in enumerate(chunks):
            time = np.arange(len(chunk.samples)) / self.sample_rate
            tone = 0.4 * np.sin(2 * np.pi * (300 + 200 * number) * time)
            chunks[number] = replace(chunk, samples=tone.astype(np.float32))
        return chunks


def level(sound: Samples, frequency: float, rate: int) -> float:
    """Amplitude of a tone in a sound."""
    wave = np.exp(-2j * np.pi * frequency * np.arange(len(sound)) / rate) * np.hanning(len(sound))
    return float(np.abs((sound * wave).sum()) * 4 / len(sound))


@pytest.mark.parametrize("audio", FORMATS, ids=lambda audio: f"{audio.codec}-{audio.container}")
def test_every_codec_says_the_word_again_and_nothing_of_what_was_not_sent(
    audio: AudioFormat,
) -> None:
    async def main() -> None:
        text = "One two three four five six seven eight nine ten eleven twelve."
        listener, paused = await paused_at(
            0.45, text=text, engine=Scale(), start=Start("c", audio=audio, lead_ms=200)
        )
        assert len(paused.heard_words) == 4
        last = listener.packets[-1]
        end = last.pts + last.duration
        await asyncio.sleep(1)
        listener.go_on()
        done = await listener.over()
        assert isinstance(done, Done)
        packets = listener.packets
        for before, after in pairwise(packets):
            assert after.pts == before.pts + before.duration
        assert packets[-1].pts + packets[-1].duration == done.samples
        (started,) = listener.of(Started)
        rate = listener.rate
        if audio.container == "none":
            decoded = decode_packets(started.audio, started.header, packets)[started.lead_in :]
        else:
            decoded, file_rate, _ = decode_file(b"".join(packet.data for packet in packets))
            decoded = decoded[:: file_rate // rate][started.lead_in :]
        assert len(decoded) >= done.samples
        for number, word in enumerate([*paused.heard_words, *listener.words[4:]]):
            inner = decoded[word.start + rate // 100 : word.end - rate // 100]
            assert level(inner, 300 + 200 * number, rate) > 0.25, word
        again = listener.words[4]
        assert end <= again.start <= end + 0.05 * rate
        beginning = decoded[again.start : again.start + rate // 50]
        assert max(level(beginning, 300 + 200 * n, rate) for n in (6, 7, 8)) < 0.06

    run(main())


@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_s16le"])
@pytest.mark.parametrize("seeds", [range(25), range(25, 50)])
def test_random_pauses_keep_the_clock_whole_and_the_heard_text_right(
    codec: str, seeds: range
) -> None:
    async def main(seed: int) -> None:
        chance = random.Random(seed)
        start = Start(
            "c", audio=AudioFormat(codec, sample_rate=RATE, frame_ms=chance.choice([2.5, 20.0]))
        )
        engine = NoisyWords if seed % 3 == 0 else Noise
        heard_all = await whole(start=start, engine=engine())
        kind = "<f4" if codec == "pcm_f32le" else "<i2"
        sound = pcm(heard_all, kind)
        places = {word.offset: word for word in heard_all.words}
        listener = Listener(
            engine(),
            start=replace(start, lead_ms=chance.choice([40, 200, 1000])),
            latency_s=chance.choice([0.0, 0.0, 0.002]),
        )
        for at in range(0, len(TEXT), 7):
            listener.session.text(Text("c", TEXT[at : at + 7]))
        listener.session.end()
        model = Model(sound, places)
        last_word = chance.random() < 0.4
        for _ in range(chance.randrange(1, 9)):
            await asyncio.sleep(chance.choice([0.0, 0.003, 0.1, 0.3, 0.8]) * chance.random())
            if listener._task.done():
                break
            paused = await listener.pause()
            assert model.heard(listener.words, listener.played) == paused.heard_text
            assert paused.heard_text + paused.unspoken_text == TEXT
            await asyncio.sleep(chance.choice([0.0, 0.01, 2.0]))
            if last_word:
                break
            listener.go_on()
        if last_word:
            told = await listener.interrupt()
            assert model.heard(listener.words, listener.played) == told.heard_text
            assert told.heard_text + told.unspoken_text == TEXT
        else:
            done = await listener.over()
            assert isinstance(done, Done)
            assert done.samples == sum(packet.duration for packet in listener.packets)
            assert clean(listener.words) == clean(heard_all.words)
            assert listener.session.underruns == 0
        model.check(listener, pcm(listener, kind))
        assert listener.engine.open == 0

    for seed in seeds:
        run(main(seed + 1000 * (codec == "pcm_s16le")))


@pytest.mark.parametrize("times", [True, False])
def test_random_pauses_leave_every_stream_whole_and_every_word_told_once(times: bool) -> None:
    async def main(seed: int) -> None:
        chance = random.Random(seed)
        audio = chance.choice(FORMATS)
        kind = chance.choice([ScriptedEngine, WordEngine])
        listener = Listener(
            kind(times=times),
            start=Start("c", audio=audio, lead_ms=chance.choice([60, 300])),
            latency_s=chance.choice([0.0, 0.002]),
        )
        heard: list[Word] = []
        pieces = [TEXT[at : at + 9] for at in range(0, len(TEXT), 9)]
        while pieces or not listener._task.done():
            for _ in range(chance.randrange(6)):
                if pieces:
                    listener.session.text(Text("c", pieces.pop(0)))
                    if not pieces:
                        listener.session.end()
            await asyncio.sleep(chance.random() * 0.5)
            if listener._task.done() or chance.random() < 0.3:
                continue
            paused = await listener.pause(report=chance.random() < 0.7)
            assert paused.heard_words[: len(heard)] == tuple(heard)
            heard = list(paused.heard_words)
            await asyncio.sleep(chance.choice([0.0, 1.0]))
            listener.go_on()
        done = await listener.over()
        assert isinstance(done, Done)
        packets = listener.packets
        for before, after in pairwise(packets):
            assert after.pts == before.pts + before.duration
        assert packets[-1].pts + packets[-1].duration == done.samples
        words = [*heard, *(word for word in listener.words if word not in heard)]
        assert clean(words) == client_words_of(TEXT)
        assert all(a.end <= b.start for a, b in pairwise(words))
        assert words[-1].end <= done.samples

    for seed in range(40):
        run(main(seed + 100 * times))


def client_words_of(text: str) -> list[tuple[str, int]]:
    return [(word, offset) for offset, word in client_words(text)]


def pcm(listener: Listener, kind: str) -> np.ndarray[Any, Any]:
    at = 0
    for packet in listener.packets:
        assert packet.pts == at
        at += packet.duration
    return np.frombuffer(b"".join(packet.data for packet in listener.packets), kind)


class Model:
    """What a run with pauses must be: pieces of one without, put together."""

    def __init__(self, sound: np.ndarray[Any, Any], places: dict[int, Word]) -> None:
        self.sound = sound
        self.places = places

    def heard(self, words: list[Word], played: int) -> str:
        text = ""
        for word in words:
            if word.end <= played:
                end = word.offset + len(word.text)
                while end < len(TEXT) and TEXT[end] in ".,":
                    end += 1
                text = TEXT[:end]
        return text

    def check(self, listener: Listener, sound: np.ndarray[Any, Any]) -> None:
        """Sample for sample, but for the fades; and each word at its samples."""
        words: list[Word] = []
        begin, source, played = 0, 0, 0
        for event in listener.events:
            if isinstance(event, Paused):
                words = [word for word in words if word.offset < len(event.heard_text)]
                played = event.played
            elif isinstance(event, Words):
                words += event.words
            elif isinstance(event, Continued):
                self._same(sound[begin : event.start], source)
                stopped = source + max(0, played - begin)
                begin, source = event.start, self._goes_on(event, sound, stopped)
        self._same(sound[begin:], source)
        for word in words:
            place = self.places[word.offset]
            there = sound[word.start : word.end][FADE:]
            want = self.sound[place.start : place.end][FADE:]
            np.testing.assert_array_equal(there, want[: len(there)])

    def _goes_on(self, event: Continued, sound: np.ndarray[Any, Any], stopped: int) -> int:
        """At the word, or where it was, if the word had not come yet: then all before it was silence."""
        if (word := self.places.get(event.offset)) is None:
            return stopped
        if word.start <= stopped:
            return word.start
        there = sound[event.start : event.start + word.start - stopped]
        silent = not (self.sound[stopped : word.start].any() or there.any())
        return stopped if silent else word.start

    def _same(self, got: np.ndarray[Any, Any], source: int) -> None:
        want = self.sound[source : source + len(got)]
        assert len(got) == len(want)
        np.testing.assert_array_equal(got[FADE:], want[FADE:])
        assert (np.abs(got[:FADE]) <= np.abs(want[:FADE]) + 1e-6).all()
