"""What is spoken, as captions: a pure stage over the events of one context.

It asks for words (`Words.unit` "word") and segments, and tells the same captions however the words are cut
into events. A caption has the words of one segment, and times of its sound: from its first word to the end
of its last. How long captions stay on a screen is `legible`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence

from streamer.captions.layout import LINE, LINES, fits, flat, lines, penalty, place_between, width
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
_FAR = 1000
"""Characters that a caption's length is chosen by: more of them are as many full ones."""
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

    def take_back(self, captions: Sequence[Caption]) -> None:
        """The latest ones were never told: their words wait again."""
        for caption in reversed(captions):
            segment = self._of(caption.words[0])
            if segment is not None:
                segment.words[:0] = caption.words
                segment.at = min(segment.at, segment.before(caption.words[0].offset))
        self._count -= len(captions)

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
        while segment.words and (found := segment.cut(self._rate, over)) is not None:
            count, behind = found
            words, segment.words = tuple(segment.words[:count]), segment.words[count:]
            text = segment.text[segment.at : behind]
            segment.at = behind
            if not words:  # of text that isn't spoken
                continue
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


class _Told:
    """A segment of which captions are made: `words` wait, its text is told up to `at`."""

    def __init__(self, started: SegmentStarted) -> None:
        self.started = started
        self.text = started.text
        self.end = started.offset + len(started.text)
        """Behind it, in the input."""
        self.words: list[Word] = []
        self.at = 0
        self._spans = [(at, at + len(word)) for at, word in client_words(self.text)]
        self._begins = [at for at, _ in self._spans] + [len(self.text)]
        self._plan = -1, 0

    def before(self, offset: int) -> int:
        """Where the text of a caption begins whose first word is there."""
        at = offset - self.started.offset
        while at > 0 and not self.text[at - 1].isspace() and not self.text[at - 1].isalnum():
            at -= 1
        return at

    def cut(self, rate: int, over: bool) -> tuple[int, int] | None:
        """How many words the next caption has, and where its text ends; None: not yet. Where it ends is
        known from the text, unless its words take too long."""
        place = self._planned()
        for index, word in enumerate(self.words):
            if self._begin(word) >= place:
                return index, self._behind(index, place)
            if index and self._too_long(index, rate):
                sooner = self._sooner(self._begin(word))
                count = sum(self._begin(word) < sooner for word in self.words[:index])
                if count:
                    return count, self._behind(count, sooner)
        count = len(self.words)
        behind = self._behind(count, place)
        if not _speakable(self.text[self._behind(count, 0) : place]):
            return count, behind
        return (count, self._last_place()) if over else None

    def _begin(self, word: Word) -> int:
        return word.offset - self.started.offset

    def _behind(self, count: int, place: int) -> int:
        """That place, or behind the last of so many words."""
        if not count:
            return place
        word = self.words[count - 1]
        return max(place, self.at, min(self._begin(word) + len(word.text), len(self.text)))

    def _too_long(self, index: int, rate: int) -> bool:
        first, before, word = self.words[0], self.words[index - 1], self.words[index]
        rest = word.start - before.end
        return word.end - first.start > LONGEST_S * rate or rest > PAUSE_S * rate

    def _planned(self) -> int:
        """Where the next caption ends, as far as its text says."""
        if self._plan[0] != self.at:
            whole = len(self.text)
            places = self._places(whole)
            if places[-1:] != [whole]:
                rest = width(flat(self.text[self.at : self.at + _FAR]))
                ideal = rest / max(1, -(-rest // (LINE * LINES * _FULL)))
                whole = min(places, key=lambda place: self._cost(place, ideal), default=whole)
            self._plan = self.at, whole
        return self._plan[1]

    def _sooner(self, most: int) -> int:
        """Where it ends if it has to end there; where it begins, if it can't."""
        places = [place for place in self._places(most) if place <= most]
        longest = width(flat(self.text[self.at : max(places, default=self.at)]))
        return min(places, key=lambda place: self._cost(place, longest), default=self.at)

    def _places(self, most: int) -> list[int]:
        """Where a caption may end that begins here, as far as one goes, the first in any case."""
        first = bisect_left(self._spans, (self.at, 0))
        places: list[int] = []
        for index in range(first, len(self._spans)):
            end, start = self._spans[index][1], self._begins[index + 1]
            place = place_between(self.text, end, start) if start < len(self.text) else start
            if place is None:
                continue
            if places and (place > most or not fits(self.text[self.at : place])):
                break
            places.append(place)
        return places

    def _cost(self, place: int, ideal: float) -> float:
        before, after = self.text[self.at : place], self.text[place : place + LINE]
        return penalty(before, after) + 1.5 * abs(width(flat(before)) - ideal) / (LINE * LINES)

    def _last_place(self) -> int:
        """Where the text ends that was spoken; at the end, unless words are missing there."""
        end = self._behind(len(self.words), 0)
        if not client_words(self.text[end:]):
            return len(self.text)
        while end < len(self.text) and not (self.text[end].isspace() or _speakable(self.text[end])):
            end += 1
        return end


def _speakable(text: str) -> bool:
    """Whether a voice might say something of it: a symbol it may, the usual marks it never does."""
    return any(not (character.isspace() or character in _SILENT) for character in text)


def _of_words(words: list[Word]) -> _Told:
    """A segment of which nothing but its words is known."""
    begin = words[0].offset
    text = ""
    for word in words:
        text = text[: word.offset - begin].ljust(word.offset - begin) + word.text
    told = _Told(SegmentStarted("", 0, text, begin, words[0].start, "flush"))
    told.words = list(words)
    return told
