"""Each codec over the real socket: after a `flush` the whole sentence can be heard before any `end`."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from bench.hearing import Samples, decoder_of, samples_of
from bench.wire import Record, connected
from tests.server_process import ServerProcess

TEXT = "One two three four five six seven."
WORDS = 7
AT_ONCE = {"lead_ms": 60_000}
FORMATS: list[dict[str, Any]] = [
    {"codec": "opus"},
    {"codec": "opus", "frame_ms": 60, "sample_rate": 16000},
    {"codec": "opus", "channels": 2},
    {"codec": "mp3"},
    {"codec": "mp3", "sample_rate": 44100},
    {"codec": "aac"},
    {"codec": "flac"},
    {"codec": "flac", "sample_rate": 22050},
    {"codec": "pcm_s16le"},
    {"codec": "pcm_f32le", "channels": 2},
    {"codec": "pcm_mulaw", "sample_rate": 8000},
    {"codec": "pcm_alaw", "sample_rate": 8000},
]


def name(audio: dict[str, Any]) -> str:
    return " ".join(map(str, audio.values()))


def bursts(samples: Samples, rate: int) -> list[float]:
    """Lengths in seconds of the stretches of sound between silences: the words of engine `tone`."""
    step = rate // 100
    windows = samples[: len(samples) // step * step].reshape(-1, step)
    loud = np.concatenate([[False], np.abs(windows).max(axis=1) > 0.03, [False]])
    edges = np.flatnonzero(np.diff(loud.astype(np.int8)))
    return [float(end - begin) / 100 for begin, end in edges.reshape(-1, 2)]


async def until_quiet(record: Record) -> None:
    """Until nothing more has come for half a second after the first sound."""
    async with asyncio.timeout(20):
        await record.until("sound")
        count = -1
        while count != len(record.sounds):
            count = len(record.sounds)
            await asyncio.sleep(0.5)


@pytest.mark.asyncio
@pytest.mark.parametrize("audio", FORMATS, ids=name)
async def test_after_a_flush_the_whole_sentence_is_heard_without_an_end(
    tone_server: ServerProcess, audio: dict[str, Any]
) -> None:
    async with connected(tone_server.websocket_url) as wire:
        record = await wire.speak(TEXT, end=False, audio=audio, pacing=AT_ONCE)
        await wire.send("flush", context=record.context)
        await until_quiet(record)
        assert not record.ending
        heard = bursts(samples_of(record), decoder_of(record).rate)
        assert len(heard) == WORDS
        assert min(heard) >= 0.2, "a word is cut short"

        before = len(record.sounds)
        await wire.send("text", context=record.context, text=" Eight nine.")
        await wire.send("end", context=record.context)
        async with asyncio.timeout(20):
            await record.until("end")
        assert record.ending["type"] == "done"
        assert len(record.sounds) > before
        assert len(bursts(samples_of(record), decoder_of(record).rate)) == WORDS + 2


@pytest.mark.asyncio
@pytest.mark.parametrize("audio", FORMATS, ids=name)
async def test_trimmed_as_the_server_says_it_decodes_to_the_samples_sent(
    tone_server: ServerProcess, audio: dict[str, Any]
) -> None:
    async with connected(tone_server.websocket_url) as wire:
        record = await wire.speak(TEXT, audio=audio, pacing=AT_ONCE)
        async with asyncio.timeout(20):
            await record.until("end")
    decoder = decoder_of(record)
    decoded, samples = samples_of(record), record.ending["samples"]
    scale = decoder.rate / record.rate
    usable = len(decoded) / scale - record.started["lead_in"]
    assert usable >= samples
    tail = decoded[round((samples + record.started["lead_in"]) * scale) :]
    # A frame that smears over the cut is the codec's nature; a word behind it would be ours.
    assert np.abs(tail).max(initial=0) < 0.03
    assert sum(sound.duration for sound in record.sounds) >= samples
    last = record.sounds[-1]
    assert last.pts + last.duration == samples
    assert record.sequences == sorted(set(record.sequences))
