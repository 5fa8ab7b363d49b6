"""What engines make of a script: chunks of sound with their lines, and what they are charged for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from streamer.audio.resampler import ResampledChunks
from streamer.engines.base import Engine, Lead
from streamer.errors import EngineFailed
from streamer.lines import Line
from streamer.prices import Bill, Prices
from streamer.script import Script
from streamer.types import PcmChunk, Segment

Spoken = tuple[Line, PcmChunk]


class Synthesis:
    """The script's lines on their way. `rate`: of all sound, whoever speaks."""

    def __init__(self, script: Script, prices: Prices, rate: int, lead: Lead) -> None:
        self._script = script
        self._bill = Bill(prices)
        self._rate = rate
        self._lead = lead
        self._lines: dict[int, Line] = {}
        self._engines: list[str] = []

    @property
    def engine(self) -> str:
        """Who spoke, `+` between several."""
        return "+".join(self._engines) or self._script.wishes.now.engine.name

    @property
    def speaking(self) -> bool:
        """Whether an engine has a line that is not over."""
        return bool(self._lines)

    @property
    def busy(self) -> bool:
        """Whether sound is on its way."""
        return self.speaking or self._script.waiting

    @property
    def working(self) -> bool:
        """Whether sound will come without more text: of a line that is open, all there is may have."""
        return self._script.waiting or not all(line.open for line in self._lines.values())

    def cost(self, characters: int) -> float:
        """Of so many characters: each segment at the price of who spoke it."""
        return self._bill.cost(characters, self._script.wishes.now.choice)

    def charge(self, line: Line, *, at_most: bool = False) -> None:
        """Put on the bill what of a line is not on it."""
        at = max(line.span.offset, self._bill.end)
        index, length = line.segment.index, line.end - at
        self._bill.add(index, at, length, line.choice, line.asked, at_most=at_most)

    async def spoken(self) -> AsyncGenerator[Spoken, None]:
        """Chunks with their lines. Consecutive lines of one engine are one call of it."""
        while (head := await self._script.peek()) is not None:
            engine = head.engine
            chunks = engine.synthesize(self._segments(engine), self._lead)
            resampled = ResampledChunks(engine.sample_rate, self._rate)
            async with aclosing(chunks):
                async for chunk in chunks:
                    line = self._lines[chunk.segment]
                    if (speaker := chunk.engine or engine.name) not in self._engines:
                        self._engines.append(speaker)
                    self._bill.spoken(chunk.segment, speaker)
                    if chunk.last:
                        if line.open:
                            raise EngineFailed(f"engine {engine.name!r} did not wait for its text")
                        del self._lines[chunk.segment]
                    yield line, resampled(chunk)
            if self._lines:
                raise EngineFailed(f"engine {engine.name!r} ended before its text")

    async def _segments(self, engine: Engine) -> AsyncGenerator[Segment, None]:
        while (line := await self._script.peek()) is not None and line.engine is engine:
            self._script.take()
            self.charge(line)
            self._lines[line.segment.index] = line
            yield line.segment
            while line.open:
                piece = await self._script.piece(line)
                self.charge(line)
                yield piece
