"""An engine that does with each segment what it is told: speaks it, or fails in one of the ways there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from streamer.engines.ahead import Ahead
from streamer.engines.base import Lead
from streamer.errors import EngineFailed
from streamer.text.alignment import client_words
from streamer.types import Capabilities, PcmChunk, Segment, Voice, Word

Deed = Literal[
    "speak", "fail", "fail_midway", "hang", "hang_midway", "silent", "end", "end_midway", "astray"
]

WORD = 240
"""Samples of a word."""


def level(index: int) -> float:
    """What every sample of a segment is."""
    return (index % 97 + 1) / 100


@dataclass
class Puppet:
    """`deeds` are done segment by segment, then it speaks. `ahead`: takes segments before it is asked.
    `given` is what it was handed, `open` how many iterators are. `joins`: says all segments in one breath."""

    name: str = "puppet"
    deeds: list[Deed] = field(default_factory=list)
    ahead: bool = False
    sample_rate: int = 24000
    error: Exception = field(default_factory=lambda: EngineFailed("as told"))
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(word_times="model"))
    given: list[Segment] = field(default_factory=list)
    open: int = 0
    granularity: Literal["sentence", "word"] = "sentence"
    joins: bool = False

    def __post_init__(self) -> None:
        self.voices: Sequence[Voice] = (Voice(f"{self.name}-voice", self.name),)
        self._ahead = Ahead(2)
        self._deeds = iter(self.deeds)

    def synthesize(self, segments: AsyncIterator[Segment], lead: Lead) -> AsyncGenerator[PcmChunk]:
        chunks = self._chunks(segments)
        return self._ahead.iterate(chunks) if self.ahead else chunks

    async def aclose(self) -> None:
        self._ahead.close()

    async def _chunks(self, segments: AsyncIterator[Segment]) -> AsyncGenerator[PcmChunk]:
        self.open += 1
        given = len(self.given)
        try:
            async for segment in segments:
                self.given.append(segment)
                joins = self.joins and len(self.given) > given + 1
                deed = next(self._deeds, "speak")
                if deed == "fail":
                    raise self.error
                if deed == "end":
                    return
                if deed == "hang":
                    await asyncio.sleep(60)
                if deed == "astray":
                    segment = Segment(segment.index + 1, segment.text, 0, segment.options)
                if deed == "silent":
                    yield PcmChunk(np.zeros(0, np.float32), segment.index, last=True)
                    continue
                for number, chunk in enumerate(spoken(segment)):
                    if number == 1 and deed == "fail_midway":
                        raise self.error
                    if number == 1 and deed == "end_midway":
                        return
                    if number == 1 and deed == "hang_midway":
                        await asyncio.sleep(60)
                    yield replace(chunk, joins=joins and number == 0)
                    await asyncio.sleep(0)
        finally:
            self.open -= 1


def spoken(segment: Segment) -> Iterator[PcmChunk]:
    """A chunk per word; all words' times with the first."""
    words = client_words(segment.text)
    times = tuple(
        Word(word, number * WORD, (number + 1) * WORD, offset)
        for number, (offset, word) in enumerate(words)
    )
    samples = np.full(WORD, level(segment.index), np.float32)
    for number in range(len(words)):
        known = times if number == 0 else ()
        yield PcmChunk(samples, segment.index, known, last=number == len(words) - 1)
