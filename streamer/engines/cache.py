"""An engine that remembers what it has said: for agents, who say the same things again.

Two contexts that want the same new phrase at once both have it made: one that waited for the other
would depend on how fast the other's listener plays, and on whether it stays.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from importlib.metadata import version

from streamer.engines.around import Around
from streamer.engines.base import Engine, Lead
from streamer.engines.phrases import Phrase, Phrases, key_of
from streamer.engines.whole import Open, Whole
from streamer.errors import EngineFailed
from streamer.types import PcmChunk, Segment

CHUNK_S = 0.25
"""The most sound in a chunk: so the loop keeps its turns, and what comes after a remembered phrase is
begun before that has been played."""

_Ended = tuple[Segment, Sequence[PcmChunk]]
"""A segment that has been spoken, and its chunks."""


class Cached(Around):
    """See `streamer.engines.base.Engine`. What is said again is the same, chunk for chunk.

    A phrase is kept once all of it has been made. Not kept: another reading each time (an engine that
    varies by seed, and a seed that nobody asked for), what joins its neighbour (`PcmChunk.joins`), and
    what nobody listens to (jobs, which only look it up): a book would drive out what agents say. An
    engine's attribute `version`, if it has one, says which sound it makes: with another version, phrases
    are made anew.
    """

    def __init__(self, engine: Engine, phrases: Phrases) -> None:
        super().__init__(engine)
        self.granularity = "sentence"
        self._phrases = phrases
        # Ours too: a release may change how an engine sounds.
        self._version = f"{version('streamer')} {self.version}"
        self._open = Open()

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        async with self._open.reading(segments) as source:
            while (segment := await source.head()) is not None:
                phrase = await self._find(segment)
                if phrase is not None:
                    self._phrases.hits += 1
                    source.done()
                    for chunk in phrase.chunks(segment.index):
                        yield chunk
                    continue
                async with aclosing(self._make(source, lead)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            source.check()

    async def aclose(self) -> None:
        self._open.close()
        await super().aclose()
        self._phrases.close()

    async def _make(self, source: Whole, lead: Lead) -> AsyncGenerator[PcmChunk, None]:
        """Chunks of the segments up to the next that is known."""
        given = 0
        made: list[PcmChunk] = []
        ended: _Ended | None = None

        async def unknown() -> AsyncGenerator[Segment, None]:
            nonlocal given
            async with aclosing(source.rest()) as rest:
                async for segment in rest:
                    if given and await self._find(segment) is not None:
                        return
                    given += 1
                    self._phrases.misses += 1
                    yield segment

        segments = unknown()
        finished = 0
        try:
            async with (
                aclosing(segments),
                aclosing(self._engine.synthesize(segments, lead)) as chunks,
            ):
                async for whole in chunks:
                    head = source.first
                    if head is None or whole.segment != head.index:
                        raise EngineFailed(f"engine {self.name!r} speaks out of turn")
                    if not made:
                        if not whole.joins:
                            self._keep(ended, lead)
                        ended = None
                    for chunk in _cut(whole, round(CHUNK_S * self.sample_rate)):
                        made.append(chunk)
                        if chunk.last:
                            ended, made = (head, made), []
                            finished += 1
                            source.done()
                        yield chunk
        finally:
            self._keep(ended, lead)
        if finished < max(1, given):
            raise EngineFailed(f"engine {self.name!r} ended before its text")

    async def _find(self, segment: Segment) -> Phrase | None:
        key = self._key(segment)
        return None if key is None else await self._phrases.get(key)

    def _keep(self, ended: _Ended | None, lead: Lead) -> None:
        """What joins another was cut out of one sound with it, by guess: it is no phrase."""
        if ended is None or ended[1][0].joins:
            return
        segment, chunks = ended
        key = self._key(segment)
        sound = any(len(chunk.samples) for chunk in chunks) and not chunks[-1].lost
        if key is not None and sound and lead() != math.inf:
            # Of a voice that somebody has made nothing outlives it on a disk but what was asked for.
            lasting = segment.options.voice.data is None
            self._phrases.put(key, Phrase.of(chunks), lasting=lasting)

    def _key(self, segment: Segment) -> str | None:
        """Its name; None where another reading is wanted each time."""
        seeded = self.capabilities.varies_by_seed
        if seeded and segment.options.seed_drawn:
            return None
        return key_of(segment, self.name, self._version, self.sample_rate, seeded=seeded)


def _cut(chunk: PcmChunk, size: int) -> list[PcmChunk]:
    """A chunk in chunks of at most `size` samples; its words come with the first."""
    pieces = [
        replace(
            chunk,
            samples=chunk.samples[at : at + size],
            words=(),
            last=False,
            lost=False,
            joins=chunk.joins and not at,
        )
        for at in range(0, max(1, len(chunk.samples)), size)
    ]
    pieces[0] = replace(pieces[0], words=chunk.words)
    pieces[-1] = replace(pieces[-1], last=chunk.last, lost=chunk.lost)
    return pieces
