"""The engine's runner on a device, as the engine opens it, over a checkpoint of noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench._qwen3_device import Device
from bench._qwen3_steps import SEED
from bench._qwen3_world import World, build
from streamer.engines.qwen3.eager import Eager
from streamer.engines.qwen3.frame import Arenas
from streamer.engines.qwen3.launch import AtOnce, Launch
from streamer.engines.qwen3.ops import Ops
from streamer.engines.qwen3.runner import Runner
from streamer.engines.qwen3.sampling import NEVER, Draw, Pick, eager_pick

SAME_FRAMES = 24
SAME_ROWS = 3


@dataclass
class Opened:
    """`memory` in GB: weights, and all slots together."""

    world: World
    draw: Draw
    arenas: Arenas
    launch: Launch
    runner: Runner
    graphs: bool
    memory: dict[str, float] = field(default_factory=dict)

    @property
    def types(self) -> dict[str, str]:
        names = {"model": self.world.dtype, "codec": self.world.codec.dtype}
        return {part: str(dtype).removeprefix("torch.") for part, dtype in names.items()}

    def warm(self) -> None:
        """What a start does after the weights."""
        with self.runner.talking():
            self.runner.warm([self.world.prompt()])


def open_engine(size: str, device: Device, slots: int, capacity: int) -> Opened:
    """`slots` sequences of at most `capacity` positions."""
    before = device.allocated()
    dtype = torch.bfloat16 if device.cuda else torch.float32
    sound = torch.float16 if device.cuda else torch.float32
    ops, pick = _kernels(device)
    world = build(size, device, dtype, sound, ops, slots)
    weights = device.allocated()
    draw = Draw(world.config, world.sampling, device.torch, pick)
    arenas = Arenas.empty(world.model, world.codec, slots, capacity)
    memory = {
        "weights_gb": round((weights - before) / 1e9, 3),
        "slots": slots,
        "positions": capacity,
        "slot_mb": round(_slot_bytes(arenas) / 1e6, 2),
    }
    launch = AtOnce(world.model, world.codec, draw, arenas)
    runner = Runner(world.model, world.codec, draw, arenas, launch)
    return Opened(world, draw, arenas, launch, runner, False, memory)


def same_codes(opened: Opened) -> list[dict[str, Any]]:
    """The run's launches against the same kernels one by one, sampled by the same seeds: the very same codes.
    And what a code of a real speech can't be: all alike."""
    world, device = opened.world, opened.world.device
    arenas = Arenas.empty(world.model, world.codec, SAME_ROWS, SAME_FRAMES + 16)
    launch = AtOnce(world.model, world.codec, opened.draw, arenas)
    runner = Runner(world.model, world.codec, opened.draw, arenas, launch)
    rows = []
    for count in (1, SAME_ROWS):
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


def _kernels(device: Device) -> tuple[Ops, Pick]:
    if not device.cuda:
        return Eager(), eager_pick
    from streamer.engines.qwen3.fused import Fused, fused_pick

    return Fused(), fused_pick


def _slot_bytes(arenas: Arenas) -> float:
    tensors = (arenas.kv.k, arenas.kv.v, arenas.text, arenas.codes, arenas.codec.flat)
    return sum(tensor.nbytes for tensor in tensors) / (arenas.slots + 1)
