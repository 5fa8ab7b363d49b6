"""What Runware's document of Qwen3-TTS lists: models, formats, the ranges of their bit rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from streamer.errors import InvalidParameter
from streamer.types import AudioFormat

OutputType: TypeAlias = Literal["URL", "base64Data", "dataURI"]
OutputFormat: TypeAlias = Literal["MP3", "WAV", "FLAC", "OGG"]
Delivery: TypeAlias = Literal["sync", "async"]

BASE = "alibaba:qwen@3-tts-1.7b-base"
"""Speaks in the voice of a recording."""
CUSTOM_VOICE = "alibaba:qwen@3-tts-1.7b-customvoice"
"""Speaks in a voice that has a name."""
VOICE_DESIGN = "alibaba:qwen@3-tts-1.7b-voicedesign"
"""Speaks in a voice that is described."""
MODELS = (BASE, CUSTOM_VOICE, VOICE_DESIGN)

FRAMES_PER_S = 12.5
"""Codec frames of Qwen3-TTS, which `maxNewTokens` counts."""
MAX_NEW_TOKENS = 2048
TEXT_LIMIT = 2000

SAMPLE_RATE = 24000
"""Hz of a lossy result where a client names none, which the document leaves open: the model's own."""
CHANNELS = 2

_CODECS: Mapping[str, AudioFormat] = {
    "MP3": AudioFormat("mp3", "mp3"),
    "WAV": AudioFormat("pcm_s16le", "wav"),
    "FLAC": AudioFormat("flac", "flac"),
    "OGG": AudioFormat("opus", "ogg", frame_ms=60),  # a page, 28 bytes, for each 60 ms
}
CONTENT_TYPES: Mapping[str, str] = {
    "MP3": "audio/mpeg",
    "WAV": "audio/wav",
    "FLAC": "audio/flac",
    "OGG": "audio/ogg",
}
LOSSLESS = ("WAV", "FLAC")

_Ranges: TypeAlias = Mapping[int, tuple[int, int]]
_MP3: _Ranges = {
    8000: (8, 64),
    11025: (8, 64),
    12000: (8, 64),
    16000: (8, 160),
    22050: (8, 160),
    24000: (8, 160),
    32000: (32, 320),
    44100: (32, 320),
    48000: (32, 320),
}
_OGG_MONO: _Ranges = {
    8000: (8, 40),
    12000: (16, 48),
    16000: (16, 96),
    24000: (16, 80),
    48000: (32, 224),
}
_OGG_STEREO: _Ranges = {
    8000: (16, 80),
    12000: (16, 96),
    16000: (24, 192),
    24000: (32, 160),
    48000: (48, 256),
}
BIT_RATES: Mapping[tuple[str, int], _Ranges] = {
    ("MP3", 1): _MP3,
    ("MP3", 2): _MP3,
    ("OGG", 1): _OGG_MONO,
    ("OGG", 2): _OGG_STEREO,
}
"""Format and channels to sample rates in Hz, and the least and the most kbit/s of each."""


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """`audioSettings`; `bitrate` in kbit/s, `sample_rate` in Hz. None: as the API chooses."""

    bitrate: int | None = None
    channels: Literal[1, 2] | None = None
    sample_rate: int | None = None


def audio_of(output_format: OutputFormat, settings: AudioSettings | None) -> AudioFormat:
    """The format that is asked for. Raises `InvalidParameter`, naming it as Runware does."""
    codec = _CODECS[output_format]
    if output_format in LOSSLESS:
        if settings is not None:
            raise InvalidParameter(
                f"audioSettings must not be given with {output_format}", param="audioSettings"
            )
        return codec
    settings = settings or AudioSettings()
    channels = settings.channels or CHANNELS
    rates = BIT_RATES[output_format, channels]
    rate = SAMPLE_RATE if settings.sample_rate is None else settings.sample_rate
    if rate not in rates:
        raise InvalidParameter(
            f"sampleRate {rate} is not possible with {output_format}; "
            f"{', '.join(map(str, rates))} are",
            param="audioSettings.sampleRate",
            candidates=list(rates),
        )
    least, most = rates[rate]
    bitrate = settings.bitrate
    if bitrate is not None and not least <= bitrate <= most:
        raise InvalidParameter(
            f"bitrate must be within {least} and {most} kbps for {output_format} at {rate} Hz "
            f"and {channels} channels",
            param="audioSettings.bitrate",
            least=least,
            most=most,
        )
    return AudioFormat(
        codec.codec,
        codec.container,
        rate,
        channels,
        None if bitrate is None else bitrate * 1000,
        codec.frame_ms,
    )
