"""The engine's runner on a device, as the engine opens it, over a checkpoint of noise."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from bench._qwen3_device import Device
from bench._qwen3_steps import SEED
from bench._qwen3_world import World, build
from streamer.engines.qwen3.device import Cuda
from streamer.engines.qwen3.frame import Arenas
from streamer.engines.qwen3.graphs import Graphs, rows_for
from streamer.engines.qwen3.launch import AtOnce, Launch
from streamer.engines.qwen3.runner import Runner, ops_for
from streamer.engines.qwen3.sampling import NEVER, Draw, Pick, eager_pick

SAME_FRAMES = 24
SAME_ROWS = 8
"""A number of rows that has a graph of its own: a padded one multiplies otherwise."""


@dataclass(frozen=True)
class Opened:
    """Ready to speak."""

    world: World
    draw: Draw
    arenas: Arenas
    launch: Launch
    runner: Runner

    @property
    def about(self) -> dict[str, Any]:
        """Types, graphs, and what a slot takes."""
        names = {"model": self.world.dtype, "codec": self.world.codec.dtype}
        about: dict[str, Any] = {
            "types": {part: str(dtype).removeprefix("torch.") for part, dtype in names.items()},
            "slots": self.arenas.slots,
            "positions": self.arenas.capacity,
            "slot_mb": round(_slot_bytes(self.arenas) / 1e6, 2),
            "graphs": "none",
        }
        if isinstance(self.launch, Graphs):
            frames, sounds = self.launch.widths
            about["graphs"] = {"rows": frames, "codec_rows_and_frames": sounds}
        return about


def load(size: str, device: Device, slots: int) -> World:
    """The weights."""
    dtype, sound = (
        (torch.bfloat16, torch.float16) if device.cuda else (torch.float32, torch.float32)
    )
    rows = max(slots, rows_for(slots))
    return build(size, device, dtype, sound, ops_for(device.torch), _pick(device), rows)


def ready(world: World, slots: int, capacity: int) -> Opened:
    """All else that a start does: `slots` sequences of at most `capacity` positions, graphs, a prefix."""
    device = world.device
    draw = Draw(world.config, world.sampling, device.torch, world.pick)
    arenas = Arenas.empty(world.model, world.codec, slots, capacity)
    launch: Launch
    if device.cuda:
        launch = Graphs(world.model, world.codec, draw, arenas, Cuda(device.torch))
    else:
        launch = AtOnce(world.model, world.codec, draw, arenas)
    runner = Runner(world.model, world.codec, draw, arenas, launch)
    with runner.talking():
        runner.warm([world.prompt()])
    return Opened(world, draw, arenas, launch, runner)


def same_codes(opened: Opened) -> list[dict[str, Any]]:
    """The run's launches against the same kernels one by one, sampled by the same seeds: the very same codes.
    And what a code of a real speech can't be: all alike."""
    world, device = opened.world, opened.world.device
    # Of the same capacity: by it a kernel chooses how it splits its sums.
    arenas = Arenas.empty(world.model, world.codec, SAME_ROWS, opened.arenas.capacity)
    launch = AtOnce(world.model, world.codec, opened.draw, arenas)
    runner = Runner(world.model, world.codec, opened.draw, arenas, launch)
    rows = []
    for count in sorted({1, min(SAME_ROWS, opened.arenas.slots)}):
        found = _codes(opened.runner, opened.arenas, world, count)
        wanted = _codes(runner, arenas, world, count)
        same = (found == wanted).all(2).float().cumprod(1).sum(1)
        rows.append(
            {
                "check": f"frames of {count} before codes differ from those launched one by one",
                "found": float(same.min()),
                "plain_torch": SAME_FRAMES,
                "met": bool((found == wanted).all()),
            }
        )
    kinds, usual = (len(set(codes.flatten().tolist())) for codes in (found, wanted))
    rows.append(
        {
            "check": "different codes said",
            "found": kinds,
            "plain_torch": usual,
            "met": kinds > SAME_FRAMES,
        }
    )
    device.wait()
    return rows


def _codes(runner: Runner, arenas: Arenas, world: World, rows: int) -> Tensor:
    """[rows, SAME_FRAMES, 16]."""
    slots = list(range(rows))
    for slot in slots:
        with runner.talking():
            prompt = world.prompt(slot)
        runner.begin(slot, prompt, SEED + slot, NEVER)
    pending = [runner.step(slots) for _ in range(SAME_FRAMES)]
    for step in pending:
        step.result()
    world.device.wait()
    return arenas.codes[:rows, :SAME_FRAMES].cpu().clone()


def _pick(device: Device) -> Pick:
    if not device.cuda or not find_spec("triton"):
        return eager_pick
    from streamer.engines.qwen3.fused import fused_pick

    return fused_pick


def _slot_bytes(arenas: Arenas) -> float:
    tensors = (arenas.kv.k, arenas.kv.v, arenas.text, arenas.codes, arenas.codec.flat)
    return sum(tensor.nbytes for tensor in tensors) / (arenas.slots + 1)
