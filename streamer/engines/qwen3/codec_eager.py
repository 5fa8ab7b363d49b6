"""`CodecOps` in plain torch: right anywhere, and what a fused kernel is compared with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from streamer.engines.qwen3.codec_ops import Window


class CodecEager:
    """See `streamer.engines.qwen3.codec_ops.CodecOps`."""

    def snake(self, x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        wide = x.float()
        return torch.addcmul(wide, beta, (wide * alpha).sin_().square_()).to(x.dtype)

    def carry(
        self,
        x: Tensor,
        past: Tensor,
        slots: Tensor,
        alpha: Tensor | None = None,
        beta: Tensor | None = None,
    ) -> Tensor:
        if alpha is not None and beta is not None:
            x = self.snake(x, alpha, beta)
        joined = torch.cat((past.index_select(0, slots), x), 1)
        past.index_copy_(0, slots, joined[:, joined.shape[1] - past.shape[1] :])
        return joined

    def attend_window(self, qkv: Tensor, ring: Tensor, slots: Tensor, window: Window) -> Tensor:
        b, t = qkv.shape[:2]
        h, d = ring.shape[3:]
        heads = qkv.view(b, t, 3, h, d)
        turned = _turned(heads[:, :, :2], *window.turns)
        kept = torch.stack((turned[:, :, 1], heads[:, :, 2]), 2)
        ring.index_put_((slots[:, None], window.places), kept)
        keys, values = ring.index_select(0, slots).unbind(2)
        seen = functional.scaled_dot_product_attention(
            turned[:, :, 0].transpose(1, 2),
            keys.transpose(1, 2),
            values.transpose(1, 2),
            attn_mask=window.mask,
        )
        return seen.transpose(1, 2).reshape(b, t, h * d)

    def to_sound(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        taps = weight.shape[0]
        steps = x.shape[1] - taps + 1
        each = torch.matmul(x.float(), weight.t())
        total = each[:, :steps, 0] + bias
        for tap in range(1, taps):
            total = total + each[:, tap : tap + steps, tap]
        return total.clamp_(-1.0, 1.0)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)
