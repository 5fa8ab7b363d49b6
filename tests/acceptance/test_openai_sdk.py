"""Clients nobody here wrote: OpenAI's SDK streams from the real server, livekit's plug-in decodes it."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from bench.hearing import Samples
from bench.venvs import virtual_environment
from tests.acceptance import openai_clients
from tests.server_process import ServerProcess

pytestmark = [pytest.mark.peers, pytest.mark.timeout(420)]

REQUIREMENTS = (
    "openai==3.52.0",
    "livekit-agents==1.8.9",
    "livekit-plugins-openai==1.8.9",
    "av==18.1.0",
    "numpy==2.4.6",
)
RATE = 24000
LIVEKIT_OFF_S = 0.1
"""livekit's own stream decoder drops tails: it makes 0.904 s of a FLAC file of one second."""
SDK_CODECS = ("mp3", "opus", "pcm")
MIME = {"mp3": "audio/mpeg", "opus": "audio/ogg", "pcm": "audio/pcm"}
LIVEKIT_CODECS = ("mp3", "opus", "wav", "flac", "aac")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sdk")


@pytest.fixture(scope="module")
def told(hibari_server: ServerProcess, directory: Path) -> dict[str, Any]:
    """What the clients say came, in their own environment, all of them once."""
    python = virtual_environment("openai-clients", REQUIREMENTS)
    assert openai_clients.__file__ is not None
    ran = subprocess.run(
        [python, openai_clients.__file__, f"{hibari_server.url}/v1", str(directory)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


@pytest.fixture(scope="module")
def seconds(hibari_server: ServerProcess) -> float:
    """How long the utterance is, by the native protocol's count."""
    answer = httpx.post(
        f"{hibari_server.url}/v1/speech",
        json={"text": openai_clients.TEXT, "audio": {"codec": "pcm_s16le"}},
        trust_env=False,
    )
    assert answer.status_code == 200
    return len(answer.content) / 2 / RATE


def decoded(data: bytes, codec: str) -> tuple[Samples, int]:
    if codec == "pcm":
        return (np.frombuffer(data, "<i2") / 32768).astype(np.float32), RATE
    with av.open(io.BytesIO(data), "r") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].sample_rate
    return np.concatenate(frames).astype(np.float32), rate


@pytest.mark.parametrize("codec", SDK_CODECS)
def test_the_openai_sdk_streams_the_whole_utterance(
    told: dict[str, Any], directory: Path, seconds: float, codec: str
) -> None:
    samples, rate = decoded((directory / f"sdk.{codec}").read_bytes(), codec)
    assert len(samples) / rate == pytest.approx(seconds, abs=0.12)
    assert np.abs(samples).max() > 0.05
    came = told["sdk"][codec]
    assert came["chunks"] > 3
    assert came["content_type"].split(";")[0] == MIME[codec]
    assert came["request_id"]


@pytest.mark.parametrize("codec", LIVEKIT_CODECS)
def test_livekit_decodes_the_whole_utterance(
    told: dict[str, Any], seconds: float, codec: str
) -> None:
    came = told["livekit"][codec]
    assert came["seconds"] == pytest.approx(seconds, abs=LIVEKIT_OFF_S)
    assert came["frames"] > 5
    assert came["peak"] > 2000
