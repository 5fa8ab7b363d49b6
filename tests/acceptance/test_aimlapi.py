"""The example of AI/ML API's document as printed, and what docs/move-from/aimlapi.md says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from streamer.protocols.aimlapi import VOICES, Request
from tests.server.hosted.tones import decoded, level
from tests.server_process import ServerProcess

PAGE = (Path(__file__).parents[2] / "docs" / "move-from" / "aimlapi.md").read_text("utf-8")


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def ran(*command: str) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_example_gets_a_link_to_speech(hibari_server: ServerProcess) -> None:
    script = example("python").replace("http://127.0.0.1:8090", hibari_server.url)
    # httpx reads as requests does; the longer time is for machines that do much else.
    script = script.replace("import requests", "import httpx").replace(
        "requests.post(", "httpx.Client(timeout=60, trust_env=False).post("
    )

    told = ran(sys.executable, "-c", script)

    assert told["usage"] == {"characters": 267}
    file = httpx.get(told["audio"]["url"], trust_env=False, timeout=30)
    codec, rate, channels, sound = decoded(file.content)
    assert (codec, rate, channels) == ("pcm_s16le", 24000, 1)
    assert 10 < len(sound) / rate < 30, "39 words"
    assert told["metadata"]["duration"] == pytest.approx(len(sound) / rate, abs=0.001)
    assert 0.02 < level(sound) < 0.5


@pytest.mark.requires("curl", "curl")
def test_the_example_in_curl_gets_201(hibari_server: ServerProcess) -> None:
    script = example("sh").replace("http://127.0.0.1:8090", hibari_server.url)
    script = script.replace("curl ", "curl -sS -w '\\n%{http_code}' ", 1)

    done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, timeout=60)

    body, _, status = done.stdout.rpartition("\n")
    assert (status, json.loads(body)["usage"]) == ("201", {"characters": 12})


def test_the_page_names_every_field_and_voice() -> None:
    for field in msgspec.structs.fields(Request):
        assert f"| `{field.encode_name}` |" in PAGE
    for name in VOICES:
        assert f"`{name}`" in PAGE
