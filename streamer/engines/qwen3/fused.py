"""`Ops` as Triton kernels, for a CUDA device. Products with more than a few rows stay the library's."""

from __future__ import annotations

import torch
import triton
from torch import Tensor
from torch.nn import functional

from streamer.engines.qwen3 import kernels
from streamer.engines.qwen3.codec_fused import CodecFused
from streamer.engines.qwen3.sampling import eager_pick

_FEW = 64
"""Programs of attention below which it may be split over keys; an H200 has 132 multiprocessors."""
_PLAIN, _NORM, _SWIGLU = 0, 1, 2


class Fused(CodecFused):
    """See `streamer.engines.qwen3.ops.Ops`. All tensors are dense.

    `rows`: the most for which products are made here, together with what goes before them. `splits`: into
    how many parts the keys of few queries are split; pays where they are long.
    """

    def __init__(self, rows: int = 2, splits: int = 1) -> None:
        self._rows, self._splits = rows, splits

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if x.shape[0] > self._rows:
            return functional.linear(x, weight, bias)
        return _matvec(_PLAIN, x, weight, bias)

    def normed_linear(
        self,
        x: Tensor,
        residual: Tensor | None,
        norm: Tensor,
        eps: float,
        weight: Tensor,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        if x.shape[0] <= self._rows:
            total = x if residual is None else torch.empty_like(x)
            return _matvec(_NORM, x, weight, bias, residual, norm, eps, total), total
        if residual is None:
            return self.linear(self.rms_norm(x, norm, eps), weight, bias), x
        normed, total = self.add_rms_norm(x, residual, norm, eps)
        return self.linear(normed, weight, bias), total

    def swiglu_linear(self, gate_up: Tensor, weight: Tensor) -> Tensor:
        if gate_up.shape[0] > self._rows:
            return self.linear(self.swiglu(gate_up), weight)
        return _matvec(_SWIGLU, gate_up, weight, None)

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        rows, width = x.shape
        out = torch.empty_like(x)
        block = triton.next_power_of_2(width)
        kernels.rms_norm[(rows,)](x, weight, out, eps, width, block, num_warps=_warps(block))
        return out

    def add_rms_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor, eps: float
    ) -> tuple[Tensor, Tensor]:
        rows, width = x.shape
        out, total = torch.empty_like(x), torch.empty_like(x)
        block = triton.next_power_of_2(width)
        kernels.add_rms_norm[(rows,)](
            x, residual, weight, out, total, eps, width, block, num_warps=_warps(block)
        )
        return out, total

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
        rows, (_, kv, capacity, d) = qkv.shape[0], k_cache.shape
        heads = qkv.shape[1] // d - 2 * kv
        q = qkv.new_empty(rows, heads, d)
        kernels.rotate_and_store[(rows, heads + 2 * kv)](
            qkv,
            q_norm,
            k_norm,
            cos,
            sin,
            slots,
            positions,
            q,
            k_cache,
            v_cache,
            eps,
            heads,
            kv,
            capacity,
            d // 2,
            num_warps=1,
        )
        return q

    def attend(
        self,
        q: Tensor,
        k_cache: Tensor,
        v_cache: Tensor,
        slots: Tensor,
        positions: Tensor,
        longest: int,
    ) -> Tensor:
        (rows, heads, d), (_, kv, capacity, _) = q.shape, k_cache.shape
        block = 32 if capacity <= 32 else 64
        splits = 1 if rows * kv >= _FEW or capacity <= block else self._splits
        out = q.new_empty(rows, heads * d)
        parts, sums, highest = out, out, out
        if splits > 1:
            wide = torch.float32
            parts = q.new_empty(rows * heads * splits, d, dtype=wide)
            sums = q.new_empty(rows * heads * splits, dtype=wide)
            highest = torch.empty_like(sums)
        kernels.attend[(rows, kv, splits)](
            q,
            k_cache,
            v_cache,
            slots,
            positions,
            parts,
            sums,
            highest,
            d**-0.5,
            kv,
            heads // kv,
            capacity,
            d,
            block,
            splits,
            num_warps=4,
        )
        if splits > 1:
            kernels.combine[(rows * heads,)](parts, sums, highest, out, d, splits, num_warps=1)
        return out

    def swiglu(self, gate_up: Tensor) -> Tensor:
        rows, width = gate_up.shape[0], gate_up.shape[1] // 2
        out = gate_up.new_empty(rows, width)
        block = 1024
        kernels.swiglu[(rows, triton.cdiv(width, block))](gate_up, out, width, block, num_warps=4)
        return out


def fused_pick(
    logits: Tensor, uniform: Tensor, temperature: float, top_k: int, top_p: float
) -> Tensor:
    """`sampling.Pick`. With a `top_p` it needs an order, which is the plain one's business."""
    if top_p < 1:
        return eager_pick(logits, uniform, temperature, top_k, top_p)
    rows, width = logits.shape
    ids = torch.empty(rows, dtype=torch.int64, device=logits.device)
    kept = top_k if top_k < width else 0
    kernels.pick[(rows,)](
        logits, uniform, ids, temperature, width, triton.next_power_of_2(width), kept, num_warps=8
    )
    return ids


def _matvec(
    kind: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None = None,
    norm: Tensor | None = None,
    eps: float = 0.0,
    total: Tensor | None = None,
) -> Tensor:
    rows, (many, width) = x.shape[0], weight.shape
    out = x.new_empty(rows, many)
    # Enough programs for all multiprocessors, and much to read for each of their threads.
    block_n = 4 if many <= 1024 else 8 if many <= 2048 else 16
    kernels.matvec[(triton.cdiv(many, block_n), rows)](
        x,
        x if residual is None else residual,
        x if norm is None else norm,
        weight,
        x if bias is None else bias,
        out,
        x if total is None else total,
        eps,
        kind,
        residual is not None,
        bias is not None,
        many,
        width,
        block_n,
        min(int(triton.next_power_of_2(width)), 8192 // block_n),
        num_warps=4,
    )
    return out


def _warps(block: int) -> int:
    return max(1, min(8, block // 256))
