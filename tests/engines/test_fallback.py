"""Chains: no segment is spoken twice, none is skipped silently, order is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from itertools import groupby
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.engines.base import Engine
from streamer.engines.breaker import Breaker
from streamer.engines.fallback import Fallback, Step, common
from streamer.engines.watched import Watched
from streamer.errors import EngineFailed, LanguageNotSupported, RateLimited
from streamer.types import Capabilities, Options, PcmChunk, Segment, Voice
from tests import virtual_time
from tests.engines.conformance import given as texts
from tests.engines.conformance import nothing_heard, sound, words
from tests.engines.puppet import WORD, Deed, Puppet, level, spoken
from tests.virtual_time import virtual

TIMEOUT_S = 0.03
NAME = "agent"
TEXT = "One two three."
WORDS = 3


def watched(engine: Engine, *, failures: int = 1 << 60, timeout_s: float = 5.0) -> Watched:
    breaker = Breaker(engine.name, failures=failures, rest_s=60.0, clock=time.monotonic)
    return Watched(engine, breaker, timeout_s)


def chain(*engines: Puppet, timeout_s: float = 5.0, failures: int = 1 << 60) -> Fallback:
    steps = [
        Step(watched(engine, timeout_s=timeout_s, failures=failures), engine.voices[0])
        for engine in engines
    ]
    return Fallback(NAME, steps)


def segments_of(fallback: Fallback, count: int) -> list[Segment]:
    options = Options(fallback.voices[0])
    return [Segment(index, TEXT, index * len(TEXT), options) for index in range(count)]


async def speak(
    fallback: Fallback, count: int, text: AsyncIterator[Segment] | None = None
) -> list[PcmChunk]:
    segments = texts(*segments_of(fallback, count)) if text is None else text
    async with asyncio.timeout(30):
        return [chunk async for chunk in fallback.synthesize(segments, nothing_heard)]


def speakers(chunks: list[PcmChunk]) -> list[str]:
    """Who spoke each segment."""
    by_segment = groupby(chunks, key=lambda chunk: chunk.segment)
    return ["+".join(dict.fromkeys(c.engine for c in group)) for _, group in by_segment]


def check(chunks: list[PcmChunk], *, ended: bool) -> None:
    """What holds for whatever came out: each segment once, in order, whole or said to be lost; the
    last one may have been cut off if it was not `ended`."""
    groups = [(index, list(group)) for index, group in groupby(chunks, key=lambda c: c.segment)]
    assert [index for index, _ in groups] == list(range(len(groups)))
    for index, group in groups:
        whole = ended or index < len(groups) - 1
        assert [chunk.last for chunk in group[:-1]] == [False] * (len(group) - 1)
        assert group[-1].last or not whole
        assert len({chunk.engine for chunk in group}) == 1
        samples = sound(group)
        assert np.all(samples == np.float32(level(index)))
        assert len(samples) <= WORDS * WORD
        said = [word.offset for word in words(group)]
        assert said == sorted(set(said))
        if group[-1].lost:
            assert 0 < len(samples) < WORDS * WORD
            assert not len(group[-1].samples)
        elif whole:
            assert len(samples) == WORDS * WORD
            assert len(said) == WORDS


deeds = st.lists(
    st.sampled_from(["speak", *get_args(Deed)]),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(deeds, st.booleans()), min_size=1, max_size=3), st.integers(1, 6))
@example([(["fail_midway", "hang"], True), (["silent", "end_midway"], True)], 4)
def test_each_segment_is_spoken_once_in_order_or_said_to_be_lost(
    told: list[tuple[list[Deed], bool]], count: int
) -> None:
    puppets = [Puppet(f"p{n}", [*todo], ahead=ahead) for n, (todo, ahead) in enumerate(told)]

    async def test() -> None:
        before = asyncio.all_tasks()
        chunks: list[PcmChunk] = []
        fallback = chain(*puppets, timeout_s=TIMEOUT_S)
        failed = False
        try:
            async with asyncio.timeout(30):
                text = texts(*segments_of(fallback, count))
                async for chunk in fallback.synthesize(text, nothing_heard):
                    chunks.append(chunk)
        except EngineFailed:
            failed = True
        check(chunks, ended=True)
        done = len({chunk.segment for chunk in chunks})
        if failed:  # the next one was tried by all
            assert done < count
            assert all(any(s.index == done for s in puppet.given) for puppet in puppets)
        else:
            assert done == count
        assert fallback.counts.lost == sum(chunk.lost for chunk in chunks)
        assert not any(puppet.open for puppet in puppets)
        assert asyncio.all_tasks() == before

    virtual_time.run(test())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(deeds, st.booleans()), min_size=1, max_size=3),
    st.integers(0, 15),
    st.booleans(),
)
def test_wherever_it_is_closed_or_cancelled_nothing_is_left(
    told: list[tuple[list[Deed], bool]], stop_after: int, by_cancel: bool
) -> None:
    puppets = [Puppet(f"p{n}", [*todo], ahead=ahead) for n, (todo, ahead) in enumerate(told)]

    async def test() -> None:
        before = asyncio.all_tasks()
        fallback = chain(*puppets, timeout_s=TIMEOUT_S)
        chunks: list[PcmChunk] = []

        async def consume() -> None:
            text = texts(*segments_of(fallback, 5))
            async with aclosing(fallback.synthesize(text, nothing_heard)) as sounds:
                async for chunk in sounds:
                    chunks.append(chunk)
                    if len(chunks) == stop_after:
                        return

        consumer = asyncio.create_task(consume())
        if by_cancel:
            for _ in range(stop_after):
                await asyncio.sleep(0)
            consumer.cancel()
        await asyncio.wait({consumer}, timeout=30)
        assert consumer.done()
        assert consumer.cancelled() or isinstance(consumer.exception(), EngineFailed | None)
        check(chunks, ended=False)
        await asyncio.sleep(0)
        assert not any(puppet.open for puppet in puppets)
        assert asyncio.all_tasks() == before

    virtual_time.run(test())


@virtual
async def test_context_stays_with_the_step_that_speaks_it() -> None:
    fallback = chain(Puppet("a", ["speak", "fail"]), Puppet("b"))
    chunks = await speak(fallback, 4)
    check(chunks, ended=True)
    assert speakers(chunks) == ["a", "b", "b", "b"]
    assert speakers(await speak(fallback, 2)) == ["a", "a"]  # the next one begins with the first


@virtual
async def test_after_the_last_step_comes_the_first_again() -> None:
    fallback = chain(Puppet("a", ["fail"]), Puppet("b", ["speak", "fail"]))
    assert speakers(await speak(fallback, 3)) == ["b", "a", "a"]


@virtual
async def test_the_next_step_in_order_is_tried_before_the_first_again() -> None:
    fallback = chain(Puppet("a", ["fail"]), Puppet("b", ["speak", "fail"]), Puppet("c"))
    assert speakers(await speak(fallback, 3)) == ["b", "c", "c"]


class Wordy(Puppet):
    """Tells words before there is any sound, and fails."""

    async def _chunks(self, segments: AsyncIterator[Segment]) -> AsyncGenerator[PcmChunk]:
        async for segment in segments:
            first = next(spoken(segment))
            yield replace(first, samples=first.samples[:0])
            raise EngineFailed("as told")


@virtual
async def test_words_alone_are_not_sound() -> None:
    chunks = await speak(chain(Wordy("a"), Puppet("b")), 2)
    check(chunks, ended=True)
    assert speakers(chunks) == ["b", "b"]


class Idle(Puppet):
    """Takes nothing, says nothing."""

    async def _chunks(self, segments: AsyncIterator[Segment]) -> AsyncGenerator[PcmChunk]:
        return
        yield


@virtual
async def test_engine_that_ends_without_a_word_has_failed() -> None:
    engines = (Idle("a"), Puppet("b"))
    fallback = Fallback(NAME, [Step(engine, engine.voices[0]) for engine in engines])
    assert speakers(await speak(fallback, 2)) == ["b", "b"]


@virtual
async def test_being_closed_is_nobodys_failure() -> None:
    fallback = chain(Puppet("a", ["hang"], ahead=True), Puppet("b", ahead=True))
    speaking = asyncio.ensure_future(speak(fallback, 1))
    await asyncio.sleep(0.01)
    await fallback.aclose()
    with pytest.raises(EngineFailed, match="closed"):
        await speaking
    assert fallback.counts.failures.total() == 0


@virtual
async def test_segments_taken_ahead_are_not_lost_with_the_engine_that_took_them() -> None:
    first = Puppet("a", ["fail"], ahead=True)
    fallback = chain(first, Puppet("b"))
    took = asyncio.Event()

    async def slowly() -> AsyncGenerator[Segment]:
        for segment in segments_of(fallback, 3):
            yield segment
            took.set()
            await asyncio.sleep(0.005)  # the engine fails while the text waits

    chunks = await speak(fallback, 3, slowly())
    check(chunks, ended=True)
    assert took.is_set()
    assert speakers(chunks) == ["b", "b", "b"]


@virtual
async def test_text_that_waits_for_long_is_no_silence_of_the_engine() -> None:
    fallback = chain(Puppet("a"), Puppet("b"), timeout_s=TIMEOUT_S)

    async def slowly() -> AsyncGenerator[Segment]:
        for segment in segments_of(fallback, 3):
            yield segment
            await asyncio.sleep(3 * TIMEOUT_S)

    assert speakers(await speak(fallback, 3, slowly())) == ["a"] * 3


@virtual
async def test_listener_who_takes_long_is_no_silence_of_the_engine() -> None:
    fallback = chain(Puppet("a"), Puppet("b"), timeout_s=TIMEOUT_S)
    chunks = []
    async for chunk in fallback.synthesize(texts(*segments_of(fallback, 2)), nothing_heard):
        chunks.append(chunk)
        await asyncio.sleep(2 * TIMEOUT_S)
    assert speakers(chunks) == ["a", "a"]


@virtual
async def test_words_are_told_with_their_sound_so_that_none_is_told_of_what_is_lost() -> None:
    chunks = await speak(chain(Puppet("a", ["fail_midway"]), Puppet("b")), 2)
    assert [word.text for word in words(chunks[:2])] == ["One"]
    assert chunks[1].lost
    assert [word.text for word in words(chunks[2:])] == ["One", "two", "three"]


@virtual
async def test_sound_and_words_are_at_the_rate_of_the_first() -> None:
    fallback = chain(Puppet("a", ["fail"]), Puppet("b", sample_rate=48000))
    chunks = await speak(fallback, 1)
    assert fallback.sample_rate == 24000
    assert len(sound(chunks)) == WORDS * WORD // 2
    assert [word.start for word in words(chunks)] == [0, WORD // 2, WORD]


@virtual
async def test_failure_of_all_says_whose_and_when_to_come_back() -> None:
    fallback = chain(
        Puppet("a", ["fail"], error=RateLimited("slow down", retry_after_s=7)),
        Puppet("b", ["fail"], error=EngineFailed("broken", retry_after_s=3)),
    )
    with pytest.raises(EngineFailed, match="a:a-voice: slow down; b:b-voice: broken") as caught:
        await speak(fallback, 1)
    assert caught.value.details == {"retry_after_s": 3}


@virtual
async def test_fault_of_an_engine_is_a_failure_as_any_other() -> None:
    chunks = await speak(chain(Puppet("a", ["fail"], error=KeyError("x")), Puppet("b")), 2)
    assert speakers(chunks) == ["b", "b"]


@virtual
async def test_failure_of_the_text_is_not_the_engines() -> None:
    fallback = chain(Puppet("a"), Puppet("b"))

    async def broken() -> AsyncGenerator[Segment]:
        yield segments_of(fallback, 1)[0]
        raise LookupError("no more text")

    with pytest.raises(LookupError, match="no more text"):
        await speak(fallback, 1, broken())
    assert fallback.counts.failures.total() == 0


@pytest.mark.parametrize("deed", ["fail", "silent", "end"])
@virtual
async def test_engine_that_keeps_failing_is_not_asked_any_more(deed: Deed) -> None:
    broken = Puppet("a", [deed] * 9)
    fallback = chain(broken, Puppet("b"), failures=2)
    for _ in range(5):
        assert speakers(await speak(fallback, 1)) == ["b"]
    assert len(broken.given) == 2
    assert fallback.counts.failures == {"a": 2}


@virtual
async def test_engine_that_is_not_made_for_a_text_is_not_taken_for_broken() -> None:
    choosy = Puppet("a", ["fail"] * 3, error=LanguageNotSupported("not this"))
    fallback = chain(choosy, Puppet("b"), failures=1)
    for _ in range(3):
        assert speakers(await speak(fallback, 1)) == ["b"]
    assert speakers(await speak(fallback, 1)) == ["a"]


@virtual
async def test_each_step_speaks_with_its_own_voice_and_what_only_some_follow_is_left_out() -> None:
    first = Puppet("a", ["fail"], capabilities=Capabilities(instructions=True))
    second = Puppet("b")
    fallback = chain(first, second)
    segment = segments_of(fallback, 1)[0]
    wish = replace(segment.options, instructions="softly", seed=3)
    await speak(fallback, 1, texts(replace(segment, options=wish)))
    own = [puppet.given[0].options for puppet in (first, second)]
    assert [options.voice.id for options in own] == ["a-voice", "b-voice"]
    assert {(options.instructions, options.seed) for options in own} == {("", 3)}


@virtual
async def test_pieces_of_a_segment_become_one() -> None:
    fallback = chain(Puppet("a"))
    whole = segments_of(fallback, 1)[0]
    pieces = [replace(whole, text=TEXT[:4], more=True), replace(whole, text=TEXT[4:])]
    chunks = await speak(fallback, 1, texts(*pieces))
    check(chunks, ended=True)


def test_it_can_do_what_all_can() -> None:
    able = common(
        [
            Capabilities((0.5, 2.0), (0.8, 1.2), instructions=True, word_times="model"),
            Capabilities((0.8, 4.0), (0.5, 2.0), word_times="aligned", varies_by_seed=True),
        ]
    )
    assert able == Capabilities((0.8, 2.0), (0.8, 1.2), word_times="aligned")


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        ([("en-US", "en"), ("de", "en-GB")], ("en-US", "en")),
        ([("mul",), ("de",)], ("de",)),
        ([("mul",), ("mul",)], ("mul",)),
    ],
)
def test_its_voice_speaks_what_all_speak(
    languages: list[tuple[str, ...]], expected: tuple[str, ...]
) -> None:
    steps = [Step(Puppet(), Voice("v", "puppet", languages=spoken)) for spoken in languages]
    assert Fallback(NAME, steps).voices[0].languages == expected


def test_voices_without_a_common_language_make_no_chain() -> None:
    steps = [Step(Puppet(), Voice("v", "puppet", languages=(spoken,))) for spoken in ("de", "en")]
    with pytest.raises(ValueError, match="no language in common"):
        Fallback(NAME, steps)


@virtual
async def test_what_joins_the_segment_before_joins_it_behind_a_chain_too() -> None:
    chunks = await speak(chain(Puppet(joins=True, sample_rate=16000)), 3)
    firsts = {chunk.segment: chunk.joins for chunk in reversed(chunks)}
    assert firsts == {0: False, 1: True, 2: True}


class Hesitating(Puppet):
    """Begins each segment with a chunk that has no sound."""

    async def _chunks(self, segments: AsyncIterator[Segment]) -> AsyncGenerator[PcmChunk]:
        async for chunk in super()._chunks(segments):
            if chunk.joins:
                yield replace(chunk, samples=chunk.samples[:0], last=False)
            yield replace(chunk, joins=False)


@virtual
async def test_join_is_told_by_the_first_chunk_that_has_sound() -> None:
    chunks = await speak(chain(Hesitating(joins=True)), 2)
    assert [chunk.joins for chunk in chunks] == [False] * WORDS + [True] + [False] * (WORDS - 1)
