import asyncio

import numpy as np
import pytest

from streamer.config import Settings
from streamer.engines.hibari import Hibari, load_voice, open_engine
from streamer.types import Options, Segment
from tests.engines.conformance import collect, given, nothing_heard, sound

pytestmark = pytest.mark.asyncio
LONG = "The boats leave the harbour at dawn, and nobody on board speaks much at that early hour."


async def test_it_has_as_many_threads_as_the_settings_say() -> None:
    engine = open_engine(Settings(workers=3))
    assert engine.workers.threads == 3
    await engine.aclose()


async def test_model_without_known_tensors_says_that_times_are_estimated(model_file: bytes) -> None:
    name = b"/Sub_output_0"
    engine = Hibari(1, load_voice(model_file.replace(name, b"x" * len(name))))
    assert engine.capabilities.word_times == "estimated"
    options = Options(engine.voices[0])
    assert len(sound(await collect(engine, given(Segment(0, "Hello there.", 0, options)))))
    await engine.aclose()


async def test_who_has_no_sound_yet_goes_before_the_rest_of_others() -> None:
    engine = open_engine(Settings(workers=1))
    options = Options(engine.voices[0])
    order: list[int] = []

    async def context(number: int) -> None:
        segments = given(Segment(0, LONG, 0, options))
        async for _ in engine.synthesize(segments, nothing_heard):
            order.append(number)

    await asyncio.gather(*(context(number) for number in range(6)))
    assert sorted(order[:6]) == list(range(6))
    assert len(order) > 12
    await engine.aclose()


async def test_who_runs_dry_first_is_served_first() -> None:
    engine = open_engine(Settings(workers=1))
    options = Options(engine.voices[0])
    leads = [8.0, 4.0, 0.5, -0.5, 2.0]
    order: list[float] = []

    async def context(lead: float) -> None:
        async for _ in engine.synthesize(given(Segment(1, LONG, 0, options)), lambda: lead):
            order.append(lead)

    await asyncio.gather(*(context(lead) for lead in leads))
    # The first to ask finds the worker free.
    assert [lead for lead in dict.fromkeys(order) if lead != leads[0]] == sorted(leads[1:])
    await engine.aclose()


async def test_two_engines_share_nothing() -> None:
    first, second = [open_engine(Settings(workers=1)) for _ in range(2)]
    options = Options(first.voices[0])
    await first.aclose()
    chunks = await collect(second, given(Segment(0, "Still here.", 0, options)))
    assert np.abs(sound(chunks)).max() > 0.05
    await second.aclose()
