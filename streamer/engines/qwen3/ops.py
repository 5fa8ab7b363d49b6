"""The kernels that a layer is made of. `eager.Eager` is each in plain torch; a fused twin has the same
signatures and is held to it.

B rows of a call, N rows of anything, H width, h query heads, kv key heads, d width of a head.
`slots` and `positions` are int64 [B] on the device. Caches are one layer's: [slots + 1, kv, capacity, d].
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from streamer.engines.qwen3.codec_ops import CodecOps


class Ops(CodecOps, Protocol):
    """What `stack.Stack` and the codec call. No method keeps anything."""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """x [N, in], weight [out, in] -> [N, out]."""
        ...

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """x / rms(x) over the last axis, in float32, times `weight`. [N, H] -> [N, H]."""
        ...

    def add_rms_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor, eps: float
    ) -> tuple[Tensor, Tensor]:
        """(rms_norm(x + residual), x + residual), both [N, H]."""
        ...

    def rotate_and_store(
        self,
        qkv: Tensor,
        q_norm: Tensor,
        k_norm: Tensor,
        eps: float,
        cos: Tensor,
        sin: Tensor,
        k_cache: Tensor,
        v_cache: Tensor,
        slots: Tensor,
        positions: Tensor,
    ) -> Tensor:
        """qkv [B, (h + 2 kv) d] -> q [B, h, d]: queries and keys normed per head, then rotated (NEOX halves)
        by the rows `positions` of `cos` and `sin`, float32 [positions, d / 2]. Keys and values are written
        to [slot, :, position]. Rows may share a slot at different positions; they never share both,
        but for the scratch slot."""
        ...

    def attend(
        self,
        q: Tensor,
        k_cache: Tensor,
        v_cache: Tensor,
        slots: Tensor,
        positions: Tensor,
        longest: int,
    ) -> Tensor:
        """q [B, h, d] over keys 0..position of its slot, scaled by d ** -0.5 -> [B, h d].

        `longest` > every position; what is beyond a row's position is not read as a value, whatever it is.
        """
        ...

    def swiglu(self, gate_up: Tensor) -> Tensor:
        """silu(gate) * up of [N, 2 I], gate first -> [N, I]."""
        ...

    def normed_linear(
        self,
        x: Tensor,
        residual: Tensor | None,
        norm: Tensor,
        eps: float,
        weight: Tensor,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(`linear` of `rms_norm(x + residual)`, x + residual), of x [N, in]. Without a residual the second
        is x."""
        ...

    def swiglu_linear(self, gate_up: Tensor, weight: Tensor) -> Tensor:
        """`linear` of `swiglu`: [N, 2 I], weight [out, I] -> [N, out]."""
        ...
