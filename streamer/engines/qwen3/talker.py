"""The talker: one step a frame, from the sum of what was said and the next piece of text to codebook 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from streamer.engines.qwen3.config import ModelConfig
from streamer.engines.qwen3.ops import Ops
from streamer.engines.qwen3.stack import Stack


@dataclass(frozen=True, slots=True)
class KvArena:
    """Keys and values, each [layers, slots + 1, kv heads, capacity, d]; the last slot is scratch, for the
    rows that pad a bucket."""

    k: Tensor
    v: Tensor

    @classmethod
    def empty(
        cls,
        config: ModelConfig,
        slots: int,
        capacity: int,
        device: torch.device | str,
        dtype: torch.dtype,
    ) -> KvArena:
        """Zeroed, for `slots` sequences of at most `capacity` positions."""
        stack = config.talker.stack
        shape = (stack.layers, slots + 1, stack.kv_heads, capacity, stack.head_dim)
        return cls(
            torch.zeros(shape, device=device, dtype=dtype),
            torch.zeros(shape, device=device, dtype=dtype),
        )


class Talker:
    """Weights; sequences live in a `KvArena`. H is `config.talker.stack.hidden`."""

    def __init__(self, config: ModelConfig, tensors: Mapping[str, Tensor], ops: Ops) -> None:
        talker = config.talker
        self._ops = ops
        self.stack = Stack(talker.stack, tensors, "talker.model.", ops, talker.positions)
        self.embedding = tensors["talker.model.codec_embedding.weight"]
        """[vocab, H]: codebook 0 and the codec's control ids."""
        self._head = tensors["talker.codec_head.weight"]
        self._text = tensors["talker.model.text_embedding.weight"]
        self._fc1, self._fc1_bias, self._fc2, self._fc2_bias = (
            tensors[f"talker.text_projection.linear_fc{layer}.{part}"]
            for layer in (1, 2)
            for part in ("weight", "bias")
        )
        self.device, self.dtype = self.embedding.device, self.embedding.dtype

    def prefill(self, x: Tensor, kv: KvArena, slot: int, start: int) -> None:
        """Write x [P, H] into a slot at positions start..start + P - 1; P may be 0."""
        if x.shape[0]:
            self.stack.prefill(x, kv.k, kv.v, slot, start)

    def step(
        self, x: Tensor, kv: KvArena, slots: Tensor, positions: Tensor, longest: int
    ) -> Tensor:
        """One position further for each row: x [B, H] -> h [B, H], after the final norm.

        Keys and values are written at `positions`, then 0..position are attended to. `longest`: more than
        every position; the host knows it.
        """
        return self.stack.step(x, kv.k, kv.v, slots, positions, longest)

    def logits(self, h: Tensor) -> Tensor:
        """[B, H] -> [B, vocab] float32, nothing forbidden yet."""
        return self._ops.linear(h, self._head).float()

    def text(self, ids: Sequence[int]) -> Tensor:
        """Ids of text as the talker hears them: [n, H]."""
        rows = self._text[on_device(ids, self.device)]
        silu = torch.nn.functional.silu
        hidden = silu(self._ops.linear(rows, self._fc1, self._fc1_bias))
        return self._ops.linear(hidden, self._fc2, self._fc2_bias)

    def codec(self, ids: Sequence[int]) -> Tensor:
        """Ids of codebook 0 or of the codec's control ids: [n, H]."""
        return self.embedding[on_device(ids, self.device)]


def on_device(ids: Sequence[int], device: torch.device) -> Tensor:
    """int64 [n], sent without waiting for the device."""
    here = torch.tensor(list(ids), dtype=torch.int64)
    if device.type != "cuda":
        return here.to(device)
    return here.pin_memory().to(device, non_blocking=True)
