import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from streamer.engines.ahead import Ahead
from streamer.errors import EngineFailed
from streamer.types import PcmChunk

pytestmark = pytest.mark.asyncio


def chunk(number: int) -> PcmChunk:
    return PcmChunk(np.zeros(1, np.float32), number)


class Source:
    def __init__(self, count: int, failure: BaseException | None = None) -> None:
        self.count = count
        self.failure = failure
        self.made = 0
        self.closed = False

    async def chunks(self) -> AsyncGenerator[PcmChunk]:
        try:
            for number in range(self.count):
                self.made += 1
                yield chunk(number)
                await asyncio.sleep(0)
            if self.failure is not None:
                raise self.failure
        finally:
            self.closed = True


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_chunks_come_in_order_and_end() -> None:
    source = Source(5)
    found = [made.segment async for made in Ahead(2).iterate(source.chunks())]
    assert found == [0, 1, 2, 3, 4]
    assert source.closed


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_no_more_is_made_than_the_depth(depth: int) -> None:
    source = Source(10)
    chunks = Ahead(depth).iterate(source.chunks())
    await anext(chunks)
    await settle()
    assert source.made == 1 + depth
    await anext(chunks)
    await settle()
    assert source.made == 2 + depth
    await chunks.aclose()


async def test_failure_comes_after_the_chunks_before_it() -> None:
    chunks = Ahead(8).iterate(Source(2, LookupError("gone")).chunks())
    assert [(await anext(chunks)).segment for _ in range(2)] == [0, 1]
    with pytest.raises(LookupError, match="gone"):
        await anext(chunks)


async def test_source_that_is_cancelled_by_another_does_not_hang_the_reader() -> None:
    chunks = Ahead(2).iterate(Source(1, asyncio.CancelledError()).chunks())
    await anext(chunks)
    with pytest.raises(EngineFailed):
        await anext(chunks)


async def test_closing_closes_the_source_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    source, ahead = Source(100), Ahead(2)
    chunks = ahead.iterate(source.chunks())
    await anext(chunks)
    assert ahead.open == 1
    await chunks.aclose()
    assert source.closed
    assert ahead.open == 0
    assert asyncio.all_tasks() == before


async def test_closing_the_engine_ends_full_and_waiting_iterators() -> None:
    ahead = Ahead(2)
    full, stuck = Source(100), Source(1)

    async def never() -> AsyncGenerator[PcmChunk]:
        async for made in stuck.chunks():
            yield made
        await asyncio.Event().wait()

    first, second = ahead.iterate(full.chunks()), ahead.iterate(never())
    await anext(first)
    await anext(second)
    waiting = asyncio.ensure_future(anext(second))
    await settle()
    ahead.close()
    with pytest.raises(EngineFailed):
        await anext(first)
    with pytest.raises(EngineFailed):
        await waiting
    assert full.closed
    assert ahead.open == 0


async def test_nothing_begins_after_the_end() -> None:
    ahead, source = Ahead(2), Source(1)
    ahead.close()
    with pytest.raises(EngineFailed):
        await anext(ahead.iterate(source.chunks()))
    assert source.made == 0
