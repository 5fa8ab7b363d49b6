"""Streams, events, pinned memory and captured graphs: of a CUDA device, and for a machine without one the
same in the order of the program. What `graphs` needs, and all that cannot be tested without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

import torch
from torch import Tensor

Lane = Literal["talker", "codec"]
"""The two streams. What runs in one runs in its order."""


class Mark(Protocol):
    """A place in a lane."""

    def record(self) -> None:
        """It is here now, in the lane that is current."""
        ...

    def passed(self) -> bool: ...

    def wait(self) -> None:
        """The host waits until it is passed."""
        ...


class Device(Protocol):
    def lane(self, lane: Lane) -> AbstractContextManager[object]:
        """What is launched inside is launched there."""
        ...

    def follow(self, lane: Lane, mark: Mark) -> None:
        """What is launched in the lane from now on runs after the mark, as it was last recorded."""
        ...

    def mark(self) -> Mark: ...

    def pinned(self, size: int, dtype: torch.dtype) -> Tensor:
        """[size] in memory of the host from and to which copies need no waiting."""
        ...

    def capture(self, lane: Lane, run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        """`run` as a graph: its result, and what makes it anew by replaying in the lane. Graphs of one lane
        share memory: a result holds until the next replay there."""
        ...


class Cuda:
    """A CUDA device. The talker goes first: its many short kernels are a chain that everybody waits for, and
    the codec fills what they leave."""

    def __init__(self, device: torch.device) -> None:
        self._streams = {
            "talker": torch.cuda.Stream(device, priority=-1),  # type: ignore[no-untyped-call]
            "codec": torch.cuda.Stream(device, priority=0),  # type: ignore[no-untyped-call]
        }
        self._pools = {lane: torch.cuda.graph_pool_handle() for lane in self._streams}
        self._graphs: list[torch.cuda.CUDAGraph] = []
        # What was made until now was made elsewhere.
        torch.cuda.synchronize(device)

    def lane(self, lane: Lane) -> AbstractContextManager[object]:
        return torch.cuda.stream(self._streams[lane])

    def follow(self, lane: Lane, mark: Mark) -> None:
        if isinstance(mark, _CudaMark):
            self._streams[lane].wait_event(mark.event)

    def mark(self) -> Mark:
        return _CudaMark()

    def pinned(self, size: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(size, dtype=dtype, pin_memory=True)

    def capture(self, lane: Lane, run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        stream = self._streams[lane]
        graph = torch.cuda.CUDAGraph()
        # What `run` reads was made in the caller's stream, which this one does not wait for by itself.
        stream.wait_stream(torch.cuda.current_stream(stream.device))
        with torch.cuda.stream(stream):
            # Kernels are compiled and algorithms are chosen before anything is captured.
            for _ in range(2):
                run()
            stream.synchronize()
            graph.capture_begin(pool=self._pools[lane], capture_error_mode="thread_local")
            try:
                result = run()
            finally:
                graph.capture_end()
        self._graphs.append(graph)
        return result, graph.replay


class _CudaMark:
    def __init__(self) -> None:
        self.event = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def record(self) -> None:
        self.event.record()

    def passed(self) -> bool:
        return bool(self.event.query())  # type: ignore[no-untyped-call]

    def wait(self) -> None:
        self.event.synchronize()


class Here:
    """No device: everything is done when it is launched."""

    def lane(self, lane: Lane) -> AbstractContextManager[object]:
        return nullcontext()

    def follow(self, lane: Lane, mark: Mark) -> None:
        pass

    def mark(self) -> Mark:
        return _Passed()

    def pinned(self, size: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(size, dtype=dtype)

    def capture(self, lane: Lane, run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        result = run().clone()

        def replay() -> None:
            result.copy_(run())

        return result, replay


class _Passed:
    def record(self) -> None:
        pass

    def passed(self) -> bool:
        return True

    def wait(self) -> None:
        pass
