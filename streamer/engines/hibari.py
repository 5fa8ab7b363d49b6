"""The embedded voice: hibari's English voice "heart", run by our own runner on worker threads.

Needs nothing but the package hibari-tts; no download, no GPU.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from hibari.g2p import G2P

from streamer.engines.ahead import Ahead
from streamer.engines.base import Lead
from streamer.engines.hibari_model import open_model
from streamer.engines.hibari_sound import SAMPLE_RATE
from streamer.engines.hibari_speech import PITCH, SPEED, EmbeddedVoice, speak
from streamer.engines.hibari_words import Reader
from streamer.engines.workers import Workers
from streamer.errors import EngineFailed
from streamer.types import Capabilities, Options, PcmChunk, Segment, Voice

if TYPE_CHECKING:
    from streamer.config import Settings

HEART = Voice(
    "heart",
    "hibari",
    name="Heart",
    languages=("en-US", "en"),
    gender="female",
    description="American English, warm and clear",
)
_AHEAD = 2
"""Chunks made and not yet fetched, per context."""
_WARM_UP = (
    "Hello, this is the 1st of a few words that warm up the voyce, quixotically: all of them."
)


def open_engine(settings: Settings) -> Hibari:
    """Load and warm the voice. Blocks for about a second."""
    return Hibari(settings.workers or os.cpu_count() or 1, load_voice())


def load_voice(model: bytes | None = None) -> EmbeddedVoice:
    """The voice out of its package, or another `model` file of the same kind."""
    assets = files("hibari") / "assets"
    vocabulary = json.loads((assets / "vocab.json").read_text("utf-8"))
    return EmbeddedVoice(
        open_model(model or (assets / "hibari.onnx").read_bytes()), Reader(G2P(), vocabulary)
    )


class Hibari:
    """See `streamer.engines.base.Engine`. `workers` is public for its counts."""

    name = "hibari"
    sample_rate = SAMPLE_RATE
    granularity: Literal["sentence", "word"] = "sentence"

    def __init__(self, threads: int, voice: EmbeddedVoice) -> None:
        self._voice = voice
        self.voices: Sequence[Voice] = (HEART,)
        self.capabilities = Capabilities(
            speed=SPEED,
            pitch=PITCH,
            word_times="model" if voice.model.timed else "estimated",
        )
        self.workers = Workers(threads, self._warm_up)
        self._ahead = Ahead(_AHEAD)

    def synthesize(self, segments: AsyncIterator[Segment], lead: Lead) -> AsyncGenerator[PcmChunk]:
        return self._ahead.iterate(self._chunks(segments, lead))

    async def aclose(self) -> None:
        self._ahead.close()
        # Not awaited by a thread of the loop's pool: a step lasts some milliseconds at most.
        self.workers.close()

    async def _chunks(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk]:
        begun = False

        def urgency() -> float:
            """Who has nothing yet goes before one whose first sound is made and not yet on its way."""
            seconds = lead()
            return 0.0 if begun and seconds == -math.inf else seconds

        async for segment in segments:
            if segment.options.voice.id != HEART.id:
                raise EngineFailed(f"hibari has no voice {segment.options.voice.id!r}")
            steps = speak(self._voice, segment)
            last = False
            while not last:
                chunk = await self.workers.run(next, steps, lead=urgency)
                begun, last = True, chunk.last
                yield chunk

    def _warm_up(self) -> None:
        """Per thread: its memory; once: the network's buffers, the dictionary of unknown words."""
        for text in (_WARM_UP, "Hi.", _WARM_UP):
            for _ in speak(self._voice, Segment(0, text, 0, Options(HEART))):
                pass
