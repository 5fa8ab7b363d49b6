"""What is being spoken, in the eyes of the loop that wants it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from streamer.engines.qwen3.borders import Tempo
from streamer.engines.qwen3.budget import Outcome
from streamer.engines.qwen3.sequence import Cutter, Sequence
from streamer.engines.qwen3.tracks import Failed, Opening, Over, Track
from streamer.engines.qwen3.worker import Worker
from streamer.types import PcmChunk, Samples


@dataclass(frozen=True, slots=True)
class Mouth:
    """Who speaks with certain options, and how. `ahead`: only with the whole text at hand. `reference`: see
    `tracks.Track`."""

    worker: Worker
    opening: Opening
    tempo: Tempo
    ahead: bool = False
    reference: Hashable | None = None


@dataclass(eq=False, slots=True)
class Speaking:
    """A sequence that is being spoken. `kept`: sound that is not handed out before it is known to be good."""

    mouth: Mouth
    sequence: Sequence
    cutter: Cutter
    track: Track
    low: bool = False
    dry_at: float | None = None
    over: Over | None = None
    failed: Failed | None = None
    sounding: bool = False
    kept: list[Samples] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        assert self.over is not None
        over, sequence = self.over, self.sequence
        heard = sequence.rows if self.mouth.ahead else over.heard
        return Outcome(over.reason, over.frames, heard, sequence.rows, sequence.expected_s)


@dataclass(frozen=True, slots=True)
class Made:
    """Chunks, and of how many frames, to be accounted for when they are taken."""

    chunks: list[PcmChunk]
    speaking: Speaking | None = None
    frames: int = 0
