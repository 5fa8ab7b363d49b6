"""A server whose words are tones, with the names that clients of hosted APIs know, and what to hear."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np

from streamer.engines.tone import Tone
from streamer.protocols.hosted_voices import default_aliases
from streamer.server.run import sessions
from streamer.types import Samples
from streamer.voices import Catalogue
from tests.server.running import Running, running, settings_for

WORD_S = 0.3
"""From the start of a word to the start of the next, at speed 1."""


@asynccontextmanager
async def toned(directory: Path, **changes: Any) -> AsyncIterator[Running]:
    """With these changes to the settings."""
    engine = Tone()
    catalogue = Catalogue({"tone": engine}, aliases=default_aliases(engine.voices))
    opens = sessions(settings_for(directory, **changes), catalogue)
    async with running(directory, catalogue=catalogue, sessions=opens, **changes) as server:
        yield server


def pcm(data: bytes) -> Samples:
    """16 bit PCM."""
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


def decoded(data: bytes) -> tuple[str, int, int, Samples]:
    """Codec, rate, channels and sound of a file, as a player has it."""
    with av.open(io.BytesIO(data), "r") as container:
        context = container.streams.audio[0].codec_context
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        sound = np.concatenate([frame.reshape(-1) for frame in frames])
        if sound.dtype.kind == "i":
            sound = sound / np.float32(32768)
        return context.name, context.sample_rate, context.channels, sound.astype(np.float32)


def level(sound: Samples) -> float:
    """Root of the mean square, of what sounds."""
    heard = sound[np.abs(sound) > 1e-3]
    return float(np.sqrt(np.mean(heard**2))) if len(heard) else 0.0


def hertz(sound: Samples, rate: int) -> float:
    """The loudest frequency."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum)) * rate / len(sound)


def onset_s(sound: Samples, rate: int) -> float:
    """When it begins to sound."""
    return float(np.argmax(np.abs(sound) > 0.02)) / rate
