"""Sound in, packets of the format asked for out: the same packets however the sound is cut.

It knows rates, frames and timestamps; what a codec or a container does is in theirs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

import numpy as np

from streamer.audio.codecs.base import Codec
from streamer.audio.container import open_muxer
from streamer.audio.formats import CODECS, CodecRow, resolve
from streamer.audio.resampler import Resampler
from streamer.types import AudioFormat, Packet, Samples

OpenCodec = Callable[[AudioFormat], Codec]

SILENT_FRAMES = 3
"""Measured with Opus, which predicts loudness from packet to packet: after one frame of silence the next
sound was 7 dB off for a moment, after three within 1 dB."""

__all__ = ["CODECS", "CodecRow", "Encoder", "open_encoder", "resolve"]


class Encoder:
    """One stream: `push` sound, get `Packet`s; `flush` once at the end.

    Packets are contiguous: the first begins at -`lead_in`, each begins where the one before it ended,
    the last ends at `samples`. A decoder makes more of that last one; `samples` says where to cut.
    `rewind` goes on behind a packet that was not the last.

    `format` has every field filled in, `mime` is its type. `header` is the codec's (OpusHead, `fLaC`
    and STREAMINFO, AudioSpecificConfig) where the container does not carry it in the stream, else
    empty. `lead_in`: how many samples at the output rate a decoder that is told nothing puts before
    the sound; 0 in Ogg, whose header tells every decoder to drop them. `head` is what the container puts
    before the first packet, in one piece with it. Sound begins at sample `begin` of the clock.
    """

    def __init__(
        self, audio: AudioFormat, source_rate: int, open_codec: OpenCodec, begin: int = 0
    ) -> None:
        assert audio.sample_rate is not None
        self.format = audio
        self.mime: str = CODECS[audio.codec].mime(audio)
        codec = open_codec(audio)
        self.header: bytes = codec.header if audio.container == "none" else b""
        self.lead_in: int = 0 if audio.container == "ogg" else codec.lead_in
        self._open_codec = open_codec
        self._codec = codec
        self._muxer = open_muxer(audio, codec.header)
        self.head: bytes = self._muxer.head
        self._source_rate = source_rate
        self._rate = audio.sample_rate
        self._inside = 0
        """Frames the codec was given whose packets have not come out."""
        self._origin = begin
        self._begin(begin, begin - self.lead_in)

    def _begin(self, begin: int, pts: int) -> None:
        """The next sound begins at sample `begin`, the next packet at `pts`."""
        self._resampler = Resampler(self._source_rate, self._rate)
        self._pending: Samples = np.zeros(0, np.float32)
        self.begin = begin
        """The sample at which the sound begins that was pushed since the last rewind."""
        self._pts = pts
        self._fed = 0
        self._made = 0
        self._stale = self._inside
        """Packets of what is not to be heard that will still come out."""
        self._splice_due = False
        self._flushed = False

    @property
    def samples(self) -> int:
        """Samples of sound so far, at the output rate."""
        total = self._resampler.total
        return self.begin + total if total else max(0, self._pts)

    @property
    def delay(self) -> int:
        """Source samples of silence that, pushed now, bring every sample pushed so far out in packets.

        Ask after the last `push` of sound: it depends on how full the frame is, and is exact but for
        a few samples where the rate changes.
        """
        missing = self._frames_missing()
        if not missing:
            return 0
        wanted = (self._fed + missing) * self._codec.frame_size
        return max(0, self._resampler.needed(wanted) - self._resampler.taken)

    def push(self, samples: Samples) -> list[Packet]:
        """Packets that these samples complete; float32 mono, shape (n,), at the source rate. What is
        beyond -1..1 is clipped, what is not a number is silence."""
        self._check_open()
        sound = np.clip(np.asarray(samples, np.float32), -1.0, 1.0)
        if sound.ndim != 1:
            raise ValueError(f"sound of shape (n,) expected, got {sound.shape}")
        if np.isnan(sound.sum()):
            sound = np.nan_to_num(sound, nan=0.0)
        coded = self._encode(self._resampler.push(sound))
        return [*self._spliced(coded), *(self._packet(data) for data in coded)]

    def flush(self) -> list[Packet]:
        """The packets of all that is left, cut at `samples`; after it the encoder is done."""
        self._check_open()
        self._flushed = True
        coded = self._encode(self._resampler.flush())
        if self._codec.short_frames:
            coded += self._codec.encode(self._pending) if len(self._pending) else []
            coded += self._codec.finish()
        else:
            short = self._frames_missing() * self._codec.frame_size - len(self._pending)
            coded += self._encode(np.zeros(max(0, short), np.float32))
        due = self._packets_due() - self._made
        packets = self._spliced(coded)
        packets += [self._packet(data, last=i == due - 1) for i, data in enumerate(coded[:due])]
        rest = self._muxer.close(self._pts)
        return [*packets, Packet(rest, self._pts, 0)] if rest else packets

    def rewind(self, sent: int, pts: int) -> None:
        """Only the first `sent` packets were sent, and they end at `pts`: what others hold, and what is
        still inside, is never heard. The next sound begins at `begin`, behind a lead-in, as at first."""
        codec = self._codec
        self._muxer.rewind(sent)
        if not sent:
            self._codec, self._inside = self._open_codec(self.format), 0
            self._begin(self._origin, self._origin - self.lead_in)
            return
        if codec.rewind is not None:
            codec.rewind(sent)
        else:
            self._silence()
        self._begin(pts + codec.splice_size + codec.lead_in, pts)
        self._splice_due = bool(codec.splice)

    def _spliced(self, coded: list[bytes]) -> list[Packet]:
        """What goes before the first of these packets."""
        if not (self._splice_due and coded):
            return []
        self._splice_due = False
        begin, self._pts = self._pts, self._pts + self._codec.splice_size
        return [Packet(self._muxer.mux(self._codec.splice, self._pts), begin, self._pts - begin)]

    def _silence(self) -> None:
        """Let the codec forget: as many frames of silence as a packet may look back, and a few more for
        what it knows of loudness."""
        size = self._codec.frame_size
        for _ in range(-(-self._codec.lead_in // size) + SILENT_FRAMES):
            self._inside += 1 - len(self._codec.encode(np.zeros(size, np.float32)))

    def _check_open(self) -> None:
        if self._flushed:
            raise RuntimeError("the encoder was flushed: sound needs a new one")

    def _packets_due(self) -> int:
        """Packets that the sound pushed so far ends in."""
        samples = self._resampler.total
        return -(-(samples + self._codec.lead_in) // self._codec.frame_size) if samples else 0

    def _frames_missing(self) -> int:
        """Frames the codec must still be given for every sample pushed so far to be in a packet."""
        due = self._packets_due()
        return max(0, due + self._codec.held - self._fed) if due else 0

    def _encode(self, sound: Samples) -> list[bytes]:
        """Packets of all whole frames there are; the rest waits."""
        if self._resampler.held:
            sound = np.clip(sound, -1.0, 1.0)  # A resampler overshoots.
        pending = np.concatenate((self._pending, sound)) if len(self._pending) else sound
        size = self._codec.frame_size
        whole = len(pending) - len(pending) % size
        coded: list[bytes] = []
        for start in range(0, whole, size):
            coded += self._codec.encode(pending[start : start + size])
        self._fed += whole // size
        self._pending = pending[whole:]
        self._inside += whole // size - len(coded)
        stale = min(self._stale, len(coded))
        self._stale -= stale
        return coded[stale:]

    def _packet(self, data: bytes, *, last: bool = False) -> Packet:
        self._made += 1
        end = self.begin + self._made * self._codec.frame_size - self._codec.lead_in
        begin, self._pts = self._pts, max(self._pts, min(end, self.samples))
        muxed = self._muxer.mux(data, self._pts, last=last)
        return Packet(muxed, begin, self._pts - begin)


def open_encoder(audio: AudioFormat, source_rate: int, begin: int = 0) -> Encoder:
    """An encoder for sound of `source_rate` Hz that begins at sample `begin` of the output. Raises as
    `resolve` does."""
    resolved = resolve(audio, source_rate)
    module, _, name = CODECS[audio.codec].target.partition(":")
    open_codec = cast(OpenCodec, getattr(importlib.import_module(module), name))
    return Encoder(resolved, source_rate, open_codec, begin)
