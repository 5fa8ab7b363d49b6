"""The examples of docs/captions.md run as printed: the file, what is asked with it, what is told of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer.audio.decoder import decode
from tests.server_process import ServerProcess, running_server

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "captions.md").read_text("utf-8")
HOST = "127.0.0.1:8090"
CURL = pytest.mark.requires("curl", "curl")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("hibari") as process:
        yield process


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Where the page's file is."""
    (file,) = blocks("vtt")
    (tmp_path / "talk.vtt").write_text(file, "utf-8")
    return tmp_path


def ran(code: str, server: ServerProcess, place: Path, *command: str) -> str:
    assert HOST in code
    done = subprocess.run(
        [*command, code.replace(HOST, server.host)],
        cwd=place,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def calls(*words: str) -> str:
    """The block of shell commands that has these words."""
    (found,) = [block for block in blocks("sh") if all(word in block for word in words)]
    return found


def alike(told: Any, printed: Any) -> bool:
    """The same but for a few ms, which depend on the machine's arithmetic."""
    if isinstance(printed, float):
        return bool(abs(told - printed) <= 60)
    return bool(told == printed)


@CURL
def test_the_file_is_spoken_and_told_of_as_printed(server: ServerProcess, talk: Path) -> None:
    ran(calls("talk.ogg", "talk.mp3"), server, talk, "bash", "-ec")
    sound, rate = decode((talk / "talk.ogg").read_bytes())
    assert len(sound) == 8 * rate
    assert decode((talk / "talk.mp3").read_bytes())[1] == 24000
    lines = [json.loads(line) for line in (talk / "talk.jsonl").read_text("utf-8").splitlines()]
    told = [line for line in lines if line["type"] not in ("started", "audio")]
    (printed,) = [block for block in blocks("") if '"type":"skipped"' in block]
    shown = [json.loads(line) for line in printed.splitlines()]
    assert [line["type"] for line in told] == [line["type"] for line in shown]
    for line, wanted in zip(told, shown, strict=True):
        assert all(alike(line[name], value) for name, value in wanted.items()), line


@CURL
def test_the_job_is_taken_in(server: ServerProcess, talk: Path) -> None:
    job = json.loads(ran(calls("job=true", "talk-7"), server, talk, "bash", "-ec"))
    assert job["status"] in ("queued", "running")
    assert job["text_characters"] == 103


def test_the_live_example_runs(server: ServerProcess, tmp_path: Path) -> None:
    (code,) = blocks("python")
    told = ran(code, server, tmp_path, sys.executable, "-W", "error", "-c").splitlines()
    assert told[0] == "1 0 Good evening, and welcome."
    assert told[-1].startswith("2 ")
    assert told[-1].endswith("The mayor speaks.")
