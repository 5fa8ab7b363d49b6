"""A cue's text spoken to sound by itself, whole, so that it can be measured before it has its place.

Knows neither cues nor clocks: text, what is wished, and how much faster than that, in; samples and words out.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np

from streamer.audio.dsp import Dsp
from streamer.audio.level import trim
from streamer.captions.timing import FASTEST
from streamer.config import Settings
from streamer.engines.base import Lead
from streamer.errors import EngineFailed
from streamer.lines import Line
from streamer.prices import Prices
from streamer.script import Script
from streamer.synthesis import Synthesis
from streamer.text.pauses import pause_after
from streamer.types import PcmChunk, Samples, Start, Text, Timing, Word
from streamer.voices import Catalogue
from streamer.wishes import Wish, native
from streamer.wording import Wording

QUIET_DB = -50.0
"""What is softer at both ends is cut off, in dBFS at volume 1: so a cue is heard when it begins."""
FADE_DB = 40.0
"""A volume below this, in dB, has no ends to be found."""


Book = Callable[[int, float], None]
"""Takes how many characters an engine was given, and what they cost."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """`samples` at the context's engine rate; `words` lie in them, with offsets into the cue's text. `rate`:
    how much faster than was wished it was asked for. `lost`: the rest of it failed. `engine`: who spoke;
    `voice`: the id of the voice that began."""

    samples: Samples
    words: tuple[Word, ...] = ()
    timing: Timing = "model"
    rate: float = 1.0
    lost: bool = False
    engine: str = ""
    voice: str = ""

    def __len__(self) -> int:
        return len(self.samples)


class Takes:
    """Speaks the cues of one context. `rate`: of all sound, whoever speaks."""

    def __init__(
        self,
        start: Start,
        catalogue: Catalogue,
        settings: Settings,
        clock: Callable[[], float],
        rate: int,
    ) -> None:
        cut = (
            "sentence" if start.cut == "auto" else start.cut
        )  # nothing is gained by a first clause
        self._start = replace(start, cut=cut)
        self._catalogue = catalogue
        # A cue is taken whole: its text has waited in the queue, which is bounded.
        self._settings = replace(settings, max_pending_chars=sys.maxsize)
        self._clock = clock
        self._rate = rate
        self._prices = Prices(settings.price_per_1000)

    def rehearse(self, text: str, wish: Wish) -> float:
        """What it costs at most. Raises what speaking it would: `LanguageNotSupported`."""
        script = self._script(text, wish, _nobody_waits)
        synthesis = Synthesis(script, self._prices, self._rate, _nobody_waits)
        for line in script.rehearse():
            synthesis.charge(line, at_most=True)
        return synthesis.cost(script.received)

    async def speak(self, text: str, wish: Wish, rate: float, lead: Lead, book: Book) -> Take:
        """Empty where there is nothing to hear. What was handed to an engine is booked, however this ends.
        Raises `EngineFailed`, `LanguageNotSupported`."""
        hurried = _faster(wish, rate)
        script = self._script(text, hurried, lead)
        synthesis = Synthesis(script, self._prices, self._rate, lead)
        sound = _Sound(self._rate)
        try:
            async with aclosing(synthesis.spoken()) as spoken:
                async for line, chunk in spoken:
                    sound.push(line, chunk)
        finally:
            book(script.spoken, synthesis.cost(script.spoken))
        script.check()
        samples, words = sound.trimmed(wish.options.volume)
        engine = synthesis.engine if script.spoken else ""
        return Take(samples, words, sound.timing, rate, sound.lost, engine, sound.voice)

    def _script(self, text: str, wish: Wish, lead: Lead) -> Script:
        script = Script(self._start, self._catalogue, self._settings, self._clock, lead)
        script.wishes.now = wish
        script.text(Text("", text))
        script.end()
        return script


def hurries_natively(wish: Wish, rate: float) -> bool:
    """Whether who is asked speaks faster by itself, and may be asked twice: it costs nothing."""
    asked, engine = _faster(wish, rate).options, wish.engine
    return native(asked, engine).speed > native(wish.options, engine).speed


class _Sound:
    """The sound of one text, line by line."""

    def __init__(self, rate: int) -> None:
        self.timing: Timing = "model"
        self.lost = False
        self.voice = ""
        self._rate = rate
        self._wording = Wording(rate, live=False)
        self._parts: list[Samples] = []
        self._length = 0
        self._words: list[Word] = []
        self._before: Line | None = None
        self._dsp: Dsp | None = None

    def push(self, line: Line, chunk: PcmChunk) -> None:
        if self._dsp is None:
            if self._before is not None and not chunk.joins:
                span = self._before.span
                rest_s = pause_after(span.text, span.reason) / line.options.speed
                self._add([np.zeros(round(rest_s * self._rate), np.float32)])
            self._dsp = self._opened(line)
            self.voice = self.voice or line.options.voice.id
            self._wording.begin(self._length, self._dsp.scale)
        words, timing = self._wording.of(line, chunk)
        self._words += words
        if words and timing != "model":
            self.timing = timing
        self._add(self._dsp.push(chunk.samples))
        if chunk.last:
            self._add(self._dsp.flush())
            self._dsp, self._before, self.lost = None, line, chunk.lost

    def trimmed(self, volume: float) -> tuple[Samples, tuple[Word, ...]]:
        """From where it is heard to where it is heard no more. Raises `EngineFailed` for silence."""
        samples = np.concatenate([np.zeros(0, np.float32), *self._parts])
        if self._before is None:
            return samples, ()
        softer_db = -20 * math.log10(min(1.0, volume)) if volume > 0 else math.inf
        if softer_db > FADE_DB:
            return samples, tuple(self._words)
        begin, end = trim(samples, self._rate, QUIET_DB - softer_db)
        if begin >= end and not self.lost:
            raise EngineFailed("the engine gave silence for text with letters")
        length = end - begin
        words = tuple(
            replace(
                word,
                start=min(max(0, word.start - begin), length),
                end=min(max(0, word.end - begin), length),
            )
            for word in self._words
        )
        return samples[begin:end], words

    def _opened(self, line: Line) -> Dsp:
        options, asked = line.options, line.segment.options
        return Dsp(
            self._rate,
            speed=options.speed / asked.speed,
            pitch=options.pitch / asked.pitch,
            volume=options.volume / asked.volume,
        )

    def _add(self, parts: Sequence[Samples]) -> None:
        self._parts += parts
        self._length += sum(map(len, parts))


def _faster(wish: Wish, rate: float) -> Wish:
    if rate == 1:
        return wish
    speed = min(wish.options.speed * rate, FASTEST)
    return replace(wish, options=replace(wish.options, speed=speed))


def _nobody_waits() -> float:
    return math.inf
