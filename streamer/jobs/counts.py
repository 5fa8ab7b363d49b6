"""What is counted of jobs, for the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class JobCounts:
    """`queued` and `running` are of now, the rest since the start: `finished` by status, `retries` of
    attempts that failed, `characters`, `audio_seconds` and `cues` (by outcome) of completed jobs."""

    queued: int = 0
    running: int = 0
    finished: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    characters: int = 0
    audio_seconds: float = 0.0
    cues: Counter[str] = field(default_factory=Counter)
