"""The embedded voice, with a note in a file of each time that it is called."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

from streamer.config import Settings
from streamer.engines.around import Around
from streamer.engines.base import Engine, Lead, open_engine
from streamer.types import PcmChunk, Segment

NOTES = "BENCH_ENGINE_NOTES"


class Counting(Around):
    """Notes the `time.perf_counter` of each chunk it is asked for, and of each segment it takes."""

    def __init__(self, inner: Engine, notes: str) -> None:
        super().__init__(inner)
        self._file = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        async with aclosing(self._engine.synthesize(self._taken(segments), lead)) as chunks:
            while True:
                self._note()
                chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield chunk

    async def _taken(self, segments: AsyncIterator[Segment]) -> AsyncGenerator[Segment, None]:
        async for segment in segments:
            self._note()
            yield segment

    def _note(self) -> None:
        os.write(self._file, f"{time.perf_counter()}\n".encode())


def open_counting(settings: Settings) -> Counting:
    return Counting(open_engine("hibari", settings), os.environ[NOTES])


def notes(path: Path) -> list[float]:
    return [float(line) for line in path.read_text("ascii").split()]
