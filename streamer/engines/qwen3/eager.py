"""`Ops` in plain torch: right anywhere, and what a fused kernel is compared with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from streamer.engines.qwen3.codec_eager import CodecEager


class Eager(CodecEager):
    """See `streamer.engines.qwen3.ops.Ops`."""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return functional.linear(x, weight, bias)

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        wide = x.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
        return weight * normed.to(x.dtype)

    def add_rms_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor, eps: float
    ) -> tuple[Tensor, Tensor]:
        total = x + residual
        return self.rms_norm(total, weight, eps), total

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
        kv, d = k_cache.shape[1], k_cache.shape[3]
        heads = qkv.view(qkv.shape[0], -1, d)
        h = heads.shape[1] - 2 * kv
        c, s = cos[positions][:, None], sin[positions][:, None]
        q = _rotated(self.rms_norm(heads[:, :h], q_norm, eps), c, s)
        k = _rotated(self.rms_norm(heads[:, h : h + kv], k_norm, eps), c, s)
        k_cache[slots, :, positions] = k
        v_cache[slots, :, positions] = heads[:, h + kv :]
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
        b, h, d = q.shape
        k, v = k_cache[slots, :, :longest], v_cache[slots, :, :longest]
        kv = k.shape[1]
        seen = torch.arange(longest, device=q.device) <= positions[:, None]
        scores = torch.matmul(q.view(b, kv, h // kv, d), k.transpose(2, 3)) * d**-0.5
        scores = scores.float().masked_fill(~seen[:, None, None], -torch.inf)
        # A cache is not cleared: what lies behind the last position may be anything, NaN included.
        v = v.masked_fill(~seen[:, None, :, None], 0)
        return torch.matmul(scores.softmax(-1).to(q.dtype), v).reshape(b, h * d)

    def swiglu(self, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, -1)
        return functional.silu(gate) * up

    def normed_linear(
        self,
        x: Tensor,
        residual: Tensor | None,
        norm: Tensor,
        eps: float,
        weight: Tensor,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        if residual is None:
            return self.linear(self.rms_norm(x, norm, eps), weight, bias), x
        normed, total = self.add_rms_norm(x, residual, norm, eps)
        return self.linear(normed, weight, bias), total

    def swiglu_linear(self, gate_up: Tensor, weight: Tensor) -> Tensor:
        return self.linear(self.swiglu(gate_up), weight)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [B, heads, d] turned by angles whose cosines and sines are [B, 1, d / 2]."""
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)
