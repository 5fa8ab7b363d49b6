"""How far ahead of its listener a context of captions is, and what it waits for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from streamer import pace
from streamer.config import Settings
from streamer.listeners import Listeners
from streamer.packets import Packets
from streamer.timeline import Pacer
from streamer.types import Packet

GAP_LEAD_S = 0.1
"""How far ahead of its listener silence is sent, so that a cue that comes at its time is hardly late."""
MAKING_S = 0.2
"""Where a context is delayed, silence is sent so much less ahead than that: a cue that comes at its time is
made meanwhile."""
SOON_S = 0.001
"""What is so near is now: a clock may ring early."""
BEHIND_S = 0.04
"""Who hears all so much later than its time is behind: less than what counts as in time."""
HOLD_LEAD_S = 0.06
"""While a cue is due and is being made, silence waits until the listener has no more than this."""


class Pace(pace.Pace):
    """`lead_s`: how far ahead of its play-out sound is sent; None: nobody plays it as it comes. `delay_s`: it
    is played so much later than the captions' clock says. In the `background` nobody waits, either, and
    nothing is ever idle."""

    def __init__(
        self,
        packets: Packets,
        settings: Settings,
        clock: Callable[[], float],
        listeners: Listeners,
        *,
        lead_s: float | None,
        delay_s: float = 0.0,
        background: bool,
    ) -> None:
        pacer, live = Pacer(clock, lead_s, background=background), lead_s is not None
        super().__init__(pacer, packets, clock, listeners, live=live, background=background)
        gap_s = max(GAP_LEAD_S, delay_s - MAKING_S)
        self.gap_s = gap_s if lead_s is None else min(gap_s, lead_s)
        self.first_at: float | None = None
        """When the first text or cue came."""
        self._caught_up = 0
        self._idle_s = settings.idle_s
        self._wake = asyncio.Event()
        self._quiet_since = clock()

    def came(self) -> None:
        """Something came of the client."""
        now = self._clock()
        if self.first_at is None:
            self.first_at = now
        self._quiet_since = max(self._quiet_since, now)
        self.wake()

    def begins(self) -> None:
        """The context is asked for its sound from now on."""
        self._quiet_since = self._clock()

    def speaks(self) -> None:
        """What is pushed now is speech."""
        lead = self.lead()
        self._quiet_since = self._clock() + (lead if 0 < lead < math.inf else 0.0)

    @property
    def idle_in(self) -> float:
        """Seconds until there has been nothing for so long that the context ends."""
        if self.background:
            return math.inf
        return self._quiet_since + self._idle_s - self._clock()

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    async def sleep(self, seconds: float | None) -> None:
        """For so long, or until it is woken."""
        self._wake.clear()
        try:
            # Not wait_for: until Python 3.12 it loses a cancellation that comes right after.
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def may_push(self, keep_s: float) -> bool:
        """Whether the listener has no more than this; else it is waited for that, or for being woken."""
        over = self.lead() - keep_s
        if over <= SOON_S:
            return True
        await self.sleep(over)
        return False

    def pushes(self) -> None:
        """Sound is pushed: was there any left?"""
        if self.dry_s > 0:
            self.underruns += 1

    def packet_sent(self, packet: Packet) -> None:
        """A packet was sent, which is not said again."""
        self.sent(packet, self.first_at)
        self._packets.sent(packet, 0)

    def heard_now(self) -> int | None:
        """What is heard now, or would be had the listener never run dry, in samples of the captions' clock at
        the engine's rate; None where nobody listens."""
        if not self.live:
            return None
        sent_s = max(0, self._packets.end) / self._packets.sample_rate
        heard_s = sent_s - max(0.0, self.lead()) + self._pacer.behind_s
        return max(0, round(heard_s * self._packets.rate))

    def missed(self, seconds: float) -> None:
        """The listener was away, and gets the last so many seconds of what was sent only now."""
        self._pacer.missed(seconds)
        self.wake()

    def catch_up(self) -> int:
        """By how many samples, at the engine's rate, the listener has fallen behind the captions' clock since
        this was asked last."""
        if not self.live:
            return 0
        behind = math.floor(self._pacer.behind_s * self._packets.rate) - self._caught_up
        if behind < BEHIND_S * self._packets.rate:
            return 0
        self._caught_up += behind
        return behind
