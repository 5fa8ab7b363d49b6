"""What a context of captions has said so far: the cues' texts as they were begun, and their words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from streamer.timeline import heard_length
from streamer.types import Word

BETWEEN = "\n"


class Said:
    """The input that offsets count in: texts joined by line ends. Of captions that go on for days the
    oldest is forgotten, beyond `most` characters; offsets go on."""

    def __init__(self, most: int) -> None:
        self.end = 0
        """Code points of the input."""
        self._most = most
        self._texts: deque[tuple[int, str]] = deque()
        self._words: deque[Word] = deque()

    @property
    def next(self) -> int:
        """The offset of the next text."""
        return self.end + len(BETWEEN) if self.end else 0

    def add(self, text: str) -> int:
        """Its offset."""
        offset = self.end = self.next
        self._texts.append((offset, text))
        self.end += len(text)
        while len(self._texts) > 1 and self.end - self._texts[0][0] > self._most:
            self._texts.popleft()
            while self._words and self._words[0].offset < self._texts[0][0]:
                self._words.popleft()
        return offset

    def tell(self, words: tuple[Word, ...]) -> None:
        self._words += words

    def heard(self, played: int, waiting: Iterable[str]) -> tuple[str, tuple[Word, ...], str]:
        """Up to a sample: the text, its words, and the text that was not heard, with what waits."""
        text = BETWEEN.join([*(text for _, text in self._texts), *waiting])
        words = tuple(word for word in self._words if word.end <= played)
        if not words:
            return "", (), text
        base = self._texts[0][0]
        last = max(words, key=lambda word: word.offset)
        near = Word(last.text, last.start, last.end, last.offset - base)
        length = heard_length(text, (near,))
        return text[:length], words, text[length:]
