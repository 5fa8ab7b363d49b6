"""Captions of 50 MB in one cue, a million cues, and text that is dear to look through: bounded memory."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from streamer.errors import InvalidCaptions
from streamer.text.captions import Cleaner, CueReader, Decoder, Dropped
from tests.text.captions.hostile import HEADS, UNITS, endless, many

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

MEGABYTE = 1 << 20
MOST_GROWTH = 16 * MEGABYTE
"""Of the whole process, over a file of any length; what is read is a block of at most 64 Ki characters."""
MOST_S = 2.0
"""Of processor time for one text of 60,000 characters, read four times; a second degree takes 20 s."""


def resident() -> int:
    """Bytes of memory this process has now."""
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def read(pieces: Iterable[str]) -> tuple[int, int, int]:
    """How many cues are spoken and dropped, and by how many bytes the process grew at most."""
    reader, spoken, dropped = CueReader(), 0, 0
    before = most = resident()
    for piece in pieces:
        cues = reader.push(piece)
        dropped += sum(isinstance(cue, Dropped) for cue in cues)
        spoken += len(cues)
        most = max(most, resident())
    spoken += len(reader.flush())
    return spoken - dropped, dropped, most - before


@pytest.mark.parametrize("unit", ["x", "word ", "a line\n", "<v Name>", "♪ \n"])
@pytest.mark.parametrize("head", HEADS)
def test_a_cue_of_50_mb_is_dropped_and_not_kept(head: str, unit: str) -> None:
    end = "\n\n2\n00:00:05.000 --> 00:00:06.000\nkept\n\n"
    spoken, dropped, grown = read((*endless(HEADS[head], unit, 50 * MEGABYTE), end))
    print(f"{head} {unit!r}: grew by {grown / MEGABYTE:.1f} MiB")
    assert (spoken, dropped) == (1, 1)
    assert grown < MOST_GROWTH


def test_a_million_cues_of_which_a_tenth_is_bad() -> None:
    begun = time.process_time()
    spoken, dropped, grown = read(many(1_000_000, seed=20261121))
    took = time.process_time() - begun
    print(f"{spoken} spoken, {dropped} dropped, {took:.0f} s, grew by {grown / MEGABYTE:.1f} MiB")
    assert spoken + dropped == 1_000_000
    assert 90_000 < dropped < 110_000
    assert grown < MOST_GROWTH


@pytest.mark.parametrize("head", ["", "<", "<v", "<v ", "(", "[", "♪", "A", "&#", "{\\"])
def test_no_text_is_dear_to_look_through(head: str) -> None:
    worst, where = 0.0, ""
    for unit in UNITS:
        text = (head + unit * 60_000)[:60_000]
        begun = time.process_time()
        for descriptions in ("skip", "speak"):
            Cleaner(speakers=["A"], descriptions=descriptions).clean("1", 0.0, 1000.0, text)
        for file in (text, HEADS["vtt"] + text, HEADS["srt"] + text):
            try:
                reader = CueReader(speakers=["A"])
                reader.push(file)
                reader.flush()
            except InvalidCaptions:
                pass
        worst, where = max((worst, where), (time.process_time() - begun, unit))
    print(f"{head!r}: {worst:.2f} s for {where!r}")
    assert worst < MOST_S


@pytest.mark.asyncio
async def test_a_megabyte_in_pieces_leaves_the_loop_free() -> None:
    """The bound is generous for a busy machine; the figure is told."""
    reader, decoder, worst = CueReader(), Decoder(), 0.0
    data = "".join(many(13_000, seed=3)).encode()
    assert len(data) > MEGABYTE
    for start in range(0, len(data), 4096):
        begun = time.process_time()
        reader.push(decoder.push(data[start : start + 4096]))
        worst = max(worst, time.process_time() - begun)
        await asyncio.sleep(0)
    print(f"worst piece of 4096 bytes: {worst * 1000:.1f} ms")
    assert worst < 0.1
