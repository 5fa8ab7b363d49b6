"""Many clients that speak again and again, and one server that is stopped while they do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from bench.wire import Record, Wire, clients

ANSWER_S = 60.0
AT_ONCE = {"lead_ms": 60_000}
"""No pacing: what is tested takes no play-out time."""
_FORMATS: list[dict[str, Any]] = [
    {"codec": "opus"},
    {"codec": "mp3"},
    {"codec": "aac"},
    {"codec": "flac"},
    {"codec": "pcm_s16le", "sample_rate": 16000},
]


async def speak_many(
    url: str, texts: Sequence[str], *, utterances: int, count: int, seed: int
) -> None:
    """So many utterances over `count` sockets at once. `RuntimeError` where one does not end well."""
    rng = random.Random(seed)
    work = [
        (rng.choice(texts), rng.choice(_FORMATS), rng.choice([1.0, 1.3])) for _ in range(utterances)
    ]

    async def one(wire: Wire) -> None:
        while work:
            text, audio, speed = work.pop()
            async with asyncio.timeout(ANSWER_S):
                record = await wire.speak(text, audio=audio, speed=speed, pacing=AT_ONCE)
                await record.until("end")
            if record.ending["type"] != "done" or not record.sounds:
                raise RuntimeError(f"{text!r} ended by {record.ending}")
            del wire.records[record.context]

    async with clients(url, count) as wires:
        await asyncio.gather(*(one(wire) for wire in wires))


async def start_live(wires: Sequence[Wire], text: str) -> list[Record]:
    """A live stream on each, all of which can already be heard."""
    records = [await wire.speak(text) for wire in wires]
    async with asyncio.timeout(ANSWER_S):
        await asyncio.gather(*(record.until("sound") for record in records))
    return records
