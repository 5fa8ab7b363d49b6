"""What is spoken, as captions: a pure stage over the events of one context.

It asks for words (`Words.unit` "word") and segments, and tells the same captions however the words are cut
into events. A caption has the words of one segment, and times of its sound: from its first word to the end
of its last. How long captions stay on a screen is `legible`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamer.captions.layout import LINE, LINES, flat, lines, penalty, place_between, width
from streamer.text.alignment import client_words
from streamer.text.marks import (
    CLAUSE_MARKS,
    CLOSING,
    OPENING,
    STOPS,
    WIDE_CLAUSE_MARKS,
    WIDE_STOPS,
)
from streamer.types import (
    Caption,
    Continued,
    Done,
    Event,
    Failed,
    Interrupted,
    SegmentStarted,
    Word,
    Words,
)

LONGEST_S = 7.0
"""Netflix's Timed Text Style Guide: at most 7 s on the screen, at least 5/6 s."""
SHORTEST_S = 1.0
PAUSE_S = 1.0
"""No caption goes on over such a pause."""
_FULL = 0.9
"""How full captions of two lines are on average: lines break between words."""
_SILENT = CLOSING | OPENING | set(STOPS + WIDE_STOPS + CLAUSE_MARKS + WIDE_CLAUSE_MARKS)
KEPT = 256
"""Segments known at a time: those that are spoken, and those that may be said again behind a pause."""


class Captioner:
    """Captions of one context. Times in samples of `sample_rate`, that of its words.

    Behind `Continued` what was not heard is told again, from that word on: a caption that was told before
    is over at `Continued.start`. Of captions as input a caption has its cue's id, and those of cues that
    sound at once may overlap; no others do.
    """

    def __init__(self, context: str, sample_rate: int) -> None:
        self._context = context
        self._rate = sample_rate
        self._segments: deque[_Told] = deque()
        self._early: list[Word] = []
        """Of a segment that is still being written, whose event comes behind them."""
        self._count = 0

    def push(self, event: Event) -> list[Caption]:
        """The captions that are sure by now."""
        match event:
            case SegmentStarted():
                return self._begin(event)
            case Words(unit="word"):
                return self._add(event.words)
            case Continued():
                return self._go_back(event.offset, event.start)
            case Interrupted():
                return self._stop(event.played)
            case Done() | Failed():
                return self.flush()
        return []

    def flush(self) -> list[Caption]:
        """The rest of what has words: nothing comes any more of the segments so far."""
        told = []
        for segment in self._segments:
            told += self._tell(segment, over=True)
        early, self._early = self._early, []
        if early:  # its text was never told
            told += self._tell(_of_words(early), over=True)
        return told

    def _begin(self, started: SegmentStarted) -> list[Caption]:
        told = []
        for segment in list(self._segments):
            if segment.started.cue == started.cue and segment.started.offset == started.offset:
                self._segments.remove(segment)  # said again
            elif segment.started.cue is None:
                told += self._tell(segment, over=True)
        segment = _Told(started)
        self._segments.append(segment)
        if len(self._segments) > KEPT:
            told += self._tell(self._segments.popleft(), over=True)
        early, self._early = self._early, []
        return told + self._add(early)

    def _add(self, words: Iterable[Word]) -> list[Caption]:
        told: list[Caption] = []
        for word in words:
            segment = self._of(word)
            if segment is None:  # one that is not told yet has begun
                for before in self._segments:
                    told += self._tell(before, over=True)
                self._early.append(word)
            else:
                segment.words.append(word)
        for segment in self._segments:
            told += self._tell(segment)
        return told

    def _of(self, word: Word) -> _Told | None:
        for segment in reversed(self._segments):
            if segment.started.offset <= word.offset < segment.end:
                return segment
        return None

    def _go_back(self, offset: int, end: int) -> list[Caption]:
        """What was heard of the words that wait is a caption; the others come again."""
        told = []
        self._early = [word for word in self._early if word.offset < offset]
        for segment in self._segments:
            segment.words = [word for word in segment.words if word.offset < offset]
            told += self._tell(segment, over=True, end=end)
            if offset < segment.end:
                segment.at = min(segment.at, max(0, segment.before(offset)))
        return told

    def _stop(self, played: int) -> list[Caption]:
        """Of the words that wait, those that were heard."""
        self._early = [word for word in self._early if word.end <= played]
        for segment in self._segments:
            segment.words = [word for word in segment.words if word.end <= played]
        return self.flush()

    def _tell(self, segment: _Told, *, over: bool = False, end: int | None = None) -> list[Caption]:
        """What is sure of a segment; `over`: no more words of it come, and none is later than `end`."""
        told = []
        over = over or segment.complete
        while segment.words and (found := segment.cut(self._rate, over)) is not None:
            count, behind = found
            words, segment.words = tuple(segment.words[:count]), segment.words[count:]
            text = segment.text[segment.at : behind]
            segment.at = behind
            start, last = words[0].start, words[-1].end
            told.append(
                Caption(
                    self._context,
                    self._count,
                    "\n".join(lines(text)),
                    start,
                    last if end is None else max(start, min(last, end)),
                    words,
                    segment.started.cue,
                )
            )
            self._count += 1
        return told


@dataclass(slots=True, eq=False)
class _Told:
    """A segment of which captions are made: `words` wait, its text is told up to `at`."""

    started: SegmentStarted
    words: list[Word] = field(default_factory=list)
    at: int = 0

    @property
    def text(self) -> str:
        return self.started.text

    @property
    def end(self) -> int:
        """Behind it, in the input."""
        return self.started.offset + len(self.started.text)

    @property
    def complete(self) -> bool:
        """Whether behind the last word there is nothing that might be spoken."""
        return bool(self.words) and not _speakable(self.text[self._span(-1)[1] :])

    def before(self, offset: int) -> int:
        """Where the text of a caption begins whose first word is there."""
        at = offset - self.started.offset
        while at > 0 and not self.text[at - 1].isspace() and not self.text[at - 1].isalnum():
            at -= 1
        return at

    def cut(self, rate: int, over: bool) -> tuple[int, int] | None:
        """How many words the next caption has, and where its text ends. None: that depends on words to
        come. It depends on no words behind the first that doesn't fit, whatever is known of them."""
        places: list[tuple[int, int]] = []
        for count in range(1, len(self.words) + 1):
            last = count == len(self.words)
            if last and not over:
                return None
            place = self._last_place() if last else self._place(count)
            if place is None:
                continue
            if places and not self._fits(count, place, rate):
                break
            places.append((count, place))
            if last:
                return count, place
        ideal = self._ideal()
        return min(places, key=lambda place: self._cost(place, rate, ideal))

    def _span(self, index: int) -> tuple[int, int]:
        word = self.words[index]
        begin = word.offset - self.started.offset
        return begin, min(begin + len(word.text), len(self.text))

    def _place(self, count: int) -> int | None:
        """Where a caption of so many words may end."""
        end, start = self._span(count - 1)[1], self._span(count)[0]
        return place_between(self.text, max(self.at, end), max(self.at, start))

    def _last_place(self) -> int:
        """Where the text ends that was spoken; at the end, unless words are missing there."""
        end = max(self.at, self._span(-1)[1])
        if not client_words(self.text[end:]):
            return len(self.text)
        while end < len(self.text) and not (self.text[end].isspace() or _speakable(self.text[end])):
            end += 1
        return end

    def _fits(self, count: int, place: int, rate: int) -> bool:
        words = self.words[:count]
        if words[-1].end - words[0].start > LONGEST_S * rate or self._rest_s(count, rate) > PAUSE_S:
            return False
        text = flat(self.text[self.at : place])
        length = width(text)
        return length <= LINE or (length <= LINE * LINES + 1 and len(lines(text)) <= LINES)

    def _rest_s(self, count: int, rate: int) -> float:
        """The silence before the last of so many words."""
        return (self.words[count - 1].start - self.words[count - 2].end) / rate

    def _ideal(self) -> float:
        """How long the next caption would be if all of the rest were equally long."""
        rest = width(flat(self.text[self.at :]))
        return rest / -(-rest // (LINE * LINES * _FULL))

    def _cost(self, cut: tuple[int, int], rate: int, ideal: float) -> float:
        count, place = cut
        before, after = self.text[self.at : place], self.text[place:]
        off = abs(width(flat(before)) - ideal) / (LINE * LINES)
        short = self.words[count - 1].end - self.words[0].start < SHORTEST_S * rate
        rest_s = min(0.5, max(0.0, self._rest_s(count + 1, rate)))
        return penalty(before, after) + 1.5 * off + 0.5 * short - rest_s


def _speakable(text: str) -> bool:
    """Whether a voice might say something of it: a symbol it may, the usual marks it never does."""
    return any(not (character.isspace() or character in _SILENT) for character in text)


def _of_words(words: list[Word]) -> _Told:
    """A segment of which nothing but its words is known."""
    begin = words[0].offset
    text = ""
    for word in words:
        text = text[: word.offset - begin].ljust(word.offset - begin) + word.text
    return _Told(SegmentStarted("", 0, text, begin, words[0].start, "flush"), list(words))
