import asyncio
import math
import threading
from collections.abc import AsyncGenerator, Callable, Iterator

import pytest
import pytest_asyncio

from streamer.engines.workers import Workers
from streamer.errors import EngineFailed

pytestmark = pytest.mark.asyncio


class Gate:
    """A step that holds its thread until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    def step(self) -> str:
        self.entered.set()
        assert self.released.wait(30)
        return "passed"


@pytest_asyncio.fixture
async def workers() -> AsyncGenerator[Workers]:
    workers = Workers(1)
    yield workers
    await asyncio.to_thread(workers.close)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.released.set()


def lead_of(seconds: float) -> Callable[[], float]:
    return lambda: seconds


async def occupy(workers: Workers, gate: Gate) -> "asyncio.Task[str]":
    task = asyncio.create_task(workers.run(gate.step, lead=lead_of(0)))
    await asyncio.to_thread(gate.entered.wait, 30)
    return task


async def queued(workers: Workers, count: int) -> None:
    while workers.counts.queued != count:
        await asyncio.sleep(0)


async def test_result_of_a_step_comes_back(workers: Workers) -> None:
    assert await workers.run(divmod, 7, 2, lead=lead_of(0)) == (3, 1)
    assert (workers.counts.queued, workers.counts.running, workers.counts.finished) == (0, 0, 1)


async def test_steps_run_off_the_loop(workers: Workers) -> None:
    thread = await workers.run(threading.current_thread, lead=lead_of(0))
    assert thread is not threading.current_thread()


async def test_exception_of_a_step_is_raised_by_run(workers: Workers) -> None:
    with pytest.raises(ZeroDivisionError):
        await workers.run(divmod, 1, 0, lead=lead_of(0))
    assert await workers.run(divmod, 7, 2, lead=lead_of(0)) == (3, 1)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopIteration])
async def test_exception_that_a_future_or_thread_cannot_hold_still_fails_the_call(
    workers: Workers, error: type[BaseException]
) -> None:
    def step() -> None:
        raise error

    with pytest.raises((EngineFailed, RuntimeError)):
        await workers.run(step, lead=lead_of(0))
    assert await workers.run(divmod, 7, 2, lead=lead_of(0)) == (3, 1)


async def test_smallest_lead_is_served_first_and_equals_in_order(
    workers: Workers, gate: Gate
) -> None:
    busy = await occupy(workers, gate)
    order: list[str] = []
    names = [
        ("far", 5.0),
        ("dry", -0.5),
        ("first", 1.0),
        ("second", 1.0),
        ("silent", float("-inf")),
    ]
    waiting = []
    for number, (name, lead) in enumerate(names, 1):
        waiting.append(asyncio.create_task(workers.run(order.append, name, lead=lead_of(lead))))
        await queued(workers, number)
    gate.released.set()
    await asyncio.gather(busy, *waiting)
    assert order == ["silent", "dry", "first", "second", "far"]


async def test_lead_is_asked_at_every_pick(workers: Workers, gate: Gate) -> None:
    busy = await occupy(workers, gate)
    order: list[str] = []
    leads = {"a": 1.0, "b": 2.0, "c": 3.0}

    def step(name: str) -> None:
        order.append(name)
        if name == "a":
            leads["c"] = 0.0

    waiting = []
    for number, name in enumerate(leads, 1):
        lead = lambda name=name: leads[name]  # noqa: E731
        waiting.append(asyncio.create_task(workers.run(step, name, lead=lead)))
        await queued(workers, number)
    gate.released.set()
    await asyncio.gather(busy, *waiting)
    assert order == ["a", "c", "b"]


async def test_failing_lead_fails_its_own_call_only(workers: Workers, gate: Gate) -> None:
    busy = await occupy(workers, gate)

    def broken() -> float:
        raise LookupError("no lead")

    failing = asyncio.create_task(workers.run(divmod, 7, 2, lead=broken))
    fine = asyncio.create_task(workers.run(divmod, 7, 2, lead=lead_of(0)))
    await queued(workers, 2)
    gate.released.set()
    with pytest.raises(LookupError):
        await failing
    assert await fine == (3, 1)
    assert await busy == "passed"


async def test_cancelled_queued_step_never_runs(workers: Workers, gate: Gate) -> None:
    busy = await occupy(workers, gate)
    order: list[str] = []
    waiting = asyncio.create_task(workers.run(order.append, "dropped", lead=lead_of(0)))
    await queued(workers, 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert workers.counts.queued == 0
    gate.released.set()
    assert await busy == "passed"
    await workers.run(order.append, "kept", lead=lead_of(0))
    assert order == ["kept"]


async def test_cancelled_running_step_no_longer_counts_and_its_result_is_dropped(
    workers: Workers, gate: Gate
) -> None:
    busy = await occupy(workers, gate)
    assert workers.counts.running == 1
    busy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await busy
    assert (workers.counts.running, workers.counts.dropped) == (0, 1)
    gate.released.set()
    assert await workers.run(divmod, 7, 2, lead=lead_of(0)) == (3, 1)
    assert (workers.counts.running, workers.counts.dropped) == (0, 0)


async def test_closing_fails_what_is_queued_and_lets_the_running_step_end(gate: Gate) -> None:
    workers = Workers(1)
    busy = await occupy(workers, gate)
    waiting = asyncio.create_task(workers.run(divmod, 7, 2, lead=lead_of(0)))
    await queued(workers, 1)
    closing = asyncio.create_task(asyncio.to_thread(workers.close))
    with pytest.raises(EngineFailed):
        await waiting
    gate.released.set()
    assert await busy == "passed"
    await closing
    with pytest.raises(EngineFailed):
        await workers.run(divmod, 7, 2, lead=lead_of(0))
    workers.close()


async def test_closing_joins_all_threads() -> None:
    before = set(threading.enumerate())
    workers = Workers(3)
    assert len(set(threading.enumerate()) - before) == 3
    workers.close()
    assert set(threading.enumerate()) <= before


async def test_as_many_steps_run_at_once_as_there_are_threads() -> None:
    workers = Workers(3)
    together = threading.Barrier(3)
    await asyncio.gather(*(workers.run(together.wait, 30, lead=lead_of(0)) for _ in range(3)))
    workers.close()


async def test_every_thread_is_prepared_before_the_first_step() -> None:
    prepared: list[str] = []
    workers = Workers(4, lambda: prepared.append(threading.current_thread().name))
    assert len(set(prepared)) == 4
    workers.close()


async def test_failing_preparation_is_raised_and_leaves_no_thread() -> None:
    def prepare() -> None:
        raise OSError("no model")

    before = set(threading.enumerate())
    with pytest.raises(OSError, match="no model"):
        Workers(2, prepare)
    assert set(threading.enumerate()) <= before


async def test_no_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="threads"):
        Workers(0)


async def test_ten_thousand_steps_of_many_callers_all_come_back() -> None:
    workers = Workers(2)

    async def caller(number: int) -> int:
        total = 0
        for at in range(100):
            total += await workers.run(int, at, lead=lead_of(number % 7))
        return total

    assert await asyncio.gather(*(caller(n) for n in range(100))) == [4950] * 100
    assert workers.counts.finished == 10000
    workers.close()


async def occupied(workers: Workers, gates: "list[Gate]", lead: float) -> "list[asyncio.Task[str]]":
    tasks = [asyncio.create_task(workers.run(gate.step, lead=lead_of(lead))) for gate in gates]
    for gate in gates:
        await asyncio.to_thread(gate.entered.wait, 30)
    return tasks


async def test_a_background_step_leaves_the_last_free_thread_to_listeners() -> None:
    workers = Workers(2)
    first, second, live = Gate(), Gate(), Gate()
    try:
        begun = await occupied(workers, [first], math.inf)
        waiting = asyncio.create_task(workers.run(second.step, lead=lead_of(math.inf)))
        await queued(workers, 1)
        begun += await occupied(workers, [live], 1.0)
        assert not second.entered.is_set()
        live.released.set()
        await begun[1]
        assert not second.entered.is_set()
        first.released.set()
        await asyncio.to_thread(second.entered.wait, 30)
        second.released.set()
        await asyncio.gather(waiting, *begun)
    finally:
        for gate in (first, second, live):
            gate.released.set()
        await asyncio.to_thread(workers.close)


async def test_a_dropped_background_step_still_counts_as_a_busy_thread() -> None:
    workers = Workers(2)
    first, second = Gate(), Gate()
    try:
        (begun,) = await occupied(workers, [first], math.inf)
        begun.cancel()
        await asyncio.gather(begun, return_exceptions=True)
        waiting = asyncio.create_task(workers.run(second.step, lead=lead_of(math.inf)))
        await queued(workers, 1)
        assert await workers.run(divmod, 7, 2, lead=lead_of(0)) == (3, 1)
        assert not second.entered.is_set()
        first.released.set()
        second.released.set()
        assert await waiting == "passed"
    finally:
        first.released.set()
        second.released.set()
        await asyncio.to_thread(workers.close)


async def test_a_single_thread_runs_background_steps_too(workers: Workers) -> None:
    assert await workers.run(divmod, 7, 2, lead=lead_of(math.inf)) == (3, 1)


async def test_a_listeners_step_never_waits_for_a_background_step(
    workers: Workers, gate: Gate
) -> None:
    (begun,) = await occupied(workers, [gate], math.inf)
    assert await workers.run(divmod, 7, 2, lead=lead_of(0)) == (3, 1)
    gate.released.set()
    assert await begun == "passed"


async def test_queued_background_steps_can_be_cancelled_or_closed(gate: Gate) -> None:
    workers = Workers(1)
    (begun,) = await occupied(workers, [gate], math.inf)
    waiting = [
        asyncio.create_task(workers.run(divmod, 7, 2, lead=lead_of(math.inf))) for _ in range(2)
    ]
    await queued(workers, 2)
    waiting[0].cancel()
    await queued(workers, 1)
    gate.released.set()
    await asyncio.to_thread(workers.close)
    ends = await asyncio.gather(begun, *waiting, return_exceptions=True)
    assert ends[0] == "passed"
    assert isinstance(ends[1], asyncio.CancelledError)
    assert ends[2] == (3, 1) or isinstance(ends[2], EngineFailed)
