"""Packets in, sound out: the inverse of `streamer.audio.encoder`, for clients and tests.

It decodes streams of a format known beforehand. It must not be given media of unknown origin.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import av
import numpy as np

from streamer.audio.demuxer import open_demuxer
from streamer.audio.formats import resolve
from streamer.audio.resampler import Resampler
from streamer.errors import InvalidMessage
from streamer.types import AudioFormat, Samples

_DECODERS = {"opus": "libopus", "mp3": "mp3float"}  # Others by the codec's own name.
_FILE_FORMATS = "wav,mp3,flac,ogg,aac"


class Decoder:
    """One stream of `audio` (as `Started.audio` has it): `push` what the encoder made, `flush` at the end.

    `header` and `lead_in` as the encoder gave them. What comes out is mono float32 at
    `audio.sample_rate`; its first sample is pts 0. After the last sample of sound there may be
    codec padding (never in Ogg): `Done.samples` says where to cut. A container's bytes may be cut
    anywhere, a bare packet may not. Bytes that can't be decoded are `InvalidMessage`.
    """

    def __init__(self, audio: AudioFormat, header: bytes = b"", lead_in: int = 0) -> None:
        self._audio = resolve(audio, 48000)
        self._demuxer = open_demuxer(self._audio, header)
        self._context: av.AudioCodecContext | None = None
        self._resampler: Resampler | None = None
        self._skip = lead_in
        self._given = 0

    def push(self, data: bytes) -> list[Samples]:
        """Sound that is ready; arrays of shape (n,), none empty."""
        return self._decode(self._demuxer.push(data))

    def flush(self) -> list[Samples]:
        """The rest of the sound."""
        parts = self._decode(self._demuxer.flush())
        if self._context is not None:
            parts += self._sound(self._context.decode(None))
        if self._resampler is not None:
            parts += self._trimmed(self._resampler.flush())
        return parts

    def _decode(self, packets: Iterable[bytes]) -> list[Samples]:
        parts: list[Samples] = []
        for packet in packets:
            if self._context is None:
                self._context = self._open()
            try:
                parts += self._sound(self._context.decode(av.Packet(packet)))
            except av.FFmpegError as error:
                raise InvalidMessage(f"not {self._audio.codec}: {error}", param="audio") from error
        return parts

    def _open(self) -> av.AudioCodecContext:
        name = _DECODERS.get(self._audio.codec, self._audio.codec)
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, av.AudioCodecContext)
        assert self._audio.sample_rate is not None
        if self._audio.codec != "mp3":  # it would say so of its first frame, whatever that is
            context.sample_rate = self._audio.sample_rate
        context.layout = "mono" if self._audio.channels == 1 else "stereo"
        header = self._demuxer.header
        if self._audio.codec == "opus":
            if self._audio.container == "ogg":
                # All pre-skip is dropped here, at the output rate, whatever made the stream.
                pre_skip = int.from_bytes(header[10:12], "little")
                self._skip = pre_skip * self._audio.sample_rate // 48000
            header = header and header[:10] + b"\0\0" + header[12:]
        if header:
            context.extradata = header
        return context

    def _sound(self, frames: Iterable[av.AudioFrame]) -> list[Samples]:
        parts: list[Samples] = []
        for frame in frames:
            if self._resampler is None:
                assert self._audio.sample_rate is not None
                self._resampler = Resampler(frame.sample_rate, self._audio.sample_rate)
            parts += self._trimmed(self._resampler.push(_mono(frame)))
        return parts

    def _trimmed(self, sound: Samples) -> list[Samples]:
        """Without the lead-in and without what the container says lies after the end."""
        skipped = min(self._skip, len(sound))
        self._skip -= skipped
        sound = sound[skipped:]
        if self._demuxer.total is not None:
            assert self._audio.sample_rate is not None
            pre_skip = int.from_bytes(self._demuxer.header[10:12], "little")
            total = -(-(self._demuxer.total - pre_skip) * self._audio.sample_rate // 48000)
            sound = sound[: max(0, total - self._given)]
        self._given += len(sound)
        return [sound] if len(sound) else []


def decode(data: bytes) -> tuple[Samples, int]:
    """The sound of a whole WAV, MP3, FLAC, Ogg or ADTS file, mono, and its rate in Hz, as FFmpeg gives
    it: lead-in included where the file does not say how long that is. `InvalidMessage` if it is none."""
    try:
        # Without the whitelist FFmpeg would follow a playlist to files of this machine.
        options = {"format_whitelist": _FILE_FORMATS}
        with av.open(io.BytesIO(data), "r", options=options) as container:
            stream = container.streams.audio[0]
            parts = [_mono(frame) for frame in container.decode(stream)]
            rate = stream.rate
    except (av.FFmpegError, IndexError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"not a sound file: {error}", param="audio") from error
    return (np.concatenate(parts) if parts else np.zeros(0, np.float32)), rate


def _mono(frame: av.AudioFrame) -> Samples:
    """The mean of the channels within -1..1, shape (n,)."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if np.issubdtype(samples.dtype, np.integer):
        scale = 1 << (8 * samples.dtype.itemsize - 1)
        samples = samples.astype(np.float32) / np.float32(scale)
    mono: Samples = samples.mean(axis=0, dtype=np.float32)
    return mono
