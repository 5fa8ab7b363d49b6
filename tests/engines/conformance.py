"""What every engine must do, as one suite. For an engine of your own:

    from tests.engines.conformance import EngineConformance

    class TestMine(EngineConformance):
        target = "my_package.my_module:open_engine"

`settings` may be overridden too, and `texts` where the engine does not speak English. An engine whose
`capabilities.word_times` are "estimated" may leave them to the session, and give no words. What is the
same anew may be so to a `tolerance`; `steady` says that it comes in the same chunks too, `apart` that
segments sound the same however they come.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, ClassVar

import numpy as np
import pytest
import pytest_asyncio

from streamer.config import Settings
from streamer.engines.base import Engine, open_engine
from streamer.errors import EngineFailed
from streamer.text.alignment import client_words
from streamer.types import Options, PcmChunk, Samples, Segment, Word

HANGS_S = 60.0
"""No test takes so long; one that does hangs."""

ODD_TEXTS = (
    "",
    "   ",
    "...",
    "?!",
    "—",
    "#",
    "~ / +",
    "\u200b\u200d\ufeff",
    "🙂🙃",
    "a\u0301e\u0308 naïve café",
    "Ａｌｐｈａ Ⅷ ①",
    "مرحبا hello שלום",
    "你好，world。",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family",
    "tab\tnew\nline\r\nend",
    "x" * 500,
    "9" * 300,
    "[link](/təst/) <b>bold</b> & \\ ` ~ ^ | © ™ ½",
    "\x00\x07bell",
)


async def given(*segments: Segment) -> AsyncIterator[Segment]:
    for segment in segments:
        yield segment


def nothing_heard() -> float:
    """The lead of a listener who has no sound yet."""
    return -math.inf


async def collect(engine: Engine, segments: AsyncIterator[Segment]) -> list[PcmChunk]:
    async with asyncio.timeout(HANGS_S):
        return [chunk async for chunk in engine.synthesize(segments, nothing_heard)]


def sound(chunks: Iterable[PcmChunk]) -> Samples:
    return np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in chunks)])


def words(chunks: Iterable[PcmChunk]) -> list[Word]:
    return [word for chunk in chunks for word in chunk.words]


@dataclass
class Endless:
    """Segments without end; `taken` of them so far."""

    text: str
    options: Options
    taken: int = 0

    async def segments(self) -> AsyncIterator[Segment]:
        for index in count():
            self.taken += 1
            yield Segment(index, self.text, 0, self.options)
            await asyncio.sleep(0)


@pytest.mark.asyncio(loop_scope="class")
class EngineConformance:
    target: ClassVar[str]
    settings: ClassVar[Settings] = Settings(workers=2)
    texts: ClassVar[Sequence[str]] = (
        "Hello there, my friend.",
        'On the 5th, at 7:30 p.m., "he" paid $1,234.50 - isn\'t that well-known?',
        "One moment!",
    )
    tolerance: ClassVar[float] = 0.0
    steady: ClassVar[bool] = True
    apart: ClassVar[bool] = True

    def same(self, one: Samples, other: Samples) -> bool:
        return np.array_equal(one, other) or (
            len(one) == len(other) and float(np.abs(one - other).max()) <= self.tolerance
        )

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def engine(cls) -> AsyncGenerator[Engine]:
        engine = open_engine(cls.target, cls.settings)
        yield engine
        await engine.aclose()

    @pytest.fixture
    def options(self, engine: Engine) -> Options:
        return Options(engine.voices[0], seed=7)

    @pytest.fixture
    def segments(self, options: Options) -> list[Segment]:
        """The texts, each at its place in an input that they make up together."""
        offsets = [sum(len(text) + 1 for text in self.texts[:n]) for n in range(len(self.texts))]
        return [
            Segment(index, text, offset, options)
            for index, (text, offset) in enumerate(zip(self.texts, offsets, strict=True))
        ]

    @staticmethod
    def steps_in_use(engine: Engine) -> int:
        """Steps that are queued or running for somebody, where the engine has workers that count."""
        workers: Any = getattr(engine, "workers", None)
        return 0 if workers is None else workers.counts.queued + workers.counts.running

    async def settled(self, engine: Engine, tasks: set[asyncio.Task[Any]]) -> bool:
        """Nothing is left of what was begun after `tasks` were all there was."""
        await asyncio.sleep(0)
        return asyncio.all_tasks() <= tasks and not self.steps_in_use(engine)

    # What it says of itself

    async def test_voices_are_its_own_with_unique_ids_and_languages(self, engine: Engine) -> None:
        ids = [voice.id for voice in engine.voices]
        assert ids
        assert len(set(ids)) == len(ids)
        assert all(voice.engine == engine.name and voice.languages for voice in engine.voices)

    async def test_native_ranges_hold_what_is_unchanged(self, engine: Engine) -> None:
        for low, high in (engine.capabilities.speed, engine.capabilities.pitch):
            assert 0 < low <= 1 <= high

    # What it yields

    async def test_segments_come_in_order_and_each_ends_with_its_last_chunk(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        chunks = await collect(engine, given(*segments))
        order = [chunk.segment for chunk in chunks]
        assert sorted(set(order)) == order[:1] + sorted(set(order[1:]) - {order[0]})
        assert order == sorted(order)
        assert [chunk.segment for chunk in chunks if chunk.last] == [s.index for s in segments]
        ends = [at for at, chunk in enumerate(chunks) if chunk.last]
        assert all(order[end] != order[end + 1] for end in ends[:-1])
        assert chunks[-1].last

    async def test_sound_is_mono_float32_within_full_scale_and_audible(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        for segment in segments:
            samples = sound(await collect(engine, given(segment)))
            assert samples.dtype == np.float32
            assert samples.ndim == 1
            assert np.isfinite(samples).all()
            assert 0.05 < np.abs(samples).max() <= 1

    async def test_words_are_those_of_the_text_quoted_once_each_in_order(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        for segment in segments:
            spoken = words(await collect(engine, given(segment)))
            if not spoken and engine.capabilities.word_times == "estimated":
                continue
            assert [(word.offset, word.text) for word in spoken] == client_words(segment.text)

    async def test_word_times_never_overlap_or_leave_the_sound(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        for segment in segments:
            chunks = await collect(engine, given(segment))
            spoken = words(chunks)
            times = [time for word in spoken for time in (word.start, word.end)]
            if not times and engine.capabilities.word_times == "estimated":
                continue
            assert times == sorted(times)
            assert times[0] >= 0
            assert times[-1] <= len(sound(chunks))
            assert all(word.start < word.end for word in spoken)

    async def test_words_come_no_later_than_their_sound(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        for segment in segments:
            handed_out = 0
            for chunk in await collect(engine, given(segment)):
                assert all(word.start >= handed_out for word in chunk.words)
                handed_out += len(chunk.samples)

    async def test_every_voice_speaks(self, engine: Engine, segments: list[Segment]) -> None:
        for voice in engine.voices:
            segment = replace(segments[0], options=Options(voice))
            assert len(sound(await collect(engine, given(segment))))

    async def test_native_speed_divides_the_length(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        longest = max(segments, key=lambda segment: len(segment.text))
        usual = len(sound(await collect(engine, given(longest))))
        slow, fast = engine.capabilities.speed
        for speed in (slow, (slow + 1) / 2, (fast + 1) / 2, fast):
            changed = replace(longest, options=replace(longest.options, speed=speed))
            length = len(sound(await collect(engine, given(changed))))
            assert length * speed == pytest.approx(usual, rel=0.03)

    async def test_native_pitch_leaves_the_length(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        usual = sound(await collect(engine, given(segments[0])))
        for pitch in engine.capabilities.pitch:
            changed = replace(segments[0], options=replace(segments[0].options, pitch=pitch))
            samples = sound(await collect(engine, given(changed)))
            assert len(samples) == pytest.approx(len(usual), rel=0.03)
            assert (pitch == 1) == self.same(samples, usual)

    async def test_segment_in_pieces_is_one_segment(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        """Only engines of granularity "word" are handed pieces, and the last may be empty; for the others it
        is one piece."""
        whole = segments[0]
        words = engine.granularity == "word"
        parts = [*re.findall(r"\s*\S+", whole.text), ""] if words else [whole.text]
        pieces = [replace(whole, text=part, more=True) for part in parts]
        pieces[-1] = replace(pieces[-1], more=False)
        chunks = await collect(engine, given(*pieces, *segments[1:]))
        first = [chunk for chunk in chunks if chunk.segment == whole.index]
        assert [chunk.last for chunk in first] == [False] * (len(first) - 1) + [True]
        assert [chunk.segment for chunk in chunks if chunk.last] == [s.index for s in segments]
        for word in [word for chunk in first for word in chunk.words]:
            assert whole.text[word.offset : word.offset + len(word.text)] == word.text

    async def test_a_piece_sounds_before_the_segment_is_whole(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        """Of engines of granularity "word"."""
        if engine.granularity == "sentence":
            return
        whole, sounds = segments[1], asyncio.Event()
        end = whole.text.rindex(" ")

        async def slowly() -> AsyncIterator[Segment]:
            yield replace(whole, text=whole.text[:end], more=True)
            await sounds.wait()
            yield replace(whole, text=whole.text[end:])

        chunks = []
        async with asyncio.timeout(HANGS_S):
            async for chunk in engine.synthesize(slowly(), nothing_heard):
                chunks.append(chunk)
                if len(chunk.samples):
                    sounds.set()
        assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]

    # Determinism

    async def test_same_seed_gives_the_same_chunks(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        first, second = [await collect(engine, given(*segments)) for _ in range(2)]
        if self.steady:
            lengths = [[len(chunk.samples) for chunk in chunks] for chunks in (first, second)]
            assert lengths[0] == lengths[1]
        assert self.same(sound(first), sound(second))
        assert words(first) == words(second)

    async def test_sound_does_not_depend_on_who_else_speaks(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        alone = sound(await collect(engine, given(*segments)))
        others = [replace(segment, text=segment.text[::2]) for segment in segments]
        crowd = await asyncio.gather(
            *(collect(engine, given(*(segments if n % 2 else others))) for n in range(6))
        )
        assert all(self.same(sound(chunks), alone) for chunks in crowd[1::2])

    async def test_sound_does_not_depend_on_how_fast_it_is_fetched(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        fast = sound(await collect(engine, given(*segments)))
        slow = []
        async for chunk in engine.synthesize(given(*segments), nothing_heard):
            slow.append(chunk)
            await asyncio.sleep(0.01)
        assert self.same(sound(slow), fast)

    # Text at its edges

    async def test_no_segments_give_no_chunks(self, engine: Engine) -> None:
        assert await collect(engine, given()) == []

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: repr(text[:12]))
    async def test_odd_text_is_spoken_or_refused_and_never_lost(
        self, engine: Engine, options: Options, text: str
    ) -> None:
        try:
            chunks = await collect(engine, given(Segment(0, text, 0, options)))
        except EngineFailed:
            assert any(character.isalnum() for character in text)
            return
        assert chunks[-1].last
        if any(character.isalnum() for character in text):
            assert len(sound(chunks))
        for word in words(chunks):
            assert text[word.offset : word.offset + len(word.text)] == word.text

    async def test_text_that_comes_slowly_is_spoken_as_it_comes(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        spoken = asyncio.Event()

        async def slowly() -> AsyncIterator[Segment]:
            for segment in segments:
                yield segment
                # The next comes when this one has been heard out: the engine must not wait for it.
                await spoken.wait()
                spoken.clear()

        chunks = []
        async with asyncio.timeout(HANGS_S):
            async for chunk in engine.synthesize(slowly(), nothing_heard):
                chunks.append(chunk)
                if chunk.last:
                    spoken.set()
        assert [chunk.segment for chunk in chunks if chunk.last] == [s.index for s in segments]
        if self.apart:
            assert self.same(sound(chunks), sound(await collect(engine, given(*segments))))

    # Ends of all kinds

    async def test_it_works_ahead_by_a_bounded_amount(
        self, engine: Engine, options: Options
    ) -> None:
        endless = Endless(self.texts[0], options)
        async with aclosing(_generator(engine, endless.segments())) as chunks:
            await anext(chunks)
            taken = -1
            while taken != endless.taken:
                taken = endless.taken
                await asyncio.sleep(0.2)
        assert endless.taken <= 8

    @pytest.mark.parametrize("fetched", [0, 1, 2, 5])
    async def test_closing_the_iterator_frees_everything(
        self, engine: Engine, options: Options, fetched: int
    ) -> None:
        before = asyncio.all_tasks()
        for _ in range(10):
            chunks = _generator(engine, Endless(self.texts[1], options).segments())
            for _ in range(fetched):
                await anext(chunks)
            await chunks.aclose()
            assert await self.settled(engine, before)
        assert len(sound(await collect(engine, given(Segment(0, self.texts[0], 0, options)))))

    @pytest.mark.parametrize("delay", [0.0, 0.001, 0.01, 0.05])
    async def test_cancelling_the_consumer_frees_everything(
        self, engine: Engine, options: Options, delay: float
    ) -> None:
        before = asyncio.all_tasks()
        endless = Endless(self.texts[1], options)

        async def consume() -> None:
            async with aclosing(_generator(engine, endless.segments())) as chunks:
                async for _ in chunks:
                    pass

        consumers = [asyncio.create_task(consume()) for _ in range(5)]
        await asyncio.sleep(delay)
        for consumer in consumers:
            consumer.cancel()
        outcomes = await asyncio.gather(*consumers, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert await self.settled(engine, before)

    async def test_closing_ends_the_segments_iterator_too(
        self, engine: Engine, options: Options
    ) -> None:
        ended = asyncio.Event()

        async def waiting() -> AsyncIterator[Segment]:
            try:
                yield Segment(0, self.texts[0], 0, options)
                await asyncio.sleep(HANGS_S)
            finally:
                ended.set()

        chunks = _generator(engine, waiting())
        while not (await anext(chunks)).last:
            pass
        await asyncio.sleep(0)
        await chunks.aclose()
        async with asyncio.timeout(HANGS_S):
            await ended.wait()

    async def test_failure_of_the_segments_reaches_the_consumer_after_what_came_before(
        self, engine: Engine, segments: list[Segment]
    ) -> None:
        async def failing() -> AsyncIterator[Segment]:
            yield segments[0]
            raise LookupError("no more text")

        before = asyncio.all_tasks()
        chunks: list[PcmChunk] = []

        async def consume() -> None:
            async for chunk in engine.synthesize(failing(), nothing_heard):
                chunks.append(chunk)

        with pytest.raises(LookupError, match="no more text"):
            await consume()
        assert chunks[-1].last
        assert await self.settled(engine, before)

    async def test_unknown_voice_fails(self, engine: Engine, segments: list[Segment]) -> None:
        stranger = replace(engine.voices[0], id="nobody")
        with pytest.raises(EngineFailed):
            await collect(engine, given(replace(segments[0], options=Options(stranger))))

    async def test_closing_the_engine_ends_open_iterators_and_refuses_new_ones(
        self, options: Options
    ) -> None:
        engine = open_engine(self.target, self.settings)
        before = asyncio.all_tasks()
        started = _generator(engine, Endless(self.texts[1], options).segments())
        await anext(started)
        waiting = asyncio.create_task(collect(engine, _never(options)))
        await asyncio.sleep(0.05)
        await engine.aclose()
        async with asyncio.timeout(HANGS_S):
            with pytest.raises(EngineFailed):
                await _exhaust(started)
            with pytest.raises(EngineFailed):
                await waiting
            with pytest.raises(EngineFailed):
                await collect(engine, given(Segment(0, self.texts[0], 0, options)))
            await engine.aclose()
        assert await self.settled(engine, before)


def _generator(engine: Engine, segments: AsyncIterator[Segment]) -> AsyncGenerator[PcmChunk]:
    """The contract says "closing the iterator", so it has `aclose`."""
    chunks = engine.synthesize(segments, nothing_heard)
    assert isinstance(chunks, AsyncGenerator)
    return chunks


async def _exhaust(chunks: AsyncIterator[PcmChunk]) -> None:
    async for _ in chunks:
        pass


async def _never(options: Options) -> AsyncIterator[Segment]:
    """Text that does not come."""
    await asyncio.sleep(HANGS_S)
    yield Segment(0, "too late", 0, options)
