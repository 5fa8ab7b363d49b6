"""An engine for tests and measurements: one tone per word, the same for the same word, with exact word
times. Speaks any script, costs next to nothing, knows nothing of speech.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from streamer.engines.ahead import Ahead
from streamer.engines.base import Lead
from streamer.errors import EngineFailed
from streamer.text.alignment import client_words
from streamer.types import Capabilities, PcmChunk, Samples, Segment, Voice, Word

if TYPE_CHECKING:
    from streamer.config import Settings

SAMPLE_RATE = 24000
SOUND = SAMPLE_RATE * 24 // 100
"""Samples of a word that sound."""
WORD = SAMPLE_RATE * 30 // 100
"""Samples from the start of a word to the start of the next: 200 words per minute."""
_WORDS_PER_CHUNK = 3
_LEVEL = 0.14
"""Amplitude: about -20 LUFS, as the voices."""
_EDGE = SAMPLE_RATE // 200
"""Samples over which a tone fades in and out."""
_PITCHES = 24
"""Semitones above the voice's lowest, from which a word's is taken."""
_LOWEST_HZ = {"tone-low": 220.0, "tone-high": 440.0}
_AHEAD = 2


def open_engine(settings: Settings) -> Tone:
    """The engine. There is nothing to set."""
    return Tone()


class Tone:
    """See `streamer.engines.base.Engine`."""

    name = "tone"
    sample_rate = SAMPLE_RATE
    granularity: Literal["sentence", "word"] = "sentence"
    capabilities = Capabilities(word_times="model")

    def __init__(self) -> None:
        self.voices: Sequence[Voice] = tuple(
            Voice(
                voice,
                self.name,
                name=voice,
                # ISO 639-2 "multiple languages": it speaks any.
                languages=("mul",),
                description=f"test tones from {hertz:g} Hz upwards, one per word",
            )
            for voice, hertz in _LOWEST_HZ.items()
        )
        self._words = {voice: _words(hertz) for voice, hertz in _LOWEST_HZ.items()}
        self._ahead = Ahead(_AHEAD)

    def synthesize(self, segments: AsyncIterator[Segment], lead: Lead) -> AsyncGenerator[PcmChunk]:
        return self._ahead.iterate(self._chunks(segments))

    async def aclose(self) -> None:
        self._ahead.close()

    async def _chunks(self, segments: AsyncIterator[Segment]) -> AsyncGenerator[PcmChunk]:
        async for segment in segments:
            for chunk in self._speak(segment):
                yield chunk

    def _speak(self, segment: Segment) -> Iterator[PcmChunk]:
        bank = self._words.get(segment.options.voice.id)
        if bank is None:
            raise EngineFailed(f"tone has no voice {segment.options.voice.id!r}")
        words = client_words(segment.text)
        if not words:
            yield PcmChunk(np.zeros(0, np.float32), segment.index, last=True)
        for first in range(0, len(words), _WORDS_PER_CHUNK):
            batch = words[first : first + _WORDS_PER_CHUNK]
            yield PcmChunk(
                np.concatenate([bank[_pitch(word, segment.options.seed)] for _, word in batch]),
                segment.index,
                tuple(
                    Word(word, at * WORD, at * WORD + SOUND, offset)
                    for at, (offset, word) in enumerate(batch, first)
                ),
                last=first + _WORDS_PER_CHUNK >= len(words),
            )


def _pitch(word: str, seed: int) -> int:
    # CRC-32, since `hash` of a string differs from process to process.
    return zlib.crc32(f"{seed} {word}".encode()) % _PITCHES


def _words(lowest: float) -> list[Samples]:
    """A word of each pitch: a sine and a short silence."""
    hertz = lowest * 2.0 ** (np.arange(_PITCHES) / 12)
    time = np.arange(SOUND) / SAMPLE_RATE
    rise = np.minimum(1.0, (np.arange(SOUND) + 1) / _EDGE)
    tones = _LEVEL * np.sin(2 * np.pi * hertz[:, None] * time) * rise * rise[::-1]
    return list(np.pad(tones, ((0, 0), (0, WORD - SOUND))).astype(np.float32))
