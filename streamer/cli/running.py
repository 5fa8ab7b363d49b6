"""Coroutines of the command line, ended by SIGTERM as by Ctrl+C: they are cancelled and clean up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T], interrupted: Callable[[], bool] | None = None) -> T:
    """As `asyncio.run`. Raises `SystemExit` with 143 once a SIGTERM has ended it: raised in the handler,
    it would end whatever step of a task it hits, and the loop would complain.

    `interrupted` is told of each Ctrl+C; where it says True, the work goes on, to an end of its own.
    """
    ended_by: signal.Signals | None = None

    async def run() -> T:
        task = asyncio.current_task()
        assert task is not None

        def end(by: signal.Signals) -> None:
            nonlocal ended_by
            ended_by = by
            task.cancel()

        def interrupt() -> None:
            if interrupted is None or not interrupted():
                end(signal.SIGINT)

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, end, signal.SIGTERM)
        if interrupted is not None:
            loop.add_signal_handler(signal.SIGINT, interrupt)
        return await work

    former = signal.getsignal(signal.SIGTERM)
    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        if ended_by == signal.SIGINT:
            raise KeyboardInterrupt from None
        if ended_by is not None:
            raise SystemExit(128 + ended_by) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, former)  # the loop has left the system's default
