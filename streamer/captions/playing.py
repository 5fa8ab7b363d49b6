"""The sound of a context of captions as it goes on: a cue where it begins, what of it comes next, or silence.

One step at a time, each of which pushes a slice, places what begins, or waits for what may change that.
"""

from __future__ import annotations

from collections.abc import Callable

from streamer.captions.cues import Waiting
from streamer.captions.intake import Intake
from streamer.captions.making import Making
from streamer.captions.pace import HOLD_LEAD_S, SOON_S, Pace
from streamer.captions.placing import Placing
from streamer.captions.telling import Telling
from streamer.captions.track import Track
from streamer.errors import EngineFailed, StreamerError
from streamer.pace import LITTLE_S
from streamer.types import Done, EndReason, Failed, Start

GAP_S = 0.04
"""Silence that is sent to a listener in one go."""
FIRST_S = 0.3
"""How long the clock may wait for the sound of the first cue, where it begins with that one."""


class Playing:
    """`full` says whether there is no room for more; `done` is how far it came."""

    def __init__(
        self,
        start: Start,
        intake: Intake,
        track: Track,
        telling: Telling,
        making: Making,
        placing: Placing,
        pace: Pace,
        clock: Callable[[], float],
        *,
        full: Callable[[], bool],
        done: Callable[[EndReason], Done],
    ) -> None:
        self.ended = False
        """No more cues come."""
        self.over = False
        """All has been told."""
        self._start = start
        self._intake = intake
        self._track = track
        self._telling = telling
        self._making = making
        self._placing = placing
        self._pace = pace
        self._clock = clock
        self._full = full
        self._done = done
        self._rate = making.rate
        self._runs_at: float | None = None
        self._flushed = False
        """The last cue is not waited for another behind it."""
        self._reason: EndReason = "end"
        self._failure: StreamerError | None = None
        placing.sure = self._sure

    def flush(self) -> None:
        """What is open is whole. Raises `InvalidCaptions`."""
        self._intake.flush()
        self._flushed = True

    def end(self, reason: EndReason) -> None:
        """Nothing comes behind it. Raises `InvalidCaptions`."""
        self._reason = reason
        self.flush()
        self.ended = True

    async def step(self) -> None:
        """Place what begins, push a slice, or wait for what may change what is to be done."""
        if not await self._running():
            return
        if behind := self._pace.catch_up():
            self._track.jump(behind)
            self._making.look()
        try:
            if self._failure is None and self._placing.place():
                return
        except StreamerError as error:
            self._failure = error.with_traceback(None)
        pace, left = self._pace, self._track.end - self._track.position
        due = self._failure is None and self._placing.due
        until = self._placing.until if self._failure is None else None
        if due and not pace.live:
            await pace.sleep(self._patience())
        elif left:
            if not due or await pace.may_push(HOLD_LEAD_S):
                pace.speaks()
                self._push(left, until)
        elif self._failure is not None:
            self._finish()
        elif due:
            if (hold_s := self._hold_s()) > SOON_S:
                await pace.sleep(hold_s)
            elif await pace.may_push(HOLD_LEAD_S):
                self._push(round(GAP_S * self._rate))
        elif self.ended and until is None:
            self._fill()
        elif pace.live and not self.ended:
            if await pace.may_push(pace.gap_s):
                self._push(round(GAP_S * self._rate), until)
        elif until is not None:
            self._push(until)
        else:
            await pace.sleep(self._patience())
        self._end_if_idle()

    async def _running(self) -> bool:
        """Whether the sound's clock runs."""
        if self._intake.origin_ms is None:
            if not self.ended:
                await self._pace.sleep(self._patience())
                self._end_if_idle()
                return False
            self._intake.origin_ms = 0.0
        if self._runs_at is None:
            delay_s = self._start.cues.delay_ms / 1000 if self._pace.live else 0.0
            self._runs_at = self._clock() + delay_s
        if (left := self._runs_at - self._clock()) > SOON_S:
            await self._pace.sleep(left)
            return False
        return True

    def _hold_s(self) -> float:
        """For how long the clock may wait for a cue that is being made: nobody hears it before the first."""
        if self._start.cues.origin_ms is not None or self._track.position or self._runs_at is None:
            return 0.0
        return self._runs_at + FIRST_S - self._clock()

    def _push(self, *most: int | None) -> None:
        self._pace.pushes()
        self._telling.push(min((count for count in most if count is not None), default=None))
        self._making.pushed()

    def _fill(self) -> None:
        """Silence up to the end of the captions, or the end."""
        left = self._intake.length - self._track.position
        if left > 0 and self._reason != "idle":
            self._push(left)
            return
        if self._telling.lost:
            self._failure = EngineFailed("synthesis failed within the last cue")
        self._finish()

    def _finish(self) -> None:
        self.over = True
        self._telling.flush()
        failure = self._failure
        self._telling.last(
            self._done(self._reason) if failure is None else Failed(failure, self._start.context)
        )

    def _sure(self, cue: Waiting) -> bool:
        """Whether the slot of a cue is known, where nobody hears that it is waited for."""
        known = self._intake.queue.last_order > cue.order or not cue.timed
        # Where there is no room, nothing may come before it has been spoken.
        return known or self._full() or self.ended or self._flushed or self._pace.idle_in <= 0

    def _end_if_idle(self) -> None:
        if self._intake.queue.head is None and not self.ended and self._pace.idle_in <= 0:
            try:
                self.end("idle")
            except StreamerError as error:  # what came is too little to be captions
                self.ended, self._failure = True, error

    def _patience(self) -> float | None:
        """For how long nothing may come."""
        waits = self._making.now is None and not self.ended and not self._pace.background
        return max(0.01, self._pace.idle_in) if waits else None

    def waits(self) -> bool:
        """Whether a cue is being made for a listener who is about to hear it."""
        cue = self._making.now
        return cue is not None and self._making.due_in(cue.order) < LITTLE_S
