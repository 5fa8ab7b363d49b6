"""One context: text in, events out. The only coroutine that pulls text through the media path.

Script -> engine -> sound, at the listener's pace; knows no sockets and no wire formats.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Literal

from streamer.audio.encoder import open_encoder
from streamer.audio.encoder import resolve as resolve_format
from streamer.audio.resampler import ResampledChunks
from streamer.config import Settings
from streamer.engines.base import Engine
from streamer.errors import EngineFailed, InvalidParameter, NotAvailable, StreamerError, TextLimit
from streamer.lines import Line
from streamer.listeners import Listeners
from streamer.prices import Bill, Choice, Prices
from streamer.script import Script
from streamer.sound import Sound
from streamer.tasks import ended
from streamer.timeline import Pacer, heard_length
from streamer.types import (
    Audio,
    Done,
    EndReason,
    Event,
    Failed,
    Interrupted,
    Paused,
    PcmChunk,
    Segment,
    Start,
    Started,
    Text,
)
from streamer.voices import Catalogue, Speaker

PAD_MARGIN_S = 0.1
"""While the next segment is being made, the sound the encoder holds back is pushed out when the
listener has only this much left."""
LITTLE_S = 0.3
"""A listener who has less sound than this left waits for more."""
PACKETS_PER_TURN = 4
"""Packets sent before the loop gets a turn even if no send had to wait."""

Spoken = tuple[Line, PcmChunk]


class Session:
    """One context. `text`, `flush`, `end`, `played` never wait; `events` speaks.

    The constructor raises typed errors for what can't be started. `events` ends with `Done` or
    `Failed`; closing it, or cancelling the task that consumes it, frees engine and encoder at once, and
    then `interrupted` or `done` tell how far it came. In the `background` (`paced` is off then) nobody
    listens: engines serve everyone else first, neither a pause of the input nor idleness ends it, and it
    steps aside while one of the `listeners` waits.
    """

    def __init__(
        self,
        start: Start,
        *,
        catalogue: Catalogue,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        paced: bool = True,
        background: bool = False,
        listeners: Listeners | None = None,
    ) -> None:
        paced = paced and not background
        if start.lead_ms is not None and start.lead_ms < 20:
            raise InvalidParameter("lead_ms must be at least 20", param="pacing.lead_ms")
        self.context = start.context
        self._settings = settings
        self._clock = clock
        self._paced = paced
        self._background = background
        self._listeners = listeners or Listeners()
        lead_ms = settings.lead_ms if start.lead_ms is None else start.lead_ms
        self._pacer = Pacer(clock, lead_ms / 1000 if paced else None, background=background)
        self._script = Script(start, catalogue, settings, clock, self._pacer.lead)
        self._rate = self._script.engine.sample_rate
        self._catalogue = catalogue
        self._prices = Prices(settings.price_per_1000)
        self._bill = Bill(self._prices)
        self._encoder = open_encoder(resolve_format(start.audio, self._rate), self._rate)
        self._sound = Sound(start, self._encoder, self._rate, clock, live=not background)
        self._lines: dict[int, Line] = {}
        self._pull: asyncio.Task[Spoken | None] | None = None
        self._reported: int | None = None
        self._reason: EndReason = "end"
        self._engines: list[str] = []
        self._turn = 0
        self.first_audio_ms: float | None = None
        self.underruns = 0

    @property
    def characters(self) -> int:
        """Code points of the input spoken so far (all of it once everything is out)."""
        return self._script.received if self._script.finished else self._script.spoken

    @property
    def samples(self) -> int:
        """Samples of sound so far, at the output rate."""
        return self._sound.samples

    @property
    def seconds(self) -> float:
        """Sound so far."""
        return self._sound.samples / self._sound.timeline.sample_rate

    @property
    def cost(self) -> float:
        """Of the characters so far: each segment at the price of who spoke it."""
        return self._bill.cost(self.characters, self._script.choice)

    def quote(self, command: Text) -> float:
        """What a text will cost at most, to be asked before it is taken. Raises what its options
        deserve."""
        engine, options = self._script.asked(command)
        price = self._prices.at_most(Choice(engine.capabilities, options.model))
        others = self._catalogue.engines.values()
        dearest = max(self._prices.at_most(Choice(other.capabilities)) for other in others)
        foreign = self._script.foreign(command, options) if dearest > price else 0
        return max(price * len(command.text), dearest * foreign) / 1000

    @property
    def engine(self) -> str:
        """Who spoke, `+` between several."""
        return "+".join(self._engines) or self._script.engine.name

    @property
    def pending(self) -> int:
        """Characters of the input that wait to be spoken; the setting `max_pending_chars` bounds them."""
        return self._script.pending

    def rehearse(self) -> Speaker:
        """Pass over the text so far without speaking it, in a session that is thrown away. Raises what
        speaking it would: `LanguageNotSupported`."""
        for line in self._script.rehearse():
            self._charge(line, at_most=True)
        script = self._script
        cost = self._bill.cost(script.received, script.choice)
        return Speaker.of(script.engine, script.options.voice, cost)

    def text(self, command: Text) -> None:
        """Take text. Raises `TextLimit`, `TextGap`, `ContextConflict`, or what its options deserve."""
        received, timeline = self._script.received, self._sound.timeline
        at = received if command.at is None else command.at
        limit = self._settings.max_pending_chars
        if command.mark is not None and timeline.marks_waiting >= limit:
            raise TextLimit(f"more than {limit} marks wait", param="mark", limit=limit)
        self._script.text(command)
        if command.mark is not None and at >= received:  # not of a text that comes again
            timeline.mark(at, command.mark)

    def flush(self) -> None:
        """Speak what is buffered now."""
        self._script.flush()

    def end(self, reason: EndReason = "end") -> None:
        """No more text: finish, then `Done` for this reason."""
        self._reason = reason
        self._script.end()

    def played(self, played_ms: float) -> None:
        """The listener reports how far it has played."""
        self._reported = round(played_ms * self._sound.timeline.sample_rate / 1000)

    @property
    def received(self) -> int:
        """Code points of the input so far."""
        return self._script.received

    @property
    def epoch(self) -> int:
        """Counts pauses."""
        return 0

    def pause(self, played_ms: float | None = None) -> Paused:
        """Stop, keep everything."""
        raise NotAvailable("this server does not offer 'pause' yet", param="type")

    def go_on(self) -> None:
        """Go on from the first word not heard."""
        raise NotAvailable("this server does not offer 'continue' yet", param="type")

    def interrupted(self, played_ms: float | None = None) -> Interrupted:
        """What was heard, to be asked once `events` has been stopped."""
        if played_ms is not None:
            self.played(played_ms)
        timeline = self._sound.timeline
        reported = self._reported
        played = (
            round(self._pacer.played_s * timeline.sample_rate) if reported is None else reported
        )
        played = max(0, min(played, self.samples))
        self._sound.guess()
        words, text = timeline.heard(played), self._script.input
        length = heard_length(text, words)
        clock: Literal["client", "server"] = "server" if reported is None else "client"
        return Interrupted(self.context, text[:length], words, text[length:], played, clock)

    def done(self, reason: EndReason) -> Done:
        """How far it came, to be asked once `events` has ended or has been stopped."""
        return Done(
            self.context,
            reason,
            self.samples,
            round(1000 * self.seconds, 3),
            self.characters,
            self.first_audio_ms,
            self.engine,
            round(self.cost, 9) if self.cost or self._priced else None,
        )

    @property
    def _priced(self) -> bool:
        return self._prices.at_most(self._script.choice) > 0

    def _charge(self, line: Line, *, at_most: bool = False) -> None:
        """Put on the bill what of a line is not on it."""
        at = max(line.span.offset, self._bill.end)
        index, length = line.segment.index, line.end - at
        self._bill.add(index, at, length, line.choice, line.asked, at_most=at_most)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Speak: `Started`, then per segment what it says and its packets, at last `Done` or `Failed`."""
        yield self._started()
        failure: StreamerError | None = None
        try:
            async with (
                aclosing(self._spoken()) as spoken,
                aclosing(self._paced_events(spoken)) as events,
            ):
                with self._present():
                    async for event in events:
                        yield event
            self._script.check()
            if self._sound.lost:
                raise EngineFailed(
                    "synthesis failed within the last segment: the rest of it is lost"
                )
        except StreamerError as error:
            failure = error.with_traceback(None)  # its frames would hold the encoder
        for event in self._sound.rest():
            yield event
            self._sent(event)
        yield self.done(self._reason) if failure is None else Failed(failure, self.context)

    async def _paced_events(
        self, spoken: AsyncGenerator[Spoken, None]
    ) -> AsyncGenerator[Event, None]:
        try:
            while (batch := await self._next(spoken)) is not None:
                for event in batch:
                    if isinstance(event, Audio):
                        await self._pace()
                    yield event
                    self._sent(event)
        finally:
            pull, self._pull = self._pull, None
            if pull is not None:
                await ended(pull)

    async def _next(self, spoken: AsyncIterator[Spoken]) -> Iterator[Event] | None:
        """Events of the next chunk; or, while none comes, of what the encoder holds back; or None at the
        end, also when the context has been idle for too long."""
        pull = self._pull or asyncio.ensure_future(_next_or_none(spoken))
        self._pull = pull
        await asyncio.wait({pull}, timeout=self._patience())
        if pull.done():
            self._pull = None
            found = pull.result()
            return None if found is None else self._chunk_events(*found)
        if self._sound.holds_back:
            return self._sound.pad()
        if not self._working and self._idle_in() <= 0:
            self._reason = "idle"
            return None
        return iter(())

    def _chunk_events(self, line: Line, chunk: PcmChunk) -> Iterator[Event]:
        lead = self._pacer.lead()
        dry_s = -lead if self._paced and -math.inf < lead < 0 else 0.0
        if dry_s > 0 and line.cut_at < self._clock() - dry_s:
            self.underruns += 1
        since = self._script.first_text_at or line.received_at
        final = chunk.last and self._script.finished and not self._lines
        return self._sound.chunk(line, chunk, dry_s=dry_s, since=since, final=final)

    def _patience(self) -> float | None:
        """How long to wait for the next chunk before doing something else."""
        if self._sound.holds_back and self._paced:
            return max(0.0, self._pacer.lead() - PAD_MARGIN_S) if self._busy else 0.0
        if self._working or self._script.finished or (idle_in := self._idle_in()) == math.inf:
            return None
        return max(0.01, idle_in)

    @property
    def _busy(self) -> bool:
        """Whether sound is on its way."""
        return bool(self._lines) or self._script.waiting

    @property
    def _working(self) -> bool:
        """Whether sound will come without more text: of a line that is open, all there is may have."""
        return self._script.waiting or not all(line.open for line in self._lines.values())

    def _idle_in(self) -> float:
        quiet_since = max(self._script.last_text_at, self._clock() + self._pacer.lead())
        return quiet_since + self._settings.idle_s - self._clock()

    def _present(self) -> AbstractContextManager[None]:
        return nullcontext() if self._background else self._listeners.listening(self._waits)

    def _waits(self) -> bool:
        """Whether sound is on its way to a listener who has little left."""
        pause_s = self._settings.text_pause_ms / 1000
        fed = self._working or self._clock() - self._script.last_text_at < pause_s
        return self._busy and fed and self._pacer.lead() < LITTLE_S

    async def _pace(self) -> None:
        self._turn += 1
        wait = self._pacer.wait()
        if wait > 0:
            await asyncio.sleep(wait)
        elif self._turn % PACKETS_PER_TURN == 0:
            await asyncio.sleep(0)
            if self._background:
                await self._listeners.let_pass()

    def _sent(self, event: Event) -> None:
        if not isinstance(event, Audio):
            return
        if self.first_audio_ms is None and event.packet.duration:
            since = self._script.first_text_at or self._clock()
            self.first_audio_ms = round(1000 * (self._clock() - since), 3)
        packet = event.packet  # the lead-in is no sound that plays
        samples = max(0, packet.pts + packet.duration) - max(0, packet.pts)
        self._pacer.sent(samples / self._sound.timeline.sample_rate)

    async def _spoken(self) -> AsyncGenerator[Spoken, None]:
        """Chunks with their lines, at the first engine's rate. Consecutive lines of one engine are one
        call of it."""
        while (head := await self._script.peek()) is not None:
            engine = head.engine
            chunks = engine.synthesize(self._segments(engine), self._pacer.lead)
            resampled = ResampledChunks(engine.sample_rate, self._rate)
            async with aclosing(chunks):
                async for chunk in chunks:
                    line = self._lines[chunk.segment]
                    if (speaker := chunk.engine or engine.name) not in self._engines:
                        self._engines.append(speaker)
                    self._bill.spoken(chunk.segment, speaker)
                    if chunk.last:
                        if line.open:
                            raise EngineFailed(f"engine {engine.name!r} did not wait for its text")
                        del self._lines[chunk.segment]
                    yield line, resampled(chunk)
            if self._lines:
                raise EngineFailed(f"engine {engine.name!r} ended before its text")

    async def _segments(self, engine: Engine) -> AsyncGenerator[Segment, None]:
        while (line := await self._script.peek()) is not None and line.engine is engine:
            self._script.take()
            self._charge(line)
            self._lines[line.segment.index] = line
            yield line.segment
            while line.open:
                piece = await self._script.piece(line)
                self._charge(line)
                yield piece

    def _started(self) -> Started:
        script, encoder = self._script, self._encoder
        return Started(
            self.context,
            encoder.format,
            encoder.mime,
            encoder.header,
            encoder.lead_in,
            script.options.voice.id,
            script.engine.name,
            script.options.seed,
            tuple(script.warnings),
        )


async def _next_or_none(spoken: AsyncIterator[Spoken]) -> Spoken | None:
    return await anext(spoken, None)
