"""How `frame` and `sound` get onto a device and back: at once (here), or as CUDA graphs (`graphs`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.frame import PLAN, Arenas, frame, sound
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.plans import Limits
from streamer.engines.qwen3.sampling import Draw

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S")
Ids = npt.NDArray[np.int64]
Samples = npt.NDArray[np.float32]


class Pending(Protocol[T_co]):
    """Something on its way from the device."""

    def ready(self) -> bool:
        """Whether `result` would return at once."""
        ...

    def result(self) -> T_co:
        """Waits for it. The same every time."""
        ...


class Done(Generic[T]):
    """A `Pending` that is here."""

    def __init__(self, value: T) -> None:
        self._value = value

    def ready(self) -> bool:
        return True

    def result(self) -> T:
        return self._value


class Then(Generic[S, T]):
    """What `change` makes of another's result."""

    def __init__(self, pending: Pending[S], change: Callable[[S], T]) -> None:
        self._pending, self._change = pending, change

    def ready(self) -> bool:
        return self._pending.ready()

    def result(self) -> T:
        return self._change(self._pending.result())


class Launch(Protocol):
    """Frames and sounds run in the order in which they are launched, each kind after its own; a sound
    after the frames that were launched before it."""

    @property
    def limits(self) -> Limits:
        """What a scheduler has to keep to."""
        ...

    def frame(self, plan: Ids, longest: int) -> Pending[Ids]:
        """`frame.frame` of plan [5 + groups, B] -> [B]."""
        ...

    def sound(self, where: Ids, frames: int) -> Pending[Samples]:
        """`frame.sound` of where [2, B] -> [B, frames * 1920]."""
        ...

    def talking(self) -> AbstractContextManager[object]:
        """What touches what frames read or write happens inside, on the device in order with them."""
        ...

    def decoding(self, behind: bool) -> AbstractContextManager[object]:
        """The same for the codec's state; `behind`: after all that was launched in `talking`."""
        ...


class AtOnce:
    """Runs everything when it is launched, operation by operation, on a CPU or any other device."""

    def __init__(self, model: Model, codec: Codec, draw: Draw, arenas: Arenas) -> None:
        self._model, self._codec, self._draw, self._arenas = model, codec, draw, arenas
        self.limits = Limits(arenas.slots, min(arenas.slots, model.rows), exact=True, steps=1)

    def frame(self, plan: Ids, longest: int) -> Done[Ids]:
        there = self._sent(plan)
        return Done(frame(self._model, self._draw, self._arenas, there, longest).cpu().numpy())

    def sound(self, where: Ids, frames: int) -> Done[Samples]:
        there = self._sent(where)
        return Done(sound(self._codec, self._arenas, there, frames).cpu().numpy())

    def talking(self) -> AbstractContextManager[object]:
        return nullcontext()

    def decoding(self, behind: bool) -> AbstractContextManager[object]:
        return nullcontext()

    def _sent(self, numbers: Ids) -> Tensor:
        return torch.from_numpy(numbers).to(self._model.device)


def scratch_plan(arenas: Arenas, columns: int) -> Ids:
    """A plan all of whose columns are of the scratch slot."""
    plan = np.zeros((PLAN + arenas.codes.shape[2], columns), np.int64)
    plan[0] = arenas.slots
    plan[3] = arenas.text.shape[0] - 1
    return plan
