"""One frame of many sequences, and the sound of some frames, as functions of tensors alone: what a CPU runs
and what a CUDA graph captures is this. Nothing here waits for the device or asks it anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.codec_state import FRAMES_PER_PASS, CodecState
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.sampling import Draw
from streamer.engines.qwen3.talker import KvArena

PLAN = 5
"""Rows of `frame`'s `plan` that are whole numbers: slot, position in the KV cache, number of the frame,
row of `Arenas.text` to hear, budget."""


@dataclass(frozen=True, slots=True)
class Arenas:
    """What sequences have on the device, by slot. The last slot is scratch, for rows that pad a bucket.

    `text` is [(slots + 1) * capacity + 1, H]: the rows of text of each slot, and the pad row. `codes` has
    room behind the last frame for a codec call of fixed length.
    """

    slots: int
    capacity: int
    kv: KvArena
    feedback: Tensor
    """[slots + 1, H]: the frame before, as the talker hears it."""
    text: Tensor
    seen: Tensor
    """bool [slots + 1, vocab]: first codes that a sequence has had."""
    codes: Tensor
    """int64 [slots + 1, capacity + 16, groups]."""
    codec: CodecState

    @classmethod
    def empty(cls, model: Model, codec: Codec, slots: int, capacity: int) -> Arenas:
        """For `slots` sequences of at most `capacity` positions, those of their prompts included."""
        config, device, dtype = model.config, model.device, model.dtype
        rows, hidden = slots + 1, config.talker.stack.hidden
        text = torch.zeros(rows * capacity + 1, hidden, device=device, dtype=dtype)
        text[-1] = model.pad_row
        length = capacity + FRAMES_PER_PASS
        return cls(
            slots,
            capacity,
            KvArena.empty(config, slots, capacity, device, dtype),
            torch.zeros(rows, hidden, device=device, dtype=dtype),
            text,
            torch.zeros(rows, config.talker.vocab, device=device, dtype=torch.bool),
            torch.zeros(rows, length, config.talker.groups, device=device, dtype=torch.int64),
            codec.state(slots),
        )

    def held(self, slot: int, start: int, frames: int) -> tuple[Tensor, ...]:
        """All that the talker has of a sequence that stands behind so many frames, and the frames' codes:
        views. `start`: positions of its prompt."""
        length = start + frames
        return (
            self.kv.k[:, slot, :, :length],
            self.kv.v[:, slot, :, :length],
            self.feedback[slot],
            self.seen[slot],
            self.codes[slot, :frames],
        )


@torch.inference_mode()
def frame(model: Model, draw: Draw, arenas: Arenas, plan: Tensor, longest: int) -> Tensor:
    """One frame for each column of `plan`, int64 [5 + groups, B]: `PLAN`, then the uniform numbers of the
    draws, float64 bit for bit. -> the first codes, int64 [B]; `draw.end` is no frame but the end.

    Afterwards `arenas` has the frame's codes, and the sequences stand behind it. `longest`: more than every
    position. No two columns have the same slot, but for the scratch slot.
    """
    slots, positions, frames, rows, budgets = plan[:PLAN].unbind(0)
    uniforms = plan[PLAN:].view(torch.float64)
    x = arenas.feedback.index_select(0, slots) + arenas.text.index_select(0, rows)
    h = model.talker.step(x, arenas.kv, slots, positions, longest)
    logits, seen = model.talker.logits(h), arenas.seen.index_select(0, slots)
    first = draw.first(logits, seen, frames, budgets, uniforms[0])
    arenas.seen.view(-1).index_fill_(0, slots * seen.shape[1] + first, True)
    codes, feedback = model.predictor.frame(
        h, first, lambda logits, group: draw.next(logits, uniforms[group])
    )
    arenas.feedback.index_copy_(0, slots, feedback)
    arenas.codes.view(-1, codes.shape[1]).index_copy_(
        0, slots * arenas.codes.shape[1] + frames, codes
    )
    return first


@torch.inference_mode()
def sound(codec: Codec, arenas: Arenas, where: Tensor, frames: int) -> Tensor:
    """`frames` (at most 16) frames of sound for each column of `where`, int64 [2, B]: slot, first frame.
    -> float32 [B, frames * 1920]. Each slot's frames are asked for in their order, and once."""
    slots, begins = where.unbind(0)
    length = arenas.codes.shape[1]
    places = (slots * length + begins)[:, None] + torch.arange(frames, device=where.device)
    codes = arenas.codes.flatten(0, 1)[places]
    return codec.decode(codes.transpose(1, 2), arenas.codec, slots)
