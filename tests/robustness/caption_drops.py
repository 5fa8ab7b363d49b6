"""Live captions and channels over sockets that are cut again and again: every cue is heard once, at its time
or told to be late; who listens to a channel hears what the others hear.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from streamer import connect
from streamer.client import Client, Context
from streamer.types import (
    Audio,
    AudioFormat,
    CueOptions,
    Done,
    Event,
    Late,
    OptionsUpdate,
    SegmentStarted,
    Skipped,
    Start,
    Started,
)
from tests.robustness.client import DEADLINE_S
from tests.robustness.drops import HASTE, WORDS, cutter
from tests.server_process import ServerProcess

EVERY_MS = 400
AHEAD_MS = 2000.0
"""How far behind its captioner the sound is, so that a cue that has to be said twice is in time."""


@dataclass(frozen=True)
class Caption:
    """What is said of one cue: its text as it grows, at `at_ms` of the captioner's clock; None: it comes
    without a time."""

    id: str
    at_ms: float | None
    texts: Sequence[str]

    @property
    def words(self) -> list[str]:
        return self.texts[-1].split()


def live(random: Random, count: int) -> list[Caption]:
    """Cues that come at their time, or without any; some of them grow."""
    made, timed = [], random.random() < 0.7
    for number in range(count):
        words = [random.choice(WORDS) for _ in range(random.randrange(2, 5))]
        cut = random.randrange(1, len(words)) if random.random() < 0.4 else len(words)
        texts = [" ".join(words[:cut]), " ".join(words)] if cut < len(words) else [" ".join(words)]
        made.append(Caption(f"cue {number}", EVERY_MS * number if timed else None, texts))
    return made


async def captions_over_drops(server: ServerProcess, drops: int, seed: int, cues: int = 6) -> int:
    """Captioners, one after the other, until so many sockets have been cut. How often the client came
    back."""
    random, number = Random(seed), 0
    async with cutter(server, seed) as proxy, connect(proxy.url, patience=HASTE) as client:
        while proxy.cuts < drops:
            said = live(random, cues)
            proxy.armed = True
            async with asyncio.timeout(2 * DEADLINE_S):
                events = await _captioned(client, f"live {number}", said, random)
            proxy.armed = False
            _check(said, events)
            number += 1
        return client.reconnects


async def _captioned(
    client: Client, name: str, said: Sequence[Caption], random: Random
) -> list[Event]:
    start = Start(
        name,
        OptionsUpdate(voice="tone-low"),
        AudioFormat("pcm_s16le"),
        input="captions",
        cues=CueOptions(delay_ms=AHEAD_MS, max_late_ms=60_000),
    )
    context = await client.start(start)
    saying = asyncio.create_task(_say(context, said, random))
    try:
        events = [event async for event in context]
        await saying
    finally:
        saying.cancel()
        await asyncio.wait([saying])
    return events


async def _say(context: Context, said: Sequence[Caption], random: Random) -> None:
    for caption in said:
        for text in caption.texts:
            at = caption.at_ms
            until = None if at is None else at + EVERY_MS
            await context.cue(text, at, until, id=caption.id)
            await asyncio.sleep(random.random() * EVERY_MS / 1000 / len(caption.texts))
    await context.end()


def _check(said: Sequence[Caption], events: Sequence[Event]) -> None:
    assert isinstance(events[-1], Done), events[-1]
    assert events[-1].reason == "end"
    rate, end = 0, 0
    late: dict[str, int] = {}
    segments: dict[str, list[SegmentStarted]] = {}
    for event in events:
        match event:
            case Started():
                rate = event.audio.sample_rate or 0
            case Audio():
                assert event.packet.pts == end, (event.packet.pts, end)
                end = event.packet.pts + event.packet.duration
            case Late():
                late.setdefault(event.cue, event.by)
            case Skipped():
                raise AssertionError(event)
            case SegmentStarted():
                segments.setdefault(event.cue or "", []).append(event)
    assert list(segments) == [caption.id for caption in said]
    for caption in said:
        spoken = " ".join(segment.text for segment in segments[caption.id])
        assert spoken.split() == caption.words, (caption, spoken)
        if caption.at_ms is None:
            continue
        begin = round(caption.at_ms * rate / 1000) + late.get(caption.id, 0)
        first = segments[caption.id][0]
        assert first.start + first.shift == begin, (caption, segments[caption.id], late)


async def listen_over_drops(server: ServerProcess, drops: int, seed: int) -> int:
    """Two listen to what a third says on a channel, until the socket of one was cut so often. How often it
    came back."""
    random = Random(seed)
    async with (
        cutter(server, seed) as proxy,
        connect(server.url) as publisher,
        connect(server.url) as undisturbed,
        connect(proxy.url, patience=HASTE) as client,
        asyncio.timeout(2 * DEADLINE_S),
    ):
        hall = f"hall-{seed}"
        speaking = await publisher.start(voice="tone-low", channel=hall)
        while not isinstance(await anext(speaking), Started):
            pass
        listeners = [await one.subscribe(hall, audio="pcm_s16le") for one in (undisturbed, client)]
        proxy.armed = True
        hearing = [asyncio.create_task(_heard(one)) for one in listeners]
        reading = asyncio.create_task(_heard(speaking))
        while proxy.cuts < drops:
            await speaking.push(" ".join(WORDS[:5]).capitalize() + ". ")
            await asyncio.sleep(0.2 + 0.5 * random.random())
            proxy.cut()  # a listener says nothing by which bytes could count
        proxy.armed = False
        await asyncio.sleep(0.5)
        for listener in listeners:
            await listener.cancel()
        await speaking.cancel()
        expected, heard = await asyncio.gather(*hearing)
        await reading
        assert set(heard) <= set(expected) or set(expected) <= set(heard)
        both = set(expected) & set(heard)
        assert len(both) > 100, (len(expected), len(heard))
        assert all(expected[pts] == heard[pts] for pts in both)
        return client.reconnects


async def _heard(context: Context) -> dict[int, bytes]:
    """Packets by their places; they follow each other."""
    packets: dict[int, bytes] = {}
    end: int | None = None
    async for event in context:
        if isinstance(event, Audio):
            packet = event.packet
            assert end in (None, packet.pts), (end, packet.pts)
            assert not event.lost
            end = packet.pts + packet.duration
            packets[packet.pts] = packet.data
    return packets
