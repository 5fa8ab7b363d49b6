"""What the codec decoder knows of each stream between calls: one row of one tensor."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from streamer.engines.qwen3.codec_config import DecoderConfig

FRAMES_PER_PASS = 16
"""The most frames that go through the layers at once; the attention rings have room for so many."""
_ALIGNED = 8
"""Parts begin at multiples of this many elements: 16 bytes in bfloat16, which vector loads want."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One slot's state: `row` [n], `position` [] on the device."""

    row: Tensor
    position: Tensor


class CodecState:
    """`flat` [slots + 1, n] in the codec's type and `positions` int64 [slots + 1]: how many frames each slot
    has decoded. Row `slots` is scratch. The other attributes are views of `flat`:

    `rings` per layer [slots + 1, ring, 2, heads, d]: turned keys, and values, of the newest frames;
    the others, [slots + 1, past, C]: the end of what each convolution was given, in the order of the
    decoder `code`, `blocks`, `first`, per stage `stages` and `units`, `last`.
    """

    def __init__(
        self, config: DecoderConfig, slots: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.slots = slots
        self.ring = ring_length(config)
        shapes = _shapes(config, self.ring)
        ends, total = [], 0
        for shape in shapes:
            ends.append((total, prod(shape)))
            total += -(-prod(shape) // _ALIGNED) * _ALIGNED
        self.flat = torch.zeros(slots + 1, total, device=device, dtype=dtype)
        self.positions = torch.zeros(slots + 1, device=device, dtype=torch.int64)
        views = iter(
            self.flat[:, start : start + length].view(slots + 1, *shape)
            for (start, length), shape in zip(ends, shapes, strict=True)
        )
        self.rings = [next(views) for _ in range(config.layers)]
        self.code = next(views)
        self.blocks = [next(views) for _ in config.ratios]
        self.first = next(views)
        self.stages, self.units = [], []
        for _ in config.rates:
            self.stages.append(next(views))
            self.units.append([next(views) for _ in _DILATIONS])
        self.last = next(views)

    def reset(self, slot: int) -> None:
        """The slot begins a stream."""
        self.flat[slot].zero_()
        self.positions[slot].zero_()

    def snapshot(self, slot: int) -> Snapshot:
        return Snapshot(self.flat[slot].clone(), self.positions[slot].clone())

    def restore(self, slot: int, snapshot: Snapshot) -> None:
        """The slot goes on where the snapshot was taken, of this or another slot."""
        self.flat[slot].copy_(snapshot.row)
        self.positions[slot].copy_(snapshot.position)


_DILATIONS = (1, 3, 9)


def ring_length(config: DecoderConfig) -> int:
    """Frames that a layer's ring keeps: a multiple of 8, as attention masks should be."""
    return -(-(config.window - 1 + FRAMES_PER_PASS) // 8) * 8


def _shapes(config: DecoderConfig, ring: int) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = [(ring, 2, config.heads, config.head_dim)] * config.layers
    shapes.append((2, config.code_width))
    shapes += [(6, config.latent)] * len(config.ratios)
    shapes.append((6, config.latent))
    channels = config.channels
    for _ in config.rates:
        shapes.append((1, channels))
        channels //= 2
        shapes += [(6 * dilation, channels) for dilation in _DILATIONS]
    return [*shapes, (6, channels)]
