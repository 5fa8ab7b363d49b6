"""Threads for blocking steps of synthesis: the listener who runs dry first is served first.

Knows jobs and leads, neither engines nor sound.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Generic, NoReturn, TypeVar, TypeVarTuple, cast

from streamer.engines.base import Lead
from streamer.errors import EngineFailed

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


NICE = 10
"""Of background threads: a tenth of the share of others. Not less: a thread that gets no processor while it
holds the interpreter's lock holds up everyone."""


@dataclass(eq=False, slots=True)
class _Job(Generic[T]):
    """One call. `wanted` is false once its caller has gone; `behind`: nobody waits for it anyway."""

    call: Callable[[], T]
    lead: Lead
    number: int
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[T]
    running: bool = False
    wanted: bool = True
    behind: bool = False


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

    `lead` is asked on a worker's thread, under a lock, at every pick: it must be quick and only read.

    Where it is +inf at first nobody waits: those jobs have threads of their own, half as many, of low
    priority, made when they are needed, and begin only while a processor is left over (of one, while
    nothing runs). So no other job ever waits for one of them to end.
    """

    def __init__(self, threads: int, prepare: Callable[[], object] | None = None) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self.counts = WorkerCounts()
        self._numbers = count()
        self._queue: list[_Job[Any]] = []
        self._behind: deque[_Job[Any]] = deque()
        self._closed = False
        lock = threading.RLock()
        self._change = threading.Condition(lock)
        self._change_behind = threading.Condition(lock)
        self._threads_behind: list[threading.Thread] = []
        self._idle_behind = 0
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
        job.behind = _urgency(job)[0] == math.inf
        with self._change:
            if self._closed:
                raise EngineFailed("the engine is closed")
            self.counts.queued += 1
            if job.behind:
                self._behind.append(job)
                self._call_behind()
            else:
                self._queue.append(job)
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
            queued, self._queue = [*self._queue, *self._behind], []
            self._behind.clear()
            self.counts.queued = 0
            self._change.notify_all()
            self._change_behind.notify_all()
        for job in queued:
            job.wanted = False
            self._deliver(job, None, EngineFailed("the engine is closed"))
        for thread in [*self._threads, *self._threads_behind]:
            thread.join()

    def _call_behind(self) -> None:
        """Wake a background thread, or make one; the lock is held."""
        most = max(1, self.threads // 2)
        if self._idle_behind < len(self._behind) and len(self._threads_behind) < most:
            name = f"background-{len(self._threads_behind)}"
            thread = threading.Thread(target=self._work_behind, name=name, daemon=True)
            self._threads_behind.append(thread)
            self._idle_behind += 1
            thread.start()
        self._change_behind.notify()

    def _work_behind(self) -> None:
        _step_back()
        self._serve(self._next_behind)

    def _next_behind(self) -> _Job[Any] | None:
        """Wait until there is a background job, and room for it, and take it; None once closed."""
        with self._change:
            while not self._closed and not (self._behind and self._room_behind()):
                self._change_behind.wait()
            return None if self._closed else self._begun(self._behind.popleft())

    def _room_behind(self) -> bool:
        busy = self.counts.running + self.counts.dropped
        return busy + 1 < self.threads or busy == 0

    def _forget(self, job: _Job[Any]) -> None:
        with self._change:
            if not job.wanted:
                return
            job.wanted = False
            if job.running:
                self.counts.running -= 1
                self.counts.dropped += 1
            else:
                queue = self._behind if job.behind else self._queue
                queue.remove(job)
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
        self._serve(self._next)

    def _serve(self, next_job: Callable[[], _Job[Any] | None]) -> None:
        while (job := next_job()) is not None:
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
            while not self._queue and not self._closed:
                self._change.wait()
            return None if self._closed else self._begun(self._pick())

    def _begun(self, job: _Job[Any]) -> _Job[Any]:
        job.running = True
        if job.behind:
            self._idle_behind -= 1
        self.counts.queued -= 1
        self.counts.running += 1
        return job

    def _pick(self) -> _Job[Any]:
        best = 0
        if len(self._queue) > 1:
            best = min(range(len(self._queue)), key=lambda at: _urgency(self._queue[at]))
        return self._queue.pop(best)

    def _finish(self, job: _Job[Any]) -> None:
        with self._change:
            if job.wanted:
                job.wanted = False
                self.counts.running -= 1
            else:
                self.counts.dropped -= 1
            self.counts.finished += 1
            self._idle_behind += job.behind
            if self._behind:
                self._change_behind.notify()

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


def _step_back() -> None:
    """Lower this thread's share of the processor, where a thread can have one of its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def _urgency(job: _Job[Any]) -> tuple[float, int]:
    try:
        return job.lead(), job.number
    except Exception as error:
        # Its own caller is to hear of it, at once; the thread and the other jobs go on.
        job.call = partial(_raise, error)
        return -math.inf, job.number


def _raise(error: Exception) -> NoReturn:
    raise error
