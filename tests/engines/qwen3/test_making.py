"""What becomes of sequences, step by step, on a machine of noise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from streamer.engines.qwen3.checkpoint import open_checkpoint
from streamer.engines.qwen3.machine import Machine, open_machine
from streamer.engines.qwen3.making import Making
from streamer.engines.qwen3.prompt import Prompt, Prompts
from streamer.engines.qwen3.tracks import Event, Over, Track
from tests.engines.qwen3 import small
from tests.engines.qwen3.tiny import CPU

SLOTS = 4


@pytest.fixture
def machine() -> Iterator[Machine]:
    checkpoint = open_checkpoint(
        small.checkpoint("custom_voice"), CPU, torch.float32, download=False
    )
    with torch.inference_mode():
        yield open_machine(checkpoint, SLOTS, 256, False)


def opening(prompts: Prompts, ids: Any, more: bool) -> Prompt:
    return prompts.preset(ids, "ryan", "english", more=more)


class Late:
    """A result that comes when the next but one is asked for."""

    def __init__(self, pending: Any) -> None:
        self._pending, self._asked = pending, 0

    def ready(self) -> bool:
        self._asked += 1
        return self._asked > 2

    def result(self) -> Any:
        return self._pending.result()


@pytest.mark.parametrize("reason", ["stop", "repeated"])
def test_rows_of_text_that_were_heard_are_those_of_the_frames_that_are_sound(
    machine: Machine, reason: str
) -> None:
    runner: Any = machine.runner
    told: list[Event] = []
    runner.limits = replace(runner.limits, steps=2)
    step = runner.step

    def stepping(rows: Any) -> Late:
        pending = step(rows)
        (result,) = pending.result()
        if reason == "repeated":
            result = replace(result, code0=1, ended=False)
        else:
            result = replace(result, ended=result.frame == 30)
        pending.result = lambda: [result]
        return Late(pending)

    runner.step = stepping
    making = Making(machine, lambda _, event: told.append(event))
    loop = asyncio.new_event_loop()
    track = Track(opening, [5] * 100, False, 1, small.BUDGET, lambda: 0.0, told.append, loop)
    making.open(track)
    for _ in range(500):
        making.turn()
    loop.close()
    over = told[-1]
    assert isinstance(over, Over)
    assert over.reason == reason
    # The step that draws the end has heard a row too.
    assert over.heard == over.frames + (reason == "stop")
