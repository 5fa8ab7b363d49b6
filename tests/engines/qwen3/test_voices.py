"""Which checkpoint speaks with which voice, in which language; voices made of recordings and descriptions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

pytest.importorskip("torch")

import torch

from streamer.config import Settings
from streamer.engines.base import open_engine
from streamer.engines.qwen3 import engine as qwen3
from streamer.engines.qwen3.config import KINDS
from streamer.engines.qwen3.engine import Qwen3
from streamer.engines.qwen3.enrolling import clone_of
from streamer.engines.qwen3.languages import NAMES, name_of, tags
from streamer.engines.qwen3.speaker import SpeakerEncoder
from streamer.errors import (
    CheckpointInvalid,
    EngineFailed,
    InvalidMedia,
    InvalidParameter,
    LanguageNotSupported,
    StreamerError,
    UnsupportedParameter,
)
from streamer.types import Description, Options, Reference, Segment, Voice, VoiceData
from tests.engines.conformance import collect, given, sound
from tests.engines.qwen3 import small

KNOWN = {*NAMES.values(), "beijing_dialect", "sichuan_dialect"}
RATE = 24000


def recording(seconds: float = 3.0, rate: int = RATE, transcript: str = "") -> Reference:
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * rate))
    return Reference(noise.astype(np.float32), rate, transcript)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[Qwen3]:
    """Of all kinds."""
    opened = small.open_engine(Settings())
    yield opened
    await opened.aclose()


async def say(engine: Qwen3, voice: Voice, text: str = "Hello world.", **more: Any) -> np.ndarray:
    options = Options(voice, **{"seed": 3, **more})
    return sound(await collect(engine, given(Segment(0, text, 0, options))))


def owned(data: VoiceData) -> Voice:
    return Voice("vce_1", "qwen3", data=data)


# Languages


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("auto", "auto"),
        ("en", "english"),
        ("en-GB", "english"),
        ("DE-at", "german"),
        ("pt-BR", "portuguese"),
        ("zh-Hans-CN", "chinese"),
        ("cmn", "chinese"),
        ("zh-x-sichuan", "sichuan_dialect"),
        ("zh-CN-bj", "beijing_dialect"),
    ],
)
def test_bcp_47_tags_are_the_checkpoints_languages(tag: str, name: str) -> None:
    assert name_of(tag, dict.fromkeys(KNOWN)) == name


@pytest.mark.parametrize("tag", ["nl", "fi-FI", "x"])
def test_other_languages_are_refused_with_those_there_are(tag: str) -> None:
    with pytest.raises(LanguageNotSupported) as refused:
        name_of(tag, dict.fromkeys(KNOWN))
    assert refused.value.details["candidates"][:2] == ["zh", "en"]


def test_dialect_that_a_checkpoint_does_not_have_is_refused() -> None:
    with pytest.raises(LanguageNotSupported):
        name_of("zh-x-sichuan", {"chinese": 1})
    assert tags({"chinese": 1, "german": 2}, "de") == ("de", "zh")


# Presets


@pytest.mark.asyncio(loop_scope="module")
async def test_voices_are_the_checkpoints_own_each_in_its_language_first(engine: Qwen3) -> None:
    by_id = {voice.id: voice for voice in engine.voices}
    assert {"serena", "vivian", "uncle_fu", "ryan", "aiden", "ono_anna", "sohee"} <= set(by_id)
    assert by_id["ryan"].languages[0] == "en"
    assert by_id["ono_anna"].languages[0] == "ja"
    assert all(len(voice.languages) == 10 for voice in engine.voices)
    assert (by_id["sohee"].name, by_id["sohee"].gender) == ("Sohee", "female")


@pytest.mark.asyncio(loop_scope="module")
async def test_language_and_voice_change_what_is_said_and_the_seed_how(engine: Qwen3) -> None:
    said = [
        await say(engine, engine.voices[0]),
        await say(engine, engine.voices[1]),
        await say(engine, engine.voices[0], language="de"),
        await say(engine, engine.voices[0], seed=4),
    ]
    assert np.allclose(said[0], await say(engine, engine.voices[0]), atol=1e-4)
    for other in said[1:]:
        assert len(other) != len(said[0]) or not np.allclose(other, said[0], atol=1e-2)


@pytest.mark.asyncio(loop_scope="module")
async def test_language_that_nobody_here_speaks_is_refused(engine: Qwen3) -> None:
    with pytest.raises(LanguageNotSupported):
        await say(engine, engine.voices[0], language="nl")


@pytest.mark.asyncio(loop_scope="module")
async def test_small_model_says_that_it_follows_no_instructions(engine: Qwen3) -> None:
    assert not engine.capabilities.instructions
    plain = await say(engine, engine.voices[0])
    assert np.allclose(await say(engine, engine.voices[0], instructions="calm"), plain, atol=1e-4)


# Clones and designs


@pytest.mark.asyncio(loop_scope="module")
async def test_recording_without_a_transcript_is_a_vector_of_its_speaker(engine: Qwen3) -> None:
    data = await engine.enroll(recording())
    assert set(data) == {"x_vector", "model"}
    assert data["x_vector"].dtype == np.float32
    assert data["x_vector"].shape == (32,)
    said = await say(engine, owned(data))
    assert len(said)
    louder = await engine.enroll(replace(recording(), samples=recording().samples * 3))
    assert not np.array_equal(louder["x_vector"], data["x_vector"])


@pytest.mark.asyncio(loop_scope="module")
async def test_recording_that_the_device_has_no_memory_for_is_told_and_the_next_is_heard(
    engine: Qwen3, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        monkeypatch.undo()
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(SpeakerEncoder, "embed", fails)
    with pytest.raises(EngineFailed, match="memory") as failed:
        await engine.enroll(recording())
    assert failed.value.retryable
    assert await engine.enroll(recording())


@pytest.mark.asyncio(loop_scope="module")
async def test_recording_with_a_transcript_is_gone_on_from(engine: Qwen3) -> None:
    data = await engine.enroll(recording(3.0, 16000, "This is the voice."))
    assert data["codes"].dtype == np.int16
    assert data["codes"].shape == (16, 44)  # 3 s, and half a second of silence
    clone = clone_of(data)
    assert clone.transcript == "This is the voice."
    first = await say(engine, owned(data), "It is a test.")
    assert np.allclose(await say(engine, owned(data), "It is a test."), first, atol=1e-4)
    alone = {name: array for name, array in data.items() if name in ("x_vector", "model")}
    other = await say(engine, owned(alone), "It is a test.")
    assert len(first) != len(other) or not np.allclose(first, other, atol=1e-2)


@pytest.mark.asyncio(loop_scope="module")
async def test_clone_in_context_speaks_all_that_is_at_hand_at_once(engine: Qwen3) -> None:
    options = Options(owned(await engine.enroll(recording(transcript="This is it."))))
    texts = ("Hello world.", "It is a test.", "And that was it.")
    segments = [Segment(index, text, 0, options) for index, text in enumerate(texts)]
    chunks = await collect(engine, given(*segments))
    assert [chunk.segment for chunk in chunks if chunk.last] == [0, 1, 2]
    assert {chunk.segment for chunk in chunks if chunk.joins} == {1, 2}


@pytest.mark.asyncio(loop_scope="module")
async def test_described_voice_is_spoken_once_and_then_cloned(engine: Qwen3) -> None:
    described = Description("a deep voice", "Hello world, this is the voice.", "en", 5)
    data = await engine.enroll(described)
    assert clone_of(data).transcript == described.preview_text
    again = await engine.enroll(described)
    assert np.allclose(data["x_vector"], again["x_vector"], atol=1e-3)
    other = await engine.enroll(replace(described, text="a calm voice"))
    assert not np.allclose(data["x_vector"], other["x_vector"], atol=1e-3)
    assert len(await say(engine, owned(data)))


@pytest.mark.asyncio(loop_scope="module")
async def test_long_recording_with_a_transcript_is_refused_by_its_length(engine: Qwen3) -> None:
    with pytest.raises(InvalidMedia) as refused:
        await engine.enroll(recording(30.0, transcript="So long."))
    assert refused.value.param == "audio"
    assert refused.value.details["limit"] == pytest.approx(25.6)
    assert await engine.enroll(recording(30.0))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("data", [{}, {"x_vector": np.zeros(7, np.float32)}])
async def test_voice_of_another_model_is_refused(engine: Qwen3, data: VoiceData) -> None:
    with pytest.raises(StreamerError) as refused:
        await say(engine, owned(data))
    assert not refused.value.retryable


# What is not there


@pytest.mark.asyncio
async def test_engine_of_base_alone_has_no_voices_and_clones() -> None:
    engine = qwen3.open_engine(small.settings("base"), small.BUDGET)
    assert not engine.voices
    assert (engine.capabilities.clone, engine.capabilities.design) == (True, False)
    assert len(await say(engine, owned(await engine.enroll(recording()))))
    with pytest.raises(UnsupportedParameter):
        await engine.enroll(Description("deep", "Hello."))
    with pytest.raises(EngineFailed):
        await say(engine, Voice("ryan", "qwen3"))
    await engine.aclose()


@pytest.mark.asyncio
async def test_engine_of_presets_alone_makes_no_voices() -> None:
    engine = qwen3.open_engine(small.settings())
    assert (engine.capabilities.clone, engine.capabilities.design) == (False, False)
    with pytest.raises(UnsupportedParameter):
        await engine.enroll(recording())
    with pytest.raises(EngineFailed):
        await say(engine, owned({"x_vector": np.zeros(32, np.float32)}))
    await engine.aclose()


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"qwen3": []}, "qwen3"),
        ({"qwen3": ["custom_voice", "custom_voice"]}, "qwen3"),
        ({"qwen3_device": "abacus"}, "qwen3_device"),
        ({"qwen3_capacity": 32769}, "qwen3_capacity"),
    ],
)
def test_settings_that_can_not_be_are_refused_by_name(change: dict[str, Any], param: str) -> None:
    kinds = change.get("qwen3", ["custom_voice"])
    settings = replace(small.settings(), **change)
    settings = replace(settings, qwen3=[small.checkpoint(kind) for kind in kinds])
    with pytest.raises(InvalidParameter) as refused:
        open_engine("qwen3", settings)
    assert refused.value.param == param


def test_checkpoint_that_is_none_is_refused_with_its_file(tmp_path: Path) -> None:
    settings = replace(small.settings(), qwen3=[str(tmp_path)])
    with pytest.raises(CheckpointInvalid) as refused:
        open_engine("qwen3", settings)
    assert refused.value.details["file"] == "config.json"


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.setattr(
        "streamer.engines.qwen3.find_spec", lambda name: name != "tokenizers" or None
    )
    with pytest.raises(InvalidParameter, match=r"pip install streamer\[qwen3\]"):
        open_engine("qwen3", small.settings())


@pytest.mark.asyncio
async def test_closed_engine_has_no_thread_any_more() -> None:
    engine = qwen3.open_engine(small.settings(*KINDS))
    threads = [worker._thread for worker in engine.checkpoints.values()]
    assert all(thread.is_alive() for thread in threads)
    await engine.aclose()
    assert not any(thread.is_alive() for thread in threads)
    await asyncio.sleep(0)
