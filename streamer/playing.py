"""What a context of text says next: chunks of its engines as they come, after a pause what was not heard.

One event at a time, each of which is said, waited for, or said again where a pause came before it was sent.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Iterator

from streamer.account import Account
from streamer.config import Settings
from streamer.errors import EngineFailed, StreamerError
from streamer.lines import Line
from streamer.pace import LITTLE_S, Pace
from streamer.pausing import Pausing
from streamer.script import Script
from streamer.sound import Sound
from streamer.synthesis import Spoken, Synthesis
from streamer.tasks import closed
from streamer.types import (
    Audio,
    Caption,
    Done,
    EndReason,
    Event,
    Failed,
    Packet,
    PcmChunk,
    Started,
)

PAD_MARGIN_S = 0.1
"""While the next segment is being made, the sound the encoder holds back is pushed out when the
listener has only this much left."""


class Playing:
    """`next` says what is to be said now, `sent` is told what was. `started` is what comes first."""

    def __init__(
        self,
        context: str,
        script: Script,
        synthesis: Synthesis,
        sound: Sound,
        pace: Pace,
        pausing: Pausing,
        account: Account,
        settings: Settings,
        clock: Callable[[], float],
        *,
        started: Callable[[], Started],
    ) -> None:
        self.over = False
        """The last event was sent."""
        self.reason: EndReason = "end"
        """Of the end, if it is a good one."""
        self._context = context
        self._script = script
        self._synthesis = synthesis
        self._sound = sound
        self._pace = pace
        self._pausing = pausing
        self._account = account
        self._settings = settings
        self._clock = clock
        self._started = started
        self._begun = self._ending = False
        self._failure: StreamerError | None = None
        self._quiet_since = -math.inf
        self._spoken = synthesis.spoken()
        self._pull: asyncio.Task[Spoken | None] | None = None
        self._batch: Iterator[Event] = iter(())
        self._again: Iterator[Event] | None = None
        """What is said before the batch goes on: of what came before a pause."""

    def pause(self, played_ms: float | None) -> None:
        """Say nothing until `go_on`."""
        self._pace.pause(played_ms)
        self._sound.pause()
        self._quiet_since = self._clock()
        self._pausing.pause()

    def go_on(self) -> None:
        """Say what was not heard again, then the rest."""
        played, _ = self._pace.played_at()
        self._again = self._sound.go_on(played, self._script.input)
        self._pace.go_on(self._sound.again_s)
        self._quiet_since = self._clock()
        self._pausing.go_on()
        self._script.wake()

    async def next(self) -> Event | None:
        """What is to be said now; None if that has to be asked again."""
        if self._pausing.paused:
            if (left := self._quiet_since + self._settings.idle_s - self._clock()) <= 0:
                return self._account.done("idle")
            await self._pausing.sleep(left)
            return None
        if not self._begun:
            return self._started()
        try:
            event = self._next_event()
        except StreamerError as error:
            self._fail(error)
            return None
        if event is None:
            await self._find_more()
        elif isinstance(event, Audio):
            epoch = self._pausing.epoch
            await self._pace.before_packet()
            if self._pausing.epoch != epoch:
                return None
        return event

    def sent(self, event: Event) -> None:
        """An event was sent, and no pause came before that."""
        match event:
            case Started():
                self._begun = True
            case Done() | Failed():
                self.over = True
            case Audio(packet=packet):
                self._packet_sent(packet)
            case Caption():
                self._sound.captions.sent()

    def waits(self) -> bool:
        """Whether sound is on its way to a listener who has little left."""
        pause_s = self._settings.text_pause_ms / 1000
        fed = self._synthesis.working or self._clock() - self._script.last_text_at < pause_s
        return self._synthesis.busy and fed and self._pace.lead() < LITTLE_S

    async def close(self) -> None:
        """Say no more. Frees what is held at once, also where it is cancelled."""
        self._batch, self._again = iter(()), None  # their frames hold this
        await self._stop()

    async def _stop(self) -> None:
        """No engine is asked for more."""
        pull, self._pull = self._pull, None
        await closed(self._spoken, pull)

    def _next_event(self) -> Event | None:
        if self._again is not None:
            if (event := next(self._again, None)) is not None:
                return event
            self._again = None
            self._pace.used_up()
        return next(self._batch, None)

    async def _find_more(self) -> None:
        """Another batch; the end again, where that was said while it was paused."""
        batch: Iterator[Event] | None = None
        if not self._ending:
            try:
                batch = await self._next_batch()
                if batch is None:
                    self._check()
            except StreamerError as error:
                self._fail(error)
        if batch is None:
            self._ending = True
            await self._stop()
            batch = self._last_events()
        self._batch = batch

    def _fail(self, error: StreamerError) -> None:
        self._ending = True
        self._batch = iter(())
        self._failure = error.with_traceback(None)  # its frames would hold the encoder

    def _check(self) -> None:
        """Raise what speaks against a good end."""
        self._script.check()
        if self._sound.lost:
            raise EngineFailed("synthesis failed within the last segment: the rest of it is lost")

    def _last_events(self) -> Iterator[Event]:
        yield from self._sound.rest()
        failure = self._failure
        yield self._account.done(self.reason) if failure is None else Failed(failure, self._context)

    async def _next_batch(self) -> Iterator[Event] | None:
        """Events of the next chunk; or, while none comes, of what the encoder holds back; or None at the
        end, also when the context has been idle for too long."""
        pull = self._pull or asyncio.ensure_future(_next_or_none(self._spoken))
        self._pull = pull
        await self._pausing.wait(pull, self._patience())
        if self._pausing.paused or self._again is not None:
            return iter(())
        if pull.done():
            self._pull = None
            found = pull.result()
            return None if found is None else self._chunk_events(*found)
        if self._sound.holds_back:
            return self._sound.pad()
        if not self._synthesis.working and self._idle_in() <= 0:
            self.reason = "idle"
            return None
        return iter(())

    def _chunk_events(self, line: Line, chunk: PcmChunk) -> Iterator[Event]:
        dry_s = self._pace.dry_s
        if dry_s > 0 and line.cut_at < self._clock() - dry_s:
            self._pace.underruns += 1
        since = self._script.first_text_at or line.received_at
        final = chunk.last and self._script.finished and not self._synthesis.speaking
        return self._sound.chunk(line, chunk, dry_s=dry_s, since=since, final=final)

    def _patience(self) -> float | None:
        """How long to wait for the next chunk before doing something else."""
        if self._sound.holds_back and self._pace.live:
            return max(0.0, self._pace.lead() - PAD_MARGIN_S) if self._synthesis.busy else 0.0
        if (
            self._synthesis.working
            or self._script.finished
            or (idle_in := self._idle_in()) == math.inf
        ):
            return None
        return max(0.01, idle_in)

    def _idle_in(self) -> float:
        heard_until = self._clock() + self._pace.lead()
        quiet_since = max(self._script.last_text_at, heard_until, self._quiet_since)
        return quiet_since + self._settings.idle_s - self._clock()

    def _packet_sent(self, packet: Packet) -> None:
        self._pace.sent(packet, self._script.first_text_at)
        keep_s = self._pace.played_s - self._settings.replay_s
        self._sound.sent(packet, round(keep_s * self._sound.timeline.sample_rate))


async def _next_or_none(spoken: AsyncGenerator[Spoken, None]) -> Spoken | None:
    return await anext(spoken, None)
