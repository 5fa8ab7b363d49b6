"""Sequences in slots: begun, fed with text, stepped and decoded. What a slot holds on the device is in
`Arenas`; the host knows only where each one stands. Used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.codec_state import Snapshot
from streamer.engines.qwen3.config import Sampling
from streamer.engines.qwen3.device import Cuda
from streamer.engines.qwen3.eager import Eager
from streamer.engines.qwen3.frame import Arenas
from streamer.engines.qwen3.graphs import WITHIN, Graphs, rows_for
from streamer.engines.qwen3.launch import AtOnce, Ids, Launch, Pending, Samples, Then, scratch_plan
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.newest import Newest
from streamer.engines.qwen3.ops import Ops
from streamer.engines.qwen3.prompt import Prompt
from streamer.engines.qwen3.sampling import Draw, Pick, Uniforms

_PREFIXES = 128
"""Prefixes kept as keys and values: about 1 MB each, and more with an instruction."""
_REFERENCES = 64
"""Codec states kept as they stand behind a reference: 2.6 MB each."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """`frame` counts from 0. With `ended` there is no such frame; `code0` is its first code."""

    slot: int
    frame: int
    ended: bool
    code0: int


@dataclass(slots=True)
class _Standing:
    """Where a slot stands: positions of its prefix, frames launched, rows of text there and heard."""

    prompt: Prompt
    """Kept while work on its tensors may still be on its way in another stream."""
    start: int
    budget: int
    uniforms: Uniforms
    frames: int = 0
    fed: int = 0


@dataclass(frozen=True, slots=True)
class Swapped:
    """All that a slot held, on the host: `Arenas.held`, and the codec's state."""

    standing: _Standing
    talker: tuple[Tensor, ...]
    codec: Snapshot


class Runner:
    """`slots` sequences of at most `capacity` positions (prompt and frames)."""

    def __init__(
        self,
        model: Model,
        codec: Codec,
        draw: Draw,
        arenas: Arenas,
        launch: Launch,
    ) -> None:
        self.limits = launch.limits
        """What a scheduler has to keep to."""
        self.slots, self.capacity = arenas.slots, arenas.capacity
        self._model, self._codec, self._draw = model, codec, draw
        self._arenas, self._launch = arenas, launch
        self._standing: dict[int, _Standing] = {}
        self._prefixes: Newest[tuple[Tensor, Tensor]] = Newest(_PREFIXES)
        self._references: Newest[Snapshot] = Newest(_REFERENCES)

    def talking(self) -> AbstractContextManager[object]:
        """Prompts and rows of text that are handed in must be made inside this (it names the stream)."""
        return self._launch.talking()

    def room(self, prompt: Prompt) -> int:
        """How many frames a sequence that starts so can have; below 1: the prompt is too long."""
        return self.capacity - len(prompt.prefix)

    def begin(
        self,
        slot: int,
        prompt: Prompt,
        seed: int,
        budget: int,
        reference: Hashable | None = None,
    ) -> None:
        """A sequence starts in a slot, whatever was there. From frame `budget` on its end becomes more
        likely (`sampling.NEVER`: never ends). `reference` names the prompt's, if it may come again.

        `ValueError` if there is no room. If the device has no memory for it (`torch.OutOfMemoryError`;
        a prefix or reference that is not kept needs some), the slot stays without a sequence.
        """
        self._standing.pop(slot, None)
        if self.room(prompt) < 1:
            raise ValueError(f"a prompt of {len(prompt.prefix)} in {self.capacity} positions")
        arenas = self._arenas
        with torch.inference_mode():
            with self._launch.talking():
                self._prefix(slot, prompt)
                arenas.seen[slot].zero_()
                arenas.feedback[slot].copy_(prompt.feedback)
            with self._launch.decoding(prompt.reference is not None):
                self._reference(slot, prompt, reference)
        uniforms = Uniforms(seed, arenas.codes.shape[2])
        self._standing[slot] = _Standing(prompt, len(prompt.prefix), budget, uniforms)
        self.feed(slot, prompt.text)

    def allow(self, slot: int, budget: int) -> None:
        """Another budget, from the next step on: more text has come, or all of it has been heard."""
        self._standing[slot].budget = budget

    def feed(self, slot: int, rows: Tensor) -> None:
        """Further rows of text [n, H], one for each frame; the last row of a text is the end row. What no
        frame can hear any more is dropped."""
        standing = self._standing[slot]
        begin = slot * self.capacity + standing.fed
        rows = rows[: self.capacity - standing.fed]
        standing.fed += len(rows)
        if len(rows):
            with torch.inference_mode(), self._launch.talking():
                self._arenas.text[begin : begin + len(rows)].copy_(rows)

    def step(self, rows: Sequence[int]) -> Pending[list[StepResult]]:
        """One frame for each slot of `rows`. A slot whose rows of text are used up hears that there is
        nothing more: step it only if its text has ended. Launched behind an end, a step does no harm.
        `ValueError` for a slot without room."""
        plan, places, longest = scratch_plan(self._arenas, len(rows)), [], 0
        numbers = plan[-self._arenas.codes.shape[2] :].view(np.float64)
        for column, slot in enumerate(rows):
            standing = self._standing[slot]
            frame, position = standing.frames, standing.start + standing.frames
            if position >= self.capacity:
                raise ValueError(f"slot {slot} is full")
            plan[0, column], plan[1, column], plan[2, column] = slot, position, frame
            if frame < standing.fed:
                plan[3, column] = slot * self.capacity + frame
            plan[4, column] = standing.budget
            numbers[:, column] = standing.uniforms.frame(frame)
            places.append((slot, frame))
            longest = max(longest, position + 1)
        for slot in rows:
            self._standing[slot].frames += 1
        end = self._draw.end

        def results(codes: Ids) -> list[StepResult]:
            return [
                StepResult(slot, frame, code == end, code)
                for (slot, frame), code in zip(places, codes.tolist(), strict=True)
            ]

        return Then(self._launch.frame(plan, longest), results)

    def decode(self, rows: Sequence[tuple[int, int]], frames: int) -> Pending[Samples]:
        """`frames` frames of sound of each (slot, first frame): float32 [B, frames * 1920] within -1..1.
        Of each slot in order, without gaps; the last call may go past the end."""
        where = np.array(rows, np.int64).reshape(-1, 2).T.copy()
        return self._launch.sound(where, frames)

    def codes(self, slot: int, frames: int) -> npt.NDArray[np.int64]:
        """[frames, groups] of a slot, from its first frame on. Waits for the device: not for serving."""
        codes: npt.NDArray[np.int64] = self._arenas.codes[slot, :frames].cpu().numpy()
        return codes

    def free(self, slot: int) -> None:
        """Nothing more of what is in this slot; what is on its way comes all the same."""
        self._standing.pop(slot, None)

    def swap_out(self, slot: int) -> Swapped:
        """Take a sequence out of its slot that has heard all its text, and for which nothing is on its way.
        Waits for the device."""
        standing, arenas = self._standing.pop(slot), self._arenas
        with torch.inference_mode():
            with self._launch.talking():
                parts = arenas.held(slot, standing.start, standing.frames)
                talker = tuple(part.to("cpu", copy=True) for part in parts)
            with self._launch.decoding(False):
                codec = arenas.codec.snapshot(slot)
                codec = Snapshot(codec.row.cpu(), codec.position.cpu())
        return Swapped(standing, talker, codec)

    def swap_in(self, slot: int, swapped: Swapped) -> None:
        """It goes on in this slot as if it had been there. If the device fails, the slot stays without a
        sequence."""
        standing, arenas = swapped.standing, self._arenas
        with torch.inference_mode():
            with self._launch.talking():
                parts = arenas.held(slot, standing.start, standing.frames)
                for part, kept in zip(parts, swapped.talker, strict=True):
                    part.copy_(kept)
            with self._launch.decoding(True):
                arenas.codec.restore(slot, swapped.codec)
        self._standing[slot] = standing

    def warm(self, prompts: Iterable[Prompt]) -> None:
        """Have the prefixes of these at hand."""
        with torch.inference_mode(), self._launch.talking():
            for prompt in prompts:
                self._prefix(self.slots, prompt)

    def _prefix(self, slot: int, prompt: Prompt) -> None:
        kv, length = self._arenas.kv, len(prompt.prefix)
        kept = self._prefixes.get(prompt.key)
        if kept:
            kv.k[:, slot, :, :length].copy_(kept[0])
            kv.v[:, slot, :, :length].copy_(kept[1])
            return
        self._model.talker.prefill(prompt.prefix, kv, slot, 0)
        if prompt.key is not None:
            self._prefixes.put(
                prompt.key,
                (kv.k[:, slot, :, :length].clone(), kv.v[:, slot, :, :length].clone()),
            )

    def _reference(self, slot: int, prompt: Prompt, key: Hashable | None) -> None:
        state = self._arenas.codec
        if prompt.reference is None:
            state.reset(slot)
            return
        kept = self._references.get(key)
        if kept:
            state.restore(slot, kept)
            return
        state.reset(slot)
        if prompt.reference.is_cuda:
            # It was made in the talker's stream, and may be let go of before this one has read it.
            prompt.reference.record_stream(torch.cuda.current_stream(prompt.reference.device))
        where = torch.full((1,), slot, dtype=torch.int64, device=self._model.device)
        self._codec.prime(prompt.reference[None], state, where)
        if key is not None:
            self._references.put(key, state.snapshot(slot))


def ops_for(device: torch.device, eager: bool = False) -> Ops:
    """What to make a model and a codec with: fused kernels where there are any."""
    if device.type == "cuda" and not eager and find_spec("triton"):
        from streamer.engines.qwen3.fused import Fused

        return Fused()
    return Eager()


def open_runner(
    model: Model,
    codec: Codec,
    sampling: Sampling,
    slots: int,
    capacity: int,
    eager: bool = False,
    within: float = WITHIN,
) -> Runner:
    """On a CUDA device by graphs, captured now for about `within` seconds; elsewhere, or `eager`, operation
    by operation. `ValueError` for a model that was made for fewer rows than `graphs.rows_for(slots)`."""
    if model.rows < min(slots, rows_for(slots)):
        raise ValueError(f"a model for {model.rows} rows and {slots} slots")
    arenas = Arenas.empty(model, codec, slots, capacity)
    launch: Launch
    if model.device.type == "cuda" and not eager:
        draw = Draw(model.config, sampling, model.device, _pick())
        launch = Graphs(model, codec, draw, arenas, Cuda(model.device), within)
    else:
        draw = Draw(model.config, sampling, model.device)
        launch = AtOnce(model, codec, draw, arenas)
    return Runner(model, codec, draw, arenas, launch)


def _pick() -> Pick | None:
    if not find_spec("triton"):
        return None
    from streamer.engines.qwen3.fused import fused_pick

    return fused_pick
