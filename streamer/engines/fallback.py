"""Several engines behind one: where the first fails, the next goes on with the first unspoken segment.

A segment of which sound is out is never spoken twice: if it fails midway, the rest of it is lost, and
its last chunk says so.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from streamer.audio.resampler import ResampledChunks
from streamer.engines.base import Engine, Lead
from streamer.engines.breaker import CircuitOpen
from streamer.engines.watched import retry_after
from streamer.engines.whole import Open, Whole
from streamer.errors import EngineFailed, StreamerError
from streamer.types import Capabilities, PcmChunk, Segment, Timing, Voice, Word

log = logging.getLogger(__name__)

_TIMINGS: tuple[Timing, ...] = ("estimated", "aligned", "model")
"""From the least exact to the most."""


@dataclass(frozen=True, slots=True)
class Step:
    """Who speaks, and with which voice."""

    engine: Engine
    voice: Voice

    def __str__(self) -> str:
        return f"{self.engine.name}:{self.voice.id}"


@dataclass(slots=True)
class FallbackCounts:
    """Since it was made. `failures` by engine, an open circuit not counted; `lost`: segments that failed
    midway."""

    failures: Counter[str] = field(default_factory=Counter)
    lost: int = 0


class Fallback:
    """See `streamer.engines.base.Engine`: one voice, named as the engine.

    A context stays with the step that speaks it until that fails, then takes the next in order, at last
    the first again; each is tried once for a segment. It can do what all of its steps can do.
    """

    granularity: Literal["sentence", "word"] = "sentence"

    def __init__(
        self, name: str, steps: Sequence[Step], counts: FallbackCounts | None = None
    ) -> None:
        """Raises `ValueError` if there is no step, or no language that all of them speak."""
        if not steps:
            raise ValueError("it has no steps")
        self.name = name
        self.sample_rate = steps[0].engine.sample_rate
        able = [step.engine.capabilities for step in steps]
        prices = {step.engine.name: step.engine.capabilities.price_per_1000 for step in steps}
        self.capabilities = replace(common(able), prices=prices)
        self.voices: Sequence[Voice] = (
            Voice(
                name,
                name,
                name=name,
                languages=_languages([step.voice for step in steps]),
                gender=steps[0].voice.gender,
                description=", else ".join(map(str, steps)),
            ),
        )
        self.counts = counts or FallbackCounts()
        self._steps = tuple(steps)
        self._open = Open()

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        async with (
            self._open.reading(segments) as source,
            aclosing(self._chain(source, lead)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        self._open.close()
        for step in self._steps:
            await step.engine.aclose()

    async def _chain(self, source: Whole, lead: Lead) -> AsyncGenerator[PcmChunk, None]:
        at = 0
        failed: dict[int, Exception] = {}
        """What the steps failed with that were tried for the segment that is to be spoken."""
        while (head := await source.head()) is not None:
            if head.options.voice.id != self.name:
                raise EngineFailed(f"{self.name} has no voice {head.options.voice.id!r}")
            step = self._steps[at]
            spoken = _Spoken(step, source, self)
            failure: Exception | None = None
            try:
                async with aclosing(spoken.chunks(lead)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except Exception as error:
                if source.closed:
                    break
                self._note(step, error, midway=spoken.sounding)
                failure = error.with_traceback(None)  # its frames would hold sound
            if spoken.finished:
                failed.clear()
            if failure is None:
                continue
            if spoken.sounding:
                yield spoken.lost()
                failed.clear()
                at = (at + 1) % len(self._steps)
                continue
            failed[at] = failure
            untried = [n for n in range(len(self._steps)) if n not in failed]
            if not untried:
                raise self._failure(failed) from failure
            at = next((n for n in untried if n > at), untried[0])
        source.check()

    def _note(self, step: Step, error: Exception, *, midway: bool) -> None:
        if isinstance(error, CircuitOpen):
            return
        self.counts.lost += midway
        self.counts.failures[step.engine.name] += 1
        log.warning(
            "engine failed",
            extra={
                "engine": step.engine.name,
                "chain": self.name,
                "code": error.code if isinstance(error, StreamerError) else "fault",
                "midway": midway,
            },
            # What is no error of ours is a fault in the engine, and wants to be found.
            exc_info=None if isinstance(error, StreamerError) else error,
        )

    def _failure(self, failed: dict[int, Exception]) -> EngineFailed:
        waits = [retry_after(error) for error in failed.values()]
        known = [wait for wait in waits if wait is not None]
        details: dict[str, Any] = {}
        if len(known) == len(waits):
            details["retry_after_s"] = min(known)
        reasons = "; ".join(
            f"{self._steps[n]}: {error.message if isinstance(error, StreamerError) else 'a fault'}"
            for n, error in sorted(failed.items())
        )
        return EngineFailed(f"nobody in {self.name!r} could speak ({reasons})", **details)


class _Spoken:
    """What one step speaks in one go, at the chain's rate.

    `sounding`: sound of a segment is out, and not its end. `finished`: segments whose end is out.
    """

    def __init__(self, step: Step, source: Whole, chain: Fallback) -> None:
        self.sounding = False
        self.finished = 0
        self._given = 0
        self._step = step
        self._source = source
        self._voice = chain.name
        self._follows = chain.capabilities.instructions
        self._resampled = ResampledChunks(step.engine.sample_rate, chain.sample_rate)
        self._samples = 0
        self._joins = False
        self._words: list[Word] = []

    async def chunks(self, lead: Lead) -> AsyncGenerator[PcmChunk, None]:
        """Chunks of the unspoken segments. Raises what the engine fails with, or breaks of the contract."""
        engine = self._step.engine
        segments = self._segments()
        async with aclosing(segments), aclosing(engine.synthesize(segments, lead)) as chunks:
            async for chunk in chunks:
                head = self._source.first
                if head is None or chunk.segment != head.index:
                    raise EngineFailed(f"engine {engine.name!r} speaks out of turn")
                timed = self._timed(self._resampled(chunk))
                if chunk.last:
                    if not self._samples and any(map(str.isalnum, head.text)):
                        raise EngineFailed(f"engine {engine.name!r} had no sound for its text")
                    self._end()
                if chunk.last or len(timed.samples):
                    self.sounding = not chunk.last
                    self._joins = False
                    yield timed
        if self.finished < max(1, self._given):
            raise EngineFailed(f"engine {engine.name!r} ended before its text")

    def lost(self) -> PcmChunk:
        """The end of a segment that failed midway."""
        assert self._source.first is not None
        index = self._source.first.index
        self.sounding = False
        self._end()
        nothing = np.zeros(0, np.float32)
        return PcmChunk(nothing, index, last=True, engine=self._step.engine.name, lost=True)

    async def _segments(self) -> AsyncGenerator[Segment, None]:
        """The unspoken segments in the step's voice, up to one that is in none of the chain's."""
        async with aclosing(self._source.rest()) as segments:
            async for segment in segments:
                options = segment.options
                if options.voice.id != self._voice:
                    return
                self._given += 1
                own = replace(
                    options,
                    voice=self._step.voice,
                    instructions=options.instructions if self._follows else "",
                )
                yield replace(segment, options=own)

    def _timed(self, chunk: PcmChunk) -> PcmChunk:
        """With the words that begin in it: of those after it, there may never be sound. Where a first chunk
        without sound is kept back, the next one joins in its place."""
        self._samples += len(chunk.samples)
        self._words += chunk.words
        ready = [word for word in self._words if chunk.last or word.start < self._samples]
        self._words = self._words[len(ready) :]
        self._joins = self._joins or chunk.joins
        return replace(chunk, words=tuple(ready), engine=self._step.engine.name, joins=self._joins)

    def _end(self) -> None:
        self._source.done()
        self.finished += 1
        self._samples = 0
        self._words = []


def common(members: Sequence[Capabilities]) -> Capabilities:
    """What all of them can do; the price is the first one's."""
    return Capabilities(
        speed=_narrowest([member.speed for member in members]),
        pitch=_narrowest([member.pitch for member in members]),
        instructions=all(member.instructions for member in members),
        word_times=min((member.word_times for member in members), key=_TIMINGS.index),
        varies_by_seed=all(member.varies_by_seed for member in members),
        price_per_1000=members[0].price_per_1000,
    )


def _narrowest(ranges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return max(low for low, _ in ranges), min(high for _, high in ranges)


def _languages(voices: Sequence[Voice]) -> tuple[str, ...]:
    """What all of them speak, in the first one's order; "mul" speaks any."""
    choosy = [voice.languages for voice in voices if "mul" not in voice.languages]
    if not choosy:
        return ("mul",)
    spoken = [{_primary(language) for language in languages} for languages in choosy]
    found = tuple(
        language for language in choosy[0] if all(_primary(language) in known for known in spoken)
    )
    if not found:
        raise ValueError("its voices have no language in common")
    return found


def _primary(language: str) -> str:
    return language.lower().partition("-")[0]
