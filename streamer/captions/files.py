"""Captions of what was spoken, as the text of a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from streamer.captions.legible import Legible
from streamer.text.captions.writer import SRT, VTT, SrtWriter, VttWriter
from streamer.types import Caption

CaptionFormat = Literal["vtt", "srt"]
CONTENT_TYPES: dict[CaptionFormat, str] = {"vtt": VTT, "srt": SRT}
"""By the name's ending."""


class CaptionFile:
    """Its text, as captions come: `head`, each `push`, and `flush` at the end."""

    def __init__(self, sample_rate: int, format: CaptionFormat) -> None:
        self._legible = Legible(sample_rate)
        self._writer = (VttWriter if format == "vtt" else SrtWriter)(sample_rate)

    def head(self) -> str:
        return self._writer.head()

    def push(self, caption: Caption) -> str:
        return "".join(map(self._writer.push, self._legible.push(caption)))

    def flush(self) -> str:
        return "".join(map(self._writer.push, self._legible.flush()))


def caption_file(captions: Iterable[Caption], sample_rate: int, format: CaptionFormat) -> str:
    """All of it."""
    file = CaptionFile(sample_rate, format)
    return file.head() + "".join(map(file.push, captions)) + file.flush()
