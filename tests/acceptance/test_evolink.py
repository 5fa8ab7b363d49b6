"""The example of Evolink's document, by curl as printed, and what docs/move-from/evolink.md says."""

from __future__ import annotations

import json
import re
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from streamer.protocols.evolink import encode_error
from streamer.protocols.evolink.requests import DesignBody, SpeechBody
from tests.protocols.evolink.test_errors import ROWS
from tests.server.hosted.tones import decoded, level
from tests.server_process import ServerProcess, running_server

PAGE = (Path(__file__).parents[2] / "docs" / "move-from" / "evolink.md").read_text("utf-8")


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


ANSWER = json.loads(example("json"))


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    ((alias, voice),) = tomllib.loads(example("toml"))["voice_aliases"].items()
    flags = ["--voice-aliases", f"{alias}={voice}", "--price-per-1000", "5"]
    with running_server("hibari", flags) as process:
        yield process


def shape(value: Any) -> Any:
    """Which fields there are, and of what kind."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return "number" if type(value) in (int, float) else type(value)


@pytest.mark.requires("curl", "curl")
def test_the_example_is_answered_as_documented_and_becomes_speech(server: ServerProcess) -> None:
    script = example("sh").replace("http://127.0.0.1:8090", server.url)
    done = subprocess.run(
        ["sh", "-e", "-c", script.replace("curl ", "curl -sS --fail-with-body ", 1)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    task = json.loads(done.stdout)
    assert shape(task) == shape(ANSWER)
    for name in ("model", "object", "progress", "status", "type"):
        assert task[name] == ANSWER[name]
    assert re.fullmatch(rf"task-unified-{task['created']}-[0-9a-z]{{8}}", task["id"])
    assert abs(task["created"] - time.time()) < 60
    assert task["usage"] == {"credits_reserved": 0.315}, "63 characters"

    headers = {"Authorization": "Bearer <token>"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=30) as http:
        deadline = time.monotonic() + 60
        while task["status"] in ("pending", "processing") and time.monotonic() < deadline:
            time.sleep(0.05)
            task = http.get(f"/evolink/v1/tasks/{task['id']}").json()
        assert (task["status"], task["progress"]) == ("completed", 100)
        assert task["usage"] == {"credits_reserved": 0.315}
        file = httpx.get(task["results"][0], trust_env=False, timeout=30)
    assert file.headers["content-type"] == "audio/wav"
    codec, rate, channels, sound = decoded(file.content)
    assert (codec, rate, channels) == ("pcm_s16le", 24000, 1)
    assert 2 < len(sound) / rate < 8, "nine words"
    assert 0.02 < level(sound) < 0.5


def test_the_page_names_every_field() -> None:
    for body in (SpeechBody, DesignBody):
        for field in msgspec.structs.fields(body):
            assert re.search(rf"^\| `{field.encode_name}` \|", PAGE, re.MULTILINE), field.name
    for name, value in ANSWER.items():
        for inner in [f"{name}.{key}" for key in value] if isinstance(value, dict) else [name]:
            if inner not in ("model", "object", "type", "task_info.audio_type"):
                assert re.search(rf"^\| `{inner}` \|", PAGE, re.MULTILINE), inner


def test_the_page_names_every_error() -> None:
    for error, *_ in ROWS:
        status, body, _ = encode_error(error)
        fields = json.loads(body)["error"]
        row = f"| {status} | `{fields['code']}` | `{fields['type']}` |"
        assert row in PAGE
