"""The words of a context's segments: an engine's, or guessed ones, as words of the client's text."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.lines import Line
from streamer.text.estimates import Estimate, Tempo
from streamer.types import PcmChunk, Timing, Word


class Wording:
    """One segment after the other, each chunk of it once. Positions are the context's, at the engine's rate.

    `live`: somebody wants words as they play, though times that are guessed are better behind the end.
    """

    def __init__(self, rate: int, *, live: bool) -> None:
        self._rate = rate
        self._live = live
        self._at = 0
        self._scale = 1.0
        self._taken = 0
        self._total: int | None = None
        self._complete = True
        self._worded = False
        self._guess: Estimate | None = None
        self._tempos: dict[tuple[str, str], Tempo] = {}
        self._open: list[Word] = []

    @property
    def complete(self) -> bool:
        """Whether all words of the segment have been told."""
        return self._complete

    def begin(self, at: int, scale: float) -> None:
        """A segment begins there; its sound is `scale` times as long as its engine's."""
        self._at, self._scale = at, scale
        self._taken, self._total = 0, None
        self._complete = self._worded = False
        self._guess = None

    def move(self, by: int) -> None:
        """The segment lies so much later: what is told from now on."""
        self._at += by
        self._open = [Word(w.text, w.start + by, w.end + by, w.offset) for w in self._open]

    def of(self, line: Line, chunk: PcmChunk) -> tuple[list[Word], Timing]:
        """What a chunk tells."""
        words, timing = chunk.words, line.engine.capabilities.word_times
        self._taken += len(chunk.samples)
        self._total = chunk.total
        if not self._worded and (self._guessing or not words):
            words, timing = self._guessed(line, chunk), "estimated"
        elif words:
            self._worded = True
        self._complete = chunk.last
        return self._in_the_clients_text(line, words, chunk.last), timing

    def rest(self, line: Line) -> list[Word]:
        """Of a segment that was cut off, the others by a guess, where its engine tells none: somebody has
        heard some of them."""
        guess = self._guess
        if guess is None or self._worded:
            return []
        self._worded = True
        guess.grow(line.segment.text)
        return self._in_the_clients_text(line, guess.guess(self._taken), True)

    def so_far(self, line: Line) -> list[Word]:
        """Of a segment that goes on later, those that have ended by a guess, where its engine tells none."""
        guess = self._guess
        if guess is None or self._worded:
            return []
        guess.grow(line.segment.text)
        words = guess.push(self._taken, self._total, held_s=0.0)
        return self._in_the_clients_text(line, words, False) if words else []

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
        options, taken = line.segment.options, self._taken
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
        mapped = self._open
        for word in words:
            low, high = line.text.source(word.offset, word.offset + len(word.text))
            text, offset = line.span.text[low:high], line.span.offset + low
            start = self._at + round(word.start * self._scale)
            end = self._at + round(word.end * self._scale)
            if mapped and offset < mapped[-1].offset + len(mapped[-1].text):
                known = mapped[-1]
                mapped[-1] = Word(known.text, known.start, end, known.offset)
            else:
                mapped.append(Word(text, start, end, offset))
        if complete:
            held = 0
        else:
            held = _goes_on(line, words[-1], mapped[-1]) if words else len(mapped)
        self._open = mapped[len(mapped) - held :]
        return mapped[: len(mapped) - held]


def _goes_on(line: Line, spoken: Word, word: Word) -> bool:
    """Whether what is spoken after an engine's word still belongs to the same word of the client."""
    end = spoken.offset + len(spoken.text)
    rest = line.text.text[end:].lstrip()
    if not rest:
        return False
    at = len(line.text.text) - len(rest)
    return line.span.offset + line.text.source(at, at + 1)[0] < word.offset + len(word.text)
