"""Cues, and files of them: good ones, and such as come from a broken captioner. Knows no sockets."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.robustness.texts import odd_text

CHANNELS = ("hall", "b.1", "A-_", "6" * 64)
IDS = ("1", "2", "3", "", "ä", "i" * 256)
"""Few, so that cues correct each other in all states."""
TIMES = (0, 5e-324, 100, 250.5, 900, 1000, 3000, 60_000, 3.6e6, 1e13)
SPEAKERS = ("Ann", "BEN", "ä b")


def cue(random: Random) -> dict[str, Any]:
    """The fields of a `cue` but its context."""
    texts = (
        lambda: odd_text(random),
        lambda: f"<v {random.choice(SPEAKERS)}>Well. <i>So</i> &amp; so",
        lambda: random.choice(("", " ", "[music]", "(laughs)", "♪ la ♪", "ANN: Hm.", "<c", "&#x;")),
        lambda: "Good morning to you all."[: random.randrange(25)],
    )
    fields: dict[str, Any] = {
        "id": random.choice(IDS),
        "start_ms": random.choice(TIMES),
        "end_ms": random.choice(TIMES),
        "voice": random.choice(("tone-low", "Ann", "tone-high")),
    }
    weights = (0.7, 0.5, 0.5, 0.1)
    chosen = [name for name, often in zip(fields, weights, strict=True) if random.random() < often]
    return {"text": random.choice(texts)(), **{name: fields[name] for name in chosen}}


def cue_options(random: Random) -> dict[str, Any]:
    """The fields of `cues`, some of them."""
    fields: dict[str, Any] = {
        "origin_ms": random.choice((0, "first", "first", 500, 1e13)),
        "delay_ms": random.choice((0, 1, 1000, 60_000)),
        "max_rate": random.choice((1, 1.35, 2)),
        "overrun": random.choice(("late", "merge", "skip")),
        "max_late_ms": random.choice((0, 300, 3000, 60_000)),
        "overlap": random.choice(("queue", "mix")),
        "speakers": {random.choice(SPEAKERS): "tone-high"},
        "descriptions": random.choice(("skip", "speak")),
    }
    return {name: fields[name] for name in random.sample(sorted(fields), random.randrange(5))}


def captions(random: Random) -> str:
    """A file, most of it readable, with line ends and blocks of all kinds."""
    end = random.choice(("\n", "\r\n", "\r"))
    head = random.choice(("WEBVTT", "\ufeffWEBVTT - so", "", "", "WEBVTTT", "<tt>", "{\\rtf1"))
    blocks = [head] if head else []
    at = 0
    for number in range(random.randrange(5)):
        at += random.choice((0, 400, 1200, -300))
        mark = random.choice((",", "."))
        times = f"{_time(at, mark)} --> {_time(at + random.choice((-5, 0, 700, 2000)), mark)}"
        broken = (
            "00:00:NaN --> 1e9",
            "-->",
            "99:99:99.999 --> 00:00",
            "NOTE so",
            "STYLE",
            "x" * 99,
        )
        line = times if random.random() < 0.8 else random.choice(broken)
        blocks.append(end.join((str(number + 1), line, str(cue(random)["text"]))))
    return (end + end).join(blocks) + random.choice(("", end, end + end))


def _time(ms: int, mark: str) -> str:
    seconds, rest = divmod(max(0, ms), 1000)
    return f"00:00:{seconds:02}{mark}{rest:03}"
