"""`streamer doctor --verify DIR`: whether a checkpoint speaks, in every mode that it has, as it should.

The ear decides; here is what can be measured. It loads, speaks a sentence per mode, looks at length,
silence and loudness, and compares codes with the reference's where that is installed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from streamer.config import Settings
from streamer.engines.hibari import HEART, load_voice
from streamer.engines.hibari_sound import SAMPLE_RATE as EMBEDDED_RATE
from streamer.engines.hibari_speech import speak
from streamer.engines.qwen3 import against
from streamer.engines.qwen3.budget import SAMPLES, Budget
from streamer.engines.qwen3.checkpoint import Checkpoint, open_checkpoint
from streamer.engines.qwen3.codec_config import SAMPLE_RATE
from streamer.engines.qwen3.engine import NAME, Qwen3, open_engine
from streamer.engines.qwen3.machine import open_machine
from streamer.errors import StreamerError
from streamer.text.alignment import expected_seconds
from streamer.types import Description, Options, PcmChunk, Reference, Samples, Segment, Voice

TEXT = "Hello. This is a short test of a voice, and it should sound as a person does."
STYLE = "Speak slowly, in a calm and deep voice."
FRAMES = 12
"""Compared with the reference's: some of each, and soon done on a CPU."""
LENGTH = (0.5, 2.2)
"""Of the expected length: what slow and fast voices take."""
QUIET, MOST_QUIET = 0.005, 0.6
"""A frame is quiet below this part of full scale (-46 dB); so much of a sentence may be."""
LOUDNESS = (-38.0, -8.0)
"""dBFS, RMS of what is not quiet."""
CLIPPED = 0.01
"""The most samples at full scale."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `ok` None: it could not be."""

    name: str
    ok: bool | None
    detail: str


def verify(directory: str, settings: Settings, budget: Budget | None = None) -> Iterator[Check]:
    """All checks of one checkpoint, as they are done, on the device of the settings. Raises nothing that
    loading or speaking raises: that is a check that failed."""
    settings = replace(settings, qwen3=[directory], qwen3_slots=2)
    begun = time.perf_counter()
    try:
        engine = open_engine(settings, budget)
        (worker,) = engine.checkpoints.values()
    except Exception as error:
        yield Check("load", False, _reason(error))
        return
    machine = worker.machine
    yield Check(
        "load",
        True,
        f"{machine.config.size} {machine.config.kind} on {machine.model.device},"
        f" {machine.model.dtype}, in {time.perf_counter() - begun:.1f} s",
    )
    yield from asyncio.run(_spoken(engine))
    yield compared(directory, settings)


async def _spoken(engine: Qwen3) -> list[Check]:
    try:
        return [check async for check in _modes(engine)]
    finally:
        await engine.aclose()


async def _modes(engine: Qwen3) -> AsyncGenerator[Check, None]:
    (worker,) = engine.checkpoints.values()
    config = worker.machine.config
    if config.kind == "custom_voice":
        voice = next((v for v in engine.voices if v.languages[0] == "en"), engine.voices[0])
        yield await _said(engine, f"voice {voice.id}", Options(voice))
        yield await _said(engine, f"voice {voice.id}, language told", Options(voice, "en"))
        if config.follows_instructions:
            yield await _said(engine, "instructions", Options(voice, instructions=STYLE))
    elif config.kind == "base":
        for transcript, name in (("", "clone"), (TEXT, "clone with its transcript")):
            try:
                data = await engine.enroll(replace(_recording(), transcript=transcript))
            except StreamerError as error:
                yield Check(name, False, error.message)
            else:
                yield await _said(engine, name, Options(Voice("clone", NAME, data=data)))
    else:
        yield await _measured("design", engine.describe(Description(STYLE, TEXT)))


async def _said(engine: Qwen3, name: str, options: Options) -> Check:
    async def only() -> AsyncGenerator[Segment, None]:
        yield Segment(0, TEXT, 0, options)

    return await _measured(name, engine.synthesize(only(), lambda: -math.inf))


def _recording() -> Reference:
    """Of the embedded voice, which says the same."""
    segment = Segment(0, TEXT, 0, Options(HEART))
    chunks = [chunk.samples for chunk in speak(load_voice(), segment)]
    return Reference(np.concatenate(chunks), EMBEDDED_RATE)


async def _measured(name: str, chunks: AsyncIterator[PcmChunk]) -> Check:
    """What is wrong with the sound of one sentence."""
    begun, first = time.perf_counter(), math.nan
    parts: list[Samples] = []
    lost = False
    try:
        async for chunk in chunks:
            if len(chunk.samples) and math.isnan(first):
                first = time.perf_counter() - begun
            parts.append(chunk.samples)
            lost = lost or chunk.lost
    except StreamerError as error:
        return Check(name, False, error.message)
    took = time.perf_counter() - begun
    samples = np.concatenate(parts)
    seconds = len(samples) / SAMPLE_RATE
    wrong = [*(["it was cut off"] if lost else []), *faults(samples, TEXT)]
    told = f"{seconds:.1f} s, first sound after {1000 * first:.0f} ms, {seconds / took:.1f} x real time"
    return Check(name, not wrong, "; ".join([*wrong, told]))


def faults(samples: Samples, text: str) -> list[str]:
    """What is wrong with the sound of a text, as far as numbers tell."""
    found = []
    seconds, expected = len(samples) / SAMPLE_RATE, expected_seconds(text)
    if not LENGTH[0] * expected <= seconds <= LENGTH[1] * expected:
        found.append(f"about {expected:.1f} s were expected")
    whole = samples[: len(samples) // SAMPLES * SAMPLES].reshape(-1, SAMPLES)
    levels = np.sqrt(np.mean(whole**2, axis=1))
    loud = levels[levels > QUIET]
    if len(loud) < (1 - MOST_QUIET) * len(levels) or not len(loud):
        return [*found, f"{len(levels) - len(loud)} of {len(levels)} frames are silent"]
    level = 20 * math.log10(float(np.sqrt(np.mean(loud**2))))
    if not LOUDNESS[0] <= level <= LOUDNESS[1]:
        found.append(f"its level is {level:.0f} dBFS")
    clipped = float(np.mean(np.abs(samples) >= 0.999))
    if clipped > CLIPPED:
        found.append(f"{100 * clipped:.0f} % of it is clipped")
    return found


def compared(directory: str, settings: Settings) -> Check:
    """Greedy codes of ours and of the reference's, both in float32 on a CPU."""
    name = "codes of the reference"
    if not against.there():
        return Check(name, None, "pip install qwen-tts in this environment to compare")
    try:
        checkpoint = open_checkpoint(directory, "cpu", torch.float32, download=settings.qwen3_hub)
        width = checkpoint.config.talker.stack.hidden
        x_vector = np.linspace(-1, 1, width, dtype=np.float32)
        ours = codes_of_ours(checkpoint, x_vector)
        told: dict[str, Any] = {"language": "Auto"}
        if checkpoint.config.kind == "custom_voice":
            told["speaker"] = next(iter(checkpoint.config.speakers))
        elif checkpoint.config.kind == "voice_design":
            told["instruct"] = STYLE
        theirs = against.codes_of_reference(directory, TEXT, told, FRAMES, x_vector)
    except Exception as error:
        return Check(name, False, _reason(error))
    length = min(len(ours), len(theirs))
    same = (ours[:length] == theirs[:length]).all(1)
    frames = int(np.argmin(same)) if not same.all() else length
    return Check(name, bool(same.all()) and length > 0, f"{frames} of {length} frames are equal")


def codes_of_ours(
    checkpoint: Checkpoint, x_vector: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """[FRAMES or fewer, 16] of `TEXT`: by the first voice, with this vector, or as `STYLE` says."""
    sampling = replace(checkpoint.sampling, greedy=True, sub_greedy=True)
    machine = open_machine(replace(checkpoint, sampling=sampling), 1, 256, True)
    prompts, runner, kind = machine.prompts, machine.runner, machine.config.kind
    ids = machine.tokenizer.body(TEXT)
    with torch.inference_mode():
        with runner.talking():
            if kind == "custom_voice":
                prompt = prompts.preset(ids, next(iter(machine.config.speakers)))
            elif kind == "base":
                prompt = prompts.x_vector(ids, x_vector)
            else:
                prompt = prompts.design(ids, STYLE)
        runner.begin(0, prompt, 0, runner.capacity)
        made = 0
        while made < FRAMES and not runner.step([0]).result()[0].ended:
            made += 1
        return runner.codes(0, made)


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, StreamerError) else repr(error)
