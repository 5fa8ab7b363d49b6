"""Phrases that have been said are said again, the same, without the engine."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.engines.base import Lead
from streamer.engines.cache import Cached
from streamer.engines.phrase_files import PhraseFiles
from streamer.engines.phrases import Phrase, Phrases
from streamer.errors import EngineFailed
from streamer.types import Capabilities, Options, PcmChunk, Segment, Voice
from tests.engines.conformance import given as texts
from tests.engines.conformance import nothing_heard
from tests.engines.puppet import WORD, Deed, Puppet
from tests.engines.test_fallback import chain, watched

PHRASES = ("Hello there.", "How can I help you?", "One moment, please.")
ROOM = 10_000_000


def cached(puppet: Puppet, room: int = ROOM) -> Cached:
    return Cached(puppet, Phrases(room))


def segment(engine: Cached, text: str, index: int = 0, **options: Any) -> Segment:
    return Segment(index, text, 0, Options(engine.voices[0], **options))


async def speak(engine: Cached, *segments: Segment, lead: Lead = nothing_heard) -> list[PcmChunk]:
    async with asyncio.timeout(30):
        return [chunk async for chunk in engine.synthesize(texts(*segments), lead)]


def same(one: list[PcmChunk], other: list[PcmChunk]) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(a.samples, b.samples)
        and (a.segment, a.words, a.last, a.lost) == (b.segment, b.words, b.last, b.lost)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.asyncio
async def test_what_is_said_again_is_the_same_chunk_for_chunk_and_not_made_again() -> None:
    puppet = Puppet()
    engine = cached(puppet)
    said = [segment(engine, text, index) for index, text in enumerate(PHRASES)]
    first = await speak(engine, *said)
    assert same(await speak(engine, *said), first)
    assert [given.text for given in puppet.given] == list(PHRASES)


@pytest.mark.asyncio
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 4), max_size=5), min_size=1, max_size=5),
    st.sampled_from([0, 3000, ROOM]),
    st.booleans(),
)
async def test_known_and_unknown_phrases_come_in_order(
    contexts: list[list[int]], room: int, ahead: bool
) -> None:
    plain, engine = Puppet(), cached(Puppet(ahead=ahead), room)
    for numbers in contexts:
        said = [
            Segment(index, "Word " * (n + 1), 0, Options(plain.voices[0]))
            for index, n in enumerate(numbers)
        ]
        expected = [chunk async for chunk in plain.synthesize(texts(*said), nothing_heard)]
        found = await speak(engine, *said)
        assert [(c.segment, len(c.samples), c.words, c.last) for c in found] == [
            (c.segment, len(c.samples), c.words, c.last) for c in expected
        ]
    assert engine._phrases.size <= room


@pytest.mark.asyncio
async def test_known_phrase_does_not_end_what_comes_after_it() -> None:
    puppet = Puppet(ahead=True)
    engine = cached(puppet)
    await speak(engine, segment(engine, PHRASES[1]))
    chunks = await speak(engine, *(segment(engine, text, n) for n, text in enumerate(PHRASES)))
    assert [chunk.segment for chunk in chunks if chunk.last] == [0, 1, 2]
    assert [given.text for given in puppet.given] == [PHRASES[1], PHRASES[0], PHRASES[2]]


@pytest.mark.asyncio
@pytest.mark.parametrize("deed", ["fail", "fail_midway", "end", "end_midway"])
async def test_what_failed_is_not_kept(deed: Deed) -> None:
    puppet = Puppet(deeds=[deed])
    engine = cached(puppet)
    wanted = segment(engine, PHRASES[0])
    with pytest.raises(EngineFailed):
        await speak(engine, wanted)
    assert len(await speak(engine, wanted)) == 2
    assert len(puppet.given) == 2


@pytest.mark.asyncio
async def test_what_nobody_heard_out_is_not_kept() -> None:
    puppet = Puppet()
    engine = cached(puppet)
    wanted = segment(engine, PHRASES[1])
    async with aclosing(engine.synthesize(texts(wanted), nothing_heard)) as chunks:
        await anext(chunks)
    assert not puppet.open
    assert engine._phrases.size == 0
    assert len(await speak(engine, wanted)) == 5


@pytest.mark.asyncio
async def test_silence_for_a_text_is_not_kept() -> None:
    engine = cached(Puppet(deeds=["silent"]))
    wanted = segment(engine, PHRASES[0])
    await speak(engine, wanted)
    assert len(await speak(engine, wanted)) == 2


@pytest.mark.asyncio
async def test_what_is_lost_in_part_is_not_kept() -> None:
    engine = Cached(chain(Puppet("a", ["fail_midway"])), Phrases(ROOM))
    wanted = segment(engine, PHRASES[1])
    assert (await speak(engine, wanted))[-1].lost
    assert len(await speak(engine, wanted)) == 5


@pytest.mark.asyncio
async def test_phrase_that_another_brings_meanwhile_is_made_all_the_same() -> None:
    class Late(Phrases):
        """Finds a phrase when it is asked again."""

        async def get(self, key: str) -> Phrase | None:
            missed, self.misses = not self.misses, 1
            return None if missed else Phrase.of([PcmChunk(np.ones(9, np.float32), 0, last=True)])

    engine = Cached(Puppet(), Late(ROOM))
    assert len(await speak(engine, segment(engine, PHRASES[0]))) == 2


@pytest.mark.asyncio
async def test_known_phrase_is_said_by_an_engine_that_is_left_alone_and_says_nothing_of_it() -> (
    None
):
    guarded = watched(Puppet(deeds=["speak", "fail"]), failures=1)
    engine = Cached(guarded, Phrases(ROOM))
    known, unknown = segment(engine, PHRASES[0]), segment(engine, PHRASES[1])
    await speak(engine, known)
    with pytest.raises(EngineFailed):
        await speak(engine, unknown)
    assert await speak(engine, known)
    assert guarded.breaker.state == "open"


@pytest.mark.asyncio
async def test_two_who_want_the_same_at_once_both_get_it() -> None:
    engine = cached(Puppet())
    wanted = segment(engine, PHRASES[0])
    one, other = await asyncio.gather(speak(engine, wanted), speak(engine, wanted))
    assert same(one, other)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        {"language": "de"},
        {"instructions": "softly"},
        {"speed": 1.1},
        {"pitch": 1.1},
        {"voice": Voice("other", "puppet")},
        {"voice": Voice("puppet-voice", "puppet", data={"a": np.ones(3)})},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_another_wish_is_another_phrase(change: dict[str, Any]) -> None:
    puppet = Puppet()
    engine = cached(puppet)
    plain = segment(engine, PHRASES[0])
    await speak(engine, plain)
    await speak(engine, replace(plain, options=replace(plain.options, **change)))
    assert len(puppet.given) == 2


@pytest.mark.asyncio
async def test_phrases_of_a_voice_that_somebody_made_never_come_to_a_disk(tmp_path: Path) -> None:
    puppet = Puppet()
    engine = Cached(puppet, Phrases(ROOM, PhraseFiles(tmp_path / "phrases", ROOM)))
    clone = Voice("clone", "puppet", data={"a": np.ones(3)})
    for _ in range(2):
        await speak(engine, segment(engine, PHRASES[0]))
        await speak(engine, Segment(0, PHRASES[1], 0, Options(clone)))
    assert [given.text for given in puppet.given] == list(PHRASES[:2])  # both are remembered
    await engine.aclose()
    assert len(list((tmp_path / "phrases").iterdir())) == 1


@pytest.mark.asyncio
async def test_voice_made_anew_under_its_old_name_is_another_voice() -> None:
    puppet = Puppet()
    engine = cached(puppet)
    for data in (np.ones(3), np.zeros(3), np.ones(3, np.float32), np.ones((3, 1)), np.ones(3)):
        voice = Voice("clone", "puppet", data={"a": data})
        await speak(engine, Segment(0, PHRASES[0], 0, Options(voice)))
    assert len(puppet.given) == 4  # the last is the first one again


@pytest.mark.asyncio
async def test_another_version_of_the_engine_is_another_sound() -> None:
    phrases = Phrases(ROOM)
    old, new = Puppet(), Puppet()
    old.version, new.version = "1", "2"  # type: ignore[attr-defined]
    for puppet in (old, new):
        engine = Cached(watched(puppet), phrases)
        await speak(engine, segment(engine, PHRASES[0]))
    assert len(new.given) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("varies", "drawn", "made"), [(False, True, 1), (True, False, 2), (True, True, 3)]
)
async def test_seed_counts_where_it_is_heard_and_one_that_was_drawn_wants_another_reading(
    varies: bool, drawn: bool, made: int
) -> None:
    puppet = Puppet(capabilities=Capabilities(varies_by_seed=varies))
    engine = cached(puppet)
    for seed in (1, 2, 2):
        await speak(engine, segment(engine, PHRASES[0], seed=seed, seed_drawn=drawn))
    assert len(puppet.given) == made
    assert (engine._phrases.size == 0) == (made == 3)


@pytest.mark.asyncio
async def test_jobs_look_phrases_up_and_keep_none() -> None:
    puppet = Puppet()
    engine = cached(puppet)
    wanted = segment(engine, PHRASES[0])
    for lead, made in ((math.inf, 1), (0.0, 2), (math.inf, 2)):
        await speak(engine, wanted, lead=lambda lead=lead: lead)  # type: ignore[misc]
        assert len(puppet.given) == made


@pytest.mark.asyncio
async def test_long_chunks_are_cut_and_their_words_come_first() -> None:
    class Long(Puppet):
        async def _chunks(self, segments: AsyncIterator[Segment]) -> Any:
            async for one in segments:
                whole = [chunk async for chunk in super()._chunks(texts(one))]
                samples = np.concatenate([chunk.samples for chunk in whole] * 20)
                yield PcmChunk(samples, one.index, whole[0].words, last=True)

    engine = cached(Long())
    chunks = await speak(engine, segment(engine, PHRASES[0]))
    assert [len(chunk.samples) for chunk in chunks] == [6000, 40 * WORD - 6000]
    assert [len(chunk.words) for chunk in chunks] == [2, 0]
    assert [chunk.last for chunk in chunks] == [False, True]


@pytest.mark.asyncio
async def test_segments_said_in_one_breath_are_no_phrases_but_those_between_pauses_are() -> None:
    puppet = Puppet(joins=True)
    engine = cached(puppet)
    first = await speak(engine, *(segment(engine, text, n) for n, text in enumerate(PHRASES)))
    assert [chunk.segment for chunk in first if chunk.joins] == [1, 2]
    alone = await speak(engine, segment(engine, PHRASES[1]))
    assert len(puppet.given) == 4
    again = await speak(engine, segment(engine, PHRASES[1]))
    assert len(puppet.given) == 4
    assert same(alone, again)
    assert not any(chunk.joins for chunk in again)
