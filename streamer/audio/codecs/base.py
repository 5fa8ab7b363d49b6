"""What a codec is to the encoder, and the one way in which FFmpeg's encoders are driven.

A codec sees frames of one size at the output rate. It must not know of source rates, containers,
timestamps or the end of the sound: `streamer.audio.encoder` does those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from streamer.types import AudioFormat, Samples


@dataclass(frozen=True, slots=True)
class Codec:
    """One open codec.

    `encode` takes `frame_size` mono samples within -1..1 and gives the packets that are ready.
    `lead_in`: samples that a decoder puts before the first sample of sound. `held`: how many packets
    the codec is behind the frames it was given. `short_frames`: the last frame may be shorter, and
    `finish` gives the packets that are left then.

    To go on behind a packet that is not the last one made: `splice`, a packet of `splice_size` samples of
    silence that makes a decoder forget what it expects; `rewind(sent)`, of a codec that remembers
    nothing but how many packets there were.
    """

    frame_size: int
    encode: Callable[[Samples], list[bytes]]
    lead_in: int = 0
    held: int = 0
    header: bytes = b""
    short_frames: bool = False
    finish: Callable[[], list[bytes]] = list
    splice: bytes = b""
    splice_size: int = 0
    rewind: Callable[[int], None] | None = None


class Libav:
    """One FFmpeg encoder. Only short frames need its flush, which leaves it dead; from the others
    silence brings out the same packets."""

    def __init__(
        self, name: str, audio: AudioFormat, sample_format: str, options: Mapping[str, str]
    ) -> None:
        assert audio.sample_rate is not None
        self._rate = audio.sample_rate
        self._format = sample_format
        self._layout = "mono" if audio.channels == 1 else "stereo"
        self._doubled = audio.channels == 2 and not sample_format.endswith("p")
        self._time_base = Fraction(1, self._rate)
        self._pts = 0
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate = self._rate
        context.layout = self._layout
        context.format = av.AudioFormat(sample_format)
        context.bit_rate = audio.bit_rate
        context.time_base = self._time_base
        context.options = dict(options)
        context.open()
        self._context = context
        self.frame_size: int = context.frame_size
        """0 where the codec takes frames of any size."""
        self.extradata: bytes = context.extradata or b""

    def encode(self, samples: npt.NDArray[Any]) -> list[bytes]:
        """Packets that this frame of mono samples (in the type of the sample format) completes."""
        frame = av.AudioFrame(self._format, self._layout, len(samples))
        if self._doubled:
            samples = np.repeat(samples, 2)
        data = samples.tobytes()
        for plane in frame.planes:
            plane.update(data)
        frame.sample_rate = self._rate
        frame.time_base = self._time_base
        frame.pts = self._pts
        self._pts += frame.samples
        return [bytes(packet) for packet in self._context.encode(frame) if packet.size]

    def finish(self) -> list[bytes]:
        """What is left; nothing can be encoded after it."""
        return [bytes(packet) for packet in self._context.encode(None) if packet.size]


def to_s16(samples: Samples) -> npt.NDArray[np.int16]:
    """16-bit samples by FFmpeg's scale (1.0 is 32768, clipped), so that 16-bit sound passes unchanged."""
    scaled: Samples = np.rint(samples * np.float32(32768))
    return np.minimum(scaled, np.float32(32767)).astype(np.int16)
