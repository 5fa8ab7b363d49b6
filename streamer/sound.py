"""The sound half of a session: chunks of PCM become events on one clock, from first sample to last.

Dsp, pauses, word times, what of it is told again. Waits for nothing: when to push what is the session's
business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from streamer.audio.dsp import Dsp
from streamer.captions.live import LiveCaptions
from streamer.lines import Line
from streamer.packets import Packets
from streamer.replay import Segments
from streamer.text.pauses import pause_after
from streamer.timeline import Timeline, heard_length
from streamer.types import (
    Audio,
    Continued,
    Event,
    Mark,
    Packet,
    PcmChunk,
    Samples,
    SegmentStarted,
    Start,
    Timing,
    Trace,
    Word,
    Words,
)
from streamer.wording import Wording


class Sound:
    """The clock of one context. Every method yields events lazily: sound is encoded as it is asked for.

    `live`: somebody wants words as they play, though times that are guessed are better behind the end.
    """

    def __init__(
        self,
        start: Start,
        packets: Packets,
        clock: Callable[[], float],
        *,
        live: bool = True,
    ) -> None:
        self.timeline = Timeline(packets.rate, packets.sample_rate)
        self._start = start
        self._packets = packets
        self._clock = clock
        self._wording = Wording(packets.rate, live=live)
        self._silence = 0
        self._padded = False
        self._line: Line | None = None
        self._dsp: Dsp | None = None
        self._announced = False
        """Whether the segment's event is out: that of a line still open waits for its text."""
        self._trace: Trace | None = None
        self._segments = Segments(self.timeline, kept=packets.ring is not None)
        self.lost = False
        """Whether the rest of the latest segment failed."""
        self._events: deque[Event] = deque()
        """Made, and not yet asked for."""
        self._again: deque[Samples] = deque()
        self._missing = False
        """Sound is missing before the next packet."""
        self.captions = LiveCaptions(start, packets.sample_rate)

    @property
    def holds_back(self) -> bool:
        """Whether sound of a finished segment is still inside the encoder."""
        finished = self._line is not None and self._dsp is None
        return finished and not self._padded and self._packets.held_back > 0

    def chunk(
        self, line: Line, chunk: PcmChunk, *, dry_s: float, since: float, final: bool
    ) -> Iterator[Event]:
        """The events of the next chunk of a line.

        `dry_s`: for how long the listener has had nothing to play, which counts as pause; `since`: when
        the context's first text came, for traces; `final`: nothing comes after this chunk.
        """
        begins = self._dsp is None
        if begins:
            if not chunk.joins:
                yield from self._pause(line, dry_s)
            synthesized = self._clock()
            self._begin(line)
        assert self._dsp is not None
        words, timing = self._wording.of(line, chunk)
        placed = self.timeline.add(words, timing)
        sound = self._dsp.push(chunk.samples)
        if chunk.last:
            sound += self._dsp.flush()
        slices = self._packets.slices(sound, final=final)
        packets = next(slices, [])
        if begins:
            self._trace = self._traced(line, since, synthesized)
        if not (self._announced or line.open):
            self._announced = True
            self._add(self._segment_started(line))
        self._add_words(placed, timing)
        if chunk.last:
            self._events += self.captions.flush()
        yield from self._tell(packets, last=final and self._packets.flushed)
        for packets in slices:
            yield from self._tell(packets, last=final and self._packets.flushed)
        if chunk.last:
            self._dsp = None
            self.lost = chunk.lost

    def pad(self) -> Iterator[Event]:
        """Push out what the encoder holds back; the silence counts as part of the coming pause."""
        self._padded = True
        yield from self._quiet(self._packets.held_back)

    def rest(self) -> Iterator[Event]:
        """The end of the sound: what the encoder still holds, and the marks that lie there."""
        self._events += self.captions.flush()
        over = False
        while not over:  # gone on with meanwhile, it has another end
            if not self._packets.flushed:
                empty = Packet(b"", self._packets.samples, 0)
                packets = self._packets.flush() or ([empty] if self._line else [])
                yield from self._tell(packets, last=True)
            if self._packets.flushed:
                marks = self.timeline.marks_left(self._packets.samples)
                self._events += (Mark(self._start.context, name, pts) for pts, name in marks)
                yield from self._told()
            over = self._packets.flushed

    def guess(self) -> None:
        """Put the other words of a segment that was cut off on the clock, where its engine tells none. To
        be asked once no chunk comes any more."""
        if self._line is not None and self._dsp is not None:
            self.timeline.add(self._wording.rest(self._line), "estimated")

    def sent(self, packet: Packet, keep: int) -> None:
        """A packet was sent. What lies before `keep`, at the output rate, is not said again."""
        self._packets.sent(packet, self.timeline.source(keep))
        if self._packets.ring is not None:
            self.timeline.keep(keep)
            self._segments.keep(keep)

    def pause(self) -> None:
        """Put on the clock what may have been heard of a segment whose engine tells no words."""
        if self._line is not None and self._dsp is not None:
            self.timeline.add(self._wording.so_far(self._line), "estimated")

    def go_on(self, played: int, text: str) -> Iterator[Event]:
        """Behind a pause: the events of what was not heard of the input so far. Other iterators go on
        behind it."""
        heard = self.timeline.count_heard(played)
        complete = self._dsp is None or self._wording.complete
        cut = max(self._segments.cut_at(played, complete=complete), self._packets.begin)
        wanted = min(self.timeline.source(cut), self._packets.position)
        source, again = self._packets.go_back(wanted)
        if source != self.timeline.source(cut):
            cut = self.timeline.at(source)
        self._missing = source > wanted
        self._again.extendleft(reversed(again))
        self._padded = False
        begin, position = self._packets.begin, self._packets.position
        self.timeline.go_on(played, cut, position, begin)
        self._wording.move(position - source)
        self._segments.move(cut, begin - cut)
        offset = self._offset(heard, text)
        self._events.clear()
        self._add(Continued(self._start.context, max(0, self._packets.end), offset))
        for told in self._segments.retold(begin, heard):
            if isinstance(told, SegmentStarted):
                self._add(told)
            else:
                self._add_words(*told)
        return self._repeated()

    @property
    def again_s(self) -> float:
        """How much is to be said again."""
        return sum(map(len, self._again)) / self._packets.rate

    def _repeated(self) -> Iterator[Event]:
        yield from self._told()
        while self._again:
            yield from self._tell(self._packets.push(self._again.popleft()))

    def _offset(self, heard: int, text: str) -> int:
        """Of what comes behind so many words."""
        words = self.timeline.words
        if heard < len(words):
            return words[heard].offset
        end = heard_length(text, tuple(words))
        return len(text) - len(text[end:].lstrip())

    def _begin(self, line: Line) -> None:
        options, native = line.options, line.segment.options
        self._dsp = Dsp(
            self._packets.rate,
            speed=options.speed / native.speed,
            pitch=options.pitch / native.pitch,
            volume=options.volume / native.volume,
        )
        self._line = line
        self._wording.begin(self._packets.position, self._dsp.scale)
        self._segments.begin(self.timeline.at(self._packets.position), lost=self.lost)
        self.lost = False
        self._silence = 0
        self._padded = False
        self._announced = False

    def _pause(self, line: Line, dry_s: float) -> Iterator[Event]:
        before = self._line
        if before is None:
            return
        pause_s = pause_after(before.span.text, before.span.reason) / line.options.speed
        yield from self._quiet(round((pause_s - dry_s) * self._packets.rate) - self._silence)

    def _quiet(self, samples: int) -> Iterator[Event]:
        if samples > 0:
            self._silence += samples
            yield from self._tell(self._packets.push(np.zeros(samples, np.float32)))

    def _tell(self, packets: list[Packet], last: bool = False) -> Iterator[Event]:
        context = self._start.context
        for number, packet in enumerate(packets, 1):
            end = packet.pts + packet.duration
            for pts, name in self.timeline.marks_before(end):
                self._events.append(Mark(context, name, pts))
            first, lost = self._segments.flags(end)
            lost, self._missing = lost or self._missing, False
            very_last = last and number == len(packets)
            self._events.append(Audio(context, packet, first, very_last, lost))
        yield from self._told()

    def _told(self) -> Iterator[Event]:
        while self._events:
            yield self._events.popleft()

    def _traced(self, line: Line, since: float, synthesized: float) -> Trace | None:
        if not self._start.trace:
            return None
        times = (line.received_at, line.cut_at, synthesized, self._clock())
        return Trace(*(round(1000 * (at - since), 3) for at in times))

    def _segment_started(self, line: Line) -> SegmentStarted:
        span, begun = line.span, self._segments.latest
        begun.told = SegmentStarted(
            self._start.context,
            line.segment.index,
            span.text,
            span.offset,
            begun.start,
            span.reason,
            lost=begun.lost,
            trace=self._trace,
            voice=line.options.voice.id,
        )
        return begun.told

    def _add(self, event: SegmentStarted | Continued) -> None:
        self._events.append(event)
        self._events += self.captions.push(event)

    def _add_words(self, words: tuple[Word, ...], timing: Timing) -> None:
        """Words on the clock, as the client wants them told; captions are made of whole ones."""
        if not words:
            return
        told, unit = Words(self._start.context, words, timing), self._start.timestamps
        if unit == "char":
            characters = tuple(characters_of(words))
            self._events.append(Words(told.context, characters, "estimated", "char"))
        elif unit == "word":
            self._events.append(told)
        self._events += self.captions.push(told)


def characters_of(words: Iterable[Word]) -> Iterator[Word]:
    """Characters share the time of their word evenly: an estimate, and called one."""
    for word in words:
        step = (word.end - word.start) / len(word.text)
        for i, character in enumerate(word.text):
            start, end = word.start + round(i * step), word.start + round((i + 1) * step)
            yield Word(character, start, end, word.offset + i)
