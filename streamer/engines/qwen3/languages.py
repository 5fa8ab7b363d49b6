"""Languages by BCP 47 and by the checkpoints' names; what the published voices are. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamer.errors import LanguageNotSupported
from streamer.types import Voice

NAMES: Mapping[str, str] = {
    "zh": "chinese",
    "cmn": "chinese",
    "en": "english",
    "de": "german",
    "it": "italian",
    "pt": "portuguese",
    "es": "spanish",
    "ja": "japanese",
    "ko": "korean",
    "fr": "french",
    "ru": "russian",
}
"""Primary subtags."""
DIALECTS: Mapping[str, str] = {
    "beijing": "beijing_dialect",
    "bj": "beijing_dialect",
    "sichuan": "sichuan_dialect",
    "sc": "sichuan_dialect",
}
"""Further subtags of Chinese ("zh-x-sichuan", "zh-CN-sc"): no registered ones are so fine."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What the model's page says of a published voice."""

    name: str
    gender: str
    primary: str
    description: str


PRESETS: Mapping[str, Preset] = {
    "vivian": Preset("Vivian", "female", "zh", "bright and slightly edgy, young"),
    "serena": Preset("Serena", "female", "zh", "warm and gentle, young"),
    "uncle_fu": Preset("Uncle Fu", "male", "zh", "low and mellow, seasoned"),
    "dylan": Preset("Dylan", "male", "zh", "of Beijing, clear and natural, young"),
    "eric": Preset("Eric", "male", "zh", "of Chengdu, lively, slightly husky"),
    "ryan": Preset("Ryan", "male", "en", "dynamic, with a strong rhythm"),
    "aiden": Preset("Aiden", "male", "en", "American, sunny, with clear mids"),
    "ono_anna": Preset("Ono Anna", "female", "ja", "playful, light and nimble"),
    "sohee": Preset("Sohee", "female", "ko", "warm, rich in emotion"),
}


def name_of(language: str, known: Mapping[str, object]) -> str:
    """A checkpoint's name of a BCP 47 language, "auto" for "auto". Raises `LanguageNotSupported` for one
    that is not among the `known` names."""
    if language == "auto":
        return "auto"
    primary, *others = language.lower().split("-")
    name = NAMES.get(primary, primary)
    if name == "chinese":
        name = next((DIALECTS[other] for other in others if other in DIALECTS), name)
    if name not in known:
        raise LanguageNotSupported(
            f"this checkpoint does not speak {language!r}",
            param="language",
            candidates=list(tags(known)),
        )
    return name


def tags(known: Mapping[str, object], primary: str = "") -> tuple[str, ...]:
    """BCP 47 tags of a checkpoint's languages, `primary` first if it is among them."""
    found = [tag for tag, name in NAMES.items() if name in known and tag != "cmn"]
    return tuple(sorted(found, key=lambda tag: tag != primary))


def voices(engine: str, speakers: Sequence[str], known: Mapping[str, object]) -> list[Voice]:
    """The voices of a CustomVoice checkpoint; one that is not known by name speaks all the same."""
    made = []
    for speaker in speakers:
        preset = PRESETS.get(speaker, Preset(speaker, "", "", ""))
        spoken = tags(known, preset.primary) or ("mul",)
        made.append(Voice(speaker, engine, preset.name, spoken, preset.gender, preset.description))
    return made
