"""A cue's sound by itself: trimmed, with its words, at a rate."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamer.captions.takes import Take, Takes, hurries_natively
from streamer.config import Settings
from streamer.engines.base import Engine, Lead
from streamer.engines.tone import Tone
from streamer.errors import EngineFailed, LanguageNotSupported
from streamer.types import Capabilities, OptionsUpdate, PcmChunk, Segment, Start
from streamer.voices import Catalogue
from streamer.wishes import Wish, Wishes
from tests.captions.heard import LOUD, RATE
from tests.scripted_engine import ScriptedEngine


def spoken(
    text: str, *engines: Engine, rate: float = 1.0, start: Start | None = None, **options: Any
) -> tuple[Take, list[tuple[int, float]]]:
    """The take, and what was booked."""
    start = start or Start("c", options=OptionsUpdate(**options))
    catalogue = Catalogue({engine.name: engine for engine in engines or (ScriptedEngine(),)})
    takes = Takes(start, catalogue, Settings(price_per_1000=1.0), lambda: 0.0, RATE)
    wish = Wishes(start, catalogue).now
    booked: list[tuple[int, float]] = []

    async def speak() -> Take:
        return await takes.speak(
            text, wish, rate, lambda: math.inf, lambda *one: booked.append(one)
        )

    return asyncio.run(speak()), booked


class Shy(ScriptedEngine):
    """Half a second of silence before and behind each segment."""

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        quiet = np.zeros(RATE // 2, np.float32)
        async for segment in segments:
            chunks = self._chunks(segment)
            sound = np.concatenate([quiet, *(chunk.samples for chunk in chunks), quiet])
            words = tuple(
                replace(word, start=word.start + len(quiet), end=word.end + len(quiet))
                for chunk in chunks
                for word in chunk.words
            )
            yield PcmChunk(sound, segment.index, words, last=True)


class Silent(ScriptedEngine):
    """Says nothing."""

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        async for segment in segments:
            yield PcmChunk(np.zeros(RATE, np.float32), segment.index, last=True)


def test_silence_at_its_ends_is_cut_off_and_its_words_lie_where_they_sound() -> None:
    take, _ = spoken("Hello there my friend", Shy())
    assert len(take) == pytest.approx(0.4 * RATE, abs=0.025 * RATE)
    assert np.flatnonzero(np.abs(take.samples) > LOUD)[0] < 0.011 * RATE
    assert [word.text for word in take.words] == ["Hello", "there", "my", "friend"]
    assert take.words[0].start == pytest.approx(0, abs=0.011 * RATE)
    assert take.words[-1].end <= len(take)


def test_sentences_of_a_cue_have_a_rest_between_that_is_hurried_too() -> None:
    one, _ = spoken("Hello there. My friend.", Tone())
    two, _ = spoken("Hello there, my friend", Tone())
    assert len(one) - len(two) == pytest.approx(0.35 * RATE, abs=0.02 * RATE)
    fast, _ = spoken("Hello there. My friend.", Tone(), rate=1.25)
    assert len(fast) == pytest.approx(len(one) / 1.25, rel=0.03)
    assert fast.rate == 1.25


def test_its_words_quote_its_text() -> None:
    text = "It costs $5, *really*. See?"
    take, booked = spoken(text, Tone())
    assert all(text[word.offset :][: len(word.text)] == word.text for word in take.words)
    assert booked == [(len(text), len(text) / 1000)]


def test_a_soft_cue_is_trimmed_as_a_loud_one_and_one_without_volume_is_left() -> None:
    loud, _ = spoken("Hello there", Shy())
    soft, _ = spoken("Hello there", Shy(), volume=0.05)
    none, _ = spoken("Hello there", Shy(), volume=0.0)
    assert len(soft) == pytest.approx(len(loud), abs=200)
    assert len(none) == pytest.approx(1.2 * RATE, abs=10)


def test_silence_for_letters_has_failed_and_nothing_to_say_is_empty() -> None:
    with pytest.raises(EngineFailed):
        spoken("Hello there", Silent())
    take, booked = spoken("...", Silent())
    assert (len(take), booked) == (0, [(0, 0.0)])


def test_what_nobody_can_speak_is_refused() -> None:
    with pytest.raises(LanguageNotSupported):
        spoken("你好")


def test_who_hurries_by_itself_is_asked_to() -> None:
    engine = ScriptedEngine()

    def wish(**options: Any) -> Wish:
        return Wishes(Start("c", options=OptionsUpdate(**options)), catalogue).now

    catalogue = Catalogue({engine.name: engine})
    assert hurries_natively(wish(), 1.2)
    assert not hurries_natively(wish(speed=2.5), 1.2)  # it is at its fastest
    engine.capabilities = Capabilities(word_times="model")
    assert not hurries_natively(wish(), 1.2)
