"""Who speaks next: which sequences have a slot, whose frames the next step makes, what the codec decodes.
No torch, no clock, no threads: it is told what happened, and when it is, and says what to do.

Frames are counted from a sequence's beginning. A frame is *launched* by a step, *seen* when the host knows
its first code, *sent* to the codec by a call that may go before it is seen, *handed* on as sound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Generic

from streamer.engines.qwen3.plans import Call, Finished, K, Limits, Reason, Row, Running, Sound

_EVERY = 4
"""Of so many steps one takes along a sequence that nobody listens to, however busy it is."""


class Scheduler(Generic[K]):
    """Sequences are named by keys of the caller's. In a loop: `swap_out`, `admit`, `step`, `decode`; and for
    what came back `stepped`, `decoded`, `finished`."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._free = list(range(limits.slots))[::-1]
        self._waiting: dict[K, Running[K]] = {}
        self._running: dict[K, Running[K]] = {}
        self._finished: list[Finished[K]] = []
        self._order = 0
        self._steps_made = 0
        self._steps = 0
        self._calls = 0

    @property
    def idle(self) -> bool:
        """Nothing waits, runs or is on its way."""
        return not (self._waiting or self._running or self._steps or self._calls or self._finished)

    def submit(
        self, key: K, lead: Callable[[], float], rows: int, text_ended: bool, limit: int
    ) -> None:
        """A new sequence. `lead`: seconds of sound that its listener has, with all that was handed on for
        it; -inf before the first, inf if nobody listens: then it goes behind all others and never rests.
        `rows` of text are known; `limit`: the most frames (>= 1)."""
        if key in self._waiting or key in self._running:
            raise ValueError(f"{key!r} is here already")
        self._order += 1
        self._waiting[key] = Running(key, self._order, lead, rows, text_ended, limit)

    def feed(self, key: K, rows: int, text_ended: bool) -> None:
        """More rows of text. Nothing if the sequence is over."""
        sequence = self._waiting.get(key) or self._running.get(key)
        if sequence:
            sequence.rows += rows
            sequence.text_ended = text_ended
            sequence.late_at = None

    def fetched(self, key: K, frames: int) -> None:
        """The listener's side took frames that were handed on."""
        if sequence := self._running.get(key) or self._waiting.get(key):
            sequence.fetched += frames

    def end(self, key: K, frames: int, reason: Reason) -> None:
        """End a running sequence after so many frames, or at what was handed on if that is more."""
        if sequence := self._running.get(key):
            self._ended(sequence, frames, reason)
            self._settle(sequence)

    def cancel(self, key: K) -> int | None:
        """Forget a sequence at once. The slot it had, which the next `admit` may give away: whatever is
        still on its way for it is dropped."""
        if self._waiting.pop(key, None):
            return None
        sequence = self._running.pop(key, None)
        if not sequence:
            return None
        sequence.gone = True
        self._free.append(sequence.slot)
        return sequence.slot

    def swap_out(self, now: float) -> list[tuple[K, int]]:
        """Who gives its slot up: (key, slot). Its text has been late for `patience` while others waited.
        What the slot holds has to be kept: `admit` gives it another once there is text."""
        wanted = self._wanted()
        if wanted <= 0:
            return []
        late = []
        for sequence in self._running.values():
            if sequence.dry and sequence.still:
                if sequence.late_at is None:
                    sequence.late_at = now
                if now - sequence.late_at >= self.limits.patience:
                    late.append((sequence.late_at, sequence.order, sequence))
        swapped = []
        for _, _, sequence in sorted(late, key=lambda entry: entry[:2])[:wanted]:
            sequence.swapped = True
            self._free.append(sequence.slot)
            self._waiting[sequence.key] = self._running.pop(sequence.key)
            swapped.append((sequence.key, sequence.slot))
        return swapped

    def admit(self) -> list[tuple[K, int]]:
        """Who gets a slot now: (key, slot). Those whose listeners have nothing left are served as they
        came, the others after them by their lead, which only shrinks. So those that nobody listens to
        get the slots that no listener wants."""
        if not (self._free and self._waiting):
            return []
        leads = [
            (max(s.seconds(), 0.0), s.order, s)
            for s in self._waiting.values()
            if not (s.swapped and s.dry)
        ]
        admitted = []
        for _, _, sequence in sorted(leads, key=lambda entry: entry[:2])[: len(self._free)]:
            sequence.slot = self._free.pop()
            sequence.swapped = False
            self._running[sequence.key] = self._waiting.pop(sequence.key)
            admitted.append((sequence.key, sequence.slot))
        return admitted

    def step(self) -> tuple[Row[K], ...]:
        """The frames to make next, most urgent first; none while enough steps are on their way. While
        somebody has little, those who have plenty stay out, for a smaller step is a faster one. Who has
        plenty comes to have less; of those that nobody listens to the one that was out longest is in
        every fourth step, so that each of n is in one of 4 n."""
        limits = self.limits
        if self._steps >= limits.steps:
            return ()
        ready = []
        for sequence in self._running.values():
            if sequence.may_step(limits):
                seconds = sequence.seconds()
                enough = limits.ahead / 2 if sequence.resting else limits.ahead
                # Of what nobody listens to there is never enough.
                sequence.resting = enough <= seconds < math.inf
                if not sequence.resting:
                    ready.append((seconds, sequence.stepped_at, sequence.order, sequence))
        if not ready:
            return ()
        ready.sort(key=lambda entry: entry[:3])
        self._steps_made += 1
        behind = next((entry for entry in ready if entry[0] == math.inf), None)
        if ready[0][0] < limits.ahead / 8:
            ready = [entry for entry in ready if entry[0] < limits.ahead / 2]
        if behind and self._steps_made % _EVERY == 0:
            ready = [behind, *(entry for entry in ready if entry is not behind)]
        rows = []
        for _, _, _, sequence in ready[: limits.rows]:
            rows.append(Row(sequence.slot, sequence.launched, sequence))
            sequence.launched += 1
            sequence.stepped_at = self._steps_made
        self._steps += 1
        return tuple(rows)

    def stepped(self, rows: Sequence[Row[K]], ended: Sequence[bool]) -> None:
        """A step is seen: whether each of its rows was the end instead of a frame."""
        self._steps -= 1
        for row, end in zip(rows, ended, strict=True):
            sequence = row.sequence
            if sequence.gone:
                continue
            sequence.seen = row.frame + 1
            if end:
                self._ended(sequence, row.frame, "stop")
            elif sequence.seen == sequence.limit:
                self._ended(sequence, sequence.limit, "length")
            self._settle(sequence)

    def decode(self) -> list[Call[K]]:
        """The codec's next calls."""
        ready: dict[int, list[tuple[float, Row[K]]]] = {}
        room = self.limits.calls - self._calls
        if room <= 0:
            return []
        for sequence in self._running.values():
            if frames := self._chunk(sequence):
                row = Row(sequence.slot, sequence.sent, sequence)
                ready.setdefault(frames, []).append((sequence.seconds(), row))
        calls: list[tuple[float, Call[K]]] = []
        for frames, rows in ready.items():
            rows.sort(key=lambda entry: (entry[0], entry[1].sequence.order))
            for start in range(0, len(rows), self.limits.codec_rows):
                part = rows[start : start + self.limits.codec_rows]
                calls.append((part[0][0], Call(frames, tuple(row for _, row in part))))
        calls.sort(key=lambda entry: (entry[0], entry[1].frames))
        chosen = [call for _, call in calls[:room]]
        for call in chosen:
            for row in call.rows:
                row.sequence.sent += call.frames
                row.sequence.calls += 1
        self._calls += len(chosen)
        return chosen

    def known(self, call: Call[K]) -> bool:
        """Whether the steps that made a call's frames are seen, without which nobody can tell sound from what
        lies behind an end."""
        return all(
            row.sequence.gone
            or row.sequence.end is not None
            or row.sequence.seen >= row.frame + call.frames
            for row in call.rows
        )

    def decoded(self, call: Call[K]) -> list[Sound[K]]:
        """The sound of a `known` call is here: what of it belongs to whom. Calls come in their order."""
        if not self.known(call):
            raise ValueError("a call before the steps that it follows")
        self._calls -= 1
        sound = []
        for number, row in enumerate(call.rows):
            sequence = row.sequence
            if sequence.gone:
                continue
            frames = call.frames
            if sequence.end is not None:
                frames = min(frames, max(0, sequence.end - row.frame))
            if frames:
                sequence.handed = row.frame + frames
                sound.append(Sound(sequence.key, number, frames))
            self._settle(sequence)
        return sound

    def finished(self) -> list[Finished[K]]:
        """Sequences whose last sound `decoded` gave out, once each."""
        finished, self._finished = self._finished, []
        return finished

    def rest(self, now: float) -> float | None:
        """Seconds for which nothing becomes ready by the mere passing of time; None: for ever."""
        times = []
        if self._wanted() > 0:
            late = (s.late_at for s in self._running.values() if s.late_at is not None)
            times += [max(at + self.limits.patience - now, 0.0) for at in late]
        for sequence in self._running.values():
            if sequence.end is None:
                if sequence.resting and sequence.may_step(self.limits):
                    times.append(sequence.seconds() - self.limits.ahead / 2)
                if sequence.sent == sequence.handed < sequence.launched:
                    times.append(sequence.lead())
        soonest = min(times, default=math.inf)
        return max(0.0, soonest) if soonest < math.inf else None

    def _wanted(self) -> int:
        """How many slots more than there are could be used."""
        if len(self._waiting) <= len(self._free):
            return 0
        return sum(not (s.swapped and s.dry) for s in self._waiting.values()) - len(self._free)

    def _chunk(self, sequence: Running[K]) -> int:
        """Frames of the sequence's next codec call; 0: not yet."""
        chunks = self.limits.chunks
        whole = chunks[min(sequence.calls, len(chunks) - 1)]
        known = sequence.launched if sequence.end is None else sequence.end
        left = known - sequence.sent
        if left <= 0:
            return 0
        if left >= whole:
            return whole
        if sequence.end is not None:
            return left if self.limits.exact else min(c for c in chunks if c >= left)
        if sequence.handed == sequence.sent and -math.inf < sequence.lead() <= 0.0:
            # The listener waits: what there is, goes.
            return max((c for c in chunks if c <= left), default=0)
        return 0

    def _ended(self, sequence: Running[K], frames: int, reason: Reason) -> None:
        frames = max(frames, sequence.handed)
        if sequence.end is None or frames < sequence.end:
            sequence.end, sequence.reason = frames, reason

    def _settle(self, sequence: Running[K]) -> None:
        """Give the slot back once all sound is handed on. Steps that were launched past the end are dropped
        when they come; calls too, since they lie behind the end."""
        if sequence.gone or sequence.end is None or sequence.handed < sequence.end:
            return
        sequence.gone = True
        del self._running[sequence.key]
        self._free.append(sequence.slot)
        self._finished.append(Finished(sequence.key, sequence.slot, sequence.end, sequence.reason))
