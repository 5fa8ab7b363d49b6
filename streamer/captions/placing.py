"""Which cues begin where the sound has come to, and how they sound there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.captions import timing
from streamer.captions.cues import Waiting
from streamer.captions.fitting import Fit, Fitting
from streamer.captions.intake import Intake
from streamer.captions.making import MERGED, Making
from streamer.captions.said import Said
from streamer.captions.telling import SILENCE, Telling
from streamer.captions.track import Track
from streamer.errors import EngineFailed, LanguageNotSupported, StreamerError
from streamer.types import CueOptions

ENGINE_GONE = 3
"""So many cues in a row that their engine failed to speak end the context."""


class Placing:
    """`live`: the sound's clock waits for nothing."""

    def __init__(
        self,
        options: CueOptions,
        intake: Intake,
        track: Track,
        telling: Telling,
        said: Said,
        making: Making,
        fitting: Fitting,
        rate: int,
        *,
        live: bool,
    ) -> None:
        self._options = options
        self._intake = intake
        self._queue = intake.queue
        self._track = track
        self._telling = telling
        self._said = said
        self._making = making
        self._fitting = fitting
        self._rate = rate
        self._live = live
        self.sure: Callable[[Waiting], bool] = lambda cue: True
        """Whether the slot of a cue is known, where it can be waited for."""
        self._failed = 0
        """So many cues in a row."""
        self.due = False
        """Whether a cue is to begin now, and is not ready."""
        self.until: int | None = None
        """Samples until the next begins; None: none is known, or it is due."""

    def place(self) -> bool:
        """Place what begins at the track's position, if it is known how that sounds. Raises what ends the
        context."""
        track = self._track
        self.due, self.until = False, None
        while (head := self._queue.head) is not None:
            at = timing.begin(head.start, track.position, track.placed, self._options.overlap)
            if at > track.position:
                self.until = at - track.position
                return False
            if self._skipped(head):
                continue
            group = self._group(head)
            fits = None if group is None else self._fits(group)
            if group is None or fits is None:
                self.due = True
                return False
            self._begin(group, fits)
            return True
        return False

    def _skipped(self, cue: Waiting) -> bool:
        """Whether a cue that is due is left out, since it would be too late."""
        by = 0 if cue.start is None else self._track.position - cue.start
        if not timing.too_late(by, self._options, self._rate):
            return False
        for part in self._queue.of(cue.id):
            part.over = True
            self._queue.remove(part)
        self._telling.skip(cue.id, "late")
        self._making.look()
        return True

    def _group(self, head: Waiting) -> Sequence[Waiting] | None:
        """The cues that are said in one breath from here on: one, where they are not merged. None: it is not
        known yet."""
        if not self._live and not self.sure(head):
            return None
        group = [head]
        if self._options.overrun == "merge":
            for cue in self._queue.first(MERGED)[1:]:
                due = cue.start is None or cue.start <= self._track.position
                if not due or cue.wish.options != head.wish.options:
                    break
                if len(self._queue.of(cue.id)) > 1:
                    break
                if self._live and not cue.made:
                    break
                group.append(cue)
        return group if all(cue.made for cue in group) else None

    def _fits(self, group: Sequence[Waiting]) -> list[Fit | None] | None:
        """How each of these sounds, None for one that doesn't; None as long as they are to be said again."""
        fits: list[Fit | None] = []
        position = self._track.position
        made = [cue for cue in group if cue.natural is not None]
        rate = self._fitting.rate(made, position, self._queue) if made else 1.0
        for cue in group:
            fit: Fit | float | None = None
            if cue.natural is not None:
                share = self._fitting.share(cue, made, position, self._queue)
                fit = self._fitting.fit(cue, rate, share)
            if isinstance(fit, float):
                cue.wanted = fit
                self._making.look()
                return None
            fits.append(fit)
        return fits

    def _begin(self, group: Sequence[Waiting], fits: Sequence[Fit | None]) -> None:
        """These begin now, one behind the other."""
        for cue in group:
            cue.over = True
            self._queue.remove(cue)
            self._intake.begun.add(cue.id, cue.text, cue.order)
        at = self._track.position
        for number, (cue, fit) in enumerate(zip(group, fits, strict=True)):
            if fit is None:
                self._check(cue.failure)
                self._telling.begin(cue, at, SILENCE)
                self._telling.lost = True
                continue
            self._failed = 0
            if not len(fit.take):
                self._telling.skip(cue.id, "empty")
                continue
            if cue.part == 0:
                by = 0 if cue.start is None else at - cue.start
                if number and timing.too_late(by, self._options, self._rate):
                    self._telling.skip(cue.id, "late")
                    continue
                self._telling.late(cue, at, fit.rate, group[0] if number else None)
            at = self._telling.begin(cue, at, fit.take, fit.stretch)
        self._making.look()

    def _check(self, failure: StreamerError | None) -> None:
        """Raise what ends the context."""
        assert failure is not None
        self._failed += 1
        if isinstance(failure, LanguageNotSupported):
            failure.details["offset"] = self._said.next + failure.details.get("offset", 0)
            raise failure
        gone = self._failed >= ENGINE_GONE
        if gone or not (isinstance(failure, EngineFailed) and failure.retryable):
            raise failure
