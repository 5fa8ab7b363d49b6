"""The kernels of the codec that are worth fusing. `codec_eager.CodecEager` is each in plain torch.

Sound and features are channels-last, [B, T, C]: rows of a batch, steps of time, channels. A part of the
codec's state is a strided view of it, [slots + 1, ...], written in place. `slots` is int64 [B] on the
device; rows share no slot but the last, which is scratch.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor


class Window:
    """Where the frames of one call stand in rings that keep the newest `ring` frames of each slot.

    A frame sees the `span` newest up to itself. Frame number n of a slot is kept at n mod `ring`, and
    `ring` >= `span` - 1 + `frames`, so that a call overwrites nothing that it still has to see.
    """

    def __init__(
        self, positions: Tensor, frames: int, ring: int, span: int, slow: Tensor, dtype: torch.dtype
    ) -> None:
        """`positions` int64 [B]: the number of each row's first frame. `slow` float32 [d / 2]: the
        angle in radians by which a frame turns each pair of a head."""
        self.positions, self.frames, self.ring, self.span = positions, frames, ring, span
        self.slow, self._dtype = slow, dtype

    @cached_property
    def numbers(self) -> Tensor:
        """[B, T]: the number of each frame."""
        return self.positions[:, None] + torch.arange(self.frames, device=self.positions.device)

    @cached_property
    def places(self) -> Tensor:
        """[B, T]: where each frame is kept."""
        return self.numbers % self.ring

    @cached_property
    def turns(self) -> tuple[Tensor, Tensor]:
        """Cosines and sines, float32 [B, T, 1, 1, d / 2]."""
        angles = self.numbers[:, :, None, None, None].float() * self.slow
        return angles.cos(), angles.sin()

    @cached_property
    def mask(self) -> Tensor:
        """[B, 1, T, ring]: 0 where a frame sees what is kept at a place once this call's frames are,
        -inf elsewhere."""
        newest = self.positions[:, None] + (self.frames - 1)
        places = torch.arange(self.ring, device=newest.device)
        kept = (newest - (newest - places) % self.ring)[:, None]
        now = self.numbers[:, :, None]
        seen = (kept >= 0) & (kept <= now) & (kept > now - self.span)
        hidden = torch.zeros(seen.shape, dtype=self._dtype, device=seen.device)
        return hidden.masked_fill_(~seen, -torch.inf)[:, None]


class CodecOps(Protocol):
    """What the codec calls besides `Ops.linear`, `rms_norm`, `add_rms_norm` and `swiglu`."""

    def snake(self, x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        """x + beta sin(alpha x)^2 in float32, rounded once: x [B, T, C], alpha and beta float32 [C]."""
        ...

    def carry(
        self,
        x: Tensor,
        past: Tensor,
        slots: Tensor,
        alpha: Tensor | None = None,
        beta: Tensor | None = None,
    ) -> Tensor:
        """x [B, T, C], through `snake` if `alpha` is given, behind what came before it.

        `past` [slots + 1, P, C] is the end of what each slot was given so far; afterwards, the last P
        rows of the result. -> [B, P + T, C], contiguous. T may be less than P.
        """
        ...

    def attend_window(self, qkv: Tensor, ring: Tensor, slots: Tensor, window: Window) -> Tensor:
        """qkv [B, T, 3 h d] -> [B, T, h d]: queries and keys turned (NEOX halves), keys and values written
        to `ring` [slots + 1, ring, 2, h, d] at `window.places`, each frame attending to its span."""
        ...

    def to_sound(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The last convolution: x [B, K - 1 + T, C], weight float32 [K, C], bias float32 [1] -> float32
        [B, T] within -1..1, summed in float32."""
        ...
