"""The sound half of a context of captions: what is pushed becomes packets, with events before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from streamer.captions.captioner import Captioner
from streamer.captions.cues import Waiting
from streamer.captions.said import Said
from streamer.captions.takes import Take
from streamer.captions.track import Track
from streamer.packets import FIRST_SLICE_S, SLICE_S, Packets
from streamer.sound import characters_of
from streamer.types import (
    Audio,
    Event,
    Late,
    Packet,
    SegmentStarted,
    Skipped,
    SkipReason,
    Start,
    Trace,
    Words,
)


class Telling:
    """Waits for nothing. `events` are in order, and not yet sent."""

    def __init__(
        self, start: Start, packets: Packets, track: Track, said: Said, clock: Callable[[], float]
    ) -> None:
        self.events: deque[Event] = deque()
        self.lost = False
        """Whether sound of the latest segment is missing."""
        self._start = start
        self._context = start.context
        self._packets = packets
        self._track = track
        self._said = said
        self._clock = clock
        self._index = 0
        self._since: float | None = None
        self._begun: deque[tuple[int, bool]] = deque()
        """Where segments begin whose first packet has not been made, and whether sound before is missing."""
        captioner = Captioner(start.context, packets.sample_rate) if start.captions else None
        self._captioner = captioner

    def say(self, event: Event) -> None:
        """With the captions that come of it, before it if it ends the context."""
        captions = [] if self._captioner is None else self._captioner.push(event)
        self.events.append(event)
        self.events += captions

    def last(self, event: Event) -> None:
        """The end of the context."""
        if self._captioner is not None:
            self.events += self._captioner.push(event)
        self.events.append(event)

    def skip(self, id: str, reason: SkipReason) -> None:
        self.say(Skipped(self._context, id, reason))

    def late(self, cue: Waiting, begin: int, rate: float, into: Waiting | None) -> None:
        """It begins so late, as all of them do that begin a sample or more behind their time."""
        by = 0 if cue.start is None else self._at(begin) - self._at(cue.start)
        if by > 0:
            joined = None if into is None or into is cue else into.id
            self.say(Late(self._context, cue.id, by, _told(rate), joined))

    def begin(self, cue: Waiting, begin: int, take: Take, stretch: float = 1.0) -> int:
        """A cue begins there. Its sound is placed, and what it says is told. Where it ends."""
        offset = self._said.add(cue.text)
        start = self._at(begin)
        self.say(
            SegmentStarted(
                *(self._context, self._index, cue.text, offset, start, "flush", self.lost),
                trace=self._trace(cue),
                cue=cue.id,
                rate=_told(take.rate * stretch),
                shift=self._shift,
                voice=take.voice or cue.wish.options.voice.id,
            )
        )
        self._index += 1
        self._begun.append((start, self.lost))
        self.lost = take.lost
        end = self._track.place(begin, take.samples, cue.due, stretch)
        words = tuple(
            replace(
                word,
                start=self._at(begin + round(word.start / stretch)),
                end=self._at(begin + round(word.end / stretch)),
                offset=offset + word.offset,
            )
            for word in take.words
        )
        self._said.tell(words)
        self._words(Words(self._context, words, take.timing))
        return end

    def push(self, most: int | None = None) -> None:
        """A slice of what comes next, `most` samples at most."""
        step = FIRST_SLICE_S if self._packets.position == 0 else SLICE_S
        count = round(step * self._packets.rate)
        samples = self._track.read(count if most is None else min(count, most))
        self._audio(self._packets.push(samples))

    def flush(self) -> None:
        """The end of the sound."""
        if not self._packets.flushed:
            empty = Packet(b"", self._packets.samples, 0)
            packets = self._packets.flush() or ([empty] if self._packets.position else [])
            self._audio(packets, last=True)

    def _audio(self, packets: list[Packet], *, last: bool = False) -> None:
        for number, packet in enumerate(packets, 1):
            first = lost = False
            if self._begun and self._begun[0][0] < packet.pts + packet.duration:
                first, lost = True, self._begun.popleft()[1]
            self.events.append(
                Audio(self._context, packet, first, last and number == len(packets), lost)
            )

    def _words(self, words: Words) -> None:
        if not words.words:
            return
        captions = [] if self._captioner is None else self._captioner.push(words)
        match self._start.timestamps:
            case "word":
                self.events.append(words)
            case "char":
                characters = tuple(characters_of(words.words))
                self.events.append(Words(self._context, characters, "estimated", "char"))
        self.events += captions

    def _at(self, position: int) -> int:
        """The sample, at the output rate, of what is said now at that position of the captions' clock."""
        return self._scaled(position) - self._shift

    @property
    def _shift(self) -> int:
        return self._scaled(self._track.shift)

    def _scaled(self, samples: int) -> int:
        """At the output rate."""
        return round(samples * self._packets.sample_rate / self._packets.rate)

    def _trace(self, cue: Waiting) -> Trace | None:
        if not self._start.trace:
            return None
        if self._since is None:
            self._since = cue.received_at
        since = self._since
        times = (cue.received_at, cue.received_at, cue.made_at, self._clock())
        return Trace(*(round(1000 * (at - since), 3) for at in times))


SILENCE = Take(np.zeros(0, np.float32))
"""Of a cue whose engine failed."""


def _told(rate: float) -> float:
    return round(rate, 3)
