"""Whether a voice can say a text: by script, exactly; by language, only where it is clearly another.

Own word lists rather than a classifier: py3langid 0.4 takes 0.5 s to load and calls "Hello world."
Fulah and "Yes, no problem." Aragonese, and a false alarm refuses good text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from streamer.text.scripts import first_foreign, primary
from streamer.text.stopwords import LETTERS, SPEAKERS, WORDS

_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE = re.compile(r"[^.!?…\n]+[.!?…]*")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")

FEW_HITS, FEW_SHARE = 2, 0.4
MANY_HITS, MANY_SHARE = 3, 0.25
"""A sentence is another language's if so many of its words are that language's little words, and such a
share of all; set so that titles, dishes and quotations within English stay English."""


def unspeakable(text: str, languages: Sequence[str], declared: str = "auto") -> int | None:
    """Offset of the first thing in `text` that a voice of these languages (BCP 47) can't say: a letter
    of another script, or the start of a sentence in another language. None: it can say it all.

    `declared` is what the client says the language is: not one of the voice's, and nothing can be
    said; one of the voice's, and no language is guessed.
    """
    if not languages:  # a voice that names none takes what comes
        return None
    spoken = {primary(tag) for tag in languages}
    if declared != "auto" and primary(declared) not in spoken:
        letter = _LETTER.search(text)
        return letter.start() if letter else None
    offset = first_foreign(text, languages)
    if declared != "auto" or not all(language in WORDS for language in spoken):
        return offset
    for sentence in _SENTENCE.finditer(text, 0, len(text) if offset is None else offset):
        if _is_foreign(sentence.group(), spoken):
            return sentence.start() + len(sentence.group()) - len(sentence.group().lstrip())
    return offset


def _is_foreign(sentence: str, spoken: set[str]) -> bool:
    """Whether little words of some other language clearly outweigh those of the spoken ones."""
    hits: Counter[str] = Counter()
    words = [word for word in _WORD.findall(sentence) if len(word) == 1 or not word.isupper()]
    for word in words:
        speakers = SPEAKERS.get(word.lower().replace("’", "'"))
        if speakers:
            hits.update(speakers)
    if not sentence.isascii():
        marked = "".join(word for word in words if word[0].islower())
        for language, letters in LETTERS.items():
            if any(letter in marked for letter in letters):
                hits[language] += 1
    own = max(hits[language] for language in spoken)
    foreign = max((n for language, n in hits.items() if language not in spoken), default=0)
    if foreign <= 2 * own:
        return False
    share = foreign / len(words)
    few = foreign >= FEW_HITS and share >= FEW_SHARE
    return few or (foreign >= MANY_HITS and share >= MANY_SHARE)
