"""Steps of many sequences as the engine's thread drives them: two frames on their way, sound decoded as soon
as enough frames are launched, results taken in order. By the host's clock, which is what listeners have.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench._common import median, percentile
from bench._qwen3_roofline import Ceilings, step
from bench._qwen3_world import OTHERS, VOICE, World
from streamer.engines.qwen3.launch import Pending, Samples
from streamer.engines.qwen3.plans import FRAME_SECONDS
from streamer.engines.qwen3.runner import Runner
from streamer.engines.qwen3.sampling import NEVER

AHEAD = 2
"""Steps on their way, as `plans.Limits` has it."""
CHUNK = 8
"""Frames of a codec call once a stream runs."""
CODEC_ROWS = 64
CALLS = 4
"""Codec calls on their way."""
BEHIND = 8
"""First steps that are not counted."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Run:
    """One run: wall milliseconds of a step, and the gaps between results."""

    step_ms: float
    gaps_ms: Sequence[float]


def run(runner: Runner, world: World, rows: int, frames: int, start: int, *, sound: bool) -> Run:
    """`rows` sequences that stand behind `start` positions, each `frames` further, none ending."""
    slots = list(range(rows))
    with runner.talking():
        prompt = world.far(start)
    for slot in slots:
        runner.begin(slot, prompt, SEED + slot, NEVER)
    steps: deque[Pending[Any]] = deque()
    calls: deque[Pending[Samples]] = deque()
    seen = []
    world.device.wait()
    for frame in range(frames):
        steps.append(runner.step(slots))
        if sound and (frame + 1) % CHUNK == 0:
            for begin in range(0, rows, CODEC_ROWS):
                part = slots[begin : begin + CODEC_ROWS]
                calls.append(runner.decode([(slot, frame + 1 - CHUNK) for slot in part], CHUNK))
        while calls and (calls[0].ready() or len(calls) > CALLS):
            calls.popleft().result()
        if len(steps) == AHEAD:
            steps.popleft().result()
            seen.append(time.perf_counter())
    while steps:
        steps.popleft().result()
        seen.append(time.perf_counter())
    while calls:
        calls.popleft().result()
    end = time.perf_counter()
    for slot in slots:
        runner.free(slot)
    behind = min(BEHIND, frames // 2)
    gaps = [(b - a) * 1000 for a, b in zip(seen[behind:-1], seen[behind + 1 :], strict=True)]
    return Run((end - seen[behind - 1]) * 1000 / (frames - behind), gaps)


def measure(
    runner: Runner, world: World, rows: int, frames: int, start: int, ceilings: Ceilings
) -> dict[str, Any]:
    """A row of the table: steps alone, then with the sound that goes with them."""
    alone = run(runner, world, rows, frames, start, sound=False)
    whole = run(runner, world, rows, frames, start, sound=True)
    width = world.dtype.itemsize
    work = step(
        world.config,
        world.decoder,
        rows,
        start + frames // 2,
        CHUNK,
        width,
        world.device.cache,
    )
    floor = work.floor_ms(ceilings)
    return {
        "rows": rows,
        "step_ms": round(alone.step_ms, 3),
        "with_sound_ms": round(whole.step_ms, 3),
        "p99_ms": round(percentile(whole.gaps_ms, 99), 3),
        "audio_s_per_s": round(rows * FRAME_SECONDS * 1000 / whole.step_ms, 1),
        "mb": round(work.bytes / 1e6, 1),
        "gflop": round(work.flop / 1e9, 2),
        "floor_ms": round(floor, 3),
        "times_the_floor": round(whole.step_ms / floor, 2),
    }


@dataclass(frozen=True, slots=True)
class FirstPacket:
    """Milliseconds from text in ids to the first 1920 samples on the host, of many sequences alone."""

    warm_ms: Sequence[float]
    new_voice_ms: Sequence[float]
    """The first time that a voice speaks: its prefix is in no cache."""

    @property
    def row(self) -> dict[str, Any]:
        return {
            "first_packet_ms": round(median(self.warm_ms), 2),
            "first_packet_p95_ms": round(percentile(self.warm_ms, 95), 2),
            "first_packet_of_a_new_voice_ms": round(median(self.new_voice_ms), 2),
        }


def first_packet(runner: Runner, world: World, repeats: int) -> FirstPacket:
    _first(runner, world, 0, VOICE)
    others = OTHERS[:repeats]
    new = [_first(runner, world, number, voice) for number, voice in enumerate(others)]
    warm = [_first(runner, world, number, VOICE) for number in range(repeats)]
    return FirstPacket(warm, new)


def _first(runner: Runner, world: World, number: int, voice: str) -> float:
    slot = number % runner.slots
    world.device.wait()
    begun = time.perf_counter()
    with runner.talking():
        prompt = world.prompt(number, voice)
    runner.begin(slot, prompt, SEED + number, NEVER)
    step = runner.step([slot])
    sound = runner.decode([(slot, 0)], 1)
    step.result()
    samples = sound.result()
    taken = (time.perf_counter() - begun) * 1000
    runner.free(slot)
    if not np.isfinite(samples).all() or not samples.any():
        raise RuntimeError("the first packet is no sound")
    return taken
