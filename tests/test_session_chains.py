"""What a context tells of engines that fail behind it: who spoke, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from streamer.blobs import DirectoryBlobs
from streamer.config import Settings
from streamer.errors import EngineFailed
from streamer.jobs.speaking import speak
from streamer.session import Session
from streamer.types import (
    Audio,
    AudioFormat,
    Capabilities,
    Event,
    Failed,
    SegmentStarted,
    Start,
    Text,
    Words,
)
from streamer.voices import Catalogue
from tests.engines.puppet import WORD, Deed, Puppet
from tests.engines.test_fallback import chain

TEXT = "One two three. Four five six. Seven eight nine."


def session(*told: list[Deed], prices: Sequence[float | None] = (None, None)) -> Session:
    puppets = [
        Puppet(name, deeds, capabilities=Capabilities(word_times="model", price_per_1000=price))
        for name, deeds, price in zip("ab", told, prices, strict=True)
    ]
    engine = chain(*puppets)
    start = Start("c", audio=AudioFormat("pcm_s16le", sample_rate=24000))
    return Session(
        start, catalogue=Catalogue({engine.name: engine}), settings=Settings(), paced=False
    )


async def events_of(session: Session) -> list[Event]:
    session.text(Text("c", TEXT))
    session.end()
    return [event async for event in session.events()]


@pytest.mark.asyncio
async def test_done_says_who_spoke() -> None:
    told = session(["speak", "fail"], [])
    events = await events_of(told)
    assert told.done("end") == events[-1]
    assert told.done("end").engine == "a+b"
    told = session(["fail"], [])
    await events_of(told)
    assert told.done("end").engine == "b"


@pytest.mark.asyncio
async def test_each_segment_costs_as_who_spoke_it_does() -> None:
    prices = [1.0, 10.0]
    cases: list[tuple[list[Deed], tuple[int, ...]]] = [
        (["speak", "fail"], (1, 10, 10)),
        (["fail"], (10, 10, 10)),
        ([], (1, 1, 1)),
        (["fail_midway"], (1, 10, 10)),
    ]
    for deeds, factors in cases:
        told = session(deeds, [], prices=prices)
        assert told.quote(Text("c", TEXT)) == pytest.approx(10 * len(TEXT) / 1000)
        await events_of(told)
        lengths = [len(part) for part in TEXT.split(". ")]
        lengths = [lengths[0] + 1, lengths[1] + 1, lengths[2]]
        parts = sum(length * factor for length, factor in zip(lengths, factors, strict=True))
        assert told.cost == pytest.approx((parts + 2) / 1000)  # two spaces, as the first step


@pytest.mark.asyncio
async def test_segment_after_a_loss_says_so_and_so_does_its_first_packet() -> None:
    events = await events_of(session(["fail_midway"], []))
    segments = [event for event in events if isinstance(event, SegmentStarted)]
    assert [event.lost for event in segments] == [False, True, False]
    packets = [event for event in events if isinstance(event, Audio)]
    assert [packet.lost for packet in packets if packet.first] == [False, True, False]
    assert not any(packet.lost for packet in packets if not packet.first)
    for packet, following in pairwise(packets):
        assert packet.packet.pts + packet.packet.duration == following.packet.pts
    words = [w.text for event in events if isinstance(event, Words) for w in event.words]
    assert words == "One Four five six Seven eight nine".split()


@pytest.mark.asyncio
async def test_loss_of_the_end_is_no_good_end() -> None:
    told = session(["speak", "speak", "fail_midway"], [])
    events = await events_of(told)
    assert isinstance(events[-1], Failed)
    assert isinstance(events[-1].error, EngineFailed)
    assert told.samples > 7 * WORD


@pytest.mark.asyncio
async def test_job_whose_sound_has_a_hole_has_failed(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    writer = await blobs.create("result")
    with pytest.raises(EngineFailed, match="within a segment"):
        await speak(session(["fail_midway"], []), TEXT, "result", writer, lambda _: None, 50_000)
    await writer.abort()
    assert await blobs.names() == set()
