"""Every row of `ENGINES` against the one suite."""

from streamer.engines.base import ENGINES
from tests.engines.conformance import EngineConformance


class TestTone(EngineConformance):
    target = "tone"


class TestHibari(EngineConformance):
    target = "hibari"


def test_every_engine_is_held_to_the_contract() -> None:
    held = {suite.target for suite in EngineConformance.__subclasses__()}
    assert set(ENGINES) <= held
