"""The table of codecs, and how what a client asks for becomes a format with every field filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamer.errors import InvalidParameter, UnsupportedParameter
from streamer.types import AudioFormat

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Every output rate there is, in Hz."""

FRAMES_MS = (2.5, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Opus's frame lengths up to 60 ms (RFC 6716 section 2.1.4), offered wherever the length is ours."""


@dataclass(frozen=True, slots=True)
class CodecRow:
    """One row of `CODECS`.

    `target` is `module:function`, called with the resolved format, and opens the codec. `containers`
    maps what the packets may be wrapped in to a MIME type. `bit_rates(rate, channels)` are the bit/s
    there are, ascending; `default_bit_rate` likewise. `frames_ms(rate)` are the frame lengths.
    """

    target: str
    containers: Mapping[str, str]
    bit_rates: Callable[[int, int], Sequence[int]]
    default_bit_rate: Callable[[int, int], int]
    frames_ms: Callable[[int], Sequence[float]]
    rates: Sequence[int] = RATES

    def mime(self, audio: AudioFormat) -> str:
        """The MIME type of a resolved format."""
        return self.containers[audio.container].format(
            rate=audio.sample_rate, channels=audio.channels
        )


def _per_sample(bits: float, least: int = 0) -> Callable[[int, int], int]:
    """A default of so many bits per sample; the second channel says nothing new: half as much again."""
    return lambda rate, channels: int(max(least, rate * bits) * (1 + channels) / 2)


def _fixed(bits: int) -> Callable[[int, int], Sequence[int]]:
    return lambda rate, channels: (rate * bits * channels,)


def _any_frame(rate: int) -> Sequence[float]:
    return FRAMES_MS


def _mp3_frames(rate: int) -> Sequence[float]:
    """1152 samples in MPEG-1, 576 in MPEG-2 and 2.5 (ISO/IEC 11172-3, 13818-3)."""
    return ((1152 if rate >= 32000 else 576) * 1000 / rate,)


def _mp3_bit_rates(rate: int, channels: int) -> Sequence[int]:
    """Layer III's ladders; LAME ends MPEG-2.5's at 64 kbit/s."""
    if rate >= 32000:
        ladder: tuple[int, ...] = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    else:
        ladder = (8, 16, 24, 32, 40, 48, 56, 64)
        if rate >= 16000:
            ladder += (80, 96, 112, 128, 144, 160)
    return tuple(kilobits * 1000 for kilobits in ladder)


def _aac_bit_rates(rate: int, channels: int) -> Sequence[int]:
    """At most 6144 bits per channel and frame of 1024 samples (ISO/IEC 14496-3)."""
    return range(12000 * channels, 6 * rate * channels + 1)


def _opus_bit_rates(rate: int, channels: int) -> Sequence[int]:
    """6 to 255 kbit/s per channel (RFC 6716 section 2.1.1; 255 is libopus's most for one)."""
    return range(6000 * channels, 255000 * channels + 1)


def _pcm(bits: int, mime: str) -> CodecRow:
    return CodecRow(
        target="streamer.audio.codecs.pcm:open_codec",
        containers={"none": mime + ";rate={rate};channels={channels}", "wav": "audio/wav"},
        bit_rates=_fixed(bits),
        default_bit_rate=_per_sample(bits),
        frames_ms=_any_frame,
    )


CODECS: dict[str, CodecRow] = {
    "opus": CodecRow(
        target="streamer.audio.codecs.opus:open_codec",
        containers={"none": "audio/opus", "ogg": "audio/ogg; codecs=opus"},
        bit_rates=_opus_bit_rates,
        default_bit_rate=_per_sample(1, least=16000),
        frames_ms=_any_frame,
        rates=(8000, 12000, 16000, 24000, 48000),
    ),
    "mp3": CodecRow(
        target="streamer.audio.codecs.mp3:open_codec",
        containers={"none": "audio/mpeg", "mp3": "audio/mpeg"},
        bit_rates=_mp3_bit_rates,
        default_bit_rate=_per_sample(8 / 3),
        frames_ms=_mp3_frames,
    ),
    "aac": CodecRow(
        target="streamer.audio.codecs.aac:open_codec",
        containers={"none": "audio/aac", "adts": "audio/aac"},
        bit_rates=_aac_bit_rates,
        default_bit_rate=_per_sample(2),
        frames_ms=lambda rate: (1024 * 1000 / rate,),
    ),
    "flac": CodecRow(
        target="streamer.audio.codecs.flac:open_codec",
        containers={"none": "audio/flac", "flac": "audio/flac"},
        bit_rates=_fixed(16),
        default_bit_rate=_per_sample(16),
        frames_ms=_any_frame,
    ),
    "pcm_s16le": _pcm(16, "audio/pcm;encoding=signed-int;bits=16"),
    "pcm_f32le": _pcm(32, "audio/pcm;encoding=float;bits=32"),
    "pcm_mulaw": _pcm(8, "audio/pcmu"),
    "pcm_alaw": _pcm(8, "audio/pcma"),
}
"""Every codec, by FFmpeg's name. Adding one is a row here and a module in `streamer.audio.codecs`."""


def resolve(audio: AudioFormat, source_rate: int) -> AudioFormat:
    """`audio` with every None filled in for a voice of `source_rate` Hz, and the bit rate really used.

    Raises `InvalidParameter` or `UnsupportedParameter` naming `audio.<field>`.
    """
    row = CODECS.get(audio.codec) if isinstance(audio.codec, str) else None
    if row is None:
        raise InvalidParameter(
            f"no codec {audio.codec!r}; there are {', '.join(CODECS)}",
            param="audio.codec",
            candidates=list(CODECS),
        )
    _check(audio.container, tuple(row.containers), _containers(), "container", audio.codec)
    _check(audio.channels, (1, 2), (1, 2), "channels", audio.codec)
    rate = audio.sample_rate
    if rate is None:
        rate = next((rate for rate in row.rates if rate >= source_rate), row.rates[-1])
    _check(rate, row.rates, RATES, "sample_rate", audio.codec)
    bit_rate = _bit_rate(audio, row, rate)
    return replace(
        audio,
        sample_rate=int(rate),
        channels=int(audio.channels),
        bit_rate=bit_rate,
        frame_ms=_frame_ms(audio, row, rate),
    )


def _containers() -> tuple[str, ...]:
    return tuple({name: None for row in CODECS.values() for name in row.containers})


def _check(
    value: object, allowed: Sequence[Any], known: Sequence[Any], field: str, codec: str
) -> None:
    """`value` is one of `allowed`; what is only `known` is unsupported rather than invalid."""
    flag = isinstance(value, bool)
    if value in allowed and not flag:
        return
    error = UnsupportedParameter if value in known and not flag else InvalidParameter
    raise error(
        f"{field} {value!r} is not possible with {codec}; {', '.join(map(str, allowed))} are",
        param=f"audio.{field}",
        candidates=list(allowed),
    )


def _bit_rate(audio: AudioFormat, row: CodecRow, rate: int) -> int:
    steps = row.bit_rates(rate, audio.channels)
    least, most, value = steps[0], steps[-1], audio.bit_rate
    if value is None:
        value = min(max(row.default_bit_rate(rate, audio.channels), least), most)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        error = UnsupportedParameter if least == most else InvalidParameter
        raise error(
            f"bit_rate {value!r} is not possible with {audio.codec} at {rate} Hz and "
            f"{audio.channels} channels; {least} to {most} bit/s are",
            param="audio.bit_rate",
            least=least,
            most=most,
        )
    return value if value in steps else min(steps, key=lambda step: abs(step - value))


def _frame_ms(audio: AudioFormat, row: CodecRow, rate: int) -> float:
    lengths = row.frames_ms(rate)
    if audio.frame_ms is None:
        return lengths[0] if len(lengths) == 1 else 20.0
    if len(lengths) > 1:
        _check(audio.frame_ms, lengths, lengths, "frame_ms", audio.codec)
    else:
        _check(audio.frame_ms, lengths, (audio.frame_ms,), "frame_ms", audio.codec)
    return float(audio.frame_ms)
