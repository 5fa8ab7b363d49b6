"""Places: so many in all, few of one key, turns by key, and none is lost."""

from __future__ import annotations

import asyncio
import random

import pytest

from streamer.errors import RateLimited
from streamer.server.places import Places


class Crowd:
    """Tasks that take places and keep them until told; `inside` in the order in which they came in."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.inside: list[str] = []
        self._tasks: list[tuple[asyncio.Task[None], asyncio.Event]] = []

    async def come(self, *names: str) -> None:
        """Each a key and a number: "a1" is of key "a"."""
        for name in names:
            leave = asyncio.Event()
            self._tasks.append((asyncio.create_task(self._stay(name, leave), name=name), leave))
            await turns()

    async def leave(self, name: str) -> None:
        for task, leave in self._tasks:
            if task.get_name() == name:
                leave.set()
        await turns()

    async def close(self) -> None:
        for task, _ in self._tasks:
            task.cancel()
        await asyncio.gather(*(task for task, _ in self._tasks), return_exceptions=True)

    async def _stay(self, name: str, leave: asyncio.Event) -> None:
        async with self.places.place(name.rstrip("0123456789")):
            self.inside.append(name)
            await leave.wait()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_a_key_has_its_share_and_leaves_places_to_others() -> None:
    crowd = Crowd(Places(8, 2, 10))
    await crowd.come("a1", "a2", "a3", "a4", "b1")
    assert crowd.inside == ["a1", "a2", "b1"]
    await crowd.leave("a1")
    assert crowd.inside[3:] == ["a3"]
    await crowd.close()


@pytest.mark.asyncio
async def test_who_waits_takes_turns_by_key() -> None:
    crowd = Crowd(Places(2, 2, 10))
    await crowd.come("a1", "a2", "a3", "a4", "a5", "b1", "b2", "c1")
    for name in ("a1", "a2", "a3", "b1", "c1", "a4"):
        await crowd.leave(name)
    assert crowd.inside == ["a1", "a2", "a3", "b1", "c1", "a4", "b2", "a5"]
    await crowd.close()


@pytest.mark.asyncio
async def test_without_a_key_all_places_may_be_had() -> None:
    crowd = Crowd(Places(3, 1, 10))
    await crowd.come("1", "2", "3", "4")
    assert crowd.inside == ["1", "2", "3"]
    await crowd.close()


@pytest.mark.asyncio
async def test_who_waited_in_vain_is_told_when_to_come_back() -> None:
    places = Places(1, 1, 0.01)
    async with places.place("a"):
        for key in ("a", "b"):
            with pytest.raises(RateLimited) as told:
                async with places.place(key):
                    pass
            assert told.value.details["retry_after_s"] > 0
    async with places.place("b"):
        pass


@pytest.mark.asyncio
async def test_no_place_is_lost_however_waiting_and_work_end() -> None:
    chance = random.Random(1)
    places = Places(3, 2, 0.002)
    inside = 0

    async def work(key: str) -> None:
        nonlocal inside
        async with places.place(key):
            inside += 1
            assert inside <= 3
            try:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                inside -= 1

    for _ in range(200):
        tasks = [asyncio.create_task(work(chance.choice("abcd"))) for _ in range(12)]
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        for task in chance.sample(tasks, 6):
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            assert ended is None or isinstance(ended, RateLimited | asyncio.CancelledError)
    crowd = Crowd(places)
    await crowd.come("a1", "a2", "b1", "c1")
    assert crowd.inside == ["a1", "a2", "b1"]
    await crowd.close()
