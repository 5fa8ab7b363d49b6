from __future__ import annotations

import asyncio
import math
from typing import Any, cast

import pytest

pytest.importorskip("torch")

from streamer.engines.qwen3.outbox import AHEAD_FRAMES, Outbox
from streamer.engines.qwen3.plans import FRAME_SECONDS
from streamer.engines.qwen3.speaking import Made
from streamer.errors import EngineFailed

pytestmark = pytest.mark.asyncio


class Handed:
    """A track as the outbox sees it."""

    handed = 0


def outbox(lead: float) -> tuple[Outbox, Any]:
    subject, track = Outbox(lambda: lead), Handed()
    subject.begun(cast(Any, track))
    return subject, track


@pytest.mark.parametrize(
    ("lead", "handed", "taken", "expected"),
    [
        (-math.inf, 0, 0, -math.inf),
        (-math.inf, 3, 0, 3 * FRAME_SECONDS),
        (0.5, 0, 0, 0.5),
        (0.5, 3, 1, 0.5 + 2 * FRAME_SECONDS),
        (math.inf, 3, 0, math.inf),
    ],
)
async def test_the_listener_has_what_it_was_told_and_what_waits(
    lead: float, handed: int, taken: int, expected: float
) -> None:
    subject, track = outbox(lead)
    track.handed = handed
    if taken:
        subject.put(Made([], frames=taken))
        await subject.take()
    assert subject.lead() == pytest.approx(expected)
    subject.over(track)
    assert subject.lead() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("lead", "frames", "waits"),
    [(0.0, AHEAD_FRAMES, False), (0.0, AHEAD_FRAMES + 1, True), (math.inf, 1, True)],
)
async def test_another_sequence_is_begun_when_what_was_made_is_not_too_much(
    lead: float, frames: int, waits: bool
) -> None:
    subject, track = outbox(lead)
    track.handed = frames
    subject.over(track)
    subject.put(Made([], frames=frames))
    room = asyncio.create_task(subject.room())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert room.done() is not waits
    await subject.take()
    async with asyncio.timeout(1):
        await room


async def test_a_failure_is_told_before_all_that_waits() -> None:
    subject, _ = outbox(0.0)
    subject.put(Made([], frames=1))
    subject.fail(EngineFailed("over"))
    with pytest.raises(EngineFailed, match="over"):
        await subject.take()
    subject.put(None)
    assert await subject.take() is None
