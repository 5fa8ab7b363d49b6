"""A loop on which waiting takes no time: its clock jumps to whatever is due next."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        loop: Any = self
        due = [timer._when for timer in loop._scheduled if not timer._cancelled]
        if due and not loop._ready:
            self._now = max(self._now, min(due))
        super()._run_once()  # type: ignore[misc]


def stall(seconds: float) -> None:
    """The machine stands still for so long: nothing of the loop runs meanwhile."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop._now += seconds


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it returns; no more than an hour of its time."""

    async def bounded() -> T:
        async with asyncio.timeout(3600):
            return await coroutine

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(bounded())


def virtual(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """A test whose deadlines no busy machine brings nearer. It leaves no work to threads and sockets."""

    @wraps(test)
    def ran(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return ran
