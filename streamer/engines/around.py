"""What an engine around another passes on: all of the contract but the speaking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from streamer.engines.base import Engine, Enrolling
from streamer.types import Capabilities, Description, Reference, Voice, VoiceData


class Around:
    """Who wraps `engine` says that it is it, and speaks in its own way."""

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self.sample_rate = engine.sample_rate
        self.granularity: Literal["sentence", "word"] = engine.granularity
        self.voices: Sequence[Voice] = engine.voices
        self.capabilities: Capabilities = engine.capabilities
        self.version = str(getattr(engine, "version", ""))
        self._engine = engine

    async def enroll(self, source: Reference | Description) -> VoiceData:
        """There where the capabilities say so."""
        return await cast(Enrolling, self._engine).enroll(source)

    async def aclose(self) -> None:
        await self._engine.aclose()
