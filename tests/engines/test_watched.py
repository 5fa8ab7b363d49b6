"""Deadlines and circuits around one engine."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from streamer.engines.breaker import Breaker, CircuitOpen
from streamer.engines.watched import Watched, retry_after
from streamer.errors import EngineFailed, InvalidParameter, RateLimited
from streamer.types import Options, PcmChunk, Segment
from tests.engines.conformance import given, nothing_heard
from tests.engines.puppet import Deed, Puppet
from tests.virtual_time import virtual


def watched(*deeds: Deed, failures: int = 1, error: Exception | None = None) -> Watched:
    puppet = Puppet("puppet", [*deeds], error=error or EngineFailed("as told"))
    breaker = Breaker("puppet", failures=failures, rest_s=60.0, clock=time.monotonic)
    return Watched(puppet, breaker, 0.03)


def half_open(*deeds: Deed) -> Watched:
    """One that has failed, and may be tried again."""
    engine = watched(*deeds)
    engine.breaker.attempt().failed()
    engine.breaker._clock = lambda: time.monotonic() + 60
    return engine


def segments(engine: Watched, count: int = 1) -> list[Segment]:
    return [Segment(n, "One two.", 0, Options(engine.voices[0])) for n in range(count)]


async def speak(engine: Watched, count: int = 1) -> list[PcmChunk]:
    text = given(*segments(engine, count))
    return [chunk async for chunk in engine.synthesize(text, nothing_heard)]


@pytest.mark.parametrize("deed", ["hang", "hang_midway"])
@virtual
async def test_silence_is_a_failure(deed: Deed) -> None:
    engine = watched(deed)
    with pytest.raises(EngineFailed, match="silent for too long"):
        await speak(engine)
    assert engine.breaker.state == "open"


@virtual
async def test_silence_in_the_background_is_borne_longer() -> None:
    engine = watched("hang")
    chunks = engine.synthesize(given(*segments(engine)), lambda: math.inf)
    waiting = asyncio.ensure_future(anext(chunks))
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    assert not done
    waiting.cancel()
    await asyncio.wait({waiting})
    assert engine.breaker.state == "closed"


@virtual
async def test_text_that_comes_slowly_is_no_silence() -> None:
    engine = watched()

    async def slowly() -> AsyncGenerator[Segment]:
        for segment in segments(engine, 2):
            await asyncio.sleep(0.08)
            yield segment
        await asyncio.sleep(0.08)

    chunks = [chunk async for chunk in engine.synthesize(slowly(), nothing_heard)]
    assert [chunk.segment for chunk in chunks if chunk.last] == [0, 1]


@virtual
async def test_with_an_open_circuit_it_is_not_asked() -> None:
    engine = watched("fail")
    with pytest.raises(EngineFailed, match="as told"):
        await speak(engine)
    with pytest.raises(CircuitOpen):
        await speak(engine)


@virtual
async def test_whoever_is_cancelled_says_nothing_of_the_engine() -> None:
    engine = watched("hang")
    speaking = asyncio.ensure_future(speak(engine))
    await asyncio.sleep(0.005)
    speaking.cancel()
    await asyncio.wait({speaking})
    assert speaking.cancelled()
    assert engine.breaker.state == "closed"


@virtual
async def test_probe_that_is_cancelled_lets_another_try() -> None:
    engine = half_open("hang")
    speaking = asyncio.ensure_future(speak(engine))
    await asyncio.sleep(0.005)
    with pytest.raises(CircuitOpen):
        await speak(engine)
    speaking.cancel()
    await asyncio.wait({speaking})
    assert await speak(engine)
    assert engine.breaker.state == "closed"


@virtual
async def test_probe_whose_listener_takes_long_does_not_keep_others_waiting() -> None:
    engine = half_open()
    async with aclosing(engine.synthesize(given(*segments(engine)), nothing_heard)) as chunks:
        await anext(chunks)
        assert await speak(engine)


@virtual
async def test_request_it_is_not_made_for_says_nothing_of_the_engine() -> None:
    engine = watched("fail", error=InvalidParameter("no"))
    with pytest.raises(InvalidParameter):
        await speak(engine)
    assert engine.breaker.state == "closed"


@virtual
async def test_end_before_the_text_is_a_failure() -> None:
    engine = watched("speak", "end")
    with pytest.raises(EngineFailed, match="ended before"):
        await speak(engine, 2)
    assert engine.breaker.state == "open"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RateLimited("", retry_after_s=3), 3),
        (RateLimited("", retry_after_s=0.5), 0.5),
        (RateLimited(""), None),
        (RateLimited("", retry_after_s="soon"), None),
        (RateLimited("", retry_after_s=-1), None),
        (RateLimited("", retry_after_s=math.inf), None),
        (RateLimited("", retry_after_s=math.nan), None),
        (KeyError("retry_after_s"), None),
    ],
)
def test_retry_after_is_what_an_error_says_of_it(error: Exception, expected: float | None) -> None:
    assert retry_after(error) == expected
