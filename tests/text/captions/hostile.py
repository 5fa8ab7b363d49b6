"""Captions that nobody means well with: endless cues, endless files, text that is dear to look through."""

from __future__ import annotations

import random
from collections.abc import Iterator

PIECE = 1 << 16
HEADS = {
    "vtt": "WEBVTT\n\n1\n00:01.000 --> 00:02.000\n",
    "srt": "1\n00:00:01,000 --> 00:00:02,000\n",
}
UNITS = (
    *("x", "x ", "x\n", " ", "\t", "\0", "\r", "\n", "1\n", "\u200b", "😀", "\ud800"),
    *(
        "<",
        "<<\n",
        "<v ",
        "<v a>",
        "<v a>b",
        "<v.a",
        "<c.a.b>x",
        "<rt>",
        "<ruby>",
        "</v>",
        "<1:",
        "<br>",
    ),
    *("&", "&#", "&#9", "&amp", "&amp;", "&gt;&gt; ", "{\\", "{\\a}", "{y:"),
    *(
        "(",
        "()",
        "(a)",
        "(a)\n",
        "(\n",
        ")(",
        "（",
        "[",
        "[]",
        "[a\n",
        "] [",
        "♪",
        "♪ \n",
        "*",
        "*a\n",
    ),
    *("- ", "-", "- a\n", "A:", "A: ", "A: b\n", ": ", ">> ", "—", "a b c d e\n"),
    *(
        "-->",
        "--> \n",
        "00:01.000 ",
        "00:01.000 --> 00:02.000\n",
        "\n\n00:01.000 --> 00:02.000\na\n",
    ),
)
"""What is repeated without end, inside a cue."""


def endless(head: str, unit: str, characters: int) -> Iterator[str]:
    """A file of one cue, in pieces."""
    yield head
    piece = unit * max(1, PIECE // len(unit))
    for _ in range(characters // len(piece) + 1):
        yield piece


def many(cues: int, seed: int, *, bad: float = 0.1) -> Iterator[str]:
    """A WebVTT of so many cues, in pieces cut anywhere; `bad` of them in one way or another."""
    draw = random.Random(seed)
    text = "WEBVTT\n\n"
    for number in range(cues):
        text += _cue(number, draw, bad)
        if len(text) > PIECE:
            cut = draw.randrange(1, PIECE)
            yield text[:cut]
            text = text[cut:]
    yield text


def _cue(number: int, draw: random.Random, bad: float) -> str:
    ends = draw.choice(("\n", "\r\n", "\r"))
    start, end = number * 0.3, number * 0.3 + 0.25
    times = f"{_time(start)} --> {_time(end)}"
    if draw.random() < bad:
        times = draw.choice(
            (
                f"{_time(end)} --> {_time(start)}",
                "NaN --> NaN",
                f"{_time(start)} -->",
                "--> --> -->",
                "99999999:00:00.000 --> 99999999:00:01.000",
            )
        )
    said = " ".join(draw.choices(("one", "two", "<b>three</b>", "(four)", "♪ five", "&amp;"), k=5))
    return f"{number}{ends}{times}{ends}cue {number} says {said}{ends}{ends}"


def _time(seconds: float) -> str:
    whole = int(seconds)
    milliseconds = int((seconds - whole) * 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{milliseconds:03}"
