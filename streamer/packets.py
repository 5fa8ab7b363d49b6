"""PCM of one context becomes packets, a slice at a time, and can go back to where it was paused."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from streamer.audio.encoder import Encoder
from streamer.replay import FadeIn, Ring
from streamer.types import Packet, Samples

FIRST_SLICE_S = 0.02
SLICE_S = 0.06
"""Sound encoded in one go: small at first, so that the first packet leaves at once; later at most a
few ms of the loop's time with the slowest codec."""


Tap = Callable[[Samples], None]
"""Is given sound as it is encoded."""


class Packets:
    """One encoder's. `rate` is that of the sound that comes in, `sample_rate` that of the output.

    `ring` keeps what may have to be said again, where somebody may pause it.
    """

    def __init__(
        self, encoder: Encoder, rate: int, ring: Ring | None = None, tap: Tap | None = None
    ) -> None:
        assert encoder.format.sample_rate is not None
        self.rate = rate
        self.sample_rate = encoder.format.sample_rate
        self._encoder = encoder
        self.ring = ring
        self._tap = tap
        self._fade_in = FadeIn(rate)
        self.position = 0
        """Samples pushed so far, at `rate`."""
        self.end = -encoder.lead_in
        """Behind the last packet that was sent, at the output rate."""
        self._sent = 0
        self.flushed = False
        """Whether the encoder has given all, as at the end."""

    @property
    def samples(self) -> int:
        """Sound so far, at the output rate."""
        return self._encoder.samples

    @property
    def begin(self) -> int:
        """Where the sound begins that was pushed since it last went back, at the output rate."""
        return self._encoder.begin

    @property
    def held_back(self) -> int:
        """Samples of silence that would bring out all that is inside the encoder; 0: nothing is."""
        return 0 if self.flushed else self._encoder.delay

    def push(self, samples: Samples) -> list[Packet]:
        """The packets that these samples complete."""
        self.position += len(samples)
        if self.ring is not None:
            self.ring.append(samples)
        if self._tap is not None:
            self._tap(samples)
        return self._encoder.push(self._fade_in.push(samples))

    def slices(self, sound: Iterable[Samples], *, final: bool) -> Iterator[list[Packet]]:
        """Packets of more sound, slice by slice; the last slice of `final` sound brings the encoder's
        rest."""
        slices = deque(self._cut(sound))
        while slices:
            packets = self.push(slices.popleft())
            if final and not slices:
                packets += self.flush()
            yield packets

    def flush(self) -> list[Packet]:
        """What the encoder still holds: nothing comes any more, unless it goes back."""
        self.flushed = True
        return self._encoder.flush()

    def sent(self, packet: Packet, keep: int) -> None:
        """A packet was sent. What lies before `keep`, at `rate`, is not gone back to."""
        self.end = packet.pts + packet.duration
        self._sent += bool(packet.data)
        if self.ring is not None:
            self.ring.keep(keep)

    def go_back(self, position: int) -> tuple[int, list[Samples]]:
        """Forget what was not sent. The sound from `position` on, or from where there is any, to be pushed
        again: it begins at `begin`, softly."""
        assert self.ring is not None
        position = max(position, self.ring.start)
        again = self.ring.take(position)
        self._fade_in.begin()
        self._encoder.rewind(self._sent, self.end)
        self.flushed = False
        return position, again

    def _cut(self, sound: Iterable[Samples]) -> Iterator[Samples]:
        step = FIRST_SLICE_S if self.position == 0 else SLICE_S
        for samples in sound:
            at = 0
            while at < len(samples):
                size = round(step * self.rate)
                yield samples[at : at + size]
                at += size
                step = SLICE_S
