"""The example of crun's document, by curl as printed, and what docs/move-from/crun.md says."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import httpx
import msgspec
import pytest

from streamer.protocols.crun import CODES, MODELS, Info
from tests.server.hosted.tones import decoded, level
from tests.server_process import ServerProcess

PAGE = (Path(__file__).parents[2] / "docs" / "move-from" / "crun.md").read_text("utf-8")


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.requires("curl", "curl")
def test_the_example_is_answered_as_documented_and_becomes_speech(
    hibari_server: ServerProcess,
) -> None:
    script = example("sh").replace("http://127.0.0.1:8090", hibari_server.url)
    done = subprocess.run(
        ["sh", "-e", "-c", script.replace("curl ", "curl -sS --fail-with-body ", 1)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told, shown = json.loads(done.stdout), json.loads(example("json"))
    id = told["data"]["task_id"]
    shown["data"]["task_id"] = id
    assert told == shown
    assert re.fullmatch("task_[0-9a-f]{24}", id)

    with httpx.Client(base_url=hibari_server.url, trust_env=False, timeout=30) as http:
        deadline = time.monotonic() + 60
        while True:
            answer = http.get("/crun/api/v1/client/job/TaskInfo", params={"task_id": id})
            task = answer.json()["data"]
            if task["status"] != "running" or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        assert (task["status"], task["result"]["code"]) == ("success", 200)
        file = http.get(task["result"]["media_urls"][0])
    assert file.headers["content-type"] == "audio/wav"
    codec, rate, channels, sound = decoded(file.content)
    assert (codec, rate, channels) == ("pcm_s16le", 24000, 1)
    assert 3 < len(sound) / rate < 10, "twelve words"
    assert 0.02 < level(sound) < 0.5


def test_the_page_names_every_field_code_and_model() -> None:
    rows = "\n".join(re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE))
    for name in re.findall(r'"(\w+)":', example("sh")):
        if name != "input":
            assert f"`{name}`" in rows or f"`input.{name}`" in rows
    for field in msgspec.structs.fields(Info):
        assert f"`{field.encode_name}`" in rows
    for _, code in CODES:
        assert re.search(rf"^{code}$", rows, re.MULTILINE), code
    for model in MODELS:
        assert f"`{model}`" in PAGE
