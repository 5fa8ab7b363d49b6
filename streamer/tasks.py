"""Waiting for tasks without losing them, or a cancellation, on the way."""

from __future__ import annotations

import asyncio
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


async def settled(task: asyncio.Task[T]) -> T:
    """What the task returns or raises; cancelled meanwhile, this waits for its end all the same."""
    await _outlast(task)
    return task.result()


async def _outlast(task: asyncio.Task[Any]) -> None:
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
