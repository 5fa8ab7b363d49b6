"""Where the device's time goes: talker, predictor, sampling, codec, each by itself, as one launch where the
device has graphs; and kernel by kernel, as torch's profiler sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from bench._qwen3_roofline import Ceilings, codec, predictor, talker
from bench._qwen3_steps import CHUNK, SEED
from bench._qwen3_world import World, make_model
from streamer.engines.qwen3.sampling import NEVER, Draw
from streamer.engines.qwen3.talker import KvArena

FAR = 960
"""A position near the end of a slot."""
MOST = 12
"""Kernels told of each part."""


@torch.inference_mode()
def parts(world: World, rows: int, start: int, ceilings: Ceilings) -> list[dict[str, Any]]:
    """One row a part, `start` positions on."""
    width, cache = world.dtype.itemsize, world.device.cache
    floors = {
        "talker": talker(world.config, rows, start, width),
        "predictor": predictor(world.config, rows, width, cache),
        "codec, 1 frame": codec(world.decoder, rows, 1, width),
        f"codec, {CHUNK} frames": codec(world.decoder, rows, CHUNK, width),
    }
    found = []
    for name, call in _calls(world, rows, start):
        ms = world.device.timed(world.device.graph(call), 20 if world.device.cuda else 3)
        work = floors.get(name)
        floor = work.floor_ms(ceilings) if work else None
        found.append(
            {
                "rows": rows,
                "part": name,
                "ms": round(ms, 3),
                "floor_ms": round(floor, 3) if floor else "-",
            }
        )
    return found


@torch.inference_mode()
def choices(world: World, start: int) -> list[dict[str, Any]]:
    """What the kernels leave open, for one stream: whose products, and whether the keys of one query are
    split; early and late. Nothing where there are no kernels of ours."""
    if not world.device.cuda or not find_spec("triton"):
        return []
    from streamer.engines.qwen3.fused import Fused

    found = []
    for name, ops in {
        "as it runs": Fused(),
        "products of the library": Fused(rows=0),
        "keys split in 4": Fused(splits=4),
    }.items():
        model = make_model(world.config, world.device, world.dtype, ops, 1)
        tried = replace(world, model=model)
        for position in (start, FAR):
            row: dict[str, Any] = {"choice": name, "position": position}
            for part, call in _calls(tried, 1, position):
                if part in ("talker", "predictor"):
                    graph = world.device.graph(call)
                    row[f"{part}_ms"] = round(world.device.timed(graph, 20), 3)
            found.append(row)
    return found


@torch.inference_mode()
def kernels(world: World, rows: int, start: int) -> list[dict[str, Any]]:
    """Of each part, launched operation by operation: how many kernels, and those that take most time."""
    from torch.profiler import ProfilerActivity, profile

    activities, wanted = [ProfilerActivity.CPU], "CPU"
    if world.device.cuda:
        activities.append(ProfilerActivity.CUDA)
        wanted = "CUDA"
    found = []
    for name, call in _calls(world, rows, start):
        call()
        world.device.wait()
        with profile(activities=activities) as seen:
            call()
            world.device.wait()
        events = [
            (
                event.key,
                event.count,
                event.self_device_time_total if world.device.cuda else event.self_cpu_time_total,
            )
            for event in seen.key_averages()
            # An operation has its kernels' time as well.
            if str(event.device_type).endswith(wanted)
        ]
        events.sort(key=lambda event: -event[2])
        found.append(
            {
                "part": name,
                "kernel": "all",
                "times": sum(event[1] for event in events),
                "us": round(sum(event[2] for event in events), 1),
            }
        )
        found += [
            {"part": name, "kernel": key[:60], "times": times, "us": round(us, 1)}
            for key, times, us in events[:MOST]
        ]
    return found


def _calls(world: World, rows: int, start: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each reads and writes tensors of its own, the same ones every time."""
    model, where = world.model, world.device.torch
    generator = torch.Generator(where).manual_seed(SEED)

    def drawn(*shape: int, dtype: torch.dtype = world.dtype) -> Tensor:
        made = torch.empty(shape, device=where, dtype=dtype)
        return made.uniform_(-1, 1, generator=generator)

    slots = torch.arange(rows, device=where)
    positions = torch.full_like(slots, start)
    hidden = world.config.talker.stack.hidden
    cache = KvArena.empty(world.config, rows, start + 1, where, world.dtype)
    for kept in (cache.k, cache.v):
        kept.uniform_(-1, 1, generator=generator)
    x, h = drawn(rows, hidden), drawn(rows, hidden)

    def step() -> Tensor:
        return model.talker.logits(model.talker.step(x, cache, slots, positions, start + 1))

    yield "talker", step
    codes = torch.randint(0, world.config.predictor.codes, (rows,), device=where)
    yield "predictor", lambda: model.predictor.frame(h, codes, lambda _logits, _group: codes)
    draw = Draw(world.config, world.sampling, where, world.pick)
    first = drawn(rows, world.config.talker.vocab, dtype=torch.float32)
    others = drawn(rows, world.config.predictor.codes)
    uniform = torch.rand(rows, device=where, dtype=torch.float64)
    seen = torch.zeros(first.shape, device=where, dtype=torch.bool)
    budget = torch.full_like(slots, NEVER)

    def sampled() -> None:
        draw.first(first, seen, positions, budget, uniform)
        for _ in range(1, world.config.talker.groups):
            draw.next(others, uniform)

    yield "sampling", sampled
    for frames in (1, CHUNK):
        state = world.codec.state(rows)
        shape = (rows, world.decoder.books, frames)
        given = torch.randint(0, world.decoder.entries, shape, device=where)
        name = "codec, 1 frame" if frames == 1 else f"codec, {frames} frames"
        yield name, partial(world.codec.decode, given, state, slots)
