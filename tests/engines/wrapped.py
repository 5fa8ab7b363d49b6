"""Engines around engines, for the conformance suite: `module:callable`s as an outsider's."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator

from streamer.config import Settings
from streamer.engines.base import Engine, Lead, open_engine
from streamer.engines.breaker import Breaker
from streamer.engines.cache import Cached
from streamer.engines.fallback import Fallback, Step
from streamer.engines.phrases import Phrases
from streamer.engines.tone import Tone
from streamer.engines.watched import Watched
from streamer.errors import EngineFailed
from streamer.types import PcmChunk, Segment


class Failing(Tone):
    """Takes what it is given, and a segment more, and fails."""

    name = "failing"
    sample_rate = 16000

    def synthesize(self, segments: AsyncIterator[Segment], lead: Lead) -> AsyncGenerator[PcmChunk]:
        return self._ahead.iterate(self._fails(segments))

    async def _fails(self, segments: AsyncIterator[Segment]) -> AsyncGenerator[PcmChunk]:
        taken = 0
        async for _ in segments:
            taken += 1
            if taken == 2:
                break
        if taken:
            raise EngineFailed("as ever")
        return
        yield


def watched(engine: Engine, failures: int = 3, timeout_s: float = 5.0) -> Watched:
    breaker = Breaker(engine.name, failures=failures, rest_s=1.0, clock=time.monotonic)
    return Watched(engine, breaker, timeout_s)


def chain(settings: Settings) -> Fallback:
    """Tone, watched."""
    tone = watched(open_engine("tone", settings))
    return Fallback("chain", [Step(tone, tone.voices[1])])


def second(settings: Settings) -> Fallback:
    """Tone, after one that fails at once, and at another rate."""
    tone = watched(open_engine("tone", settings))
    failing = watched(Failing(), failures=1 << 60, timeout_s=0.1)
    return Fallback("second", [Step(failing, failing.voices[0]), Step(tone, tone.voices[0])])


def cached(settings: Settings) -> Cached:
    """Tone, remembered."""
    return Cached(open_engine("tone", settings), Phrases(50_000_000))


def cached_chain(settings: Settings) -> Fallback:
    """Hibari, watched, remembered and in a chain: as a server has it."""
    hibari = Cached(watched(open_engine("hibari", settings)), Phrases(50_000_000))
    return Fallback("agent", [Step(hibari, hibari.voices[0])])
