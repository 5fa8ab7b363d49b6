"""One context: text in, events out. The only coroutine that pulls text through the media path.

Script -> engine -> sound, at the listener's pace; knows no sockets and no wire formats.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from streamer.audio.encoder import open_encoder
from streamer.audio.encoder import resolve as resolve_format
from streamer.config import Settings
from streamer.errors import (
    ContextConflict,
    EngineFailed,
    InvalidParameter,
    NotAvailable,
    StreamerError,
    TextLimit,
)
from streamer.lines import Line
from streamer.listeners import Listeners
from streamer.packets import Packets, Tap
from streamer.pausing import Pausing
from streamer.prices import Choice, Prices
from streamer.replay import Ring
from streamer.script import Script
from streamer.sound import Sound
from streamer.synthesis import Spoken, Synthesis
from streamer.tasks import closed
from streamer.timeline import Clock, Pacer, Playhead, heard_length
from streamer.types import (
    Audio,
    Caption,
    Cue,
    Done,
    EndReason,
    Event,
    Failed,
    Interrupted,
    Packet,
    Paused,
    PcmChunk,
    Start,
    Started,
    Text,
    Word,
)
from streamer.voices import Catalogue, Speaker

PAD_MARGIN_S = 0.1
"""While the next segment is being made, the sound the encoder holds back is pushed out when the
listener has only this much left."""
LITTLE_S = 0.3
"""A listener who has less sound than this left waits for more."""
PACKETS_PER_TURN = 4
"""Packets sent before the loop gets a turn even if no send had to wait."""


class Session:
    """One context. `text`, `flush`, `end`, `played` never wait; `events` speaks.

    The constructor raises typed errors for what can't be started. `events` ends with `Done` or
    `Failed`; closing it, or cancelling the task that consumes it, frees engine and encoder at once, and
    then `interrupted` or `done` tell how far it came. In the `background` (`paced` is off then) nobody
    listens: engines serve everyone else first, neither a pause of the input nor idleness ends it, and it
    steps aside while one of the `listeners` waits. `tap` is given all sound, at the engine's rate, as it
    is encoded.
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
        tap: Tap | None = None,
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
        rate = self._script.wishes.now.engine.sample_rate
        self._catalogue = catalogue
        self._prices = Prices(settings.price_per_1000)
        self._synthesis = Synthesis(self._script, self._prices, rate, self._pacer.lead)
        self._encoder = open_encoder(resolve_format(start.audio, rate), rate)
        self._packets = Packets(self._encoder, rate, Ring() if paced else None, tap)
        self._sound = Sound(start, self._packets, clock, live=not background)
        self._pull: asyncio.Task[Spoken | None] | None = None
        self._pausing = Pausing()
        self._batch: Iterator[Event] = iter(())
        self._again: Iterator[Event] | None = None
        """What is said before the batch goes on: of what came before a pause."""
        self._begun = self._ending = self._over = False
        self._failure: StreamerError | None = None
        self._playhead = Playhead(self._pacer, self._packets.sample_rate)
        self._quiet_since = -math.inf
        self._reason: EndReason = "end"
        self._turn = 0
        self.first_audio_ms: float | None = None
        self.underruns = 0

    @property
    def characters(self) -> int:
        """Code points of the input spoken so far (all of it once everything is out)."""
        return self._script.received if self._script.finished else self._script.spoken

    @property
    def rate(self) -> int:
        """Samples per second of what `tap` is given."""
        return self._packets.rate

    @property
    def samples(self) -> int:
        """Samples of sound so far, at the output rate; while paused: those that were sent."""
        return max(0, self._packets.end) if self._pausing.paused else self._packets.samples

    @property
    def seconds(self) -> float:
        """Sound so far."""
        return self.samples / self._packets.sample_rate

    @property
    def cost(self) -> float:
        """Of the characters so far: each segment at the price of who spoke it."""
        return self._synthesis.cost(self.characters)

    def quote(self, command: Text) -> float:
        """What a text will cost at most, to be asked before it is taken. Raises what its options
        deserve."""
        wish = self._script.wishes.updated(command.options)
        price = self._prices.at_most(wish.choice)
        others = self._catalogue.engines.values()
        dearest = max(self._prices.at_most(Choice(other.capabilities)) for other in others)
        foreign = self._script.foreign(command, wish.options) if dearest > price else 0
        return max(price * len(command.text), dearest * foreign) / 1000

    @property
    def engine(self) -> str:
        """Who spoke, `+` between several."""
        return self._synthesis.engine

    @property
    def pending(self) -> int:
        """Characters of the input that wait to be spoken; the setting `max_pending_chars` bounds them."""
        return self._script.pending

    def rehearse(self) -> Speaker:
        """Pass over the text so far without speaking it, in a session that is thrown away. Raises what
        speaking it would: `LanguageNotSupported`."""
        for line in self._script.rehearse():
            self._synthesis.charge(line, at_most=True)
        wish = self._script.wishes.now
        cost = self._synthesis.cost(self._script.received)
        return Speaker.of(wish.engine, wish.options.voice, cost)

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

    def cue(self, command: Cue) -> None:
        """Raises `ContextConflict`: this is no context of captions."""
        raise ContextConflict("a context of text takes no cues", param="type")

    def flush(self) -> None:
        """Speak what is buffered now."""
        self._script.flush()

    def end(self, reason: EndReason = "end") -> None:
        """No more text: finish, then `Done` for this reason."""
        self._reason = reason
        self._script.end()

    def played(self, played_ms: float) -> None:
        """The listener reports how far it has played."""
        self._playhead.report(played_ms)

    @property
    def received(self) -> int:
        """Code points of the input so far."""
        return self._script.received

    @property
    def epoch(self) -> int:
        """Counts the pauses. An event that came out under another one was not sent, and comes again."""
        return self._pausing.epoch

    def pause(self, played_ms: float | None = None) -> Paused:
        """Say nothing more until `go_on`, and tell what was heard. Raises `NotAvailable` where nobody
        listens."""
        if not self._paced:
            raise NotAvailable("nobody listens who could pause it", param="type")
        if not self._playhead.held:
            self._playhead.hold(played_ms, max(0, self._packets.end))
            self._sound.pause()
            self._pacer.pause()
            self._quiet_since = self._clock()
            self._pausing.pause()
        return Paused(self.context, *self._heard())

    def go_on(self) -> None:
        """Go on with what was not heard. Nothing happens if it is not paused."""
        if not self._playhead.held:
            return
        self._again = self._sound.go_on(self._playhead.go_on(), self._script.input)
        self._pacer.go_on(self._sound.again_s)
        self._quiet_since = self._clock()
        self._pausing.go_on()
        self._script.wake()

    def interrupted(self, played_ms: float | None = None) -> Interrupted:
        """What was heard, to be asked once `events` has been stopped; after a pause, what that told."""
        if not self._playhead.held:
            self._sound.guess()
        return Interrupted(self.context, *self._heard(played_ms))

    def _heard(
        self, played_ms: float | None = None
    ) -> tuple[str, tuple[Word, ...], str, int, Clock]:
        played, clock = self._playhead.at(played_ms, self.samples)
        words, text = self._sound.timeline.heard(played), self._script.input
        length = heard_length(text, words)
        return text[:length], words, text[length:], played, clock

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
        return self._prices.at_most(self._script.wishes.now.choice) > 0

    async def events(self) -> AsyncGenerator[Event, None]:
        """Speak: `Started`, then per segment what it says and its packets, at last `Done` or `Failed`."""
        spoken = self._synthesis.spoken()
        try:
            with self._present():
                while not self._over:
                    event = await self._event(spoken)
                    if event is None:
                        continue
                    epoch = self._pausing.epoch
                    yield event
                    if self._pausing.epoch == epoch:
                        self._sent(event)
        finally:
            self._batch, self._again = iter(()), None  # their frames hold the session
            await self._close(spoken)

    async def _close(self, spoken: AsyncGenerator[Spoken, None]) -> None:
        pull, self._pull = self._pull, None
        await closed(spoken, pull)

    async def _event(self, spoken: AsyncGenerator[Spoken, None]) -> Event | None:
        """What is to be said now; None if that has to be asked again."""
        if self._pausing.paused:
            if (left := self._quiet_since + self._settings.idle_s - self._clock()) <= 0:
                return self.done("idle")
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
            await self._find_more(spoken)
        elif isinstance(event, Audio):
            epoch = self._pausing.epoch
            await self._pace()
            if self._pausing.epoch != epoch:
                return None
        return event

    def _next_event(self) -> Event | None:
        if self._again is not None:
            if (event := next(self._again, None)) is not None:
                return event
            self._again = None
            self._pacer.used_up()
        return next(self._batch, None)

    async def _find_more(self, spoken: AsyncGenerator[Spoken, None]) -> None:
        """Another batch; the end again, where that was said while it was paused."""
        batch: Iterator[Event] | None = None
        if not self._ending:
            try:
                batch = await self._next(spoken)
                if batch is None:
                    self._check()
            except StreamerError as error:
                self._fail(error)
        if batch is None:
            self._ending = True
            await self._close(spoken)
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
        yield self.done(self._reason) if failure is None else Failed(failure, self.context)

    async def _next(self, spoken: AsyncGenerator[Spoken, None]) -> Iterator[Event] | None:
        """Events of the next chunk; or, while none comes, of what the encoder holds back; or None at the
        end, also when the context has been idle for too long."""
        pull = self._pull or asyncio.ensure_future(_next_or_none(spoken))
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
            self._reason = "idle"
            return None
        return iter(())

    def _chunk_events(self, line: Line, chunk: PcmChunk) -> Iterator[Event]:
        lead = self._pacer.lead()
        dry_s = -lead if self._paced and -math.inf < lead < 0 else 0.0
        if dry_s > 0 and line.cut_at < self._clock() - dry_s:
            self.underruns += 1
        since = self._script.first_text_at or line.received_at
        final = chunk.last and self._script.finished and not self._synthesis.speaking
        return self._sound.chunk(line, chunk, dry_s=dry_s, since=since, final=final)

    def _patience(self) -> float | None:
        """How long to wait for the next chunk before doing something else."""
        if self._sound.holds_back and self._paced:
            return max(0.0, self._pacer.lead() - PAD_MARGIN_S) if self._synthesis.busy else 0.0
        if (
            self._synthesis.working
            or self._script.finished
            or (idle_in := self._idle_in()) == math.inf
        ):
            return None
        return max(0.01, idle_in)

    def _idle_in(self) -> float:
        heard_until = self._clock() + self._pacer.lead()
        quiet_since = max(self._script.last_text_at, heard_until, self._quiet_since)
        return quiet_since + self._settings.idle_s - self._clock()

    def _present(self) -> AbstractContextManager[None]:
        return nullcontext() if self._background else self._listeners.listening(self._waits)

    def _waits(self) -> bool:
        """Whether sound is on its way to a listener who has little left."""
        pause_s = self._settings.text_pause_ms / 1000
        fed = self._synthesis.working or self._clock() - self._script.last_text_at < pause_s
        return self._synthesis.busy and fed and self._pacer.lead() < LITTLE_S

    async def _pace(self) -> None:
        self._turn += 1
        wait = self._pacer.wait()
        if wait > 0:
            await self._pausing.sleep(wait)
        elif self._turn % PACKETS_PER_TURN == 0:
            await asyncio.sleep(0)
            if self._background:
                await self._listeners.let_pass()

    def _sent(self, event: Event) -> None:
        match event:
            case Started():
                self._begun = True
            case Done() | Failed():
                self._over = True
            case Audio(packet=packet):
                self._packet_sent(packet)
            case Caption():
                self._sound.captions.sent()

    def _packet_sent(self, packet: Packet) -> None:
        if self.first_audio_ms is None and packet.duration:
            since = self._script.first_text_at or self._clock()
            self.first_audio_ms = round(1000 * (self._clock() - since), 3)
        # The lead-in is no sound that plays.
        samples = max(0, packet.pts + packet.duration) - max(0, packet.pts)
        rate = self._packets.sample_rate
        self._pacer.sent(samples / rate)
        keep_s = self._pacer.played_s - self._settings.replay_s
        self._sound.sent(packet, round(keep_s * rate))

    def _started(self) -> Started:
        encoder, wishes = self._encoder, self._script.wishes
        return Started(
            self.context,
            encoder.format,
            encoder.mime,
            encoder.header,
            encoder.lead_in,
            wishes.now.options.voice.id,
            wishes.now.engine.name,
            wishes.now.options.seed,
            tuple(wishes.warnings),
        )


async def _next_or_none(spoken: AsyncGenerator[Spoken, None]) -> Spoken | None:
    return await anext(spoken, None)
