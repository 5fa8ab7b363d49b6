"""Voices that Qwen3-TTS makes, natively and by hosted APIs: the sound is noise, all else is real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("torch")

from streamer.config import Settings
from streamer.protocols.runware.tables import VOICE_DESIGN
from streamer.types import Samples
from tests.engines.qwen3 import small
from tests.server.hosted.runware import clone, done, task
from tests.server.voices import VOICES, Web, cloned, ended, voiced

pytestmark = pytest.mark.asyncio
EVOLINK = "/evolink/v1/audios/generations"
TEXT = "One two three."


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    engine = small.open_engine(Settings())
    try:
        async with (
            voiced(directory, engine, change=Web(440), voice="ryan") as server,
            server.http() as http,
        ):
            yield http
    finally:
        await engine.aclose()


def sound_of(file: bytes) -> Samples:
    samples = np.frombuffer(file[44:], "<i2").astype(np.float32) / np.float32(32768)
    assert len(samples) > 2400
    assert np.abs(samples).max() > 0.001
    return samples


async def spoken(http: httpx.AsyncClient, voice: str) -> Samples:
    audio = {"codec": "pcm_s16le", "container": "wav"}
    body = {"text": TEXT, "voice": voice, "seed": 7, "audio": audio}
    answer = await http.post("/v1/speech", json=body)
    assert answer.status_code == 200, answer.text
    return sound_of(answer.content)


def same(one: Samples, other: Samples) -> bool:
    """But for the last bit of 16, which hangs on how many frames a call of the codec had: on time."""
    return len(one) == len(other) and float(np.abs(one - other).max()) < 1.5 / 32768


@pytest.mark.parametrize("transcript", ["", "Welcome to the show."])
async def test_a_clone_speaks_by_its_name_and_as_nobody_else(
    tmp_path: Path, transcript: str
) -> None:
    async with serving(tmp_path) as http:
        voice = await cloned(http, name="me", transcript=transcript)
        assert (voice["engine"], voice["kind"]) == ("qwen3", "clone")
        mine, again = await spoken(http, "me"), await spoken(http, voice["id"])
        assert same(mine, again)
        assert not np.array_equal(mine[:2400], (await spoken(http, "ryan"))[:2400])
        assert (await http.delete(f"{VOICES}/me")).is_success
        gone = await http.post("/v1/speech", json={"text": TEXT, "voice": "me"})
        assert gone.json()["error"]["code"] == "unknown_voice"


async def test_a_design_is_spoken_once_and_then_stays_the_same_voice(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        design = {"description": "a calm low voice", "name": "calm", "seed": 3}
        answer = await http.post(f"{VOICES}/design", json=design)
        assert answer.status_code == 201, answer.text
        assert answer.json()["kind"] == "design"
        assert same(await spoken(http, "calm"), await spoken(http, "calm"))


@pytest.mark.parametrize(
    "wanted",
    [
        clone("https://example.org/a.wav", outputFormat="WAV"),
        task(
            model=VOICE_DESIGN,
            speech={"text": TEXT, "language": "English"},
            positivePrompt="a calm low voice",
            outputFormat="WAV",
        ),
    ],
    ids=["clone", "design"],
)
async def test_runware_clones_and_designs(tmp_path: Path, wanted: dict[str, Any]) -> None:
    async with serving(tmp_path) as http:
        (item,) = await done(http, wanted)
        sound_of((await http.get(item["audioURL"])).content)


async def test_evolink_designs_a_voice_that_speaks_afterwards(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        design = {
            "model": "qwen-voice-design",
            "voice_prompt": "a calm low voice",
            "preview_text": TEXT,
            "preferred_name": "calm",
        }
        answer = await http.post(EVOLINK, json=design)
        made = await ended(http, f"/evolink/v1/tasks/{answer.json()['id']}")
        assert made["status"] == "completed"
        name = made["result_data"]["voice"]
        answer = await http.post(EVOLINK, json={"prompt": TEXT, "voice": name})
        assert "x-streamer-warning" not in answer.headers, answer.text
        told = await ended(http, f"/evolink/v1/tasks/{answer.json()['id']}")
        assert told["status"] == "completed"
        assert (await http.get(told["results"][0])).content
