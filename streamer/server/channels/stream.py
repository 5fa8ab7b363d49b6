"""One format of a channel: its encoder, the packets it made, and those who listen to them.

Listeners are cursors into one ring of packets. All that wait are woken by one event for each burst.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from streamer.audio.encoder import open_encoder
from streamer.errors import InternalError, StalledReader, StreamerError
from streamer.server.channels.packets import Burst, PacketRing
from streamer.server.channels.sound import Sound
from streamer.server.channels.story import Story
from streamer.types import AudioFormat, Packet, SegmentStarted

log = logging.getLogger(__name__)

SLICE_S = 0.12
"""Sound encoded in one go: with the slowest codec 1.5 ms of the loop's time."""
BURST_S = 1.0
"""Of old sound, that a first listener asks for, so much is handed on at once."""


class Stream:
    """`begin` in samples of the channel: of the first sound it has. Raises what is wrong with the format.
    `now`: the time, in seconds, on the clock of `idle_since`."""

    def __init__(
        self, audio: AudioFormat, sound: Sound, story: Story, rate: int, now: float
    ) -> None:
        assert audio.sample_rate is not None
        step = rate // math.gcd(rate, audio.sample_rate)  # both clocks have a sample there
        self.begin = -(-sound.start // step) * step
        self.sample_rate = audio.sample_rate
        self._rate = rate
        self.encoder = open_encoder(audio, rate, self.at(self.begin))
        self.packets = PacketRing(self.at(self.begin) - self.encoder.lead_in)
        self.listeners = 0
        self.idle_since = now
        """When the last listener left."""
        self._settled = now + (sound.end - self.begin) / rate
        """By then it has encoded as much of what is new as of what was old when it began."""
        self.over = False
        self.failure: StreamerError | None = None
        """Why it ended before its time."""
        self._sound = sound
        self._story = story
        self._position = self.begin
        self._told = 0
        self._begins: list[int] = []
        self._closing = False
        self._due = asyncio.Event()
        self._fresh = asyncio.Event()
        self._caught_up = asyncio.Event()

    def at(self, position: int) -> int:
        """A position of the channel in samples of this format."""
        return round(position * self.sample_rate / self._rate)

    def position(self, pts: int) -> int:
        """The other way round."""
        return round(pts * self._rate / self.sample_rate)

    def due(self, rest_s: float) -> float:
        """When it may be dropped, if nobody listens for so long. Not before it is settled: listeners who
        change formats all the time make nobody encode more than twice what those do who stay."""
        return max(self.idle_since + rest_s, self._settled)

    def go_on(self) -> None:
        """There is sound to encode."""
        self._due.set()

    def close(self) -> None:
        """No more sound comes."""
        self._closing = True
        self._due.set()

    async def run(self, kept: Callable[[], int]) -> None:
        """Encode until it is closed; packets before the position that `kept` says are let go."""
        try:
            while True:
                self._due.clear()
                closing = self._closing
                await self._encode(kept)
                if closing:
                    self._add(self.encoder.flush())
                    return
                self._caught_up.set()
                await self._due.wait()
        except Exception as fault:
            log.error("a channel's encoder failed", exc_info=fault)
            self.failure = InternalError("this format of the channel can't be encoded")
        finally:
            self.stop()

    def stop(self) -> None:
        """It has ended: nobody waits any more."""
        self.over = True
        self._caught_up.set()
        self._fresh.set()

    async def caught_up(self) -> None:
        """Wait until all sound there was has been encoded."""
        await self._caught_up.wait()

    async def more(self, number: int) -> Burst | None:
        """The burst with this packet, once it is there; None at the end. Raises `StalledReader` for one
        that is gone, or what the stream failed by."""
        while True:
            if number < self.packets.first:
                raise StalledReader("too slow: what comes next is not kept any more")
            if (burst := self.packets.at(number)) is not None:
                return burst
            if self.failure is not None:
                raise self.failure
            if self.over:
                return None
            await self._fresh.wait()

    async def _encode(self, kept: Callable[[], int]) -> None:
        slice_size, burst_size = round(SLICE_S * self._rate), BURST_S * self._rate
        made: list[Packet] = []
        since = self._position
        while len(sound := self._sound.read(self._position, slice_size)):
            self._position += len(sound)
            made += self.encoder.push(sound)
            if self._position - since >= burst_size:
                self._add(made)
                made, since = [], self._position
            await asyncio.sleep(0)
        self._add(made)
        self.packets.keep(self.at(kept()))

    def _add(self, made: list[Packet]) -> None:
        if not made:
            return
        first = self.packets.next
        if not first:
            head = len(self.encoder.head)  # everybody gets it by himself
            made[0] = Packet(made[0].data[head:], made[0].pts, made[0].duration)
        for told in self._story.since(self._told):
            if isinstance(told.event, SegmentStarted):
                self._begins.append(self.at(told.start))
        self._told = self._story.next
        begins = []
        for number, packet in enumerate(made, first):
            while self._begins and self._begins[0] < packet.pts + packet.duration:
                del self._begins[0]
                begins.append(number)
        self.packets.add(Burst(first, tuple(made), frozenset(begins)))
        fresh, self._fresh = self._fresh, asyncio.Event()
        fresh.set()
