"""The engine against the suite of all engines."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from tests.engines.conformance import EngineConformance


class TestQwen3(EngineConformance):
    target = "tests.engines.qwen3.small:open_engine"
    texts = ("Hello, you of the world.", 'It is "it" - in that $1.50?', "Speech!")
    # Sums of floats differ in their last places by how many are summed at once; the codec's calls by time.
    tolerance = 1e-4
    steady = False
    # Segments that are at hand in time are said in one breath.
    apart = False
