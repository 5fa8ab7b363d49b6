"""How far ahead of its listener a context is, what they have heard, and when the next packet may go."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext

from streamer.config import Settings
from streamer.errors import InvalidParameter
from streamer.listeners import Listeners
from streamer.packets import Packets
from streamer.timeline import Clock, Pacer, Playhead
from streamer.types import Packet, Start

LITTLE_S = 0.3
"""A listener who has less sound than this left waits for more."""
PACKETS_PER_TURN = 4
"""Packets sent before the loop gets a turn even if no send had to wait."""
LEAST_LEAD_MS = 20


def lead_s(start: Start, settings: Settings) -> float:
    """How far ahead sound is sent to a live listener. Raises `InvalidParameter`."""
    if start.lead_ms is None:
        return settings.lead_ms / 1000
    if start.lead_ms < LEAST_LEAD_MS:
        raise InvalidParameter(f"lead_ms must be at least {LEAST_LEAD_MS}", param="pacing.lead_ms")
    return start.lead_ms / 1000


class Pace:
    """`live`: somebody plays the sound as it comes. In the `background` nobody waits for it, and it steps
    aside for one of the `listeners` who does. `sleep` waits for so many seconds, or until that is cut short.
    """

    def __init__(
        self,
        pacer: Pacer,
        packets: Packets,
        clock: Callable[[], float],
        listeners: Listeners,
        *,
        live: bool,
        background: bool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.live = live
        self.background = background
        self.first_audio_ms: float | None = None
        """From the first input to the first packet that was sent."""
        self.underruns = 0
        """How often the listener had nothing left."""
        self._pacer = pacer
        self._packets = packets
        self._playhead = Playhead(pacer, packets.sample_rate)
        self._clock = clock
        self._listeners = listeners
        self._sleep = sleep
        self._turn = 0

    def lead(self) -> float:
        """As `streamer.engines.base.Lead`."""
        return self._pacer.lead()

    @property
    def dry_s(self) -> float:
        """For how long a live listener has had nothing to play; 0 before the first sound."""
        lead = self._pacer.lead()
        return -lead if self.live and -math.inf < lead < 0 else 0.0

    @property
    def held(self) -> bool:
        """Whether it was paused, and has not gone on."""
        return self._playhead.held

    @property
    def samples(self) -> int:
        """Samples of sound so far, at the output rate; while it is held: those that were sent."""
        return max(0, self._packets.end) if self._playhead.held else self._packets.samples

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.samples / self._packets.sample_rate

    @property
    def played_s(self) -> float:
        """Seconds of sound that have been played by now, as far as the server can tell."""
        return self._pacer.played_s

    def listening(self, waits: Callable[[], bool]) -> AbstractContextManager[None]:
        """Others step aside while `waits()`. Nobody does for what is in the background."""
        return nullcontext() if self.background else self._listeners.listening(waits)

    async def before_packet(self) -> None:
        """Until a packet may be sent."""
        self._turn += 1
        if (wait := self._pacer.wait()) > 0:
            await self._sleep(wait)
        elif self._turn % PACKETS_PER_TURN == 0:
            await asyncio.sleep(0)
            if self.background:
                await self._listeners.let_pass()

    def sent(self, packet: Packet, since: float | None) -> None:
        """A packet was sent. `since`: when the first input came, by the clock."""
        if self.first_audio_ms is None and packet.duration:
            now = self._clock()
            self.first_audio_ms = round(1000 * (now - (now if since is None else since)), 3)
        # The lead-in is no sound that plays.
        samples = max(0, packet.pts + packet.duration) - max(0, packet.pts)
        self._pacer.sent(samples / self._packets.sample_rate)

    def played(self, played_ms: float) -> None:
        """The listener reports how far it has played."""
        self._playhead.report(played_ms)

    def played_at(self, played_ms: float | None = None) -> tuple[int, Clock]:
        """How far it has, in samples, and by whose clock; `played_ms` is what it says now."""
        return self._playhead.at(played_ms, self.samples)

    def pause(self, played_ms: float | None) -> None:
        """The listener plays nothing, and throws away what it has."""
        self._playhead.hold(played_ms, max(0, self._packets.end))
        self._pacer.pause()

    def go_on(self, at_hand_s: float) -> None:
        """The listener plays what comes; so much sound is there to be sent again."""
        self._playhead.go_on()
        self._pacer.go_on(at_hand_s)

    def used_up(self) -> None:
        """What was at hand has been sent."""
        self._pacer.used_up()
