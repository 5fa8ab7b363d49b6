"""Runware's own SDK asks the real server: WebSocket and REST, sync and async."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bench.venvs import virtual_environment
from tests.acceptance import runware_client
from tests.server.hosted.runware import recording
from tests.server.hosted.tones import decoded
from tests.server_process import ServerProcess, running_server

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

REQUIREMENTS = ("runware-sdk==1.8.0",)
WAYS = [
    f"{transport} {delivery}"
    for transport in ("websocket", "rest")
    for delivery in ("sync", "async")
]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    flags = ["--stand-in", "tone-low", "--price-per-1000", "2", "--max-message-bytes", "1048576"]
    with running_server("tone", flags) as server:
        yield server


@pytest.fixture(scope="module")
def told(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the SDK says came, in its own environment, all of it once."""
    python = virtual_environment("runware-sdk", REQUIREMENTS)
    file = tmp_path_factory.mktemp("runware") / "recording.wav"
    file.write_bytes(recording())
    assert runware_client.__file__ is not None
    ran = subprocess.run(
        [python, runware_client.__file__, server.url.partition("//")[2], str(file)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def seconds_at(url: str) -> float:
    answer = httpx.get(url, trust_env=False, timeout=30)
    assert answer.status_code == 200
    _, rate, channels, sound = decoded(answer.content)
    return len(sound) / channels / rate


@pytest.mark.parametrize("way", WAYS)
def test_it_has_its_results(told: dict[str, Any], way: str) -> None:
    (one,) = told[way]["one"]
    words = len(runware_client.TEXT.split())
    assert seconds_at(one["audioURL"]) == pytest.approx(words * 0.3 / 0.96, rel=0.05)
    assert one["cost"] == pytest.approx(len(runware_client.TEXT) * 2 / 1000)
    assert len(told[way]["lengths"]) == 3
    assert min(told[way]["lengths"]) > 1000


@pytest.mark.parametrize("way", WAYS)
def test_it_polls_and_looks_into_tasks(told: dict[str, Any], way: str) -> None:
    (one,), (polled,), (details,) = (told[way][name] for name in ("one", "polled", "details"))
    assert (polled["status"], polled["audioUUID"]) == ("success", one["audioUUID"])
    assert details["request"][0]["speech"]["text"] == runware_client.TEXT
    assert details["response"]["data"][0]["audioUUID"] == one["audioUUID"]


@pytest.mark.parametrize("way", WAYS)
def test_it_stores_media_and_speaks_like_them(told: dict[str, Any], way: str) -> None:
    (kept,), (cloned,), (gone,) = (told[way][name] for name in ("kept", "cloned", "gone"))
    assert cloned["warning"] == "stand_in"
    assert seconds_at(cloned["audioURL"]) > 1
    assert (gone["operation"], gone["mediaUUID"]) == ("delete", kept["mediaUUID"])
    assert httpx.get(kept["mediaURL"], trust_env=False, timeout=30).status_code == 410


@pytest.mark.parametrize("way", WAYS)
def test_it_takes_errors_for_what_they_are(told: dict[str, Any], way: str) -> None:
    again, bitrate, nothing = (told[way][name] for name in ("again", "bitrate", "nothing"))
    assert (again["code"], again["parameter"]) == ("validation", "taskUUID")
    assert again["task_uuid"] == told[way]["one"][0]["taskUUID"]
    assert bitrate["code"] == "validation"
    assert bitrate["parameter"] == "audioSettings.bitrate"
    assert nothing["code"] == "notFound"
    assert not any(error["retryable"] for error in (again, bitrate, nothing))


def test_it_comes_back_to_its_session(told: dict[str, Any]) -> None:
    assert told["resumed"]["same"]
    (item,) = told["resumed"]["told"]
    assert item["audioURL"]
