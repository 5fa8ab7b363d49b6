"""Chains and the cache, from the settings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streamer.config import Settings, load
from streamer.engines.base import SequenceCounts
from streamer.engines.cache import Cached
from streamer.engines.fallback import Fallback
from streamer.engines.opening import EngineCounts, open_engine, open_engines
from streamer.engines.tone import Tone
from streamer.errors import InvalidParameter
from streamer.types import Options, Segment
from tests.engines.conformance import collect, given

TONE = "tests.engines.test_opening:open_mine"


class Mine(Tone):
    name = "mine"


def open_mine(settings: Settings) -> Mine:
    return Mine()


async def speak(engine: Fallback | Cached, text: str = "Hello.") -> str:
    """Who spoke."""
    segment = Segment(0, text, 0, Options(engine.voices[0], seed_drawn=True))
    return (await collect(engine, given(segment)))[-1].engine


def test_plain_engines_are_opened_as_they_are() -> None:
    (engine,) = open_engines(Settings(engines=["tone"]))
    assert isinstance(engine, Tone)


@pytest.mark.asyncio
async def test_chains_come_after_the_engines_and_speak_with_those_that_are_loaded() -> None:
    settings = Settings(engines=["tone"], fallbacks={"agent": "tone:tone-high tone:tone-low"})
    tone, chain = open_engines(settings)
    assert isinstance(chain, Fallback)
    assert chain.voices[0].id == "agent"
    assert chain.voices[0].description == "tone:tone-high, else tone:tone-low"
    assert await speak(chain) == "tone"
    await tone.aclose()
    with pytest.raises(InvalidParameter, match="no engine"):
        open_engine("nobody", settings)


def test_chain_among_the_engines_keeps_its_place_and_its_members_to_itself() -> None:
    engines = open_engines(Settings(engines=["agent"], fallbacks={"agent": "tone:tone-low"}))
    assert [engine.name for engine in engines] == ["agent"]
    assert open_engine("agent", Settings(fallbacks={"agent": "tone:tone-low"})).name == "agent"


@pytest.mark.asyncio
async def test_engine_of_ones_own_stands_in_a_chain_by_its_name() -> None:
    settings = Settings(engines=[TONE], fallbacks={"agent": "mine:tone-low"})
    _, chain = open_engines(settings)
    assert isinstance(chain, Fallback)
    assert await speak(chain) == "mine"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("", "has no steps"),
        ("tone", "is steps like"),
        (":tone-low", "is steps like"),
        ("tone:", "is steps like"),
        ("piano:grand", "names no engine with 'piano'"),
        ("tone:grand", "engine 'tone' has no voice 'grand'; it has tone-low, tone-high"),
        ("other:other", "names another chain, 'other'"),
    ],
)
def test_chain_that_cannot_be_is_refused_by_the_name_of_the_setting(
    steps: str, message: str
) -> None:
    settings = Settings(engines=["tone"], fallbacks={"agent": steps, "other": "tone:tone-low"})
    with pytest.raises(InvalidParameter, match=message) as caught:
        open_engines(settings)
    assert caught.value.param == "fallbacks"
    assert "'agent'" in caught.value.message


def test_chain_needs_a_name_of_its_own() -> None:
    with pytest.raises(InvalidParameter, match="is the name of an engine"):
        open_engines(Settings(engines=["tone"], fallbacks={"hibari": "tone:tone-low"}))


def test_chains_are_as_easily_said_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "streamer.toml"
    file.write_text('[fallbacks]\nagent = "crun:Serena hibari:heart"\n')
    environment = {"STREAMER_FALLBACKS": "agent=crun:Serena hibari:heart"}
    assert load({}, environment).fallbacks == load({}, {}, file).fallbacks


@pytest.mark.asyncio
async def test_circuits_are_shared_by_the_chains_and_counted() -> None:
    counts = EngineCounts()
    fallbacks = {"a": "tone:tone-low", "b": "tone:tone-high hibari:heart"}
    engines = open_engines(Settings(engines=["a"], fallbacks=fallbacks, workers=1), counts=counts)
    assert sorted(counts.circuits) == ["hibari", "tone"]
    for engine in engines:
        await engine.aclose()


class Counting(Mine):
    name = "counting"
    sequence_counts = SequenceCounts()
    broken = ""


def open_counting(settings: Settings) -> Counting:
    return Counting()


def test_engine_that_counts_or_breaks_is_asked_itself_whatever_stands_around_it() -> None:
    counts = EngineCounts()
    settings = Settings(
        engines=["tests.engines.test_opening:open_counting", "tone"],
        fallbacks={"agent": "tone:tone-low"},
        workers=1,
        cache_bytes=1_000_000,
    )
    open_engines(settings, counts=counts)
    assert [type(engine) for engine in counts.counted.values()] == [Counting]
    assert [type(engine) for engine in counts.breakable.values()] == [Counting]


@pytest.mark.asyncio
async def test_phrases_are_shared_by_an_engine_and_the_chains_it_stands_in(tmp_path: Path) -> None:
    counts = EngineCounts()
    settings = Settings(
        engines=["tone"],
        fallbacks={"agent": "tone:tone-low"},
        data_dir=str(tmp_path),
        cache_bytes=1_000_000,
        cache_disk_bytes=1_000_000,
    )
    alone, chain = open_engines(settings, counts=counts)
    assert isinstance(alone, Cached)
    assert isinstance(chain, Fallback)
    await speak(alone)
    assert await speak(chain) == "tone"
    assert (counts.phrases.hits, counts.phrases.misses) == (1, 1)
    await asyncio.gather(alone.aclose(), chain.aclose())
    again, _ = open_engines(settings, counts=counts)
    assert isinstance(again, Cached)
    await speak(again)
    assert (counts.phrases.hits, counts.phrases.misses) == (1, 0)
    await again.aclose()


def test_disk_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="needs cache_bytes"):
        open_engines(Settings(engines=["tone"], data_dir=str(tmp_path), cache_disk_bytes=1000))


def test_only_engines_that_are_named_are_remembered() -> None:
    settings = Settings(engines=["tone", TONE], cache_bytes=1000, cache_engines=["mine"])
    assert [type(engine) for engine in open_engines(settings)] == [Tone, Cached]
    with pytest.raises(InvalidParameter) as caught:
        open_engines(Settings(engines=["tone"], cache_bytes=1000, cache_engines=["piano"]))
    assert caught.value.param == "cache_engines"
