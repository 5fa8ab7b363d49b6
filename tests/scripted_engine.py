"""An engine that does what a test tells it: a tone of 100 ms per word, held or failing where asked."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from streamer.engines.base import Lead
from streamer.errors import EngineFailed
from streamer.text.alignment import client_words
from streamer.types import Capabilities, PcmChunk, Segment, Voice, Word


class ScriptedEngine:
    """`gate` must be set before a segment is spoken; `fail_at` names the segment that fails;
    `times` off: no word times. `spoken` are the segments in order, `open` the live iterators."""

    granularity: Literal["sentence", "word"] = "sentence"

    def __init__(
        self,
        name: str = "scripted",
        *,
        languages: tuple[str, ...] = ("en",),
        sample_rate: int = 24000,
        fail_at: int | None = None,
        times: bool = True,
    ) -> None:
        self.name = name
        self.sample_rate = sample_rate
        self.voices: Sequence[Voice] = [
            Voice(f"{name}-a", name, languages=languages),
            Voice(f"{name}-b", name),
        ]
        self.capabilities = Capabilities(
            speed=(0.5, 2.0), pitch=(0.5, 2.0), word_times="model" if times else "estimated"
        )
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail_at = fail_at
        self.times = times
        self.spoken: list[Segment] = []
        self.open = 0

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        self.open += 1
        try:
            async for segment in segments:
                self.spoken.append(segment)
                await self.gate.wait()
                if segment.index == self.fail_at:
                    raise EngineFailed("scripted failure")
                for chunk in self._chunks(segment):
                    yield chunk
        finally:
            self.open -= 1

    async def aclose(self) -> None:
        pass

    def _chunks(self, segment: Segment) -> list[PcmChunk]:
        size = round(self.sample_rate * 0.1 / segment.options.speed)
        words = client_words(segment.text)
        tone = 0.3 * np.sin(2 * np.pi * 440 / self.sample_rate * np.arange(size))
        chunks = []
        for number, (offset, text) in enumerate(words):
            word = Word(text, number * size, (number + 1) * size, offset)
            last = number == len(words) - 1
            chunks.append(
                PcmChunk(
                    tone.astype(np.float32), segment.index, (word,) if self.times else (), last
                )
            )
        return chunks


class WordEngine(ScriptedEngine):
    """The same, and takes a segment in pieces: each word sounds as soon as it is there. `spoken` are the
    pieces."""

    granularity: Literal["sentence", "word"] = "word"

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        self.open += 1
        text = ""
        try:
            async for piece in segments:
                self.spoken.append(piece)
                await self.gate.wait()
                if piece.index == self.fail_at:
                    raise EngineFailed("scripted failure")
                known, text = len(client_words(text)), text + piece.text
                for chunk in self._chunks(replace(piece, text=text))[known:]:
                    yield replace(chunk, last=False)
                if not piece.more:
                    text = ""
                    yield PcmChunk(np.zeros(0, np.float32), piece.index, last=True)
        finally:
            self.open -= 1

    @property
    def texts(self) -> list[str]:
        """Of the segments, their pieces put together."""
        joined: dict[int, str] = {}
        for piece in self.spoken:
            joined[piece.index] = joined.get(piece.index, "") + piece.text
        return list(joined.values())
