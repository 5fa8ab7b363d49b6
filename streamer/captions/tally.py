"""How the cues of one context were spoken, counted from its events."""

from __future__ import annotations

from collections import deque
from typing import Literal

from streamer.types import Event, Late, SegmentStarted, Skipped, Started

Outcome = Literal["on_time", "late", "skipped"]
KNOWN = 256
"""So many cues are known again: those whose lateness was told and whose sound is to come, and those whose
next segment may come between others'."""


class Tally:
    """Counts each cue once. `worst_s` is the latest one's lateness."""

    def __init__(self) -> None:
        self.on_time = self.late = self.skipped = 0
        self.worst_s = 0.0
        self._rate = 1
        self._counted: deque[str] = deque(maxlen=KNOWN)

    @property
    def spoken(self) -> int:
        return self.on_time + self.late

    def push(self, event: Event) -> tuple[Outcome, float] | None:
        """What the event tells of a cue that nothing told of before, and by how many seconds it is late."""
        match event:
            case Started():
                self._rate = event.audio.sample_rate or 1
            case Late():
                self.late += 1
                self._counted.append(event.cue)
                by_s = event.by / self._rate
                self.worst_s = max(self.worst_s, by_s)
                return "late", by_s
            case Skipped():
                self.skipped += 1
                return "skipped", 0.0
            case SegmentStarted(cue=str(cue)) if cue not in self._counted:
                self.on_time += 1
                self._counted.append(cue)
                return "on_time", 0.0
        return None
