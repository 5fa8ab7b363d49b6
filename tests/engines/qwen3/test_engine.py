"""The engine as a whole, on checkpoints of noise: sequences, who waits for whom, what fails and what not."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from streamer.engines.base import SequenceCounts
from streamer.engines.qwen3 import engine as qwen3
from streamer.engines.qwen3 import sequence
from streamer.engines.qwen3.budget import Budget
from streamer.engines.qwen3.context import LITTLE_S
from streamer.engines.qwen3.engine import Qwen3
from streamer.errors import EngineFailed
from streamer.types import Options, PcmChunk, Samples, Segment
from tests.engines.conformance import collect, given, nothing_heard, sound
from tests.engines.qwen3 import small

pytestmark = pytest.mark.asyncio
TEXTS = ("Hello, you of the world.", "It is the voice.", "That was this!")


@asynccontextmanager
async def opened(*kinds: Any, budget: Budget = small.BUDGET, **more: Any) -> AsyncIterator[Qwen3]:
    engine = qwen3.open_engine(small.settings(*kinds, **more), budget)
    try:
        yield engine
    finally:
        await engine.aclose()


def segments(engine: Qwen3, *texts: str, **options: Any) -> list[Segment]:
    chosen = Options(engine.voices[0], **{"seed": 7, **options})
    return [Segment(index, text, 0, chosen) for index, text in enumerate(texts)]


def near(one: Samples, other: Samples) -> bool:
    return len(one) == len(other) and float(np.abs(one - other).max(initial=0)) < 1e-4


def nobody() -> float:
    return math.inf


async def spoken(
    engine: Qwen3, text: AsyncIterator[Segment], lead: Callable[[], float] = nothing_heard
) -> list[PcmChunk]:
    async with asyncio.timeout(60):
        return [chunk async for chunk in engine.synthesize(text, lead)]


def machine(engine: Qwen3) -> Any:
    return engine.checkpoints["custom_voice"].machine


def reasons(engine: Qwen3) -> dict[str, int]:
    return dict(engine.checkpoints["custom_voice"].reasons)


def running(engine: Qwen3) -> int:
    return engine.checkpoints["custom_voice"].running


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def waits_for_text(engine: Qwen3) -> bool:
    """Whether some have a slot, and all of them have said what text they had."""
    there = list(engine.checkpoints["custom_voice"]._making._scheduler._running.values())
    return bool(there) and all(one.launched and one.dry and one.still for one in there)


def firsts(chunks: list[PcmChunk]) -> dict[int, PcmChunk]:
    """The first chunk of each segment."""
    return {chunk.segment: chunk for chunk in reversed(chunks)}


# Sequences


async def test_segments_at_hand_are_one_sequence_whose_borders_are_marked_and_joined() -> None:
    async with opened() as engine:
        chunks = await collect(engine, given(*segments(engine, *TEXTS)))
        assert reasons(engine) == {"stop": 1}
    assert [chunk.segment for chunk in chunks if chunk.last] == [0, 1, 2]
    assert {index: chunk.joins for index, chunk in firsts(chunks).items()} == {
        0: False,
        1: True,
        2: True,
    }
    for index in range(3):
        assert len(sound(chunk for chunk in chunks if chunk.segment == index))


async def test_other_options_begin_a_sequence_of_their_own() -> None:
    async with opened() as engine:
        said = segments(engine, *TEXTS)
        said[1] = replace(said[1], options=replace(said[1].options, voice=engine.voices[1]))
        chunks = await collect(engine, given(*said))
        assert reasons(engine) == {"stop": 3}
    assert not any(chunk.joins for chunk in chunks)


async def test_where_nobody_listens_no_sequence_is_spoken_before_the_one_before_it_is_taken() -> (
    None
):
    async with opened() as engine:
        said = segments(engine, *TEXTS)
        said[1] = replace(said[1], options=replace(said[1].options, voice=engine.voices[1]))
        chunks = engine.synthesize(given(*said), nobody)
        await anext(chunks)
        await until(lambda: reasons(engine) == {"stop": 1})
        await asyncio.sleep(0.5)
        assert reasons(engine) == {"stop": 1}
        assert not running(engine)
        rest = [chunk async for chunk in chunks]
        assert reasons(engine) == {"stop": 3}
    assert [chunk.segment for chunk in rest if chunk.last] == [0, 1, 2]


async def test_long_text_is_many_sequences_each_begun_at_the_end_of_a_segment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequence, "MOST", 50)
    async with opened(slots=2) as engine:
        chunks = await collect(engine, given(*segments(engine, *["It is the voice of it."] * 5)))
        assert reasons(engine) == {"stop": 3}
    begun = [index for index, chunk in firsts(chunks).items() if not chunk.joins]
    assert sorted(begun) == [0, 2, 4]


async def test_sound_is_the_same_however_the_text_was_cut() -> None:
    text = "Hello world, it is 12 of you: 你好世界 and a deep voice… was it?"
    chance = random.Random(5)

    async def pieces() -> AsyncGenerator[Segment, None]:
        at = 0
        while at < len(text):
            end = at + chance.choice([1, 1, 2, 3, 5, 9])
            yield replace(whole, text=text[at:end], more=end < len(text))
            at = end
            if chance.random() < 0.3:
                await asyncio.sleep(0.001 * chance.random())

    async with opened() as engine:
        (whole,) = segments(engine, text)
        expected = sound(await collect(engine, given(whole)))
        cut = await asyncio.gather(*(spoken(engine, pieces()) for _ in range(6)))
        assert all(near(sound(chunks), expected) for chunks in cut)
        assert all([c.last for c in chunks].count(True) == 1 for chunks in cut)


async def test_sequence_waits_within_a_segment_for_its_text() -> None:
    come = asyncio.Event()

    async def slowly() -> AsyncGenerator[Segment, None]:
        yield replace(whole, text="Hello world", more=True)
        await come.wait()
        yield replace(whole, text=" of speech.")

    async with opened() as engine:
        (whole,) = segments(engine, "Hello world of speech.")
        speaking = asyncio.create_task(spoken(engine, slowly()))
        await until(lambda: waits_for_text(engine))
        assert running(engine) == 1
        come.set()
        assert near(sound(await speaking), sound(await collect(engine, given(whole))))


@pytest.mark.parametrize(("lead", "sequences"), [(0.9, 1), (LITTLE_S / 2, 2)])
async def test_sequence_is_held_open_for_a_sentence_while_the_listener_has_enough(
    lead: float, sequences: int
) -> None:
    come = asyncio.Event()

    async def slowly() -> AsyncGenerator[Segment, None]:
        yield said[0]
        await come.wait()
        yield said[1]

    async with opened() as engine:
        said = segments(engine, *TEXTS[:2])
        speaking = asyncio.create_task(spoken(engine, slowly(), lambda: lead))
        await until(lambda: reasons(engine).get("stop", 0) == sequences - 1)
        await asyncio.sleep(1.0)
        come.set()
        await speaking
        assert reasons(engine) == {"stop": sequences}


async def test_text_that_ends_within_a_segment_is_a_failure() -> None:
    async with opened() as engine:
        (open_end,) = segments(engine, "Hello world")
        with pytest.raises(EngineFailed, match="within"):
            await spoken(engine, given(replace(open_end, more=True)))
        assert await collect(engine, given(*segments(engine, "Hello.")))


# Many at once


async def test_who_does_not_fetch_is_not_made_more_than_a_bounded_amount_for() -> None:
    async with opened() as engine:
        slow = engine.synthesize(given(*segments(engine, "x" * 400)), nothing_heard)
        await anext(slow)
        await asyncio.sleep(0.2)
        others = [spoken(engine, given(*segments(engine, "Hello."))) for _ in range(3)]
        await asyncio.gather(*others)
        track = next(iter(engine._open))._outbox._track
        assert track is not None
        handed = -1
        while handed != track.handed:
            handed = track.handed
            await asyncio.sleep(0.3)
        assert handed <= 40
        await slow.aclose()


async def test_nor_are_short_sequences_piled_up_for_one_who_does_not_fetch() -> None:
    async with opened() as engine:
        plain, other = (replace(segments(engine, "")[0].options, seed=n) for n in (1, 2))
        said = [Segment(n, "Hello.", 0, other if n % 2 else plain) for n in range(40)]
        slow = engine.synthesize(given(*said), lambda: -1000.0)
        await anext(slow)
        made = -1
        while made != (now := reasons(engine).get("stop", 0)) or made < 2:
            made = now
            await asyncio.sleep(0.5)
        assert made < 20
        rest = [chunk async for chunk in slow]
    assert [chunk.segment for chunk in rest if chunk.last] == list(range(40))


# What fails


async def test_device_out_of_memory_is_told_as_that_and_the_next_request_is_served() -> None:
    async with opened() as engine:
        runner = machine(engine).runner
        expected = sound(await collect(engine, given(*segments(engine, TEXTS[0]))))
        for name in ("step", "decode", "begin"):
            whole = getattr(runner, name)
            failing = iter([torch.OutOfMemoryError("CUDA out of memory")])

            def fails(*args: Any, whole: Any = whole, failing: Any = failing) -> Any:
                for error in failing:
                    raise error
                return whole(*args)

            setattr(runner, name, fails)
            with pytest.raises(EngineFailed) as failed:
                await collect(engine, given(*segments(engine, TEXTS[0])))
            assert failed.value.retryable
            assert failed.value.details["retry_after_s"] > 0
            assert near(sound(await collect(engine, given(*segments(engine, TEXTS[0])))), expected)
            setattr(runner, name, whole)
        assert reasons(engine)["failed"] == 3


async def test_failure_of_a_result_fails_those_of_that_step_and_no_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        def ready(self) -> bool:
            return True

        def result(self) -> Any:
            raise RuntimeError("device-side assert")

    async with opened(slots=2) as engine:
        runner = machine(engine).runner
        step, steps = runner.step, iter(range(1000))

        def fails(rows: Any) -> Any:
            return Broken() if next(steps) == 3 else step(rows)

        runner.step = fails
        tasks = [spoken(engine, given(*segments(engine, "Hello.", seed=n))) for n in range(4)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [outcome for outcome in outcomes if isinstance(outcome, EngineFailed)]
        assert 1 <= len(failed) <= 2
        assert (
            len([outcome for outcome in outcomes if isinstance(outcome, list)]) + len(failed) == 4
        )
        assert running(engine) == 0


async def test_what_goes_wrong_where_sound_is_handed_on_fails_that_context_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = sequence.Cutter.push

    def fails(cutter: sequence.Cutter, samples: Samples) -> list[PcmChunk]:
        if cutter._members[0].segment.text == "Broken.":
            raise ArithmeticError("a fault of ours")
        return push(cutter, samples)

    monkeypatch.setattr(sequence.Cutter, "push", fails)
    async with opened(slots=4) as engine:
        texts = ("Hello.", "Broken.", "World.")
        tasks = [spoken(engine, given(*segments(engine, text))) for text in texts]
        good, broken, other = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(good, list)
        assert isinstance(other, list)
        assert isinstance(broken, EngineFailed)
        async with asyncio.timeout(10):
            while running(engine):
                await asyncio.sleep(0.01)
    assert "sound could not be handed on" in caplog.text


async def test_fault_in_the_scheduling_fails_what_is_open_and_the_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as engine:
        making = engine.checkpoints["custom_voice"]._making

        def fault() -> Any:
            making.__dict__.pop("turn")
            raise KeyError("a fault of ours")

        speaking = asyncio.create_task(spoken(engine, given(*segments(engine, "x" * 200))))
        await asyncio.sleep(0.1)
        making.__dict__["turn"] = fault
        with pytest.raises(EngineFailed):
            await speaking
        assert await collect(engine, given(*segments(engine, "Hello.")))
    assert "a fault in the scheduling" in caplog.text


async def test_thread_that_cannot_go_on_fails_who_is_there_and_who_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fault() -> Any:
        raise KeyError("a fault of ours")

    async with opened(slots=1) as engine:
        making = engine.checkpoints["custom_voice"]._making
        texts = ["x" * 200, "Hello."]
        there = [
            asyncio.create_task(spoken(engine, given(*segments(engine, text)))) for text in texts
        ]
        await asyncio.sleep(0.1)
        making.__dict__["start_anew"] = making.__dict__["turn"] = fault
        assert engine.broken == ""
        outcomes = await asyncio.gather(*there, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [EngineFailed] * 2
        with pytest.raises(EngineFailed):
            await spoken(engine, given(*segments(engine, "Hello.")))
        assert "can't go on" in engine.broken
    assert "can't go on" in caplog.text


async def test_a_device_that_is_lost_is_told_to_who_is_there_who_comes_and_who_looks_after_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("device-side assert")

    async with opened() as engine:
        runner = machine(engine).runner
        step, runner.step = runner.step, fails
        with pytest.raises(EngineFailed):
            await spoken(engine, given(*segments(engine, "Hello.")))
        runner.step = step
        assert await collect(engine, given(*segments(engine, "Hello.")))
        assert engine.broken == "", "what it computes is right again"
        runner.step = runner.decode = runner.begin = fails
        monkeypatch.setattr(type(machine(engine)), "works", lambda _: False)
        there = [spoken(engine, given(*segments(engine, "Hello.", seed=n))) for n in range(3)]
        outcomes = await asyncio.gather(*there, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [EngineFailed] * 3
        assert engine.broken == "the device is lost"
        with pytest.raises(EngineFailed, match="the device is lost"):
            await spoken(engine, given(*segments(engine, "Hello.")))
    assert "its device is lost" in caplog.text


async def test_sequence_whose_beginning_is_a_fault_of_ours_fails_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as engine:
        runner = machine(engine).runner
        room = runner.room
        runner.room = None
        with pytest.raises(EngineFailed):
            await spoken(engine, given(*segments(engine, "Hello.")))
        runner.room = room
        assert await collect(engine, given(*segments(engine, "Hello.")))


async def test_prompt_that_leaves_no_room_is_refused_and_not_to_be_tried_again() -> None:
    async with opened(capacity=128) as engine:
        for text in ("x" * 200, "1" * 200):
            with pytest.raises(EngineFailed) as failed:
                await collect(engine, given(*segments(engine, text)))
            assert not failed.value.retryable
        assert await collect(engine, given(*segments(engine, "x" * 60)))


# Sequences that do not come out well


def repeats(engine: Qwen3, frames: range) -> None:
    """Have these frames of everybody begin with the same code, as far as the host can see."""
    runner = machine(engine).runner
    step = runner.step

    def repeating(rows: Any) -> Any:
        pending = step(rows)
        result = [
            replace(one, code0=1, ended=False) if one.frame in frames else one
            for one in pending.result()
        ]
        pending.result = lambda: result
        return pending

    runner.step = repeating


async def test_loop_is_cut_off_and_what_is_missing_is_told_to_be_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as engine:
        repeats(engine, range(2, 500))
        chunks = await collect(engine, given(*segments(engine, "x" * 100)))
        assert reasons(engine) == {"repeated": 1}
    assert chunks[-1].last
    assert chunks[-1].lost
    assert 30 <= len(sound(chunks)) // 1920 <= 50
    record = next(r for r in caplog.records if r.levelno == logging.WARNING)
    assert record.__dict__["reason"] == "repeated"


async def test_segments_that_were_not_heard_when_a_loop_was_cut_off_are_said_anew() -> None:
    async with opened() as engine:
        repeats(engine, range(2, 60))
        texts = [f"Is it {word} or is it not?" for word in ("Anna", "Bella", "Clara", "Diana")]
        chunks = await collect(engine, given(*segments(engine, *texts)))
        assert reasons(engine)["repeated"] >= 1
    lasts = {chunk.segment: chunk.lost for chunk in chunks if chunk.last}
    assert list(lasts) == [0, 1, 2, 3]
    lost = min(index for index, is_lost in lasts.items() if is_lost)
    again = min(index for index, first in firsts(chunks).items() if index and not first.joins)
    assert lost < again


async def test_where_nobody_listens_a_bad_sequence_is_said_again_with_another_seed() -> None:
    async with opened() as engine:
        runner = machine(engine).runner
        begin, seeds = runner.begin, list[int]()

        def counting(slot: Any, prompt: Any, seed: int, *others: Any) -> None:
            seeds.append(seed)
            if len(seeds) == 2:
                runner.step = step
            begin(slot, prompt, seed, *others)

        step, runner.begin = runner.step, counting
        repeats(engine, range(2, 500))
        chunks = await spoken(engine, given(*segments(engine, "x" * 60)), nobody)
        assert not chunks[-1].lost
        assert len(set(seeds)) == 2
        assert reasons(engine) == {"repeated": 1, "stop": 1}
        assert engine.sequence_counts == SequenceCounts(Counter(repeated=1, stop=1), 1)


async def test_a_first_try_that_said_something_is_kept_where_the_second_fails() -> None:
    async with opened() as engine:
        runner = machine(engine).runner
        begin, seeds = runner.begin, list[int]()

        def begun(slot: Any, prompt: Any, seed: int, *others: Any) -> None:
            seeds.append(seed)
            if len(seeds) == 2:
                runner.step = step
                raise torch.OutOfMemoryError("no memory")
            begin(slot, prompt, seed, *others)

        step, runner.begin = runner.step, begun
        repeats(engine, range(2, 500))
        chunks = await spoken(engine, given(*segments(engine, "x" * 60)), nobody)
        assert len(seeds) == 2
        assert len(sound(chunks))


async def test_sequence_without_an_end_is_ended_at_its_budget_and_that_is_counted() -> None:
    async with opened(budget=Budget(least=20, per_token=1.0, over=0)) as engine:
        chunks = await collect(engine, given(*segments(engine, "Hello world.")))
        assert reasons(engine) == {"length": 1}
    # All was heard: it is long, not cut.
    assert len(sound(chunks)) // 1920 == 20
    assert not chunks[-1].lost
