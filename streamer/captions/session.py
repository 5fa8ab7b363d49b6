"""One context of captions: cues in, each heard at its time; events out. The only coroutine that does so.

The sound's clock is the captions' clock: a cue is placed when the sound that was pushed has come to where it
begins, and not before, so that until then it may be corrected; what is between is silence. Takes are made
ahead of that, in a task that ends with `events`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from streamer.audio.encoder import open_encoder
from streamer.audio.encoder import resolve as resolve_format
from streamer.captions import timing
from streamer.captions.cues import Waiting
from streamer.captions.fitting import Fit, Fitting
from streamer.captions.intake import Intake
from streamer.captions.making import MERGED, Making
from streamer.captions.said import BETWEEN, Said
from streamer.captions.takes import Takes, stretched
from streamer.captions.telling import SILENCE, Telling
from streamer.captions.track import Track
from streamer.config import Settings
from streamer.errors import (
    ContextConflict,
    EngineFailed,
    InvalidParameter,
    LanguageNotSupported,
    NotAvailable,
    StreamerError,
    TextLimit,
)
from streamer.listeners import Listeners
from streamer.packets import Packets, Tap
from streamer.prices import Choice, Prices
from streamer.session import LITTLE_S, PACKETS_PER_TURN
from streamer.tasks import ended
from streamer.timeline import Pacer, Playhead
from streamer.types import (
    Audio,
    Cue,
    Done,
    EndReason,
    Event,
    Failed,
    Interrupted,
    Packet,
    Paused,
    Start,
    Started,
    Text,
)
from streamer.voices import Catalogue, Speaker, can_speak

GAP_LEAD_S = 0.1
"""How far ahead of its listener silence is sent, so that a cue that comes at its time is hardly late."""
HOLD_LEAD_S = 0.06
"""While a cue is due and is being made, silence waits until the listener has no more than this."""
GAP_S = 0.04
"""Silence that is sent in one go."""
ENGINE_GONE = 3
"""So many cues in a row that their engine failed to speak end the context."""


class CaptionSession:
    """What `streamer.session.Session` is for text. It can't be paused, and marks are not told.

    A cue whose engine fails is silent: its segment is told, and the next one says `lost`. Text that nobody
    here can speak ends the context, once what came before has been heard.
    """

    epoch = 0

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
        self._options = start.cues
        self._catalogue = catalogue
        self._settings = settings
        self._clock = clock
        self._paced = paced
        self._background = background
        self._listeners = listeners or Listeners()
        lead_ms = settings.lead_ms if start.lead_ms is None else start.lead_ms
        self._gap_s = min(GAP_LEAD_S, lead_ms / 1000)
        self._pacer = Pacer(clock, lead_ms / 1000 if paced else None, background=background)
        rate = catalogue.resolve(
            start.options.model, start.options.voice, start.options.language or "auto"
        )[0].sample_rate
        self.rate = rate
        """Samples per second of what `tap` is given."""
        self._encoder = open_encoder(resolve_format(start.audio, rate), rate)
        self._packets = Packets(self._encoder, rate, None, tap)
        self._track = Track(rate, mixed=start.cues.overlap == "mix")
        self._said = Said(settings.max_context_chars)
        self._telling = Telling(start, self._packets, self._track, self._said, clock)
        self._intake = Intake(
            start, catalogue, rate, clock, now=self._heard_now, skip=self._telling.skip
        )
        self._queue = self._intake.queue
        self._prices = Prices(settings.price_per_1000)
        self._fitting = Fitting(start.cues, self._prices, exact=not paced)
        self._takes = Takes(start, catalogue, settings, clock, rate)
        self._making = Making(
            *(self._queue, self._track, self._takes, self._fitting, rate),
            lead=self._pacer.lead,
            clock=clock,
            told=self._wake_up,
            live=paced,
        )
        self._playhead = Playhead(self._pacer, self._packets.sample_rate)
        self._wake = asyncio.Event()
        self._runs_at: float | None = None
        self._flushed = False
        """The last cue is not waited for another behind it."""
        self._ended = self._finished = self._over = False
        self._reason: EndReason = "end"
        self._quiet_since = clock()
        self._failed_in_a_row = 0
        self._turn = 0
        self._rehearsed = 0.0
        self.first_audio_ms: float | None = None
        self.underruns = 0

    # What the client says.

    @property
    def received(self) -> int:
        """Code points of `text` so far."""
        return self._intake.received

    @property
    def pending(self) -> int:
        """Characters that wait to be spoken; and each event that waits to be told counts as one."""
        return self._queue.characters + len(self._telling.events)

    def text(self, command: Text) -> None:
        """Take text of a file. Raises `InvalidCaptions`, `TextLimit`, `TextGap`, `ContextConflict`,
        `NotAvailable` for a mark, or what its options deserve."""
        if command.mark is not None:
            raise NotAvailable("captions have no marks", param="mark")
        known = command.at is not None and command.at + len(command.text) <= self.received
        if self._ended and known:
            return  # said again, over another socket
        self._check_open("text")
        piece = self._intake.new(command)
        self._check_room(len(piece), "text")
        if command.options is not None:
            self._intake.wishes.now = self._intake.wishes.updated(command.options)
        self._came()
        self._intake.text(piece)

    def cue(self, command: Cue) -> None:
        """Take a cue, or the correction of one. Raises `TextLimit`, `ContextConflict`, `UnknownVoice`."""
        self._check_open("cue")
        self._check_room(len(command.text), "text")
        self._intake.cue(command)
        self._came()

    def flush(self) -> None:
        """What is open is whole, and the last cue is not waited for another."""
        self._intake.flush()
        self._flushed = True
        self._came()

    def end(self, reason: EndReason = "end") -> None:
        """No more cues come: finish, with silence up to the last one's end."""
        if not self._ended:
            self._reason = reason
            self.flush()
            self._ended = True

    def played(self, played_ms: float) -> None:
        """The listener reports how far it has played."""
        self._playhead.report(played_ms)

    def pause(self, played_ms: float | None = None) -> Paused:
        """Raises `NotAvailable`: the sound's clock is the captions' clock."""
        raise NotAvailable("a context of captions keeps to its clock", param="type")

    def go_on(self) -> None:
        """Nothing happens: it is not paused."""

    def _check_open(self, param: str) -> None:
        if self._ended:
            raise ContextConflict(f"{param} after end", param="type" if param == "cue" else param)

    def _check_room(self, length: int, param: str) -> None:
        limit = self._settings.max_pending_chars
        if self.pending + length > limit:
            raise TextLimit(f"more than {limit} characters wait", param=param, limit=limit)

    def _came(self) -> None:
        now = self._clock()
        if self._telling.first_at is None:
            self._telling.first_at = now
        self._quiet_since = max(self._quiet_since, now)
        self._making.look()
        self._wake_up()

    # What is booked and told of it.

    @property
    def characters(self) -> int:
        """Code points that engines were given to speak."""
        return self._making.characters

    @property
    def cost(self) -> float:
        """Of these."""
        return self._making.cost

    @property
    def samples(self) -> int:
        """Samples of sound so far, at the output rate."""
        return self._packets.samples

    @property
    def seconds(self) -> float:
        """Sound so far."""
        return self.samples / self._packets.sample_rate

    @property
    def engine(self) -> str:
        """Who spoke, `+` between several."""
        return "+".join(self._making.engines) or self._intake.wishes.now.engine.name

    def quote(self, command: Text | Cue) -> float:
        """What a text or a cue will cost at most, to be asked before it is taken. Raises what its options
        deserve."""
        wishes = [*self._intake.wish_of_all()]
        if isinstance(command, Cue):
            wishes.append(self._intake.wish(command))
        elif command.options is not None:
            wishes.append(self._intake.wishes.updated(command.options))
        price = max(self._prices.at_most(wish.choice) for wish in wishes)
        others = self._catalogue.engines.values()
        dearest = max(self._prices.at_most(Choice(other.capabilities)) for other in others)
        if dearest > price and not all(
            can_speak(command.text, wish.options.voice, wish.options.language) for wish in wishes
        ):
            price = dearest
        return price * len(command.text) / 1000

    def rehearse(self) -> Speaker:
        """Pass over the cues so far without speaking them, in a session that is thrown away. Raises what
        speaking them would: `LanguageNotSupported`."""
        while (cue := self._queue.head) is not None:
            self._queue.remove(cue)
            offset = self._said.add(cue.text)
            self._making.characters += len(cue.text)
            try:
                self._rehearsed += self._takes.rehearse(cue.text, cue.wish)
            except LanguageNotSupported as error:
                raise _at(error, offset) from None
        self._telling.events.clear()
        wish = self._intake.wishes.now
        return Speaker.of(wish.engine, wish.options.voice, self._rehearsed)

    def interrupted(self, played_ms: float | None = None) -> Interrupted:
        """What was heard of the cues so far, to be asked once `events` has been stopped."""
        played, clock = self._playhead.at(played_ms, self.samples)
        heard, words, rest = self._said.heard(played)
        waiting = BETWEEN.join(cue.text for cue in self._queue)
        if waiting:
            rest += BETWEEN + waiting if heard or rest else waiting
        return Interrupted(self.context, heard, words, rest, played, clock)

    def done(self, reason: EndReason) -> Done:
        """How far it came, to be asked once `events` has ended or has been stopped."""
        wishes = self._intake.wish_of_all()
        priced = any(self._prices.at_most(wish.choice) > 0 for wish in wishes)
        return Done(
            self.context,
            reason,
            self.samples,
            round(1000 * self.seconds, 3),
            self.characters,
            self.first_audio_ms,
            self.engine,
            round(self.cost, 9) if self.cost or priced else None,
        )

    # What is heard.

    async def events(self) -> AsyncGenerator[Event, None]:
        """`Started`, then sound without a gap, each cue's events before its own, at last `Done` or
        `Failed`."""
        making = asyncio.create_task(self._making.run())
        making.add_done_callback(lambda _: self._wake_up())
        self._quiet_since = self._clock()
        try:
            with self._present():
                yield self._started()
                while not self._over:
                    if making.done():
                        making.result()
                    if not self._telling.events:
                        try:
                            await self._step()
                        except StreamerError as error:
                            self._finish(error.with_traceback(None))
                        continue
                    event = self._telling.events.popleft()
                    if isinstance(event, Audio):
                        await self._pace()
                    yield event
                    self._sent(event)
        finally:
            await ended(making)

    async def _step(self) -> None:
        """Push a slice, or place a cue, or wait for what may change what is to be done."""
        if self._finished or not await self._running():
            return
        queue, track = self._queue, self._track
        waiting, until = False, None
        while (head := queue.head) is not None:
            at = timing.begin(head.start, track.position, track.placed, self._options.overlap)
            if at > track.position:
                until = at - track.position
                break
            if self._skipped(head):
                continue
            if (group := self._group(head)) is None or (fits := self._fits(group)) is None:
                waiting = True
                break
            await self._place(group, fits)
            return
        if track.end > track.position:
            rest = track.end - track.position
            if not (waiting and self._paced) or await self._may_go(HOLD_LEAD_S):
                self._speak(rest if until is None else min(rest, until))
        elif waiting:
            if not self._paced:
                await self._sleep(self._patience())
            elif await self._may_go(HOLD_LEAD_S):
                self._silence(None)
        elif head is None and self._ended:
            left = self._intake.length - track.position
            if left <= 0 or self._reason == "idle":
                self._check()
                self._finish(None)
            else:
                self._silence(left)
        elif self._paced and not self._ended:
            if await self._may_go(self._gap_s):
                self._silence(until)
        elif until is not None:
            self._silence(until)
        else:
            await self._sleep(self._patience())
        if head is None and not self._ended and self._idle_in() <= 0:
            self.end("idle")

    async def _running(self) -> bool:
        """Whether the sound's clock runs."""
        if self._intake.origin_ms is None:
            if self._ended or self._idle_in() <= 0:
                self.end("end" if self._ended else "idle")
                self._intake.origin_ms = 0.0
            else:
                await self._sleep(self._patience())
            return False
        now = self._clock()
        if self._runs_at is None:
            self._runs_at = now + (self._options.delay_ms / 1000 if self._paced else 0.0)
        if now < self._runs_at:
            await self._sleep(self._runs_at - now)
        return self._clock() >= self._runs_at

    def _skipped(self, cue: Waiting) -> bool:
        """Whether a cue that is due is left out, since it would be too late."""
        by = 0 if cue.start is None else self._track.position - cue.start
        if not timing.too_late(by, self._options, self.rate):
            return False
        for part in self._queue.of(cue.id):
            part.dropped = True
            self._queue.remove(part)
        self._telling.skip(cue.id, "late")
        self._making.look()
        return True

    def _group(self, head: Waiting) -> Sequence[Waiting] | None:
        """The cues that are said in one breath from here on: one, where they are not merged. None: it is not
        known yet."""
        if not self._paced and not self._sure(head):
            return None
        group = [head]
        if self._options.overrun == "merge":
            for cue in self._queue.first(MERGED)[1:]:
                due = cue.start is None or cue.start <= self._track.position
                if not due or cue.wish.options != head.wish.options:
                    break
                if self._paced and not cue.made:
                    break
                group.append(cue)
        return group if all(cue.made for cue in group) else None

    def _sure(self, cue: Waiting) -> bool:
        """Whether the slot of a cue is known where the clock can wait for that."""
        if self._ended or self._flushed or not cue.timed or self._idle_in() <= 0:
            return True
        if 2 * self._queue.characters > self._settings.max_pending_chars:
            return True  # who feeds it waits for room
        last = self._queue.last_order
        return last > cue.order

    def _fits(self, group: Sequence[Waiting]) -> list[Fit | None] | None:
        """How each of these sounds, None for one that doesn't; None as long as they are to be said again."""
        fits: list[Fit | None] = []
        position = self._track.position
        made = [cue for cue in group if cue.natural is not None]
        rate = self._fitting.rate(made, position, self._queue) if made else 1.0
        for cue in group:
            if cue.natural is None:
                fits.append(None)
                continue
            share = self._fitting.share(cue, made, position, self._queue)
            fit = self._fitting.fit(cue, rate, share)
            if not isinstance(fit, Fit):
                cue.wanted = fit
                self._making.look()
                return None
            fits.append(fit)
        return fits

    async def _place(self, group: Sequence[Waiting], fits: Sequence[Fit | None]) -> None:
        """These begin now, one behind the other."""
        at = self._track.position
        takes = []
        for cue in group:
            self._queue.remove(cue)
            self._intake.begun.add(cue.id, cue.text, cue.order)
        for fit in fits:
            if fit is None or fit.stretch == 1:
                takes.append(SILENCE if fit is None else fit.take)
            else:
                takes.append(await asyncio.to_thread(stretched, fit.take, fit.stretch, self.rate))
        for number, (cue, fit, take) in enumerate(zip(group, fits, takes, strict=True)):
            if cue.failure is not None:
                self._check_failure(cue.failure, cue)
                self._telling.begin(cue, at, take, 1.0)
                self._telling.lost = True
                continue
            assert fit is not None
            if not len(take):
                self._telling.skip(cue.id, "empty")
                continue
            self._failed_in_a_row = 0
            if cue.part == 0:
                self._telling.late(cue, at, fit.rate, group[0] if number else None)
            self._telling.begin(cue, at, take, fit.rate)
            at += len(take)
        self._making.look()

    def _check_failure(self, failure: StreamerError, cue: Waiting) -> None:
        """Raise what ends the context."""
        self._failed_in_a_row += 1
        if isinstance(failure, LanguageNotSupported):
            raise _at(failure, self._said.end + len(BETWEEN) if self._said.end else 0)
        if (
            not isinstance(failure, EngineFailed)
            or not failure.retryable
            or self._failed_in_a_row >= ENGINE_GONE
        ):
            raise failure

    def _check(self) -> None:
        if self._telling.lost:
            raise EngineFailed("synthesis failed within the last cue: the rest of it is lost")

    def _finish(self, failure: StreamerError | None) -> None:
        self._finished = True
        self._telling.flush()
        ending = self.done(self._reason) if failure is None else Failed(failure, self.context)
        self._telling.last(ending)

    def _speak(self, most: int) -> None:
        lead = self._pacer.lead()
        self._quiet_since = self._clock() + (lead if 0 < lead < math.inf else 0.0)
        self._push(most)

    def _silence(self, most: int | None) -> None:
        step = round(GAP_S * self.rate) if self._paced else None
        self._push(step if most is None else min(most, step or most))

    def _push(self, most: int | None) -> None:
        if self._paced and -math.inf < self._pacer.lead() < 0:
            self.underruns += 1
        self._telling.push(most)
        self._making.look()

    async def _may_go(self, keep_s: float) -> bool:
        """Whether the listener has no more than this; else wait for that, or for what may change things."""
        over = self._pacer.lead() - keep_s
        if over <= 0:
            return True
        await self._sleep(over)
        return False

    async def _pace(self) -> None:
        self._turn += 1
        while (wait := self._pacer.wait()) > 0:
            await asyncio.sleep(wait)
            return
        if self._turn % PACKETS_PER_TURN == 0:
            await asyncio.sleep(0)
            if self._background:
                await self._listeners.let_pass()

    async def _sleep(self, seconds: float | None) -> None:
        """For so long, or until something comes, or is made."""
        self._wake.clear()
        try:
            # Not wait_for: until Python 3.12 it loses a cancellation that comes right after.
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _wake_up(self) -> None:
        self._wake.set()

    def _patience(self) -> float | None:
        """How long nothing may come."""
        if self._background or self._ended or self._making.now is not None:
            return None
        return max(0.01, self._idle_in())

    def _idle_in(self) -> float:
        if self._background:
            return math.inf
        return self._quiet_since + self._settings.idle_s - self._clock()

    def _present(self) -> AbstractContextManager[None]:
        return nullcontext() if self._background else self._listeners.listening(self._waits)

    def _waits(self) -> bool:
        """Whether a cue is being made for a listener who is about to hear it."""
        cue = self._making.now
        if cue is None:
            return False
        ahead_s = (cue.order - self._track.position) / self.rate
        return ahead_s + max(0.0, self._pacer.lead()) < LITTLE_S

    def _heard_now(self) -> int | None:
        """The sample that a listener hears now; None where nobody does."""
        if not self._paced:
            return None
        sent = max(0, self._packets.end) * self.rate / self._packets.sample_rate
        return max(0, round(sent - max(0.0, self._pacer.lead()) * self.rate))

    def _sent(self, event: Event) -> None:
        match event:
            case Done() | Failed():
                self._over = True
            case Audio(packet=packet):
                self._packet_sent(packet)

    def _packet_sent(self, packet: Packet) -> None:
        if self.first_audio_ms is None and packet.duration:
            since = self._telling.first_at or self._clock()
            self.first_audio_ms = round(1000 * (self._clock() - since), 3)
        samples = max(0, packet.pts + packet.duration) - max(0, packet.pts)
        self._pacer.sent(samples / self._packets.sample_rate)
        self._packets.sent(packet, 0)

    def _started(self) -> Started:
        encoder, wishes = self._encoder, self._intake.wishes
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


def _at(error: LanguageNotSupported, offset: int) -> LanguageNotSupported:
    """With its offset in the input."""
    error.details["offset"] = offset + error.details.get("offset", 0)
    return error
