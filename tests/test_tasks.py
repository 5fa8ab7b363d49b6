import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from streamer.tasks import Turns, closed, ended, settled


@pytest.mark.asyncio
async def test_a_task_that_is_slow_to_end_is_waited_for_even_if_the_waiter_is_cancelled() -> None:
    free = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await free.wait()

    task = asyncio.create_task(slow())
    await asyncio.sleep(0)
    waiter = asyncio.create_task(ended(task))
    for _ in range(3):
        await asyncio.sleep(0)
        waiter.cancel()
    assert not waiter.done()
    free.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert task.cancelled()


@pytest.mark.asyncio
async def test_a_task_settles_though_whoever_waits_is_cancelled() -> None:
    free = asyncio.Event()

    async def write() -> int:
        await free.wait()
        return 7

    task = asyncio.create_task(write())
    waiter = asyncio.create_task(settled(task))
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.sleep(0)
    free.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert task.result() == 7
    assert await settled(task) == 7


@pytest.mark.asyncio
async def test_what_fails_for_nobody_is_not_complained_of() -> None:
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    future: asyncio.Future[None] = loop.create_future()
    waiter = asyncio.create_task(settled(future))
    await asyncio.sleep(0)
    waiter.cancel()
    future.set_exception(ValueError())
    with pytest.raises(asyncio.CancelledError):
        await waiter
    del future, waiter
    gc.collect()
    assert complaints == []


@pytest.mark.asyncio
async def test_turns_come_one_at_a_time_for_each_thing_and_leave_nothing() -> None:
    turns, inside = Turns(), []

    async def one(thing: str) -> None:
        async with turns.of(thing):
            assert thing not in inside
            inside.append(thing)
            await asyncio.sleep(0)
            inside.remove(thing)

    tasks = [asyncio.create_task(one(thing)) for thing in "abab" for _ in range(5)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(turns) == 0


@pytest.mark.asyncio
async def test_an_iterator_is_closed_once_the_task_that_waits_for_its_next_has_ended() -> None:
    done = []

    async def texts() -> AsyncGenerator[str, None]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            done.append("closed")

    for takes in (0, 1, 2):
        source = texts()
        for _ in range(min(takes, 1)):
            await anext(source)
        pull = asyncio.ensure_future(anext(source)) if takes == 2 else None
        await asyncio.sleep(0)
        await closed(source, pull)
        assert await anext(source, None) is None
    assert done == ["closed"] * 2
    await closed(letters())


def letters() -> AsyncIterator[str]:
    class Letters:
        def __aiter__(self) -> AsyncIterator[str]:
            return self

        async def __anext__(self) -> str:
            raise StopAsyncIteration

    return Letters()
