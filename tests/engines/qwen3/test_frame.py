"""What a CUDA graph captures, looked at on a CPU: nothing in it may ask the device anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from streamer.engines.qwen3.frame import Arenas, frame, sound
from streamer.engines.qwen3.launch import scratch_plan
from streamer.engines.qwen3.sampling import Draw
from tests.engines.qwen3.tiny import CPU, SAMPLING, TINY, tiny_codec, tiny_model

ASKING = {
    "aten::_local_scalar_dense",
    "aten::item",
    "aten::equal",
    "aten::is_nonzero",
    "aten::nonzero",
    "aten::masked_select",
    "aten::_unique2",
    "aten::unique_dim",
    "aten::bincount",
    "aten::repeat_interleave",
    "aten::lift_fresh",  # a tensor made of the host's numbers
    "aten::scalar_tensor",
}
"""Operations that wait for the device, or whose shapes or values come from the host while it runs."""
DRAWING = ("rand", "normal", "bernoulli", "multinomial", "uniform", "exponential", "dropout")


class Capturable(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fails where a capture would, and counts the operations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = func._schema.name
        self.counts[name] += 1
        if name in ASKING or any(part in name for part in DRAWING):
            raise AssertionError(f"{name} in a graph")
        if name.startswith("aten::index") and any(
            isinstance(index, Tensor) and index.dtype == torch.bool
            for indices in args
            if isinstance(indices, (list, tuple))
            for index in indices
        ):
            raise AssertionError("a mask as an index in a graph")
        return func(*args, **(kwargs or {}))


def arenas() -> Arenas:
    return Arenas.empty(MODEL, CODEC, 4, 64)


MODEL, CODEC = tiny_model(), tiny_codec()
DRAW = Draw(TINY, SAMPLING, CPU)


def test_the_watch_sees_what_a_graph_could_not_have() -> None:
    numbers = torch.arange(3)
    for wrong in (
        lambda: numbers[1].item(),
        lambda: numbers[numbers > 1],
        lambda: torch.tensor([1]),
        lambda: torch.rand(3),
        lambda: bool(numbers.sum() > 1),
    ):
        with pytest.raises(AssertionError, match="in a graph"), Capturable():
            wrong()


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("ways", ["drawn", "greedy"])
def test_a_frame_asks_the_device_nothing(rows: int, ways: str) -> None:
    sampling = SAMPLING if ways == "drawn" else type(SAMPLING)(greedy=True, sub_greedy=True)
    subject, plan = arenas(), torch.from_numpy(scratch_plan(arenas(), rows))
    with Capturable() as watch:
        first = frame(MODEL, Draw(TINY, sampling, CPU), subject, plan, 64)
    assert first.shape == (rows,)
    assert sum(watch.counts.values()) > 100


@pytest.mark.parametrize("frames", [1, 2, 4, 8])
def test_sound_asks_the_device_nothing(frames: int) -> None:
    where = torch.tensor([[0, 2, 4], [0, 5, 0]])
    with Capturable():
        assert sound(CODEC, arenas(), where, frames).shape == (3, frames * 1920)


def test_scratch_columns_change_nothing_and_tolerate_anything() -> None:
    def spoken(columns: int, poison: Callable[[Arenas], None]) -> Tensor:
        subject = arenas()
        poison(subject)
        plan = scratch_plan(subject, columns)
        for number in range(5):
            plan[:4, 0] = 1, number, number, 64 + number
            plan[4, 0] = 100
            plan[5:, 0] = np.random.default_rng(number).random(16).view(np.int64)
            frame(MODEL, DRAW, subject, torch.from_numpy(plan), 64)
        return subject.codes[1, :5]

    def nan(subject: Arenas) -> None:
        for tensor in (subject.kv.k, subject.kv.v):
            tensor[:, 4] = torch.nan
        subject.feedback[4] = torch.nan

    alone = spoken(1, lambda subject: None)
    assert torch.equal(spoken(3, lambda subject: None), alone)
    assert torch.equal(spoken(3, nan), alone)
