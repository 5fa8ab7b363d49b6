"""One context of captions: cues in, each heard at its time; events out. The only coroutine that does so.

The sound's clock is the captions' clock, less the time in which a live listener had nothing to play: a cue is
placed when the sound that was pushed has come to where it begins, and not before, so that until then it may
be corrected; what is between is silence. Takes are made ahead of that, in a task that ends with `events`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

from streamer.captions.parts import Parts
from streamer.config import Settings
from streamer.errors import ContextConflict, NotAvailable, TextLimit
from streamer.listeners import Listeners
from streamer.packets import Tap
from streamer.tasks import ended
from streamer.types import Audio, Cue, Done, EndReason, Event, Interrupted, Paused, Start, Text
from streamer.voices import Catalogue, Speaker


class CaptionSession:
    """What `streamer.session.Session` is for text. It can't be paused, and knows no marks.

    A cue whose engine fails is silent: its segment is told, and the next one says `lost`. Text that nobody
    here can speak ends the context, once what came before has been heard, as does an engine that fails
    again and again.
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
        self.context = start.context
        self._limit = settings.max_pending_chars
        self._parts = parts = Parts(
            *(start, catalogue, settings, clock, listeners or Listeners(), tap),
            paced=paced,
            background=background,
            done=self.done,
        )
        self.rate = parts.packets.rate
        """Samples per second of what `tap` is given."""
        self._encoder, self._packets, self._pace = parts.encoder, parts.packets, parts.pace
        self._said, self._intake, self._booking = parts.said, parts.intake, parts.booking
        self._making, self._playing, self._telling = parts.making, parts.playing, parts.telling

    @property
    def received(self) -> int:
        """Code points of `text` so far."""
        return self._intake.received

    @property
    def pending(self) -> int:
        """Characters that wait to be spoken; each event that waits to be told counts as one."""
        return self._parts.pending

    def text(self, command: Text) -> None:
        """Take text of a file. Raises `InvalidCaptions`, `TextLimit`, `TextGap`, `ContextConflict`,
        `NotAvailable` for a mark, or what its options deserve."""
        if command.mark is not None:
            raise NotAvailable("captions have no marks", param="mark")
        known = command.at is not None and command.at + len(command.text) <= self.received
        if self._playing.ended and known:
            return  # said again, over another socket
        self._check_open("text")
        piece = self._intake.new(command)
        self._check_room(piece)
        if command.options is not None:
            self._intake.wishes.now = self._intake.wishes.updated(command.options)
        self._intake.text(piece)
        self._came()

    def cue(self, command: Cue) -> None:
        """Take a cue, or the correction of one. Raises `TextLimit`, `ContextConflict`, `UnknownVoice`."""
        if self._playing.ended and command.id:
            self._intake.again(command.id)
            return
        self._check_open("type")
        self._check_room(command.text)
        self._intake.cue(command)
        self._came()

    def flush(self) -> None:
        """What is open is whole, and the last cue is not waited for another."""
        self._playing.flush()
        self._came()

    def end(self, reason: EndReason = "end") -> None:
        """No more cues come: finish, with silence up to the last one's end."""
        if not self._playing.ended:
            self._playing.end(reason)
            self._came()

    def played(self, played_ms: float) -> None:
        """The listener reports how far it has played."""
        self._pace.played(played_ms)

    def missed(self, seconds: float) -> None:
        """The listener was away, and gets the last so many seconds of sound only now."""
        self._pace.missed(seconds)

    def pause(self, played_ms: float | None = None) -> Paused:
        """Raises `NotAvailable`: the sound's clock is the captions' clock."""
        raise NotAvailable("a context of captions keeps to its clock", param="type")

    def go_on(self) -> None:
        """Nothing happens: it is never paused."""

    def _check_open(self, param: str) -> None:
        if self._playing.ended:
            raise ContextConflict("nothing comes after end", param=param)

    def _check_room(self, text: str) -> None:
        if self.pending + len(text) > self._limit:
            limit = self._limit
            raise TextLimit(f"more than {limit} characters wait", param="text", limit=limit)

    def _came(self) -> None:
        self._pace.came()
        self._making.look()

    @property
    def characters(self) -> int:
        """Code points that engines were given to speak, or that a rehearsal passed over."""
        return self._making.characters + self._booking.characters

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
    def first_audio_ms(self) -> float | None:
        """From the first text or cue to the first packet, which is silence mostly."""
        return self._pace.first_audio_ms

    @property
    def underruns(self) -> int:
        """How often the listener had nothing left."""
        return self._pace.underruns

    @property
    def hurried(self) -> int:
        """Cues that their engine said twice, the second time faster."""
        return self._making.hurried

    @property
    def engine(self) -> str:
        """Who spoke, `+` between several."""
        return "+".join(self._making.engines) or self._intake.wishes.now.engine.name

    def quote(self, command: Text | Cue) -> float:
        """What a text or a cue will cost at most, to be asked before it is taken. Raises what its options
        deserve."""
        return self._booking.quote(command)

    def rehearse(self) -> Speaker:
        """Pass over the cues so far without speaking them, in a session that is thrown away. Raises what
        speaking them would: `LanguageNotSupported`."""
        speaker = self._booking.rehearse(self._said)
        self._telling.events.clear()
        return speaker

    def interrupted(self, played_ms: float | None = None) -> Interrupted:
        """What was heard of the cues so far, to be asked once `events` has been stopped."""
        played, clock = self._pace.played_at(played_ms)
        heard = self._said.heard(played, (cue.text for cue in self._intake.queue))
        return Interrupted(self.context, *heard, played, clock)

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
            round(self.cost, 9) if self.cost or self._booking.priced else None,
        )

    async def events(self) -> AsyncGenerator[Event, None]:
        """`Started`, then sound without a gap, each cue's events before its own, at last `Done` or
        `Failed`."""
        making = asyncio.create_task(self._making.run())
        making.add_done_callback(lambda _: self._pace.wake())
        self._pace.begins()
        waiting = self._telling.events
        try:
            with self._pace.listening(self._playing.waits):
                yield self._intake.wishes.started(self.context, self._encoder)
                while waiting or not self._playing.over:
                    if not waiting:
                        if making.done():
                            making.result()
                        await self._playing.step()
                        continue
                    event = waiting.popleft()
                    if isinstance(event, Audio):
                        await self._pace.before_packet()
                    yield event
                    if isinstance(event, Audio):
                        self._pace.packet_sent(event.packet)
        finally:
            await ended(making)
