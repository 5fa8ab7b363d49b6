"""Every row of `ENGINES` against the one suite."""

from streamer.engines.base import ENGINES
from streamer.engines.hosted import CLIENTS
from tests.engines.conformance import EngineConformance


class TestTone(EngineConformance):
    target = "tone"


class TestHibari(EngineConformance):
    target = "hibari"


class TestChain(EngineConformance):
    target = "tests.engines.wrapped:chain"


class TestSecondInAChain(EngineConformance):
    target = "tests.engines.wrapped:second"


class TestCached(EngineConformance):
    target = "tests.engines.wrapped:cached"


class TestCachedInAChain(EngineConformance):
    target = "tests.engines.wrapped:cached_chain"


def test_every_engine_is_held_to_the_contract() -> None:
    held = {getattr(suite, "target", "") for suite in EngineConformance.__subclasses__()}
    # Those of providers are in `test_hosted_conformance`, what needs torch in `qwen3.test_conformance`.
    assert set(ENGINES) - set(CLIENTS) - {"qwen3"} <= held
