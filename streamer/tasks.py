"""Waiting for tasks without losing them, or a cancellation, on the way; and for one's turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended, also if cancelled meanwhile: what it runs is closed next."""
    task.cancel()
    try:
        await _outlast(task)
    finally:
        if not task.cancelled():
            task.exception()


async def closed(iterator: AsyncIterator[Any], pull: asyncio.Task[Any] | None = None) -> None:
    """Close an iterator, once the task that waits for its next has ended."""
    try:
        if pull is not None:
            await ended(pull)
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


async def settled(future: asyncio.Future[T]) -> T:
    """What the task, or the thread, returns or raises; cancelled meanwhile, this waits for its end all the
    same."""
    try:
        await _outlast(future)
    except asyncio.CancelledError:
        if not future.cancelled():
            future.exception()  # seen: nobody else will
        raise
    return future.result()


async def _outlast(future: asyncio.Future[Any]) -> None:
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


class Turns:
    """One at a time for each of many things; keeps nothing of those that nobody is at."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def of(self, thing: Hashable) -> AsyncGenerator[None]:
        lock, users = self._locks.setdefault(thing, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._locks[thing]

    def __len__(self) -> int:
        return len(self._locks)
