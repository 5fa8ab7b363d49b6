"""Captions of 50 MB in one cue, a million cues, and text that is dear to look through: bounded memory."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.config import Settings
from streamer.engines.opening import open_engines
from streamer.errors import InvalidCaptions
from streamer.feeding import fed
from streamer.sessions import open_session
from streamer.text.captions import Cleaner, CueReader, Decoder, Dropped
from streamer.types import CueOptions, Event, Failed, Start, Text
from streamer.voices import open_catalogue
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


BITS = (
    *(
        "WEBVTT\n\n",
        "1\n",
        "2\n",
        "\n",
        "\n\n",
        "\r\n",
        "-->",
        "()",
        "...\n",
        "\ud800",
        "\0",
        "😀",
        "é世界",
    ),
    *("00:01.000 --> 00:02.000\n", "00:00:01,500 --> 00:00:02,000\n", "00:05.000 --> 00:04.000\n"),
    *("NaN --> 1\n", "00:00:30.000 --> 00:00:31.000\n", "999:00:00.000 --> 999:00:01.000\n"),
    *("<v Ann>", "BOB: ", "hello there", "[music]", "♪ x", "a" * 700, "word " * 300, "x.y " * 50),
    *("id\n00:03.000 --> 00:04.000\nmore\n\n", "id\n00:03.000 --> 00:04.000\nmore and more\n\n"),
)


@pytest.mark.asyncio
async def test_400_files_of_nonsense_are_spoken_to_their_end_or_refused() -> None:
    plain = Settings(engines=["tone"], max_captions_s=120.0)
    catalogue = open_catalogue(open_engines(plain), default="", aliases={})
    ends: Counter[str] = Counter()
    for seed in range(400):
        draw = random.Random(seed)
        text = draw.choice(("WEBVTT\n\n", "WEBVTT\n\n", "")) + "".join(
            draw.choices(BITS, k=draw.randrange(1, 40))
        )
        cues = CueOptions(
            origin_ms=draw.choice((0.0, None, 1500.0)),
            max_rate=draw.choice((1.0, 1.35, 2.0)),
            overrun=draw.choice(("late", "merge", "skip")),
            max_late_ms=draw.choice((0.0, 500.0, 3000.0)),
            speakers={"ann": "tone-high"},
            overlap=draw.choice(("queue", "mix")),
            descriptions=draw.choice(("skip", "speak")),
        )
        start = Start("c", input="captions", cues=cues, captions=draw.random() < 0.5)
        limit = draw.choice((50, 1000, 50_000))
        settings = replace(plain, max_pending_chars=limit)
        session = open_session(start, catalogue=catalogue, settings=settings, paced=False)
        last: Event | None = None
        async with asyncio.timeout(60):
            async for event in fed(session, Text("c", text), limit):
                last = event
        ends[last.error.code if isinstance(last, Failed) else type(last).__name__] += 1
    await catalogue.aclose()
    print(dict(ends))
    assert set(ends) == {"Done", "invalid_captions"}
    assert ends["Done"] > 300


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
