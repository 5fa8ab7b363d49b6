"""Which script a letter is of, and which scripts a language is written in. Unicode 15 block ranges."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

RANGES: dict[str, str] = {
    # Latin includes phonetic extensions and fullwidth forms; × (U+00D7) and ÷ (U+00F7) are no letters.
    "latin": "A-Za-zªºÀ-ÖØ-öø-ʸˠ-ˤᴀ-ᴥᴬ-ᵜᵢ-ᵥᵫ-ᵷᵹ-ᶾḀ-ỿⁱⁿₐ-ₜKÅℲⅎⱠ-ⱿꜢ-ꞇꞋ-ꟿꬰ-ꭤﬀ-ﬆＡ-Ｚａ-ｚ",
    "greek": "Ͱ-ͳ͵-ͷͺ-ͽͿΆΈ-ϡϰ-Ͽἀ-῾Ω",
    "cyrillic": "Ѐ-ԯᲀ-ᲈᴫᵸꙀ-ꚟ",
    "armenian": "Ա-֏ﬓ-ﬗ",
    "hebrew": "\u0591-\u05f4\ufb1d-\ufb4f",
    "arabic": "\u0600-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "devanagari": "\u0900-\u097f\ua8e0-\ua8ff",
    "bengali": "\u0980-\u09ff",
    "gurmukhi": "\u0a00-\u0a7f",
    "gujarati": "\u0a80-\u0aff",
    "oriya": "\u0b00-\u0b7f",
    "tamil": "\u0b80-\u0bff",
    "telugu": "\u0c00-\u0c7f",
    "kannada": "\u0c80-\u0cff",
    "malayalam": "\u0d00-\u0d7f",
    "sinhala": "\u0d80-\u0dff",
    "thai": "\u0e00-\u0e7f",
    "lao": "\u0e80-\u0eff",
    "tibetan": "\u0f00-\u0fff",
    "burmese": "\u1000-\u109f",
    "georgian": "\u10a0-\u10ff\u1c90-\u1cbf",
    "ethiopic": "\u1200-\u139f",
    "khmer": "\u1780-\u17ff",
    "hangul": "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb\uffa0-\uffdc",
    "kana": "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "han": "\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U000323af",
}
"""Letters and digits of each script, as the inside of a character class."""

SCRIPTS: dict[str, tuple[str, ...]] = {
    "ja": ("han", "kana", "latin"),
    "zh": ("han", "latin"),
    "yue": ("han", "latin"),
    "ko": ("hangul", "han", "latin"),
    "ru": ("cyrillic",),
    "uk": ("cyrillic",),
    "be": ("cyrillic",),
    "bg": ("cyrillic",),
    "mk": ("cyrillic",),
    "sr": ("cyrillic", "latin"),
    "kk": ("cyrillic",),
    "mn": ("cyrillic",),
    "el": ("greek",),
    "hy": ("armenian",),
    "he": ("hebrew",),
    "yi": ("hebrew",),
    "ar": ("arabic",),
    "fa": ("arabic",),
    "ur": ("arabic",),
    "hi": ("devanagari", "latin"),
    "mr": ("devanagari",),
    "ne": ("devanagari",),
    "bn": ("bengali",),
    "pa": ("gurmukhi",),
    "gu": ("gujarati",),
    "or": ("oriya",),
    "ta": ("tamil",),
    "te": ("telugu",),
    "kn": ("kannada",),
    "ml": ("malayalam",),
    "si": ("sinhala",),
    "th": ("thai",),
    "lo": ("lao",),
    "bo": ("tibetan",),
    "my": ("burmese",),
    "ka": ("georgian",),
    "am": ("ethiopic",),
    "km": ("khmer",),
}
"""Scripts of a language by its primary BCP 47 subtag; every other is written in Latin letters. Chinese,
Japanese, Korean and Hindi sentences may be all Latin ("OK!"), and their voices read them."""

_LATIN = ("latin",)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ASCII_LETTER = re.compile(r"[A-Za-z]")
_COMMON = "µʰ-ʷʹ-ʿˆ-ˑˬˮ\u0300-\u036fー々〆ℂ-ℯ０-９\U0001d400-\U0001d7ff"
"""Letters of no one script: modifiers, accents, letter-like symbols, styled letters (read as plain)."""


def primary(tag: str) -> str:
    """The language of a BCP 47 tag: "en" of "en-US"."""
    return tag.lower().replace("_", "-").partition("-")[0]


def first_foreign(text: str, languages: Sequence[str]) -> int | None:
    """Offset of the first letter or digit of a script that none of these languages (BCP 47) is written
    in. A voice of another script reads Latin words among its own, but not Latin text alone."""
    scripts = {name for tag in languages for name in SCRIPTS.get(primary(tag), _LATIN)}
    if "latin" in scripts and text.isascii():
        return None
    own = re.compile("[" + "".join(RANGES[name] for name in sorted(scripts)) + "]")
    known = re.compile("[" + _COMMON + RANGES["latin"] + "]")
    if "latin" not in scripts and not own.search(text):
        latin = _ASCII_LETTER.search(text)
        if latin:
            return latin.start()
    for found in _NOT_ASCII.finditer(text):
        character = found.group()
        letter = character.isalpha() or unicodedata.category(character) == "Nd"
        if letter and not (known.match(character) or own.match(character)):
            return found.start()
    return None
