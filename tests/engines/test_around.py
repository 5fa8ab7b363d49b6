"""Engines around engines pass on whatever an engine can have, so that nobody need know how many there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from streamer.engines import cache, watched
from streamer.engines.around import Around
from streamer.engines.base import CONTRACT, Enrolling, Versioned
from streamer.engines.breaker import Breaker
from streamer.engines.fallback import common
from streamer.engines.phrases import Phrases
from streamer.types import Capabilities, Description, Reference, Voice, VoiceData
from tests.engines.puppet import Puppet

ABLE = Capabilities(
    speed=(0.5, 2.0),
    pitch=(0.5, 2.0),
    instructions=True,
    word_times="aligned",
    clone=True,
    design=True,
    varies_by_seed=True,
    price_per_1000=7.0,
    prices={"able": 7.0},
    models={"large": 9.0},
)
"""Nothing is as it is by default."""
SPEAKING = {"synthesize", "aclose"}
"""What each does in its own way; the suite of engines holds it to that."""
REFERENCE = Reference(np.zeros(4, np.float32), 24000, "Hi.")
DESCRIPTION = Description("A calm voice.", "Hello.", "en")

WRAPPERS: dict[type, Callable[[Any], Any]] = {
    cache.Cached: lambda engine: cache.Cached(engine, Phrases(1000)),
    watched.Watched: lambda engine: watched.Watched(
        engine, Breaker("able", failures=1, rest_s=1.0, clock=time.monotonic), 1.0
    ),
}


class Able(Puppet):
    """It has all that an engine can have."""

    version = "v7"

    def __init__(self) -> None:
        super().__init__("able", sample_rate=16000, capabilities=ABLE)
        self.voices = (Voice("own", "able"),)
        self.enrolled: list[object] = []

    async def enroll(self, source: Reference | Description) -> VoiceData:
        self.enrolled.append(source)
        return {"x": np.ones(3, np.float32)}


def members(protocol: type) -> set[str]:
    """The names of what a protocol asks for."""
    found = {*vars(protocol), *protocol.__annotations__}
    return {name for name in found if not name.startswith("_")}


@pytest.fixture(params=WRAPPERS, ids=lambda wrapper: wrapper.__name__)
def around(request: pytest.FixtureRequest) -> tuple[Able, Any]:
    engine = Able()
    return engine, WRAPPERS[request.param](engine)


def test_every_wrapper_is_held_to_this() -> None:
    assert set(Around.__subclasses__()) == set(WRAPPERS)


def test_the_engine_here_has_all_of_the_contract_and_no_default() -> None:
    for protocol in CONTRACT:
        assert members(protocol) <= set(dir(Able())), protocol
    for able in fields(Capabilities):
        assert getattr(ABLE, able.name) != getattr(Capabilities(), able.name), able.name


def test_all_of_the_contract_is_passed_on(around: tuple[Able, Any]) -> None:
    engine, wrapper = around
    for name in set().union(*map(members, CONTRACT)) - SPEAKING:
        assert hasattr(wrapper, name), f"{type(wrapper).__name__} forgets {name}"
        if not callable(getattr(engine, name)):
            assert getattr(wrapper, name) == getattr(engine, name), name


@pytest.mark.asyncio
async def test_what_is_called_is_called_there(around: tuple[Able, Any]) -> None:
    engine, wrapper = around
    called = {
        name for name in set().union(*map(members, CONTRACT)) if callable(getattr(engine, name))
    }
    assert called - SPEAKING == members(Enrolling), "call it here too"
    for source in (REFERENCE, DESCRIPTION):
        assert (await wrapper.enroll(source))["x"].sum() == 3
    assert engine.enrolled == [REFERENCE, DESCRIPTION]


@pytest.mark.asyncio
async def test_they_may_stand_around_each_other() -> None:
    engine: Any = Able()
    wrapper = engine
    for wrap in (*WRAPPERS.values(), *WRAPPERS.values()):
        wrapper = wrap(wrapper)
    assert (wrapper.version, wrapper.capabilities) == (engine.version, ABLE)
    await wrapper.enroll(REFERENCE)
    assert engine.enrolled == [REFERENCE]


def test_an_engine_without_a_version_has_none_in_a_wrapper() -> None:
    assert members(Versioned) == {"version"}
    for wrap in WRAPPERS.values():
        assert wrap(Puppet()).version == ""


def test_a_chain_says_of_each_capability_whether_it_has_it() -> None:
    """Its voices are its own: it makes none. What `common` leaves out it knows better itself."""
    able = common([ABLE, ABLE])
    given = {f.name for f in fields(Capabilities) if getattr(able, f.name) == getattr(ABLE, f.name)}
    assert {f.name for f in fields(Capabilities)} - given == {"clone", "design", "prices", "models"}
