"""The characters that cut text: which marks end a sentence or a clause in which script, what opens and
closes, what is an emoji. Tables only; how they are used is `boundaries` and `segmenter`."""

from __future__ import annotations

import re

STOPS = ".!?…‼⁇⁈⁉‽"
"""Terminal marks of scripts with spaces and abbreviations (Latin, Cyrillic, Greek, Hangul)."""

WIDE_STOPS = (
    "。｡！？．"  # Chinese, Japanese; fullwidth forms
    "।॥"  # Devanagari and other Indic scripts
    "؟۔"  # Arabic, Urdu
    "։"  # Armenian
    "።፧"  # Ethiopic
    "។៕"  # Khmer
    "။"  # Burmese
    "།༎"  # Tibetan
    "᠃"  # Mongolian
)
"""Terminal marks that are never part of a word: they decide as soon as the next character is known."""

CLAUSE_MARKS = ",;:—–-"
WIDE_CLAUSE_MARKS = "、，；：､،؛၊"
BULLETS = "•⁃‣◦▪●"

PAIRS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "“": "”",
    "„": "“",
    "«": "»",
    "「": "」",
    "『": "』",
    "（": "）",
    "【": "】",
    "《": "》",
    "〈": "〉",
}
"""Brackets and quotes that hold a sentence together. Not the single quotes: they are apostrophes."""

QUOTE = '"'
MARKDOWN = "*_~`"
CLOSING = frozenset(PAIRS.values()) | {QUOTE, "'", "’", "›", "]", "〕"} | frozenset(MARKDOWN)
OPENING = frozenset(PAIRS) | {QUOTE, "'", "‘", "‚", "‹", "¿", "¡"} | frozenset(MARKDOWN)

_EMOJI = (
    "\U0001f000-\U0001faff"  # pictographs, flags, skin tones
    "\u2600-\u27bf\u2b00-\u2bff\u231a-\u23ff\u25fb-\u25fe\u2139\u2934\u2935\u3030\u303d\u3297\u3299"
    "\u200d\ufe0e\ufe0f\u20e3"  # joiner, presentation selectors, keycap
    "\U000e0020-\U000e007f"  # tags of subdivision flags
)
EMOJI = re.compile(f"[{_EMOJI}]+")
EMOJI_TAIL = re.compile(f"(?:[ \\t\\u00a0]*[{_EMOJI}]+)+")
"""Emoji that belong to the sentence before them."""

IDEOGRAM = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
"""Han, Hiragana, Katakana: scripts written without spaces, about two characters to a word."""

HIRAGANA = re.compile("[\u3041-\u309f]")
WORD = re.compile(r"\S*\w\S*")


def _any_of(characters: str) -> re.Pattern[str]:
    return re.compile("[" + re.escape(characters) + "]")


_SENTENCE = STOPS + WIDE_STOPS + BULLETS + "\n\u2028\u2029" + QUOTE + "".join(PAIRS)
_SENTENCE += "".join(PAIRS.values())
SENTENCE_CANDIDATE = _any_of(_SENTENCE)
CLAUSE_CANDIDATE = _any_of(_SENTENCE + CLAUSE_MARKS + WIDE_CLAUSE_MARKS)
