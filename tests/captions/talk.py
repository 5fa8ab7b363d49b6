"""Captions of a talk that was never given: as dense as people speak, with rests, and some cues too dense."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

WORDS = (
    "people always remember water after light often carry every small river under morning garden "
    "letters never answer winter simple village open window station paper number around summer "
    "country music silver people question another forest market bridge quiet doctor teacher follow "
    "the a of and to in is that it was for on are with as they be at one have this from"
).split()
WORDS_PER_S = 2.9
"""Of a speaker with no time to lose: 174 a minute."""


@dataclass(frozen=True)
class Said:
    """A cue. `dense`: it has too little time."""

    id: str
    start_ms: int
    end_ms: int
    text: str
    dense: bool


def talk(seconds: float, seed: int = 0, dense: float = 0.04) -> list[Said]:
    """Cues up to that time, back to back or with rests between."""
    chance = random.Random(seed)
    cues: list[Said] = []
    at = 500
    while True:
        words = [chance.choice(WORDS) for _ in range(chance.randint(4, 13))]
        text = " ".join(words).capitalize() + chance.choice("...,?")
        needed = len(words) / WORDS_PER_S + chance.uniform(0.3, 0.9)
        tight = chance.random() < dense
        length = round(1000 * needed * (chance.uniform(0.3, 0.6) if tight else 1.0))
        if at + length > 1000 * seconds:
            return cues
        cues.append(Said(str(len(cues) + 1), at, at + length, text, tight))
        at += length
        rest = chance.random()
        if rest > 0.98:
            at += chance.randint(5000, 15000)
        elif rest > 0.7:
            at += chance.randint(100, 2500)


def stamp(ms: int, mark: str = ".") -> str:
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}{mark}{ms % 1000:03}"


def vtt(cues: Sequence[Said]) -> str:
    blocks = [
        f"{cue.id}\n{stamp(cue.start_ms)} --> {stamp(cue.end_ms)}\n{cue.text}\n" for cue in cues
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def srt(cues: Sequence[Said]) -> str:
    return "\n".join(
        f"{cue.id}\n{stamp(cue.start_ms, ',')} --> {stamp(cue.end_ms, ',')}\n{cue.text}\n"
        for cue in cues
    )
