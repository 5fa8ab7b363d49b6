"""The examples of Runware's document, by curl as docs/move-from/runware.md prints them."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.hosted.runware import recording
from tests.server.hosted.tones import decoded, level
from tests.server_process import ServerProcess, running_server

PAGE = (Path(__file__).parents[2] / "docs" / "move-from" / "runware.md").read_text("utf-8")
MUSEUM, TRAIN, PLATFORM = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
pytestmark = pytest.mark.requires("curl", "curl")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a recording can be fetched."""
    directory = tmp_path_factory.mktemp("files")
    (directory / "voice.wav").write_bytes(recording(4.0))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=directory)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/voice.wav"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def standing_in(files: str) -> Iterator[ServerProcess]:
    port = files.rpartition(":")[2].partition("/")[0]
    flags = ["--stand-in", "heart", "--fetch-allow", "127.0.0.1", "--fetch-ports", port]
    with running_server("hibari", flags) as server:
        yield server


def ran(server: ServerProcess, script: str) -> dict[str, Any]:
    """What the script's answer is."""
    script = script.replace("http://127.0.0.1:8090", server.url)
    done = subprocess.run(
        ["sh", "-e", "-c", script.replace("curl ", "curl -sS ", 1)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def heard(url: str) -> tuple[str, int, int, float]:
    """Codec, rate, channels and seconds of the speech at a URL."""
    answer = httpx.get(url, trust_env=False, timeout=30)
    assert answer.status_code == 200
    codec, rate, channels, sound = decoded(answer.content)
    assert 0.02 < level(sound) < 0.5
    return codec, rate, channels, len(sound) / channels / rate


@pytest.mark.parametrize("script", [MUSEUM, TRAIN], ids=["museum", "train"])
def test_without_a_clone_engine_the_examples_get_the_apis_error(
    hibari_server: ServerProcess, script: str
) -> None:
    answer = ran(hibari_server, script)

    (error,) = answer["errors"]
    assert (error["code"], error["parameter"]) == ("unsupportedModel", "model")
    assert error["taskUUID"] in script
    assert answer["data"] == []


@pytest.mark.parametrize(
    ("script", "least", "most"), [(MUSEUM, 35, 70), (TRAIN, 15, 40)], ids=["museum", "train"]
)
def test_with_a_stand_in_the_examples_get_speech(
    standing_in: ServerProcess, files: str, script: str, least: float, most: float
) -> None:
    answer = ran(standing_in, re.sub(r"https://assets[^\"]*", files, script))

    assert set(answer) == {"data"}, answer
    (item,) = answer["data"]
    assert item["warning"] == "stand_in"
    assert item["taskUUID"] in script
    codec, rate, channels, seconds = heard(item["audioURL"])
    assert (codec.startswith("mp3"), rate, channels) == (True, 24000, 2)
    assert least < seconds < most


def test_a_voice_that_is_here_speaks(hibari_server: ServerProcess) -> None:
    (item,) = ran(hibari_server, PLATFORM)["data"]

    codec, rate, channels, seconds = heard(item["audioURL"])
    assert (codec, rate, channels) == ("pcm_s16le", 24000, 1)
    assert 1.5 < seconds < 5
