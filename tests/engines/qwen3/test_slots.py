"""Who has a slot of the engine's, who waits for one, and what is left when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from streamer.errors import EngineFailed
from streamer.types import Segment
from tests.engines.conformance import collect, given, nothing_heard, sound
from tests.engines.qwen3.test_engine import (
    machine,
    near,
    opened,
    reasons,
    running,
    segments,
    spoken,
    until,
    waits_for_text,
)

pytestmark = pytest.mark.asyncio


async def test_who_waits_for_text_lets_others_speak_in_its_slot_and_goes_on_as_it_was() -> None:
    come = asyncio.Event()

    async def slowly() -> AsyncGenerator[Segment, None]:
        yield replace(whole, text="Hello world, it is", more=True)
        await come.wait()
        yield replace(whole, text=" the voice of you.")

    async with opened(slots=1) as engine:
        (whole,) = segments(engine, "Hello world, it is the voice of you.")
        expected = sound(await collect(engine, given(whole)))
        speaking = asyncio.create_task(spoken(engine, slowly()))
        await until(lambda: waits_for_text(engine))
        assert running(engine) == 1
        assert await spoken(engine, given(*segments(engine, "Hello.", seed=2)))
        assert not speaking.done()
        come.set()
        assert near(sound(await speaking), expected)
        assert reasons(engine) == {"stop": 3}


async def test_64_contexts_all_finish_and_say_what_each_says_alone() -> None:
    async with opened(slots=16) as engine:
        said = [segments(engine, "Hello to you.", seed=number) for number in range(64)]
        together = await asyncio.gather(*(spoken(engine, given(*one)) for one in said))
        assert reasons(engine) == {"stop": 64}
        for number in (0, 31, 63):
            alone = sound(await collect(engine, given(*said[number])))
            assert near(sound(together[number]), alone)


async def test_one_that_waits_for_text_is_in_no_step_of_the_others() -> None:
    async def stalled() -> AsyncGenerator[Segment, None]:
        yield replace(whole, text="Hello world, it is", more=True)
        await asyncio.Event().wait()

    async with opened(slots=2) as engine:
        (whole,) = segments(engine, "Hello world, it is the voice of you.")
        runner = machine(engine).runner
        waiting = asyncio.create_task(spoken(engine, stalled()))
        await until(lambda: waits_for_text(engine))
        stepped: list[list[int]] = []
        step = runner.step

        def counting(rows: Any) -> Any:
            stepped.append(list(rows))
            return step(rows)

        runner.step = counting
        chunks = await spoken(engine, given(*segments(engine, "It is the voice.", seed=2)))
        # Each step makes a frame, and the last is the end.
        assert len(stepped) == len(sound(chunks)) // 1920 + 1
        assert {tuple(rows) for rows in stepped} == {(stepped[0][0],)}
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_closed_iterator_frees_its_slot_at_the_next_step() -> None:
    async with opened(slots=1) as engine:
        runner = machine(engine).runner
        stepped: list[list[int]] = []
        step = runner.step

        def counting(rows: Any) -> Any:
            stepped.append(list(rows))
            return step(rows)

        runner.step = counting
        long = segments(engine, "x" * 300)
        first = engine.synthesize(given(*long), nothing_heard)
        await anext(first)
        waiting = asyncio.create_task(spoken(engine, given(*segments(engine, "Hello."))))
        await asyncio.sleep(0.05)
        assert running(engine) == 1
        await first.aclose()
        made = len(stepped)
        chunks = await waiting
        frames = len(sound(chunks)) // 1920
        # One step may have been running, and the last of a sequence is its end.
        assert len(stepped) - made <= frames + 2
        await until(lambda: not running(engine))


@pytest.mark.parametrize("name", ["feed", "swap_out", "swap_in"])
async def test_out_of_memory_for_one_that_waited_for_text_fails_it_alone(name: str) -> None:
    come = asyncio.Event()

    async def slowly() -> AsyncGenerator[Segment, None]:
        yield replace(whole, text="Hello world, it is", more=True)
        await come.wait()
        yield replace(whole, text=" the voice of you.")

    def fails(*_: Any) -> Any:
        runner.__dict__.pop(name)
        raise torch.OutOfMemoryError("CUDA out of memory")

    async with opened(slots=1) as engine:
        (whole,) = segments(engine, "Hello world, it is the voice of you.")
        runner = machine(engine).runner
        speaking = asyncio.create_task(spoken(engine, slowly()))
        await until(lambda: waits_for_text(engine))
        runner.__dict__[name] = fails
        if name == "feed":
            come.set()
            with pytest.raises(EngineFailed, match="memory"):
                await speaking
        assert await spoken(engine, given(*segments(engine, "Hello.", seed=2)))
        come.set()
        with pytest.raises(EngineFailed, match="memory"):
            await speaking
        assert await spoken(engine, given(*segments(engine, "Hello.", seed=3)))
        assert reasons(engine) == {"stop": 2, "failed": 1}
        assert running(engine) == 0


async def test_one_that_is_closed_without_a_slot_leaves_nothing() -> None:
    async def stalled() -> AsyncGenerator[Segment, None]:
        yield replace(whole, text="Hello world, it is", more=True)
        await asyncio.Event().wait()

    async with opened(slots=1) as engine:
        (whole,) = segments(engine, "Hello world, it is the voice of you.")
        making = engine.checkpoints["custom_voice"]._making
        speaking = asyncio.create_task(spoken(engine, stalled()))
        waiting = asyncio.create_task(spoken(engine, stalled()))
        await until(lambda: waits_for_text(engine))
        assert await spoken(engine, given(*segments(engine, "Hello.", seed=2)))
        for task in (speaking, waiting):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with asyncio.timeout(10):
            while not making._scheduler.idle:
                await asyncio.sleep(0.01)
        assert not making._live
        assert not machine(engine).runner._standing
