"""What a worker's thread does, step by step: what the scheduler says, with the runner. No threads here; a
failure of the device fails those whom it was working for, and nobody else.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from streamer.engines.qwen3.budget import Loop, Silence
from streamer.engines.qwen3.launch import Pending, Samples
from streamer.engines.qwen3.machine import Machine
from streamer.engines.qwen3.plans import Call, Finished, Row
from streamer.engines.qwen3.prompt import Prompt
from streamer.engines.qwen3.runner import StepResult, Swapped
from streamer.engines.qwen3.sampling import NEVER
from streamer.engines.qwen3.scheduler import Scheduler
from streamer.engines.qwen3.tracks import Credit, Event, Failed, Over, Sound, Track
from streamer.errors import EngineFailed, StreamerError

log = logging.getLogger(__name__)

LOW = 8
"""Rows of text left when more is asked for: some 30 ms on a GPU."""


@dataclass(eq=False, slots=True)
class _Live:
    """A track in the thread's eyes. `room`: the most frames. `late`: rows of text that came while it had no
    slot; `swapped`: what it had in one before."""

    track: Track
    prompt: Prompt
    room: int
    tokens: int
    rows: int
    ended: bool
    slot: int = -1
    frames: int = 0
    allowed: bool = False
    told: int = LOW + 1
    """Rows that were left when that was last told."""
    late: list[Tensor] = field(default_factory=list)
    swapped: Swapped | None = None
    loop: Loop = field(default_factory=Loop)
    silence: Silence = field(default_factory=Silence)


class Making:
    """All sequences of one checkpoint. `tell` hears what becomes of them. Used by one thread."""

    def __init__(self, machine: Machine, tell: Callable[[Track, Event], None]) -> None:
        self.reasons: Counter[str] = Counter()
        """How sequences came to their ends, and "failed"."""
        self.broken = False  # will the device fail whatever is asked of it?
        self._machine = machine
        self._tell = tell
        self._runner = machine.runner
        self._scheduler = Scheduler[Track](machine.runner.limits)
        self._live: dict[Track, _Live] = {}
        self._steps: deque[tuple[tuple[Row[Track], ...], Pending[list[StepResult]]]] = deque()
        self._calls: deque[tuple[Call[Track], Pending[Samples]]] = deque()

    @property
    def running(self) -> int:
        """Sequences that have a slot. From any thread."""
        return sum(live.slot >= 0 for live in self._live.copy().values())

    def rest(self) -> float | None:
        """Seconds until there may be something to do unasked; None: never."""
        return self._scheduler.rest(time.monotonic())

    @property
    def waits(self) -> bool:
        """Whether something is on its way from the device."""
        return bool(self._steps or self._calls)

    def turn(self) -> bool:
        """Whether there was anything to do."""
        worked = False
        for track, slot in self._scheduler.swap_out(time.monotonic()):
            self._swap_out(self._live[track], slot)
            worked = True
        for track, slot in self._scheduler.admit():
            self._begin(self._live[track], slot)
            worked = True
        if rows := self._scheduler.step():
            self._step(rows)
            worked = True
        for call in self._scheduler.decode():
            self._decode(call)
            worked = True
        while self._steps and self._steps[0][1].ready():
            self._stepped(*self._steps.popleft())
            worked = True
        while (
            self._calls and self._scheduler.known(self._calls[0][0]) and self._calls[0][1].ready()
        ):
            self._decoded(*self._calls.popleft())
            worked = True
        for finished in self._scheduler.finished():
            self._finish(finished)
            worked = True
        return worked

    def fetched(self, track: Track, frames: int) -> None:
        """Its listener's side took so much of its sound."""
        self._scheduler.fetched(track, frames)

    def open(self, track: Track) -> None:
        """Begin a sequence, once there is a slot."""
        try:
            with self._runner.talking():
                prompt = track.opening(self._machine.prompts, track.ids, track.more)
        except Exception as error:
            self._tell(track, Failed(self._typed(error)))
            return
        room = self._runner.room(prompt)
        if room <= len(prompt.text):
            self._tell(track, Failed(_too_long()))
            return
        rows = len(prompt.text)
        live = _Live(track, prompt, room, len(track.ids), rows, not track.more)
        self._live[track] = live
        self._scheduler.submit(track, track.lead, rows, live.ended, room)
        self._credit(live)

    def feed(self, track: Track, ids: Sequence[int], ended: bool) -> None:
        """More of its text; `ended`: and no more."""
        live = self._live.get(track)
        if live is None or live.ended:
            return
        if live.rows + len(ids) >= live.room:
            self.fail([track], _too_long())
            return
        try:
            with self._runner.talking():
                model = self._machine.model
                parts = [model.text(ids)] if ids else []
                parts += [model.eos_row[None]] if ended else []
                for rows in parts:
                    if live.slot < 0:
                        live.late.append(rows)
                    else:
                        self._runner.feed(live.slot, rows)
        except Exception as error:
            self.fail([track], error)
            return
        live.tokens += len(ids)
        live.rows += len(ids) + ended
        live.ended = ended
        live.told = LOW + 1
        self._scheduler.feed(track, len(ids) + ended, ended)
        self._credit(live)

    def _begin(self, live: _Live, slot: int) -> None:
        track = live.track
        live.slot = slot
        try:
            if live.swapped is None:
                self._runner.begin(slot, live.prompt, track.seed, NEVER, track.reference)
            else:
                self._runner.swap_in(slot, live.swapped)
            for rows in live.late:
                self._runner.feed(slot, rows)
        except Exception as error:
            self.fail([track], error)
        live.late, live.swapped = [], None

    def _swap_out(self, live: _Live, slot: int) -> None:
        live.slot = -1
        try:
            live.swapped = self._runner.swap_out(slot)
        except Exception as error:
            self.fail([live.track], error)

    def _step(self, rows: tuple[Row[Track], ...]) -> None:
        try:
            for row in rows:
                live = self._live[row.sequence.key]
                live.frames = row.frame + 1
                if not live.allowed and live.ended and live.frames > live.rows:
                    # Only what has been heard to its end can have been said to its end.
                    live.allowed = True
                    self._runner.allow(row.slot, live.track.budget.frames(live.tokens))
            pending = self._runner.step([row.slot for row in rows])
        except Exception as error:
            self.fail([row.sequence.key for row in rows], error)
            self._scheduler.stepped(rows, [True] * len(rows))
            return
        self._steps.append((rows, pending))
        for row in rows:
            self._credit(self._live[row.sequence.key])

    def _stepped(self, rows: tuple[Row[Track], ...], pending: Pending[list[StepResult]]) -> None:
        try:
            results = pending.result()
        except Exception as error:
            self.fail([row.sequence.key for row in rows], error)
            self._scheduler.stepped(rows, [True] * len(rows))
            return
        self._scheduler.stepped(rows, [result.ended for result in results])
        for row, result in zip(rows, results, strict=True):
            live = self._live.get(row.sequence.key)
            if live is None or result.ended:
                continue
            made = row.frame + 1
            if live.loop.push(result.code0):
                self._scheduler.end(live.track, made, "repeated")
            elif live.ended and made >= max(live.track.budget.most(live.tokens), live.rows + 1):
                self._scheduler.end(live.track, made, "length")

    def _decode(self, call: Call[Track]) -> None:
        rows = [(row.slot, row.frame) for row in call.rows]
        try:
            pending = self._runner.decode(rows, call.frames)
        except Exception as error:
            self._undecoded(call, error)
            return
        self._calls.append((call, pending))

    def _undecoded(self, call: Call[Track], error: Exception) -> None:
        self.fail([row.sequence.key for row in call.rows], error)
        self._scheduler.decoded(call)

    def _decoded(self, call: Call[Track], pending: Pending[Samples]) -> None:
        try:
            pcm = pending.result()
        except Exception as error:
            self._undecoded(call, error)
            return
        for sound in self._scheduler.decoded(call):
            live = self._live[sound.key]
            samples = pcm[sound.row, : sound.frames * pcm.shape[1] // call.frames].copy()
            sound.key.handed += sound.frames
            self._tell(sound.key, Sound(samples, sound.frames))
            heard = live.ended and call.rows[sound.row].frame >= live.rows
            if heard and live.silence.push(samples):
                self._scheduler.end(sound.key, sound.key.handed, "repeated")

    def _finish(self, finished: Finished[Track]) -> None:
        live = self._live.pop(finished.key)
        self._runner.free(finished.slot)
        self.reasons[finished.reason] += 1
        # The step that draws the end has heard a row, too; those behind it are nobody's.
        heard = finished.frames + (finished.reason == "stop")
        self._tell(live.track, Over(finished.reason, finished.frames, min(heard, live.rows)))

    def _credit(self, live: _Live) -> None:
        """Say so, once, when little text is left, and when none is."""
        left = max(0, live.rows - live.frames)
        if not live.ended and left <= LOW and (live.told > LOW or (not left and live.told)):
            live.told = left
            self._tell(live.track, Credit(dry=not left))

    def drop(self, track: Track) -> None:
        """Forget it; its slot is free."""
        live = self._live.pop(track, None)
        self._scheduler.cancel(track)
        if live is not None and live.slot >= 0:
            self._runner.free(live.slot)

    def fail(self, tracks: Iterable[Track], error: Exception) -> None:
        typed = self._typed(error)
        for track in tracks:
            if track in self._live:
                self.drop(track)
                self.reasons["failed"] += 1
                self._tell(track, Failed(typed))

    def _typed(self, error: Exception) -> StreamerError:
        if isinstance(error, StreamerError):
            return error
        if isinstance(error, torch.OutOfMemoryError):
            log.error("qwen3: the device is out of memory", extra={"running": len(self._live)})
            torch.cuda.empty_cache()  # of no device where there is none
            return EngineFailed("the device is out of memory", retry_after_s=1.0)
        log.error("qwen3: the device has failed", exc_info=error)
        self.broken = self.broken or not self._machine.works()
        return EngineFailed("the model could not be run")

    def start_anew(self) -> None:
        """Forget everybody, and believe nothing of what was."""
        self.reasons["failed"] += len(self._live)
        self._live.clear()
        self._steps.clear()
        self._calls.clear()
        for slot in range(self._machine.runner.limits.slots):
            self._runner.free(slot)
        self._scheduler = Scheduler(self._machine.runner.limits)


def _too_long() -> EngineFailed:
    return EngineFailed("the text is too long for qwen3_capacity", retryable=False)
