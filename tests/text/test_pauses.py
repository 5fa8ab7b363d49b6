"""The rest between two segments depends on how the first one ends."""

from __future__ import annotations

import pytest

from streamer.text.pauses import JOIN, LINE, pause_after
from streamer.types import Reason


@pytest.mark.parametrize(
    ("text", "reason", "seconds"),
    [
        ("It is late.", "sentence", 0.35),
        ("Is it late?", "flush", 0.35),
        ('He said "no!"', "sentence", 0.35),
        ("**Done.** 🎉", "sentence", 0.35),
        ("你好。", "sentence", 0.35),
        ("Well...", "sentence", 0.45),
        ("Well…", "timer", 0.45),
        ("Well, I think,", "clause", 0.15),
        ("I was thinking—", "clause", 0.15),
        ("今天天气很好，", "clause", 0.15),
        ("It is this:", "clause", 0.20),
        ("A heading", "sentence", LINE),
        ("and so we", "timer", JOIN),
        ("and so we", "length", JOIN),
        ("and so we", "flush", JOIN),
        ("and so we", "options", JOIN),
        ("The end.", "end", 0.0),
        ("", "flush", JOIN),
    ],
)
def test_the_pause_follows_the_last_mark(text: str, reason: Reason, seconds: float) -> None:
    assert pause_after(text, reason) == seconds
