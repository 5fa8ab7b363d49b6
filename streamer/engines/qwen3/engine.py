"""Qwen3-TTS as an engine: which checkpoint speaks with which voice.

One of CustomVoice has voices of its own, one of Base speaks as it is told by a voice's data, and makes such
data of recordings; one of VoiceDesign says once what Base is then told.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Literal

import numpy as np

from streamer.config import Settings
from streamer.engines.base import Lead, SequenceCounts
from streamer.engines.qwen3 import languages
from streamer.engines.qwen3.borders import Tempo
from streamer.engines.qwen3.budget import Budget
from streamer.engines.qwen3.checkpoint import Checkpoint, open_checkpoint
from streamer.engines.qwen3.codec_config import SAMPLE_RATE
from streamer.engines.qwen3.config import Kind
from streamer.engines.qwen3.context import Context
from streamer.engines.qwen3.enrolling import Clone, Enroller, clone_of
from streamer.engines.qwen3.machine import device_of, dtype_of, open_machine
from streamer.engines.qwen3.newest import Newest
from streamer.engines.qwen3.prompt import Prompt, Prompts
from streamer.engines.qwen3.speaking import Mouth
from streamer.engines.qwen3.worker import Worker
from streamer.errors import EngineFailed, InvalidParameter, UnsupportedParameter
from streamer.tasks import closed
from streamer.types import (
    Capabilities,
    Description,
    Options,
    PcmChunk,
    Reference,
    Segment,
    Voice,
    VoiceData,
)

NAME = "qwen3"
_DESIGNS = 4
"""Slots of a checkpoint that only describes voices."""
_TEMPOS = 1000
"""Voices whose tempo is remembered."""


def open_engine(settings: Settings, budget: Budget | None = None) -> Qwen3:
    """Load the checkpoints of the settings. Blocks. Raises `CheckpointInvalid`, `InvalidParameter`."""
    if not settings.qwen3:
        raise InvalidParameter(
            "qwen3 names no checkpoint: a directory, or a name on the hub such as"
            " Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice",
            param="qwen3",
        )
    device = device_of(settings.qwen3_device)
    opened: dict[Kind, Checkpoint] = {}
    for source in settings.qwen3:
        checkpoint = open_checkpoint(source, device, dtype_of(device), download=settings.qwen3_hub)
        kind = checkpoint.config.kind
        if kind in opened:
            raise InvalidParameter(
                f"qwen3: {opened[kind].name} and {checkpoint.name} are both of {kind}",
                param="qwen3",
            )
        opened[kind] = checkpoint
    threads = settings.workers or max(1, (os.cpu_count() or 1) - 1)
    workers: dict[Kind, Worker] = {}
    try:
        for kind, checkpoint in opened.items():
            slots = settings.qwen3_slots
            if kind == "voice_design":
                slots = min(slots, _DESIGNS)
            machine = open_machine(checkpoint, slots, settings.qwen3_capacity, settings.qwen3_eager)
            workers[kind] = Worker(machine, threads)
        enroller = None
        if "base" in opened:
            enroller = Enroller(opened["base"], device, settings.qwen3_capacity // 2, threads)
    except BaseException:
        for worker in workers.values():
            worker.close()
        raise
    return Qwen3(workers, enroller, budget or Budget())


class Qwen3:
    """See `streamer.engines.base.Engine`, `Enrolling`, `Counted`, `Breakable`. `checkpoints` is public for
    tests."""

    name = NAME
    sample_rate = SAMPLE_RATE
    granularity: Literal["sentence", "word"] = "word"

    def __init__(
        self, checkpoints: dict[Kind, Worker], enroller: Enroller | None, budget: Budget
    ) -> None:
        self.checkpoints = checkpoints
        self._enroller = enroller
        self._budget = budget
        self._open: set[Context] = set()
        self._closed = False
        self._counts = SequenceCounts()
        self._tempos: Newest[Tempo] = Newest(_TEMPOS)
        custom = checkpoints.get("custom_voice")
        config = custom.machine.config if custom else None
        self.voices: Sequence[Voice] = (
            languages.voices(NAME, list(config.speakers), config.languages) if config else ()
        )
        self.capabilities = Capabilities(
            instructions=config is not None and config.follows_instructions,
            word_times="estimated",
            clone=enroller is not None,
            design=enroller is not None and "voice_design" in checkpoints,
            varies_by_seed=True,
        )
        self.version = " ".join(worker.machine.name for worker in checkpoints.values())

    def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        return self._said(segments, lead, self._mouth)

    async def _said(
        self, segments: AsyncIterator[Segment], lead: Lead, choose: Callable[[Options], Mouth]
    ) -> AsyncGenerator[PcmChunk, None]:
        if self._closed:
            await closed(segments)
            raise EngineFailed("the engine is closed")
        context = Context(segments, lead, choose, self._budget, self._counts)
        self._open.add(context)
        try:
            async with aclosing(context.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self._open.discard(context)

    @property
    def sequence_counts(self) -> SequenceCounts:
        ended = Counter[str]()
        for worker in self.checkpoints.values():
            ended += worker.reasons
        return SequenceCounts(ended, self._counts.retries)

    @property
    def broken(self) -> str:
        """See `streamer.engines.base.Breakable`."""
        return next((worker.broken for worker in self.checkpoints.values() if worker.broken), "")

    async def enroll(self, source: Reference | Description) -> VoiceData:
        """See `streamer.engines.base.Enrolling`. Raises `UnsupportedParameter` where no checkpoint can."""
        if self._enroller is None:
            raise UnsupportedParameter("clones need a Base checkpoint", param="voice")
        if isinstance(source, Description):
            source = await self._designed(source)
        return await self._enroller.enroll(source)

    async def aclose(self) -> None:
        self._closed = True
        for context in self._open:
            context.fail(EngineFailed("the engine is closed"))
        for worker in self.checkpoints.values():
            await asyncio.to_thread(worker.close)

    def describe(self, described: Description) -> AsyncGenerator[PcmChunk, None]:
        """What VoiceDesign says for it, once it is whole. Raises `UnsupportedParameter` where there is none,
        `LanguageNotSupported`."""
        worker = self.checkpoints.get("voice_design")
        if worker is None:
            raise UnsupportedParameter(
                "voices after a description need a VoiceDesign checkpoint", param="voice"
            )
        language = languages.name_of(described.language, worker.machine.config.languages)
        mouth = Mouth(worker, partial(_design, described.text, language), Tempo())
        options = Options(Voice("design", NAME), seed=described.seed)
        segment = Segment(0, described.preview_text, 0, options)
        return self._said(_only(segment), _nobody, lambda _: mouth)

    async def _designed(self, described: Description) -> Reference:
        """What is said for it: a recording with its transcript."""
        said = [chunk async for chunk in self.describe(described)]
        samples = np.concatenate([chunk.samples for chunk in said])
        if said[-1].lost or not len(samples):
            raise EngineFailed("the described voice did not say its text")
        return Reference(samples, SAMPLE_RATE, described.preview_text)

    def _mouth(self, options: Options) -> Mouth:
        """Who speaks so. Raises `EngineFailed` for a voice that nobody here has, `UnsupportedParameter`,
        `LanguageNotSupported`."""
        voice = options.voice
        kind: Kind = "custom_voice" if voice.data is None else "base"
        worker = self.checkpoints.get(kind)
        if worker is None or (
            voice.data is None and voice.id not in worker.machine.config.speakers
        ):
            raise EngineFailed(f"qwen3 has no voice {voice.id!r}", retryable=False)
        config = worker.machine.config
        language = languages.name_of(options.language, config.languages)
        tempo = self._tempo(voice.id)
        if voice.data is None:
            # Where no voice follows any, the session has said so.
            style = options.instructions if config.follows_instructions else ""
            return Mouth(worker, partial(_preset, voice.id, language, style), tempo)
        if options.instructions and self.capabilities.instructions:
            raise UnsupportedParameter("clones follow no instructions", param="instructions")
        clone = clone_of(voice.data)
        if clone.codes is None:
            return Mouth(worker, partial(_x_vector, clone, language), tempo)
        transcript = worker.machine.tokenizer.body(clone.transcript)
        opening = partial(_in_context, clone, transcript, language)
        return Mouth(worker, opening, tempo, ahead=True, reference=clone.name)

    def _tempo(self, voice: str) -> Tempo:
        tempo = self._tempos.get(voice)
        if tempo is None:
            tempo = Tempo()
            self._tempos.put(voice, tempo)
        return tempo


def _preset(
    voice: str, language: str, style: str, prompts: Prompts, ids: Sequence[int], more: bool
) -> Prompt:
    return prompts.preset(ids, voice, language, style, more=more)


def _design(
    description: str, language: str, prompts: Prompts, ids: Sequence[int], more: bool
) -> Prompt:
    return prompts.design(ids, description, language, more=more)


def _x_vector(
    clone: Clone, language: str, prompts: Prompts, ids: Sequence[int], more: bool
) -> Prompt:
    return prompts.x_vector(ids, clone.x_vector, language, more=more)


def _in_context(
    clone: Clone,
    transcript: Sequence[int],
    language: str,
    prompts: Prompts,
    ids: Sequence[int],
    more: bool,
) -> Prompt:
    assert clone.codes is not None
    assert not more
    return prompts.in_context(ids, clone.x_vector, clone.codes, transcript, language)


async def _only(segment: Segment) -> AsyncGenerator[Segment, None]:
    yield segment


def _nobody() -> float:
    """The lead where nobody listens."""
    return math.inf
