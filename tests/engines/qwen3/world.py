"""A world around a scheduler, without a device: everything happens when a test says so."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from streamer.engines.qwen3.plans import FRAME_SECONDS, Call, Limits, Row
from streamer.engines.qwen3.scheduler import Scheduler


@dataclass
class Listener:
    """One sequence as the world sees it: what it would say, and what came of it."""

    length: int
    limit: int
    lead: float = -math.inf
    rows: int = 0
    decoded: list[int] = field(default_factory=list)
    heard: int = 0
    fetched: int = 0
    reason: str = ""
    cancelled: bool = False


class World:
    """A device that answers in order, listeners who play what they get, and a scheduler between them."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.scheduler = limits, Scheduler[int](limits)
        self.listeners: dict[int, Listener] = {}
        self.slots: dict[int, int] = {}
        self.steps: deque[tuple[Row[int], ...]] = deque()
        self.calls: deque[Call[int]] = deque()
        self.sizes: list[list[int]] = []
        self.now = 0.0

    def submit(self, length: int, *, rows: int = 0, ended: bool = True, limit: int = 1000) -> int:
        key = len(self.listeners)
        listener = self.listeners[key] = Listener(length, limit, rows=rows)
        self.scheduler.submit(key, lambda: listener.lead, rows, ended, limit)
        return key

    def turn(self) -> None:
        """What a loop does once, without waiting for the device."""
        for key, slot in self.scheduler.swap_out(self.now):
            assert self.slots.pop(key) == slot
        for key, slot in self.scheduler.admit():
            assert slot not in self.slots.values()
            assert 0 <= slot < self.limits.slots
            self.slots[key] = slot
        if rows := self.scheduler.step():
            assert len(rows) <= self.limits.rows
            assert len({row.slot for row in rows}) == len(rows)
            assert all(self.slots[row.sequence.key] == row.slot for row in rows)
            self.sizes.append(sorted(row.sequence.key for row in rows))
            self.steps.append(rows)
        assert len(self.steps) <= self.limits.steps
        for call in self.scheduler.decode():
            assert len({row.slot for row in call.rows}) == len(call.rows)
            assert len(call.rows) <= self.limits.codec_rows
            assert self.limits.exact or call.frames in self.limits.chunks
            self.calls.append(call)
        assert len(self.calls) <= self.limits.calls
        self.collect()

    def answer_step(self) -> None:
        if self.steps:
            rows = self.steps.popleft()
            ended = [row.frame >= self.listeners[row.sequence.key].length for row in rows]
            self.scheduler.stepped(rows, ended)
            self.collect()

    def answer_call(self) -> None:
        if self.calls and self.scheduler.known(self.calls[0]):
            call = self.calls.popleft()
            for sound in self.scheduler.decoded(call):
                row, listener = call.rows[sound.row], self.listeners[sound.key]
                listener.decoded += range(row.frame, row.frame + sound.frames)
                listener.lead = max(listener.lead, 0.0) + sound.frames * FRAME_SECONDS
            self.collect()

    def fetch(self, key: int) -> None:
        listener = self.listeners[key]
        self.scheduler.fetched(key, len(listener.decoded) - listener.fetched)
        listener.fetched = len(listener.decoded)

    def cancel(self, key: int) -> None:
        slot = self.scheduler.cancel(key)
        if slot is not None:
            assert self.slots.pop(key) == slot
        if not self.listeners[key].reason:
            self.listeners[key].cancelled = True

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for listener in self.listeners.values():
            listener.lead = max(listener.lead - seconds, min(listener.lead, 0.0))

    def collect(self) -> None:
        for finished in self.scheduler.finished():
            assert self.slots.pop(finished.key) == finished.slot
            listener = self.listeners[finished.key]
            assert not listener.reason
            listener.reason = finished.reason
            assert finished.frames == len(listener.decoded)

    def run(self, turns: int = 10_000) -> None:
        """Everybody listens until all is said."""
        for _ in range(turns):
            if self.scheduler.idle:
                return
            self.turn()
            self.answer_step()
            self.answer_call()
            for key in self.listeners:
                self.fetch(key)
            if not self.steps and not self.calls:
                self.pass_time(0.3)
        raise AssertionError("somebody starves")
