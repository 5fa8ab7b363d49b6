"""One context: text in, events out. The only coroutine that pulls text through the media path.

Script -> engine -> sound, at the listener's pace; knows no sockets and no wire formats.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from functools import partial

from streamer.account import Account
from streamer.audio.encoder import open_encoder
from streamer.audio.encoder import resolve as resolve_format
from streamer.config import Settings
from streamer.errors import ContextConflict, NotAvailable, TextLimit
from streamer.listeners import Listeners
from streamer.pace import Pace, lead_s
from streamer.packets import Packets, Tap
from streamer.pausing import Pausing
from streamer.playing import Playing
from streamer.prices import Prices
from streamer.replay import Ring
from streamer.script import Script
from streamer.sound import Sound
from streamer.synthesis import Synthesis
from streamer.timeline import Clock, Pacer, heard_length
from streamer.types import (
    Cue,
    Done,
    EndReason,
    Event,
    Interrupted,
    Paused,
    Start,
    Text,
    Word,
)
from streamer.voices import Catalogue, Speaker


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
        live = paced and not background
        ahead_s = lead_s(start, settings)
        self.context = start.context
        self._settings = settings
        pacer = Pacer(clock, ahead_s if live else None, background=background)
        self._script = Script(start, catalogue, settings, clock, pacer.lead)
        wishes, prices = self._script.wishes, Prices(settings.price_per_1000)
        rate = wishes.now.engine.sample_rate
        synthesis = Synthesis(self._script, prices, rate, pacer.lead)
        encoder = open_encoder(resolve_format(start.audio, rate), rate)
        self._packets = Packets(encoder, rate, Ring() if live else None, tap)
        self._sound = Sound(start, self._packets, clock, live=not background)
        self._pausing = Pausing()
        self._pace = Pace(
            *(pacer, self._packets, clock, listeners or Listeners()),
            live=live,
            background=background,
            sleep=self._pausing.sleep,
        )
        self._account = Account(
            start.context, catalogue, prices, self._script, synthesis, self._pace
        )
        self._playing = Playing(
            start.context,
            self._script,
            synthesis,
            self._sound,
            self._pace,
            self._pausing,
            self._account,
            settings,
            clock,
            started=partial(wishes.started, start.context, encoder),
        )

    @property
    def characters(self) -> int:
        """Code points of the input spoken so far (all of it once everything is out)."""
        return self._account.characters

    @property
    def cost(self) -> float:
        """Of these: each segment at the price of who spoke it."""
        return self._account.cost

    @property
    def rate(self) -> int:
        """Samples per second of what `tap` is given."""
        return self._packets.rate

    @property
    def samples(self) -> int:
        """Samples of sound so far, at the output rate; while paused: those that were sent."""
        return self._pace.samples

    @property
    def seconds(self) -> float:
        """Sound so far."""
        return self._pace.seconds

    @property
    def underruns(self) -> int:
        """How often the listener had nothing left, though there was text."""
        return self._pace.underruns

    @property
    def received(self) -> int:
        """Code points of the input so far."""
        return self._script.received

    @property
    def pending(self) -> int:
        """Characters of the input that wait to be spoken; the setting `max_pending_chars` bounds them."""
        return self._script.pending

    @property
    def epoch(self) -> int:
        """Counts the pauses. An event that came out under another one was not sent, and comes again."""
        return self._pausing.epoch

    def quote(self, command: Text) -> float:
        """What a text will cost at most, to be asked before it is taken. Raises what its options
        deserve."""
        return self._account.quote(command)

    def rehearse(self) -> Speaker:
        """Pass over the text so far without speaking it, in a session that is thrown away. Raises what
        speaking it would: `LanguageNotSupported`."""
        return self._account.rehearse()

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
        self._playing.reason = reason
        self._script.end()

    def played(self, played_ms: float) -> None:
        """The listener reports how far it has played."""
        self._pace.played(played_ms)

    def pause(self, played_ms: float | None = None) -> Paused:
        """Say nothing more until `go_on`, and tell what was heard. Raises `NotAvailable` where nobody
        listens."""
        if not self._pace.live:
            raise NotAvailable("nobody listens who could pause it", param="type")
        if not self._pace.held:
            self._playing.pause(played_ms)
        return Paused(self.context, *self._heard())

    def go_on(self) -> None:
        """Go on with what was not heard. Nothing happens if it is not paused."""
        if self._pace.held:
            self._playing.go_on()

    def interrupted(self, played_ms: float | None = None) -> Interrupted:
        """What was heard, to be asked once `events` has been stopped; after a pause, what that told."""
        if not self._pace.held:
            self._sound.guess()
        return Interrupted(self.context, *self._heard(played_ms))

    def _heard(
        self, played_ms: float | None = None
    ) -> tuple[str, tuple[Word, ...], str, int, Clock]:
        played, clock = self._pace.played_at(played_ms)
        words, text = self._sound.timeline.heard(played), self._script.input
        length = heard_length(text, words)
        return text[:length], words, text[length:], played, clock

    def done(self, reason: EndReason) -> Done:
        """How far it came, to be asked once `events` has ended or has been stopped."""
        return self._account.done(reason)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Speak: `Started`, then per segment what it says and its packets, at last `Done` or `Failed`."""
        playing, pausing = self._playing, self._pausing
        try:
            with self._pace.listening(playing.waits):
                while not playing.over:
                    event = await playing.next()
                    if event is None:
                        continue
                    epoch = pausing.epoch
                    yield event
                    if pausing.epoch == epoch:
                        playing.sent(event)
        finally:
            await playing.close()
