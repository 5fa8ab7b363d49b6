"""Threads for blocking steps of synthesis: the listener who runs dry first is served first.

Knows jobs and leads, neither engines nor sound.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Generic, NoReturn, TypeVar, TypeVarTuple, cast

from streamer.engines.base import Lead
from streamer.errors import EngineFailed

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


@dataclass(eq=False, slots=True)
class _Job(Generic[T]):
    """One call. `wanted` is false once its caller has gone."""

    call: Callable[[], T]
    lead: Lead
    number: int
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[T]
    running: bool = False
    wanted: bool = True


@dataclass(slots=True)
class WorkerCounts:
    """Jobs that somebody waits for, by state; `dropped`: steps that still run and nobody waits for."""

    queued: int = 0
    running: int = 0
    dropped: int = 0
    finished: int = 0
    """Since the start, whether they succeeded, failed or were dropped while running."""


class Workers:
    """A fixed number of threads, made at once. `prepare` runs on each of them before the constructor
    returns (it warms what is kept per thread); what it raises is raised here.

    `lead` is asked on a worker's thread, under a lock, at every pick: it must be quick and only read. A
    job whose lead is +inf, for which nobody waits, never takes the last free thread of several.
    """

    def __init__(self, threads: int, prepare: Callable[[], object] | None = None) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self.counts = WorkerCounts()
        self._numbers = count()
        self._queue: list[_Job[Any]] = []
        self._closed = False
        self._change = threading.Condition()
        ready = threading.Barrier(threads + 1)
        failures: list[BaseException] = []
        self._threads = [
            threading.Thread(
                target=self._work, args=(prepare, ready, failures), name=f"worker-{number}"
            )
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.daemon = True  # A step that hangs must not keep the process from ending.
            thread.start()
        ready.wait()
        if failures:
            self.close()
            raise failures[0]

    @property
    def threads(self) -> int:
        return len(self._threads)

    async def run(self, step: Callable[[*Arguments], T], *args: *Arguments, lead: Lead) -> T:
        """What `step(*args)` returns or raises, run on one of the threads.

        Cancelled while queued, the job is gone at once; cancelled while running, its result is dropped
        and the job no longer counts. Raises `EngineFailed` once closed.
        """
        loop = asyncio.get_running_loop()
        job: _Job[T] = _Job(
            partial(step, *args), lead, next(self._numbers), loop, loop.create_future()
        )
        with self._change:
            if self._closed:
                raise EngineFailed("the engine is closed")
            self._queue.append(job)
            self.counts.queued += 1
            self._change.notify()
        try:
            return await job.answer
        except asyncio.CancelledError:
            self._forget(job)
            raise

    def close(self) -> None:
        """Fail what is queued, let what is running end, join the threads. May be called twice."""
        with self._change:
            self._closed = True
            queued, self._queue = self._queue, []
            self.counts.queued = 0
            self._change.notify_all()
        for job in queued:
            job.wanted = False
            self._deliver(job, None, EngineFailed("the engine is closed"))
        for thread in self._threads:
            thread.join()

    def _forget(self, job: _Job[Any]) -> None:
        with self._change:
            if not job.wanted:
                return
            job.wanted = False
            if job.running:
                self.counts.running -= 1
                self.counts.dropped += 1
            else:
                self._queue.remove(job)
                self.counts.queued -= 1

    def _work(
        self,
        prepare: Callable[[], object] | None,
        ready: threading.Barrier,
        failures: list[BaseException],
    ) -> None:
        try:
            if prepare is not None:
                prepare()
        except BaseException as error:
            failures.append(error)
        ready.wait()
        while (job := self._next()) is not None:
            result: Any = None
            failure: Exception | None = None
            try:
                result = job.call()
            except Exception as error:
                failure = error
            except BaseException as error:
                # Not for a worker to act on, and the thread has to go on.
                failure = EngineFailed(f"a step of synthesis ended by {type(error).__name__}")
            self._finish(job)
            self._deliver(job, result, failure)
            # Not kept until the next job: what a step returns or fails with may be large.
            del job, result, failure

    def _next(self) -> _Job[Any] | None:
        """Wait for the job with the smallest lead and take it; None once closed."""
        with self._change:
            while not self._closed and (job := self._pick()) is None:
                self._change.wait()
            if self._closed:
                return None
            assert job is not None
            job.running = True
            self.counts.queued -= 1
            self.counts.running += 1
            return job

    def _pick(self) -> _Job[Any] | None:
        """The most urgent job, off the queue; None where there is none to be started now."""
        if not self._queue:
            return None
        (lead, _), best = min((_urgency(job), at) for at, job in enumerate(self._queue))
        # Whoever picks is free. Nobody need be told when more are: it is they who pick then.
        free = self.threads - self.counts.running - self.counts.dropped
        if lead == math.inf and free == 1 < self.threads:
            return None
        return self._queue.pop(best)

    def _finish(self, job: _Job[Any]) -> None:
        with self._change:
            if job.wanted:
                job.wanted = False
                self.counts.running -= 1
            else:
                self.counts.dropped -= 1
            self.counts.finished += 1

    @staticmethod
    def _deliver(job: _Job[T], result: T | None, failure: Exception | None) -> None:
        def settle() -> None:
            if job.answer.done():
                return
            if isinstance(failure, StopIteration):
                # A future refuses it, since it would end the generator that awaits.
                job.answer.set_exception(RuntimeError("a step of synthesis raised StopIteration"))
            elif failure is not None:
                job.answer.set_exception(failure)
            else:
                job.answer.set_result(cast(T, result))

        # It raises where the caller's loop has ended: nobody waits.
        with contextlib.suppress(RuntimeError):
            job.loop.call_soon_threadsafe(settle)


def _urgency(job: _Job[Any]) -> tuple[float, int]:
    try:
        return job.lead(), job.number
    except Exception as error:
        # Its own caller is to hear of it, at once; the thread and the other jobs go on.
        job.call = partial(_raise, error)
        return -math.inf, job.number


def _raise(error: Exception) -> NoReturn:
    raise error
