"""`Launch` by CUDA graphs: a whole frame is one launch, a call of the codec another. Each graph has a fixed
number of rows; the next that is large enough is taken and the rest of its rows are scratch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.codec_config import FRAME_SAMPLES
from streamer.engines.qwen3.device import Device, Mark
from streamer.engines.qwen3.frame import Arenas, frame, sound
from streamer.engines.qwen3.launch import Ids, Pending, Samples, scratch_plan
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.plans import Limits
from streamer.engines.qwen3.sampling import Draw

WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Rows of a frame's graphs."""
CODEC_WIDTHS = (1, 2, 4, 8, 16, 32, 64)
CHUNKS = (1, 2, 4, 8)
"""Frames of the codec's graphs."""
WITHIN = 12.0
"""Seconds after which no further graph is captured. By then there are those of most use."""
_ON_THE_WAY = 16
"""Results that may wait to be looked at, of frames and of sounds each; the scheduler has fewer."""
N = TypeVar("N", np.int64, np.float32)


def rows_for(slots: int) -> int:
    """Rows of the widest frame for so many sequences; the `rows` that a model has to be made for."""
    return next((width for width in WIDTHS if width >= slots), WIDTHS[-1])


@dataclass(slots=True)
class _Graph:
    """`given` is written, `replay` called, `result` read."""

    given: Tensor
    result: Tensor
    replay: Callable[[], None]


@dataclass(slots=True, eq=False)
class _Desk(Generic[N]):
    """Pinned memory for one launch: what goes, what comes back, and when that is here."""

    sent: Tensor
    back: Tensor
    mark: Mark
    flight: _Flight[N] | None = None


@dataclass(slots=True, eq=False)
class _Flight(Generic[N]):
    """A `Pending`: `shape` of `desk.back`, as soon as it is there; of that the first `rows`."""

    desk: _Desk[N]
    shape: tuple[int, ...]
    rows: int
    _value: npt.NDArray[N] | None = field(default=None)

    def ready(self) -> bool:
        return self._value is not None or self.desk.mark.passed()

    def result(self) -> npt.NDArray[N]:
        if self._value is None:
            self.desk.mark.wait()
            size = int(np.prod(self.shape))
            there: npt.NDArray[N] = self.desk.back[:size].numpy().reshape(self.shape)
            self._value = there[: self.rows].copy()
        return self._value


class _Desks(Generic[N]):
    """A ring of them. One whose result was not yet looked at is emptied first."""

    def __init__(self, device: Device, sent: int, back: int, dtype: torch.dtype) -> None:
        self._desks: list[_Desk[N]] = [
            _Desk(device.pinned(sent, torch.int64), device.pinned(back, dtype), device.mark())
            for _ in range(_ON_THE_WAY)
        ]
        self._next = 0

    def take(self) -> _Desk[N]:
        desk = self._desks[self._next]
        self._next = (self._next + 1) % len(self._desks)
        if desk.flight:
            desk.flight.result()
            desk.flight = None
        return desk


class Graphs:
    """See `launch.Launch`; a sound has at most `codec_rows` rows and 8 frames. Making one captures the
    graphs, which takes seconds. The model's operations must not need the host's `longest` to be fast."""

    def __init__(
        self,
        model: Model,
        codec: Codec,
        draw: Draw,
        arenas: Arenas,
        device: Device,
        within: float = WITHIN,
    ) -> None:
        self._model, self._codec, self._draw, self._arenas = model, codec, draw, arenas
        self._device = device
        self.rows = rows_for(arenas.slots)
        self.codec_rows = next(
            (width for width in CODEC_WIDTHS if width >= arenas.slots), CODEC_WIDTHS[-1]
        )
        self.limits = Limits(arenas.slots, self.rows, self.codec_rows, CHUNKS)
        if model.rows < self.rows:
            raise ValueError(f"a model for {model.rows} rows, graphs of {self.rows}")
        self._frames: dict[int, _Graph] = {}
        self._sounds: dict[tuple[int, int], _Graph] = {}
        self._scratch = scratch_plan(arenas, self.rows)
        numbers = self._scratch.shape[0]
        self._plans: _Desks[np.int64] = _Desks(device, numbers * self.rows, self.rows, torch.int64)
        samples = self.codec_rows * CHUNKS[-1] * FRAME_SAMPLES
        self._wheres: _Desks[np.float32] = _Desks(
            device, 2 * self.codec_rows, samples, torch.float32
        )
        self._made = device.mark()
        self._capture(time.monotonic() + within)

    @property
    def widths(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Rows of the frames' graphs; (rows, frames) of the codec's."""
        return sorted(self._frames), sorted(self._sounds)

    def frame(self, plan: Ids, longest: int) -> Pending[Ids]:
        columns = plan.shape[1]
        width = min(width for width in self._frames if width >= columns)
        graph, desk = self._frames[width], self._plans.take()
        staged = desk.sent[: plan.shape[0] * width].view(plan.shape[0], width)
        there = staged.numpy()
        there[:, :columns] = plan
        there[:, columns:] = self._scratch[:, columns:width]
        with self._device.lane("talker"):
            graph.given.copy_(staged, non_blocking=True)
            graph.replay()
            self._made.record()
            desk.back[:width].copy_(graph.result, non_blocking=True)
            desk.mark.record()
        desk.flight = _Flight(desk, (width,), columns)
        return desk.flight

    def sound(self, where: Ids, frames: int) -> Pending[Samples]:
        columns = where.shape[1]
        widths = [w for w, chunk in self._sounds if chunk == frames and w >= columns]
        width = min(widths, default=columns)
        desk = self._wheres.take()
        staged = desk.sent[: 2 * width].view(2, width)
        there = staged.numpy()
        there[:, :columns] = where
        there[0, columns:] = self._arenas.slots
        there[1, columns:] = 0
        shape = (width, frames * FRAME_SAMPLES)
        with self._device.lane("codec"):
            self._device.follow("codec", self._made)
            if widths:
                graph = self._sounds[width, frames]
                graph.given.copy_(staged, non_blocking=True)
                graph.replay()
                result = graph.result
            else:
                given = staged.to(self._model.device, non_blocking=True)
                result = sound(self._codec, self._arenas, given, frames)
            desk.back[: result.numel()].view(shape).copy_(result, non_blocking=True)
            desk.mark.record()
        desk.flight = _Flight(desk, shape, columns)
        return desk.flight

    def talking(self) -> AbstractContextManager[object]:
        return self._device.lane("talker")

    def decoding(self, behind: bool) -> AbstractContextManager[object]:
        if behind:
            with self._device.lane("talker"):
                self._made.record()
            self._device.follow("codec", self._made)
        return self._device.lane("codec")

    def _capture(self, until: float) -> None:
        """The widest first: they serve everybody, and the others find their memory."""
        for number, (width, frames) in enumerate(self._wanted()):
            if number > len(CHUNKS) and time.monotonic() > until:
                return
            if frames is None:
                self._frames[width] = self._frame_graph(width)
            else:
                self._sounds[width, frames] = self._sound_graph(width, frames)

    def _wanted(self) -> Iterator[tuple[int, int | None]]:
        """(rows, frames of a sound or None for a frame), those of most use first."""
        yield self.rows, None
        yield from ((self.codec_rows, frames) for frames in CHUNKS)
        coarse = [1, 8, 32, 2, 4, 16, 64]
        for width in [*coarse, *(width for width in WIDTHS if width not in coarse)]:
            if width < self.rows:
                yield width, None
            if width < self.codec_rows and width in CODEC_WIDTHS:
                yield from ((width, frames) for frames in CHUNKS)

    def _frame_graph(self, width: int) -> _Graph:
        given = torch.from_numpy(self._scratch[:, :width].copy()).to(self._model.device)
        capacity = self._arenas.capacity

        def run() -> Tensor:
            return frame(self._model, self._draw, self._arenas, given, capacity)

        return _Graph(given, *self._device.capture("talker", run))

    def _sound_graph(self, width: int, frames: int) -> _Graph:
        given = torch.zeros(2, width, dtype=torch.int64, device=self._model.device)
        given[0] = self._arenas.slots

        def run() -> Tensor:
            return sound(self._codec, self._arenas, given, frames)

        return _Graph(given, *self._device.capture("codec", run))
