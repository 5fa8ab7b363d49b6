"""How codes are drawn from logits: the reference's processors in their order, then one uniform number a draw.

A number belongs to (seed, frame, group). So what a sequence says depends on its seed and on nothing else:
not on its slot, not on who else is in the batch.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.engines.qwen3.config import CONTROL, ModelConfig, Sampling

NEVER = -1
"""A budget with which a sequence never ends by itself; for measuring."""
_SHORTEST = 2
"""Frames before the end may be drawn: the reference's `min_new_tokens`."""
_END_BIAS = 0.5
"""What each frame over the budget adds to the end's logit. Where a model misses its end, the end's
probability was seen to fall to 1e-14 (32 nats): so it comes within some 70 frames all the same."""
_BLOCK = 64


class Uniforms:
    """A sequence's uniform numbers, in [0, 1): Philox keyed by the seed, number frame * groups + group."""

    def __init__(self, seed: int, groups: int = 16) -> None:
        self._random = np.random.Generator(np.random.Philox(key=seed % 2**128))
        self._groups, self._blocks = groups, 0
        self._block = np.empty((0, groups))

    def frame(self, frame: int) -> npt.NDArray[np.float64]:
        """[groups] of one frame. Frames only go forwards."""
        while self._blocks * _BLOCK <= frame:
            self._block = self._random.random((_BLOCK, self._groups))
            self._blocks += 1
        numbers: npt.NDArray[np.float64] = self._block[frame - (self._blocks - 1) * _BLOCK]
        return numbers


class Pick(Protocol):
    """logits [B, V], uniform float64 [B] -> ids int64 [B]: the inverse of the distribution function,
    in the order of the ids, of softmax(logits / temperature) cut to the `top_k` highest (0: all; equals of
    the last one stay) and then to the smallest set that has `top_p` of the rest."""

    def __call__(
        self, logits: Tensor, uniform: Tensor, temperature: float, top_k: int, top_p: float
    ) -> Tensor: ...


class Draw:
    """Draws of one checkpoint: `first` of codebook 0, `next` of the others. Logits are float32."""

    def __init__(
        self,
        config: ModelConfig,
        sampling: Sampling,
        device: torch.device,
        pick: Pick | None = None,
    ) -> None:
        self.sampling = sampling
        self.end = config.ids.codec_eos
        self._pick: Pick = pick or eager_pick
        ids = torch.arange(config.talker.vocab, device=device)
        self._banned = (ids >= config.talker.vocab - CONTROL) & (ids != self.end)

    def first(
        self, logits: Tensor, seen: Tensor, frame: Tensor, budget: Tensor, uniform: Tensor
    ) -> Tensor:
        """logits [B, vocab]; seen [B, vocab] bool: what the sequence has drawn here before; frame, budget
        int64 [B]: the frame's number, and that from which an end becomes more likely; uniform [B]."""
        sampling = self.sampling
        logits = self.allowed(logits, seen, frame, budget)
        if sampling.greedy:
            return logits.argmax(-1)
        return self._pick(logits, uniform, sampling.temperature, sampling.top_k, sampling.top_p)

    def next(self, logits: Tensor, uniform: Tensor) -> Tensor:
        """logits [B, codes], uniform [B]."""
        sampling = self.sampling
        if sampling.sub_greedy:
            return logits.argmax(-1)
        return self._pick(
            logits, uniform, sampling.sub_temperature, sampling.sub_top_k, sampling.sub_top_p
        )

    def allowed(self, logits: Tensor, seen: Tensor, frame: Tensor, budget: Tensor) -> Tensor:
        """Logits of `first` with the penalty of repetition, the bans and the end's bias."""
        penalty = self.sampling.repetition_penalty
        repeated = torch.where(logits < 0, logits * penalty, logits / penalty)
        logits = torch.where(seen, repeated, logits).masked_fill(self._banned, -torch.inf)
        bias = (frame - budget).clamp(min=0) * _END_BIAS
        barred = (frame < _SHORTEST) | (budget < 0)
        logits[:, self.end] = (logits[:, self.end] + bias).masked_fill(barred, -torch.inf)
        return logits


def eager_pick(
    logits: Tensor, uniform: Tensor, temperature: float, top_k: int, top_p: float
) -> Tensor:
    """`Pick` in plain torch."""
    logits = logits.float() / temperature
    if 0 < top_k < logits.shape[1]:
        lowest = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < lowest, -torch.inf)
    if top_p < 1:
        rising, order = logits.sort(dim=-1)
        unlikely = rising.softmax(-1).cumsum(-1) <= 1 - top_p
        unlikely[:, -1] = False
        logits = logits.masked_fill(unlikely.scatter(1, order, unlikely), -torch.inf)
    mass = logits.softmax(-1).double().cumsum(-1)
    ids = (mass <= uniform[:, None] * mass[:, -1:]).sum(-1)
    # Of logits that are no numbers nothing comes that an index could be made of.
    return ids.clamp(max=logits.shape[1] - 1)
