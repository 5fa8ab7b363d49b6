"""The example of ModelStream's document, by curl as printed, and what docs/move-from/modelstream.md says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from streamer.protocols.modelstream import MODELS, VOICES, Request
from tests.server.hosted.tones import decoded, level, pcm
from tests.server_process import ServerProcess

PAGE = (Path(__file__).parents[2] / "docs" / "move-from" / "modelstream.md").read_text("utf-8")
(EXAMPLE,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CURL = pytest.mark.requires("curl", "curl")


def ran(server: ServerProcess, cwd: Path, script: str = EXAMPLE) -> None:
    script = script.replace("http://127.0.0.1:8090", server.url)
    done = subprocess.run(
        ["sh", "-e", "-c", script.replace("curl ", "curl -sS --fail-with-body ", 1)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@CURL
def test_the_example_gets_speech_of_its_format_rate_and_length(
    hibari_server: ServerProcess, tmp_path: Path
) -> None:
    ran(hibari_server, tmp_path)

    codec, rate, channels, sound = decoded((tmp_path / "beach.mp3").read_bytes())
    assert (codec.startswith("mp3"), rate, channels) == (True, 24000, 1)
    assert 9 < len(sound) / rate < 25, "43 words"
    assert 0.02 < level(sound) < 0.5


@CURL
@pytest.mark.parametrize("rate", [16000, 24000])
def test_the_example_as_pcm_has_as_much_of_it(
    hibari_server: ServerProcess, tmp_path: Path, rate: int
) -> None:
    script = EXAMPLE.replace('"mp3"', '"pcm"').replace("24000", str(rate))

    ran(hibari_server, tmp_path, script)

    sound = pcm((tmp_path / "beach.mp3").read_bytes())
    assert 9 < len(sound) / rate < 25


@CURL
def test_the_example_with_times_tells_every_word(
    hibari_server: ServerProcess, tmp_path: Path
) -> None:
    ran(hibari_server, tmp_path, EXAMPLE.replace("false", "true"))

    answer = json.loads((tmp_path / "beach.mp3").read_bytes())
    words = [word["text"] for word in answer["words"]]
    assert words[:5] == ["In", "this", "picture", "a", "woman"]
    assert len(words) == 43
    times = [at for word in answer["words"] for at in (word["start"], word["end"])]
    assert times == sorted(times)


def test_the_page_names_every_field_model_and_voice() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE.split("## What happens")[1], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {field.encode_name for field in msgspec.structs.fields(Request)} <= named
    for name in (*MODELS, *VOICES):
        assert f"`{name}`" in PAGE
