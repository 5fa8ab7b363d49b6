"""What a scripted provider speaks: a tone per word, in the formats that providers send."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from streamer.audio.encoder import open_encoder
from streamer.text.alignment import client_words
from streamer.types import AudioFormat, Samples

RATE = 24000
WORD_S = 0.3
"""From the start of a word to the start of the next, at speed 1; 0.24 s of it sound."""

FORMATS: Mapping[str, AudioFormat] = {
    "wav": AudioFormat("pcm_s16le", "wav"),
    "pcm": AudioFormat("pcm_s16le", "none"),
    "mp3": AudioFormat("mp3", "mp3"),
    "opus": AudioFormat("opus", "ogg"),
    "flac": AudioFormat("flac", "flac"),
    "aac": AudioFormat("aac", "adts"),
}
CONTENT_TYPES: Mapping[str, str] = {
    "wav": "audio/wav",
    "pcm": f"audio/pcm; rate={RATE}; channels=1",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
}


def spoken(text: str, *, speed: float = 1.0, pitch: float = 1.0, rate: int = RATE) -> Samples:
    """A text in tones: the same word sounds the same wherever it stands."""
    parts = [np.zeros(0, np.float32)]
    for _, word in client_words(text):
        length, heard = (round(s * rate / speed) for s in (WORD_S, 0.8 * WORD_S))
        hertz = 220.0 * pitch * 2.0 ** (zlib.crc32(word.encode()) % 24 / 12)
        time = np.arange(heard) / rate
        edge = np.minimum(1.0, np.arange(1, heard + 1) / (rate / 200))
        tone = 0.2 * np.sin(2 * np.pi * hertz * time) * np.minimum(edge, edge[::-1])
        parts += [tone.astype(np.float32), np.zeros(length - heard, np.float32)]
    return np.concatenate(parts)


def encoded(samples: Samples, name: str, *, rate: int = RATE, out: int | None = None) -> bytes:
    """The whole file. A WAV says that it is still being written, as those of our own server do."""
    form = FORMATS[name]
    audio = AudioFormat(form.codec, form.container, out or rate)
    encoder = open_encoder(audio, rate)
    return b"".join(packet.data for packet in (*encoder.push(samples), *encoder.flush()))


def said_words(text: str, *, speed: float = 1.0) -> list[dict[str, object]]:
    """The times of `spoken`'s words, in seconds."""
    step = WORD_S / speed
    return [
        {"text": word, "start": round(at * step, 3), "end": round((at + 0.8) * step, 3)}
        for at, (_, word) in enumerate(client_words(text))
    ]
