"""Captions of what a command speaks, in a file that is there only when it is whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from streamer.captions.files import CONTENT_TYPES, CaptionFile, CaptionFormat
from streamer.cli.sink import Sink, open_sink
from streamer.errors import InvalidParameter
from streamer.types import Caption, Done, Event, Started


def caption_format(name: str) -> CaptionFormat:
    """By the ending of a file's name. Raises `InvalidParameter`."""
    ending = Path(name).suffix.removeprefix(".").lower()
    for known in CONTENT_TYPES:
        if ending == known:
            return known
    message = f"captions are written as .vtt or .srt, not {name!r}"
    raise InvalidParameter(message, param="captions")


class CaptionTrack:
    """Takes events and writes their captions; to no `sink`: nothing."""

    def __init__(self, sink: Sink | None, format: CaptionFormat) -> None:
        self._sink = sink
        self._format = format
        self._file: CaptionFile | None = None

    async def push(self, event: Event) -> None:
        if self._sink is None:
            return
        if isinstance(event, Started):
            self._file = CaptionFile(event.audio.sample_rate or 0, self._format)
            await self._sink.write(self._file.head().encode())
        elif isinstance(event, Caption) and self._file is not None:
            await self._sink.write(self._file.push(event).encode())
        elif isinstance(event, Done) and self._file is not None:
            await self._sink.write(self._file.flush().encode())


@asynccontextmanager
async def open_captions(name: str | None) -> AsyncGenerator[CaptionTrack, None]:
    """The track into the file of that name; None: into nothing."""
    if name is None:
        yield CaptionTrack(None, "vtt")
        return
    async with open_sink(name, "captions") as sink:
        yield CaptionTrack(sink, caption_format(name))
