"""Where each character of a changed text came from, and the words of a text as a listener counts them.

Pure mapping of spans; it knows neither languages nor why a text is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from streamer.types import Word

_TOKEN = re.compile(r"\S+")
_NOT_WORD = re.compile(r"[\W_]+")

Span = tuple[int, int]


class SpannedText:
    """Immutable text that remembers which characters of a source string each of its own stands for.

    `text` is what it says now. Unchanged text carries no table; a changed one carries the source span
    of every character, non-decreasing.
    """

    __slots__ = ("_ends", "_length", "_starts", "text")

    def __init__(
        self,
        text: str,
        starts: Sequence[int] | None = None,
        ends: Sequence[int] | None = None,
        length: int | None = None,
    ) -> None:
        """Use `of`. `starts`, `ends`: source span of each character, None for identity; `length`: of
        the source."""
        self.text = text
        self._starts = starts
        self._ends = ends
        self._length = len(text) if length is None else length

    @classmethod
    def of(cls, text: str) -> SpannedText:
        """A source text, unchanged."""
        return cls(text)

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        return f"SpannedText({self.text!r})"

    def source(self, start: int, end: int) -> Span:
        """The span of the source that `text[start:end]` stands for; an empty span gives an empty one."""
        if not 0 <= start <= end <= len(self.text):
            raise ValueError(f"no span {start}:{end} in a text of {len(self.text)} characters")
        if self._starts is None or self._ends is None:
            return start, end
        if start == end:
            point = self._starts[start] if start < len(self.text) else self._length
            return point, point
        return self._starts[start], max(self._ends[start], self._ends[end - 1])

    def __getitem__(self, part: slice) -> SpannedText:
        """A stretch of this text (step 1), with the same source."""
        start, stop, step = part.indices(len(self.text))
        if step != 1:
            raise ValueError("a SpannedText is cut in steps of 1")
        stop = max(start, stop)
        if start == 0 and stop == len(self.text):
            return self
        starts, ends = self._tables()
        return SpannedText(
            self.text[start:stop], starts[start:stop], ends[start:stop], self._length
        )

    def strip(self) -> SpannedText:
        """Without the whitespace around it."""
        begin = len(self.text) - len(self.text.lstrip())
        return self[begin : max(begin, len(self.text.rstrip()))]

    def sub(
        self, pattern: re.Pattern[str] | str, repl: str | Callable[[re.Match[str]], str]
    ) -> SpannedText:
        """Like `re.sub`, with spans. `repl` as text is a template (`\\1`).

        A replaced block stands for the whole matched span, refined by words: words that are equal but
        for case and punctuation stand for each other, the rest for what lies between those.
        """
        found = list(re.compile(pattern).finditer(self.text))
        if not found:
            return self
        starts, ends = self._tables()
        text: list[str] = []
        new_starts: list[int] = []
        new_ends: list[int] = []
        at = 0
        for match in found:
            begin, end = match.span()
            block = match.expand(repl) if isinstance(repl, str) else repl(match)
            text += self.text[at:begin], block
            new_starts += starts[at:begin]
            new_ends += ends[at:begin]
            for low, high in _block_spans(match.group(), block):
                source = self.source(begin + low, begin + high)
                new_starts.append(source[0])
                new_ends.append(source[1])
            at = end
        text.append(self.text[at:])
        new_starts += starts[at:]
        new_ends += ends[at:]
        return SpannedText("".join(text), new_starts, new_ends, self._length)

    def _tables(self) -> tuple[Sequence[int], Sequence[int]]:
        if self._starts is None or self._ends is None:
            return range(len(self.text)), range(1, len(self.text) + 1)
        return self._starts, self._ends


def _block_spans(old: str, new: str) -> list[Span]:
    """For each character of `new` the span of `old` that it stands for."""
    said = new.strip()
    at = old.find(said)
    if said and at >= 0:  # a link's text, a word without its marks: the very characters
        blank = len(new) - len(new.lstrip())
        spans = [(at, at)] * blank + [(i, i + 1) for i in range(at, at + len(said))]
        return spans + [(at + len(said),) * 2] * (len(new) - len(spans))
    old_words = [found.span() for found in _TOKEN.finditer(old)]
    new_words = [found.span() for found in _TOKEN.finditer(new)]
    if len(old_words) < 2 or len(new_words) < 2:
        return [_within(old, 0, len(old))] * len(new)
    spans = []
    for begin, end, low, high in _paired(old, new, old_words, new_words):
        spans += [(low, low)] * (begin - len(spans))  # the whitespace between two words
        spans += [(low, high)] * (end - begin)
    last = spans[-1][1] if spans else 0
    return spans + [(last, last)] * (len(new) - len(spans))


def _paired(
    old: str, new: str, old_words: list[Span], new_words: list[Span]
) -> list[tuple[int, int, int, int]]:
    """Each word of `new` (begin, end) with the span of `old` (low, high) that it stands for."""
    old_keys = [_key(old[a:b]) for a, b in old_words]
    new_keys = [_key(new[a:b]) for a, b in new_words]
    pairs = []
    matcher = SequenceMatcher(None, old_keys, new_keys, autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        for n in range(k, m):
            if tag == "equal":
                low, high = old_words[i + n - k]
            elif i < j:
                low, high = old_words[i][0], old_words[j - 1][1]
            elif i > 0:  # said in addition: it belongs to the word before
                low, high = old_words[i - 1]
            else:
                low, high = old_words[0]
            pairs.append((*new_words[n], low, high))
    return pairs


def _within(text: str, start: int, end: int) -> Span:
    """The span without the whitespace at its ends, unless there is nothing else."""
    inner = text[start:end]
    if not inner.strip():
        return start, end
    return start + len(inner) - len(inner.lstrip()), start + len(inner.rstrip())


def _key(word: str) -> str:
    return _NOT_WORD.sub("", word).casefold() or word


# Words

_SPOKEN_SYMBOLS = frozenset("&%+=@")
_LINK_TARGET = r"\]\([^()\s]*\)|\]\[[^\[\]\s]*\]"
_TAG = r"</?[A-Za-z][^<>\n]*>"
_WIDE = (
    "\u3005\u3006\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
)
_WORDS = re.compile(
    rf"{_LINK_TARGET}|{_TAG}"
    rf"|(?P<wide>[{_WIDE}])"
    r"|(?P<word>(?:https?://|www\.)[^\s<>()\[\]]+"
    r"|(?:[^\W\d_]\.){2,}(?![^\W_])"
    rf"|(?:(?!{_LINK_TARGET}|{_TAG}|—|\.{{2,}}|…|[{_WIDE}])\S)+)"
)
_HEAD = "\"'“”‘’«»‹›„‚()[]{}<>*_~`|\\/.,;:!?¿¡…-–—#•·「」『』（）【】《》〈〉。，、！？；：।؟"
_TAIL = _HEAD.replace("#", "")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_DOTTED = re.compile(r"(?:[^\W\d_]\.){2,}")


def client_words(text: str) -> list[tuple[int, str]]:
    """The words of a text as a listener counts them, each with its offset: `text[o:o+len(w)] == w`.

    Whitespace separates them (and dashes, ellipses); each Han or Kana character is one. Punctuation
    and markup around a word are not part of it, link targets and tags are none. "$1,234.50", "isn't",
    "p.m.", "7:30" are one each, and a symbol that is spoken ("&", "%") is one by itself.
    """
    words: list[tuple[int, str]] = []
    for found in _WORDS.finditer(text):
        if found["wide"]:
            if _LETTER_OR_DIGIT.match(found["wide"]):
                words.append((found.start(), found["wide"]))
        elif found["word"]:
            words += _trimmed_word(found.start(), found["word"])
    return words


def _trimmed_word(offset: int, token: str) -> list[tuple[int, str]]:
    """The word within a token, if there is one."""
    if token in _SPOKEN_SYMBOLS:
        return [(offset, token)]
    if not _LETTER_OR_DIGIT.search(token):
        return []
    begin, end = 0, len(token)
    while token[begin] in _HEAD:
        begin += 1
    while token[end - 1] in _TAIL:
        end -= 1
    while begin and token[begin].isdigit() and token[begin - 1] in "-#.":  # "-5", "#1", ".5"
        begin -= 1
    if token[end : end + 1] == "." and _DOTTED.fullmatch(token[begin : end + 1]):
        end += 1
    return [(offset + begin, token[begin:end])]


# Estimated word times

_VOWELS = re.compile(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýœ]+", re.IGNORECASE)
_PAUSES = {",": 1.0, ";": 1.5, ":": 1.5, ".": 2.0, "!": 2.0, "?": 2.0, "…": 2.0, "—": 1.5}
"""Weight of the silence behind a mark, in syllables."""


def _weight(word: str) -> float:
    """How long a word takes, in syllables: vowel groups, digits as their names, capitals spelt."""
    digits = sum(c.isdigit() for c in word)
    wide = sum("\u3040" <= c <= "\u9fff" or "가" <= c <= "힣" for c in word)
    spelt = len(word) if word.isupper() and len(word) <= 4 and not digits else 0
    return max(1.0, len(_VOWELS.findall(word)), 1.3 * digits, wide, spelt) + len(word) / 20


SYLLABLE_S = 0.18
"""Seconds of a syllable at speed 1. The embedded voice takes 0.14 to 0.17: so rather a word too few is
guessed to have been heard than one too many."""


def estimate(text: str, samples: int) -> tuple[Word, ...]:
    """Guessed word times over `samples`, for engines that give none: by syllables and punctuation.

    They don't overlap, and the last word ends with the sound.
    """
    words, lengths = client_words(text), weights(text)
    total = sum(spoken + silent for spoken, silent in lengths) or 1.0
    timed, at = [], 0.0
    for (offset, word), (spoken, silent) in zip(words, lengths, strict=True):
        start, end = round(at / total * samples), round((at + spoken) / total * samples)
        timed.append(Word(word, start, end, offset))
        at += spoken + silent
    return tuple(timed)


def expected_seconds(text: str) -> float:
    """How long a text takes to say at speed 1, about: its silences too, but for the last one."""
    lengths = weights(text)
    if not lengths:
        return 0.0
    return SYLLABLE_S * (sum(spoken + silent for spoken, silent in lengths) - lengths[-1][1])


def weights(text: str) -> list[tuple[float, float]]:
    """How long each word takes, and the silence behind it, in syllables."""
    words = client_words(text)
    found: list[tuple[float, float]] = []
    for n, (offset, word) in enumerate(words):
        behind = words[n + 1][0] if n + 1 < len(words) else offset + len(word)
        marks = text[offset + len(word) : behind]
        found.append((_weight(word), max((_PAUSES.get(c, 0.0) for c in marks), default=0.0)))
    return found
