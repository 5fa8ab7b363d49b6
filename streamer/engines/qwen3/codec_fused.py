"""`CodecOps` as Triton kernels, for a CUDA device."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from streamer.engines.qwen3 import codec_kernels as kernels
from streamer.engines.qwen3.codec_ops import Window

_BLOCK = 1024


class CodecFused:
    """See `streamer.engines.qwen3.codec_ops.CodecOps`."""

    def snake(self, x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        x = x.contiguous()
        out, size = torch.empty_like(x), x.numel()
        grid = (triton.cdiv(size, _BLOCK),)
        kernels.snake[grid](x, alpha, beta, out, size, x.shape[2], _BLOCK, num_warps=4)
        return out

    def carry(
        self,
        x: Tensor,
        past: Tensor,
        slots: Tensor,
        alpha: Tensor | None = None,
        beta: Tensor | None = None,
    ) -> Tensor:
        x = x.contiguous()
        (rows, steps, width), before = x.shape, past.shape[1]
        out = x.new_empty(rows, before + steps, width)
        # Of a past of many steps, fewer channels a program.
        lines = triton.next_power_of_2(before)
        channels = max(16, min(128, 2048 // lines))
        grid = (rows, triton.cdiv(width, channels) + triton.cdiv(steps * width, _BLOCK))
        kernels.carry[grid](
            x,
            past,
            slots,
            x if alpha is None else alpha,
            x if beta is None else beta,
            out,
            past.stride(0),
            steps,
            before,
            lines,
            width,
            channels,
            _BLOCK,
            alpha is not None,
            num_warps=4,
        )
        return out

    def attend_window(self, qkv: Tensor, ring: Tensor, slots: Tensor, window: Window) -> Tensor:
        rows, frames = qkv.shape[:2]
        places, _, heads, d = ring.shape[1:]
        cos, sin = window.turns
        out = qkv.new_empty(rows, frames, heads * d)
        kernels.attend_window[(rows, heads)](
            qkv,
            ring,
            slots,
            window.positions,
            cos,
            sin,
            out,
            ring.stride(0),
            d**-0.5,
            frames,
            places,
            window.span,
            heads,
            d,
            _padded(frames),
            _padded(places),
            _padded(d // 2),
            _padded(d),
            num_warps=4,
        )
        return out

    def to_sound(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        rows, length, width = x.shape
        taps = weight.shape[0]
        steps, block = length - taps + 1, 32
        out = torch.empty(rows, steps, dtype=torch.float32, device=x.device)
        kernels.to_sound[(rows, triton.cdiv(steps, block))](
            x.contiguous(),
            weight,
            bias,
            out,
            steps,
            width,
            triton.next_power_of_2(width),
            taps,
            block,
            num_warps=4,
        )
        return out


def _padded(size: int) -> int:
    """Up to what the matrix units take."""
    return max(16, int(triton.next_power_of_2(size)))
