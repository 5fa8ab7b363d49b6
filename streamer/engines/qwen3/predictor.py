"""The code predictor: from a frame's hidden state and its first code to the other fifteen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from streamer.engines.qwen3.config import ModelConfig
from streamer.engines.qwen3.ops import Ops
from streamer.engines.qwen3.stack import Stack

Draw = Callable[[Tensor, int], Tensor]
"""(logits [B, codes], group 1..15) -> ids int64 [B]."""


class Predictor:
    """Weights, and room for the keys of one frame, which is written anew by every call: a call at a time.

    A frame is 15 passes (for 16 groups): the first has two positions (the hidden state, the first code),
    each further one the code before. What enters is projected to the predictor's width; the projection
    is folded into the tables that codes are looked up in.
    """

    def __init__(
        self,
        config: ModelConfig,
        tensors: Mapping[str, Tensor],
        ops: Ops,
        embedding: Tensor,
        rows: int,
    ) -> None:
        """`embedding` [vocab, H] is the talker's; `rows`: the most that `frame` is called with."""
        predictor, self.groups = config.predictor, config.talker.groups
        name = "talker.code_predictor."
        further = range(self.groups - 1)
        self._ops = ops
        self._embedding = embedding
        self._codes = predictor.codes
        self.stack = Stack(predictor.stack, tensors, f"{name}model.", ops, self.groups + 1)
        self._heads = [tensors[f"{name}lm_head.{index}.weight"] for index in further]
        self._tables = torch.cat(
            [tensors[f"{name}model.codec_embedding.{index}.weight"] for index in further]
        )
        self._project: tuple[Tensor, Tensor] | None = None
        if config.projects:
            weight, bias = (
                tensors[f"{name}small_to_mtp_projection.{part}"] for part in ("weight", "bias")
            )
            self._project = weight, bias
            self._first_in = ops.linear(embedding, weight, bias)
            self._tables_in = ops.linear(self._tables, weight, bias)
        else:
            self._first_in, self._tables_in = embedding, self._tables
        device, stack = embedding.device, predictor.stack
        shape = (stack.layers, rows, stack.kv_heads, self.groups + 1, stack.head_dim)
        self._k = torch.zeros(shape, device=device, dtype=embedding.dtype)
        self._v = torch.zeros_like(self._k)
        # Made once: a captured graph must not spend a kernel on each of them.
        places = torch.arange(self.groups + 1, device=device)
        self._positions = places[:, None].expand(-1, rows).contiguous()
        self._slots = torch.arange(rows, device=device)
        self._offsets = torch.arange(self.groups - 1, device=device) * self._codes

    def frame(self, h: Tensor, first: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """h [B, H] and the first codes, int64 [B] -> codes int64 [B, 16] and `embed` of them [B, H].

        `first` may be any id of the talker's vocabulary: a row that has ended goes through like the others.
        """
        rows, ops = h.shape[0], self._ops
        slots = self._slots[:rows]
        hidden = ops.linear(h, *self._project) if self._project else h
        x, residual = self.stack.pass_on(
            torch.cat((hidden, self._first_in[first])),
            self._k,
            self._v,
            torch.cat((slots, slots)),
            torch.cat((self._positions[0, :rows], self._positions[1, :rows])),
            2,
        )
        x, residual = x[rows:], None if residual is None else residual[rows:]
        codes = [first, draw(self._logits(0, x, residual), 1)]
        for group in range(2, self.groups):
            begin = (group - 2) * self._codes
            x, residual = self.stack.pass_on(
                self._tables_in[begin : begin + self._codes].index_select(0, codes[-1]),
                self._k,
                self._v,
                slots,
                self._positions[group, :rows],
                group + 1,
            )
            codes.append(draw(self._logits(group - 1, x, residual), group))
        frame = torch.stack(codes, 1)
        return frame, self.embed(frame)

    def _logits(self, index: int, x: Tensor, residual: Tensor | None) -> Tensor:
        """[B, codes] of the head `index`."""
        stack = self.stack
        return self._ops.normed_linear(
            x, residual, stack.norm, stack.config.eps, self._heads[index]
        )[0]

    def embed(self, codes: Tensor) -> Tensor:
        """Frames of codes int64 [n, 16] as the talker hears them: the sum of their embeddings [n, H]."""
        rest = self._tables[codes[:, 1:] + self._offsets].float().sum(1)
        return (self._embedding[codes[:, 0]].float() + rest).to(self._embedding.dtype)
