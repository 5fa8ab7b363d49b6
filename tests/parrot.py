"""An engine that makes voices, for tests: a clone speaks at the pitch of its recording, a designed voice at
the one that its description names, so that a round trip can be heard and measured."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Literal

import numpy as np

from streamer.engines.base import Lead
from streamer.errors import EngineFailed, InvalidMedia
from streamer.text.alignment import client_words
from streamer.types import (
    Capabilities,
    Description,
    PcmChunk,
    Reference,
    Segment,
    Voice,
    VoiceData,
    Word,
)

RATE = 24000
SOUND = RATE // 5
"""Samples of a word, then half as many of silence."""
PRESET_HZ = 1000.0


def open_engine(settings: Any) -> Parrot:
    return Parrot()


class Parrot:
    """`gate` must be set before a voice is made, `mouth` before one speaks; `heard` are sources of voices,
    `making` how many are made now, `most` at once; `fault` is raised instead,
    `speech_fault` instead of speaking."""

    name = "parrot"
    sample_rate = RATE
    granularity: Literal["sentence", "word"] = "sentence"
    capabilities = Capabilities(word_times="model", clone=True, design=True)

    def __init__(self, name: str = "parrot") -> None:
        self.name = name
        self.voices: Sequence[Voice] = (Voice("polly", name, languages=("en", "de", "ja")),)
        self.gate = asyncio.Event()
        self.gate.set()
        self.mouth = asyncio.Event()
        self.mouth.set()
        self.heard: list[Reference | Description] = []
        self.spoken: list[Segment] = []
        self.making = self.most = 0
        self.fault: Exception | None = None
        self.speech_fault: Exception | None = None

    async def enroll(self, source: Reference | Description) -> VoiceData:
        self.heard.append(source)
        self.making += 1
        self.most = max(self.most, self.making)
        try:
            await self.gate.wait()
            if self.fault is not None:
                raise self.fault
            if isinstance(source, Description):
                named = re.search(r"(\d+) Hz", source.text)
                hertz = float(named[1]) if named else 300.0
            else:
                hertz = hertz_of(source.samples, source.sample_rate)
                if hertz < 50:
                    raise InvalidMedia("nobody speaks in it", param="audio")
            return {
                "hertz": np.array([hertz], np.float32),
                "codes": np.arange(32, dtype=np.int16).reshape(16, 2),
            }
        finally:
            self.making -= 1

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        async for segment in segments:
            self.spoken.append(segment)
            await self.mouth.wait()
            if self.speech_fault is not None:
                raise self.speech_fault
            voice = segment.options.voice
            if voice.engine != self.name:
                raise EngineFailed(f"not a voice of mine: {voice.id}")
            hertz = PRESET_HZ if voice.data is None else float(voice.data["hertz"][0])
            time = np.arange(SOUND) / RATE
            tone = 0.3 * np.sin(2 * np.pi * hertz * time)
            sound = np.pad(tone, (0, SOUND // 2)).astype(np.float32)
            words = client_words(segment.text)
            for number, (offset, text) in enumerate(words):
                begin = number * len(sound)
                word = Word(text, begin, begin + SOUND, offset)
                yield PcmChunk(sound, segment.index, (word,), last=number == len(words) - 1)

    async def aclose(self) -> None:
        self.gate.set()


def hertz_of(samples: Any, rate: int) -> float:
    """The loudest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)
