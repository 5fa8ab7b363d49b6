"""What `captions` knows of cues: how many wait, and what became of each."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from streamer.captions.tally import Tally
from streamer.cli.progress import Progress
from streamer.text.captions import CueReader, Dropped, ParsedCue
from streamer.types import CueOptions, Done, Event, Late, SegmentStarted, Skipped, Started

KNOWN = 4096
"""Cues that have been told of, and are not waited for again when they are corrected."""
_NOTEWORTHY = ("late", "invalid", "spoken")
"""Why a cue is not spoken that has something to say; the others are counted only."""


class Waiting:
    """How many characters of cues wait at a server, counted as it does: by reading the same text."""

    def __init__(self, options: CueOptions) -> None:
        self._reader = CueReader(
            speakers=tuple(options.speakers), descriptions=options.descriptions
        )
        self._waiting: dict[str, int] = {}
        self._told: deque[str] = deque(maxlen=KNOWN)
        self.characters = 0

    def push(self, text: str) -> None:
        """Text on its way to the server. Raises `InvalidCaptions`, as the server would."""
        self._count(self._reader.push(text))

    def flush(self) -> bool:
        """The open block ends here. Is there anything to speak in it?"""
        cues = self._reader.flush()
        self._count(cues)
        return any(isinstance(cue, ParsedCue) for cue in cues)

    @property
    def open(self) -> bool:
        """Does a cue that has text wait for the end of its block?"""
        return self._reader.open

    def _count(self, cues: Iterable[ParsedCue | Dropped]) -> None:
        for cue in cues:
            if isinstance(cue, ParsedCue) and cue.id not in self._told:
                self.characters += len(cue.text) - self._waiting.get(cue.id, 0)
                self._waiting[cue.id] = len(cue.text)

    def told(self, event: Event) -> None:
        """What the server tells: a cue has begun, or never will."""
        match event:
            case SegmentStarted(cue=str(id)) | Late(cue=id) | Skipped(cue=id):
                self.characters -= self._waiting.pop(id, 0)
                self._told.append(id)
            case _:
                pass


class Report:
    """Tells on standard error of each cue that is late or is not spoken though it should be, and at the end
    how many there were."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._tally = Tally()
        self._reasons: Counter[str] = Counter()
        self._left_out_s = 0.0
        self._rate = 1
        self._format = ""

    def told(self, event: Event) -> None:
        counted = self._tally.push(event)
        match event:
            case Started():
                self._rate = event.audio.sample_rate or 1
                self._format = f"{event.engine}/{event.voice}, {event.audio.codec} {self._rate} Hz"
            case Late() if counted is not None:
                into = f", said with {event.into}" if event.into else ""
                self._progress.note(
                    f"late: cue {event.cue} by {event.by / self._rate:.2f} s, "
                    f"at {event.rate:.2f} times the speed{into}"
                )
            case Skipped():
                self._reasons[event.reason] += 1
                if event.reason in _NOTEWORTHY:
                    self._progress.note(f"skipped: cue {event.cue}, {event.reason}")
            case SegmentStarted():
                self._left_out_s = event.shift / self._rate
            case Done(reason="end"):
                self._progress.note(f"{self._name}: {self._summary(event)}")
            case _:
                pass

    def _summary(self, event: Done) -> str:
        tally = self._tally
        late = f"{tally.late} late"
        if tally.late:
            late += f" (by {tally.worst_s:.2f} s at most)"
        skipped = f"{tally.skipped} skipped"
        if self._reasons:
            skipped += f" ({', '.join(f'{n} {why}' for why, n in self._reasons.most_common())})"
        if self._left_out_s:  # of live captions that have caught up
            skipped += f", {self._left_out_s:.2f} s of silence left out"
        cues = f"{tally.spoken} cue{'' if tally.spoken == 1 else 's'} spoken"
        return f"{event.audio_ms / 1000:.2f} s, {cues}, {late}, {skipped}, {self._format}"
