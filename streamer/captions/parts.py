"""What one context of captions is made of, put together."""

from __future__ import annotations

import math
from collections.abc import Callable

from streamer.audio.encoder import open_encoder, resolve
from streamer.captions.booking import Booking
from streamer.captions.fitting import Fitting
from streamer.captions.intake import Intake
from streamer.captions.making import Making
from streamer.captions.pace import Pace
from streamer.captions.placing import Placing
from streamer.captions.playing import Playing
from streamer.captions.said import Said
from streamer.captions.takes import Takes
from streamer.captions.telling import Telling
from streamer.captions.track import Track
from streamer.config import Settings
from streamer.listeners import Listeners
from streamer.pace import lead_s
from streamer.packets import Packets, Tap
from streamer.prices import Prices
from streamer.types import Done, EndReason, Start
from streamer.voices import Catalogue


class Parts:
    """`paced`: somebody plays the sound as it comes, but for the `background`. `done` says how far it came.
    Raises what the start deserves."""

    def __init__(
        self,
        start: Start,
        catalogue: Catalogue,
        settings: Settings,
        clock: Callable[[], float],
        listeners: Listeners,
        tap: Tap | None,
        *,
        paced: bool,
        background: bool,
        done: Callable[[EndReason], Done],
    ) -> None:
        live = paced and not background
        ahead_s = lead_s(start, settings)
        cues, options = start.cues, start.options
        language = options.language or "auto"
        rate = catalogue.resolve(options.model, options.voice, language)[0].sample_rate
        self.encoder = open_encoder(resolve(start.audio, rate), rate)
        self.packets = Packets(self.encoder, rate, None, tap)
        self.pace = Pace(
            *(self.packets, settings, clock, listeners),
            lead_s=ahead_s if live else None,
            delay_s=cues.delay_ms / 1000,
            background=background,
        )
        self.track = Track(rate, mixed=cues.overlap == "mix")
        self.said = Said(settings.max_context_chars)
        self.telling = Telling(start, self.packets, self.track, self.said, clock)
        self.intake = Intake(
            *(start, catalogue, rate, clock),
            now=self.pace.heard_now,
            skip=self.telling.skip,
            longest=math.inf if live else settings.max_captions_s * rate,
        )
        prices = Prices(settings.price_per_1000)
        fitting = Fitting(cues, prices, exact=not live)
        takes = Takes(start, catalogue, settings, clock, rate)
        self.booking = Booking(self.intake, takes, catalogue, prices)
        self.making = Making(
            *(self.intake.queue, self.track, takes, fitting, rate),
            lead=self.pace.lead,
            clock=clock,
            told=self.pace.wake,
            live=live,
        )
        placing = Placing(
            *(cues, self.intake, self.track, self.telling),
            *(self.said, self.making, fitting, rate),
            live=live,
        )
        self.playing = Playing(
            *(start, self.intake, self.track, self.telling),
            *(self.making, placing, self.pace, clock),
            full=lambda: 2 * self.pending > settings.max_pending_chars,
            done=done,
        )

    @property
    def pending(self) -> int:
        """Characters that wait to be spoken; each event that waits to be told counts as one."""
        return self.intake.queue.characters + len(self.telling.events)
