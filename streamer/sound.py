"""The sound half of a session: chunks of PCM become events on one clock, from first sample to last.

Dsp, pauses, encoder, word times. Waits for nothing: when to push what is the session's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from streamer.audio.dsp import Dsp
from streamer.audio.encoder import Encoder
from streamer.lines import Line
from streamer.text.estimates import Estimate, Tempo
from streamer.text.pauses import pause_after
from streamer.timeline import Timeline
from streamer.types import (
    Audio,
    Event,
    Mark,
    Packet,
    PcmChunk,
    Samples,
    SegmentStarted,
    Start,
    Trace,
    Word,
    Words,
)

FIRST_SLICE_S = 0.02
SLICE_S = 0.06
"""Sound encoded in one go: small at first, so that the first packet leaves at once; later at most a
few ms of the loop's time with the slowest codec."""


class Sound:
    """The clock of one context. Every method yields events lazily: sound is encoded as it is asked for.

    `live`: somebody wants words as they play, though times that are guessed are better behind the end.
    """

    def __init__(
        self,
        start: Start,
        encoder: Encoder,
        rate: int,
        clock: Callable[[], float],
        *,
        live: bool = True,
    ) -> None:
        assert encoder.format.sample_rate is not None
        self.timeline = Timeline(rate, encoder.format.sample_rate)
        self._start = start
        self._encoder = encoder
        self._rate = rate
        self._clock = clock
        self._live = live
        self._position = 0
        self._begun_at = 0
        self._silence = 0
        self._padded = False
        self._line: Line | None = None
        self._dsp: Dsp | None = None
        self._taken = 0
        self._worded = False
        self._announced = False
        """Whether the segment's event is out: that of a line still open waits for its text."""
        self._trace: Trace | None = None
        self._guess: Estimate | None = None
        self._tempos: dict[tuple[str, str], Tempo] = {}
        self._open_word: list[Word] = []
        self._segment_starts: deque[tuple[int, bool]] = deque()
        self.lost = False
        """Whether the rest of the latest segment failed."""
        self._after_loss = False
        self._flushed = False

    @property
    def samples(self) -> int:
        """Sound so far, at the output rate."""
        return self._encoder.samples

    @property
    def holds_back(self) -> bool:
        """Whether sound of a finished segment is still inside the encoder."""
        finished = self._line is not None and self._dsp is None
        return finished and not (self._padded or self._flushed) and self._encoder.delay > 0

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
        words = self._words(line, chunk)
        slices = self._slices(self._dsp, chunk, final)
        packets = next(slices, [])
        if begins:
            self._trace = self._traced(line, since, synthesized)
        if not (self._announced or line.open):
            self._announced = True
            yield self._segment_started(line)
        yield from words
        yield from self._audio(packets, last=final and self._flushed)
        for packets in slices:
            yield from self._audio(packets, last=final and self._flushed)
        if chunk.last:
            self._dsp = None
            self.lost = chunk.lost

    def pad(self) -> Iterator[Event]:
        """Push out what the encoder holds back; the silence counts as part of the coming pause."""
        self._padded = True
        yield from self._quiet(self._encoder.delay)

    def rest(self) -> Iterator[Event]:
        """The end of the sound: what the encoder still holds, and the marks that lie there."""
        if not self._flushed:
            self._flushed = True
            empty = Packet(b"", self._encoder.samples, 0)
            packets = self._encoder.flush() or ([empty] if self._line else [])
            yield from self._audio(packets, last=True)
        for pts, name in self.timeline.marks_left(self._encoder.samples):
            yield Mark(self._start.context, name, pts)

    def guess(self) -> None:
        """Put the other words of a segment that was cut off on the clock, where its engine tells none:
        somebody has heard some of them. To be asked once no chunk comes any more."""
        line, guess = self._line, self._guess
        if line is None or guess is None or self._dsp is None or self._worded:
            return
        self._worded = True
        guess.grow(line.segment.text)
        words = guess.guess(self._taken)
        self.timeline.add(self._in_the_clients_text(line, words, True))

    def _begin(self, line: Line) -> None:
        options, native = line.options, line.segment.options
        self._dsp = Dsp(
            self._rate,
            speed=options.speed / native.speed,
            pitch=options.pitch / native.pitch,
            volume=options.volume / native.volume,
        )
        self._line = line
        self._begun_at = self._position
        self._after_loss, self.lost = self.lost, False
        self._segment_starts.append((self.timeline.at(self._position), self._after_loss))
        self._silence = 0
        self._padded = False
        self._taken = 0
        self._worded = self._announced = False
        self._guess = None

    def _pause(self, line: Line, dry_s: float) -> Iterator[Event]:
        before = self._line
        if before is None:
            return
        pause_s = pause_after(before.span.text, before.span.reason) / line.options.speed
        yield from self._quiet(round((pause_s - dry_s) * self._rate) - self._silence)

    def _quiet(self, samples: int) -> Iterator[Event]:
        if samples > 0:
            self._silence += samples
            yield from self._audio(self._encode(np.zeros(samples, np.float32)))

    def _slices(self, dsp: Dsp, chunk: PcmChunk, final: bool) -> Iterator[list[Packet]]:
        """Packets of a chunk, slice by slice; a final chunk's last slice brings the encoder's rest."""
        self._taken += len(chunk.samples)
        sound = dsp.push(chunk.samples)
        if chunk.last:
            sound += dsp.flush()
        slices = deque(self._cut(sound))
        while slices:
            packets = self._encode(slices.popleft())
            if final and not slices:
                self._flushed = True
                packets += self._encoder.flush()
            yield packets

    def _cut(self, sound: Iterable[Samples]) -> Iterator[Samples]:
        step = FIRST_SLICE_S if self._position == 0 else SLICE_S
        for samples in sound:
            at = 0
            while at < len(samples):
                size = round(step * self._rate)
                yield samples[at : at + size]
                at += size
                step = SLICE_S

    def _encode(self, samples: Samples) -> list[Packet]:
        self._position += len(samples)
        return self._encoder.push(samples)

    def _audio(self, packets: list[Packet], last: bool = False) -> Iterator[Event]:
        context = self._start.context
        for number, packet in enumerate(packets, 1):
            end = packet.pts + packet.duration
            for pts, name in self.timeline.marks_before(end):
                yield Mark(context, name, pts)
            first = bool(self._segment_starts) and self._segment_starts[0][0] < end
            lost = self._segment_starts.popleft()[1] if first else False
            yield Audio(context, packet, first, last and number == len(packets), lost)

    def _traced(self, line: Line, since: float, synthesized: float) -> Trace | None:
        if not self._start.trace:
            return None
        times = (line.received_at, line.cut_at, synthesized, self._clock())
        return Trace(*(round(1000 * (at - since), 3) for at in times))

    def _segment_started(self, line: Line) -> SegmentStarted:
        span = line.span
        start = self.timeline.at(self._begun_at)
        return SegmentStarted(
            self._start.context,
            line.segment.index,
            span.text,
            span.offset,
            start,
            span.reason,
            lost=self._after_loss,
            trace=self._trace,
        )

    def _words(self, line: Line, chunk: PcmChunk) -> list[Event]:
        """The words of a chunk, on the context's clock and in the client's text."""
        words, timing = chunk.words, line.engine.capabilities.word_times
        if not self._worded and (self._guessing or not words):
            words, timing = self._guessed(line, chunk), "estimated"
        elif words:
            self._worded = True
        placed = self.timeline.add(self._in_the_clients_text(line, words, chunk.last))
        if not placed or self._start.timestamps in ("none", "segment"):
            return []
        if self._start.timestamps == "char":
            return [Words(self._start.context, tuple(_characters(placed)), "estimated", "char")]
        return [Words(self._start.context, placed, timing)]

    @property
    def _guessing(self) -> bool:
        """Whether words of the segment have been told by a guess: then the others are too."""
        return self._guess is not None and self._guess.begun

    def _guessed(self, line: Line, chunk: PcmChunk) -> tuple[Word, ...]:
        """What a guess tells with a chunk: as it comes, of an engine that says no better; else at the end."""
        estimated = line.engine.capabilities.word_times == "estimated"
        comes = estimated and (self._live or chunk.total is not None)
        if chunk.lost or not (comes or chunk.last):
            return ()
        options, taken = line.segment.options, self._taken + len(chunk.samples)
        speaks = chunk.engine or line.engine.name, options.voice.id
        tempo = self._tempos.setdefault(speaks, Tempo())
        if self._guess is None:
            self._guess = Estimate(line.segment.text, self._rate / options.speed, tempo)
        self._guess.grow(line.segment.text)
        if not chunk.last:
            return self._guess.push(taken, chunk.total)
        self._worded = True
        tempo.heard(taken * options.speed / self._rate, self._guess.syllables)
        return self._guess.flush(taken)

    def _in_the_clients_text(self, line: Line, words: Sequence[Word], complete: bool) -> list[Word]:
        """Engine words as words of the client, one where lexicon or normaliser made several of it: such
        a one waits for its rest, or for the text to be `complete`."""
        assert self._dsp is not None
        mapped = self._open_word
        for word in words:
            low, high = line.text.source(word.offset, word.offset + len(word.text))
            text, offset = line.span.text[low:high], line.span.offset + low
            start = self._begun_at + round(word.start * self._dsp.scale)
            end = self._begun_at + round(word.end * self._dsp.scale)
            if mapped and offset < mapped[-1].offset + len(mapped[-1].text):
                known = mapped[-1]
                mapped[-1] = Word(known.text, known.start, end, known.offset)
            else:
                mapped.append(Word(text, start, end, offset))
        if complete:
            held = 0
        else:
            held = _goes_on(line, words[-1], mapped[-1]) if words else len(mapped)
        self._open_word = mapped[len(mapped) - held :]
        return mapped[: len(mapped) - held]


def _goes_on(line: Line, spoken: Word, word: Word) -> bool:
    """Whether what is spoken after an engine's word still belongs to the same word of the client."""
    end = spoken.offset + len(spoken.text)
    rest = line.text.text[end:].lstrip()
    if not rest:
        return False
    at = len(line.text.text) - len(rest)
    return line.span.offset + line.text.source(at, at + 1)[0] < word.offset + len(word.text)


def _characters(words: Iterable[Word]) -> Iterator[Word]:
    """Characters share the time of their word evenly: an estimate, and called one."""
    for word in words:
        step = (word.end - word.start) / len(word.text)
        for i, character in enumerate(word.text):
            start, end = word.start + round(i * step), word.start + round((i + 1) * step)
            yield Word(character, start, end, word.offset + i)
