"""What comes out of captions: cues to speak, and cues that are not spoken."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.types import SkipReason


@dataclass(frozen=True, slots=True)
class ParsedCue:
    """Plain text of one speaker, one line. Times in ms of the caption clock; None: not known. `of`: the id
    of a cue of several speakers, where this is what another than the first says."""

    id: str
    start_ms: float | None
    end_ms: float | None
    text: str
    speaker: str | None = None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A cue with nothing to speak. The captions last to its `end_ms` all the same; None: can't be read."""

    id: str
    reason: SkipReason
    end_ms: float | None = None
