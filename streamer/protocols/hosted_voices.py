"""Voice names that clients of the hosted Qwen3-TTS APIs insist on, and which voices here may stand for them.

Names from the documents of crun, Runware, AI/ML API, Evolink and ModelStream, with the speakers of
Qwen3-TTS that they pass on; genders as those documents, or Qwen's own list of voices, have them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from streamer.types import Voice

Gender = Literal["female", "male"]

WELL_KNOWN: Mapping[str, tuple[Gender, str]] = {
    "Cherry": ("female", "zh"),
    "Serena": ("female", "zh"),
    "Ethan": ("male", "zh"),
    "Chelsie": ("female", "en"),
    "Nofish": ("male", "zh"),
    "Jennifer": ("female", "en"),
    "Ryan": ("male", "en"),
    "Katerina": ("female", "zh"),
    "Elias": ("female", "zh"),
    "Jada": ("female", "zh"),
    "Dylan": ("male", "zh"),
    "Sunny": ("female", "zh"),
    "Li": ("male", "zh"),
    "Marcus": ("male", "zh"),
    "Roy": ("male", "zh"),
    "Peter": ("male", "zh"),
    "Rocky": ("male", "zh"),
    "Kiki": ("female", "zh"),
    "Eric": ("male", "zh"),
    "Zhibao": ("male", "zh"),
    "Bingjiao": ("female", "zh"),
    "Stella": ("female", "en"),
    "Aiden": ("male", "en"),
    "Vivian": ("female", "zh"),
    "Uncle_Fu": ("male", "zh"),
    "Ono_Anna": ("female", "ja"),
    "Sohee": ("female", "ko"),
}
"""Gender, and the language (BCP 47) that each is at home in; there they all speak all ten."""


def default_aliases(voices: Sequence[Voice], default: str = "") -> dict[str, str]:
    """A voice for each well-known name but those that are a voice's own: of the same gender, at home in its
    language where one is, each as often as any other; else the default one, or the first."""
    if not voices:
        return {}
    taken = {voice.id for voice in voices}
    fallback = default if default in taken else voices[0].id
    uses: Counter[str] = Counter()
    aliases: dict[str, str] = {}
    for name, (gender, language) in WELL_KNOWN.items():
        if name in taken:
            continue
        fitting = [voice for voice in voices if voice.gender == gender]
        at_home = [voice for voice in fitting if _primary(voice) == language]
        ids = [voice.id for voice in at_home or fitting] or [fallback]
        aliases[name] = min(ids, key=lambda id: uses[id])
        uses[aliases[name]] += 1
    return aliases


def _primary(voice: Voice) -> str:
    return voice.languages[0].partition("-")[0].lower() if voice.languages else ""
