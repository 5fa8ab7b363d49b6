"""The thread of one checkpoint: takes sequences from event loops and hands them their sound. What goes
wrong in it fails those whom it was working for; if it can't go on, it fails whoever comes, too.
"""

from __future__ import annotations

import logging
import threading
from asyncio import AbstractEventLoop
from collections import Counter, deque
from collections.abc import Callable, Sequence

import torch

from streamer.engines.qwen3.machine import Machine
from streamer.engines.qwen3.making import Making
from streamer.engines.qwen3.tracks import Event, Failed, Over, Track
from streamer.errors import EngineFailed

log = logging.getLogger(__name__)

_POLL_S = 0.0002
"""How often what is on its way from a device is looked for; nothing else would wake the thread."""
_REST_S = 0.001
"""The least it rests when there was nothing to do: leads are floats, and a listener's may stand still."""


class Worker:
    """Every method is for any thread, and returns at once, `close` excepted."""

    def __init__(self, machine: Machine, threads: int = 1) -> None:
        """Starts the thread, which alone uses the machine from now on. `threads` of torch on a CPU."""
        self.machine = machine
        self._threads = threads
        self._making = Making(machine, self._tell)
        self._inbox: deque[Callable[[], None]] = deque()
        self._open: set[Track] = set()
        """Those who are still to hear how they ended."""
        self._news: dict[AbstractEventLoop, list[tuple[Track, Event]]] = {}
        self._wake = threading.Event()
        self._closing = False
        self.broken = ""
        """Why it can't go on; "" while it can, and once it was closed."""
        self._thread = threading.Thread(target=self._run, name=f"qwen3 {machine.name}", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        """Sequences that have a slot."""
        return self._making.running

    @property
    def reasons(self) -> Counter[str]:
        """How sequences came to their ends, and "failed"."""
        return self._making.reasons.copy()

    def open(self, track: Track) -> None:
        """Begin a sequence. Raises `EngineFailed` once closed, and where the thread could not go on."""
        # In this order, and the thread the other way round: none comes in unseen.
        self._open.add(track)
        if self._closing:
            self._open.discard(track)
            raise EngineFailed(self.broken or "the engine is closed")
        self._say(lambda: self._making.open(track) if track in self._open else None)

    def feed(self, track: Track, ids: Sequence[int], ended: bool) -> None:
        """More of its text; `ended`: and no more."""
        self._say(lambda: self._making.feed(track, ids, ended))

    def fetched(self, track: Track, frames: int) -> None:
        """Its listener's side took so much of what it was told."""
        self._say(lambda: self._making.fetched(track, frames))

    def cancel(self, track: Track) -> None:
        """Nothing more of it; its slot is free before the next step."""
        track.cancelled = True
        self._open.discard(track)
        self._say(lambda: self._making.drop(track))

    def close(self) -> None:
        """Fail what is open and end the thread; waits for the step that is running."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _say(self, order: Callable[[], None]) -> None:
        self._inbox.append(order)
        self._wake.set()

    def _run(self) -> None:
        if self.machine.model.device.type == "cpu":
            torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                while not self._closing:
                    self._wake.clear()
                    rest = self._guarded_turn()
                    if self._making.broken:
                        break
                    self._post()
                    if rest is None or rest > 0:
                        self._wake.wait(rest)
        except BaseException:
            log.exception("qwen3: %s can't go on", self.machine.name)
            self.broken = "synthesis failed, and can't go on"
        if self._making.broken:
            log.critical("qwen3: %s can't go on: its device is lost", self.machine.name)
            self.broken = "the device is lost"
        self._closing = True
        self._fail_all(EngineFailed(self.broken or "the engine is closed"))
        self._post()

    def _guarded_turn(self) -> float | None:
        try:
            return self._turn()
        except Exception:
            # Ours, not the device's: what the scheduler believes can't be trusted any more.
            log.exception("qwen3: a fault in the scheduling")
            self._fail_all(EngineFailed("synthesis failed"))
            self._making.start_anew()
            return 0.0

    def _turn(self) -> float | None:
        """For how many seconds there is nothing to do, unless somebody says something; None: for ever."""
        while self._inbox:
            self._inbox.popleft()()
        if self._making.turn():
            return 0.0
        if self._making.waits:
            return _POLL_S
        rest = self._making.rest()
        return None if rest is None else max(rest, _REST_S)

    def _fail_all(self, error: EngineFailed) -> None:
        for track in self._open.copy():
            self._tell(track, Failed(error))

    def _tell(self, track: Track, event: Event) -> None:
        if isinstance(event, Over | Failed):
            self._open.discard(track)
        self._news.setdefault(track.loop, []).append((track, event))

    def _post(self) -> None:
        news, self._news = self._news, {}
        for loop, events in news.items():
            try:
                loop.call_soon_threadsafe(_told, events)
            except RuntimeError:  # a loop that was closed over what it wanted
                for track, _ in events:
                    self.cancel(track)


def _told(events: Sequence[tuple[Track, Event]]) -> None:
    for track, event in events:
        if not track.cancelled:
            track.tell(event)
