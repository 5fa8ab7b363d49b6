"""`streamer voices` as a shell meets it, against the real server and an engine that makes voices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.cli import run
from tests.server.voices import pitch_of, recording
from tests.server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("tone,tests.parrot:open_engine") as process:
        yield process


def out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["voices", *arguments]) == 0
    return capsys.readouterr().out.strip()


def test_a_voice_is_added_speaks_is_listed_and_removed(
    server: ServerProcess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sample, there = tmp_path / "ann.wav", ["--url", server.url]
    sample.write_bytes(recording(440))
    made = ["add", str(sample), "--name", "Ann", "--transcript", "So, so.", "--language", "de"]
    id = out(capsys, *made, "--idempotency-key", "k", *there)
    assert id.startswith("voice_")
    assert out(capsys, *made, "--idempotency-key", "k", *there) == id
    spoken = tmp_path / "spoken.wav"
    assert run(["say", "One two three.", "-o", str(spoken), "--voice", "Ann", *there]) == 0
    assert abs(pitch_of(spoken.read_bytes()) - 440) < 3
    listed = json.loads(out(capsys, "list", "--json", *there))
    assert [voice["id"] for voice in listed if voice["kind"] == "clone"] == [id]
    last = out(capsys, "list", *there).splitlines()[-1].split()
    assert last[:4] == [id, "Ann", "clone", "parrot"]
    assert out(capsys, "rm", "Ann", *there) == "deleted Ann"
    assert run(["voices", "rm", "Ann", *there]) == 2


def test_a_voice_is_designed(server: ServerProcess, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["design", "calm, at 600 Hz", "--preview-text", "Hello you.", "--seed", "3"]
    told = json.loads(out(capsys, *words, "--json", "--url", server.url))
    assert (told["kind"], told["description"]) == ("design", "calm, at 600 Hz")
    assert told["preview_text"] == "Hello you."
    out(capsys, "rm", told["id"], "--url", server.url)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["add", "missing.wav"], "missing.wav"),
        (["add", "http://127.0.0.1/a.wav"], "url"),
        (["add", "file_000000000000000000000000"], "file"),
        (["add", __file__], "audio"),
        (["add", __file__, "--model", "tone"], "model"),
        (["design", " "], "description"),
        (["rm", "nobody"], "id"),
    ],
)
def test_what_cannot_be_had_is_one_line_that_names_it(
    server: ServerProcess, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert run(["voices", *arguments, "--url", server.url]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


def test_a_server_that_is_killed_has_its_voices_when_it_is_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sample = tmp_path / "ann.wav"
    sample.write_bytes(recording(440))
    with running_server("tests.parrot:open_engine") as server:
        id = out(capsys, "add", str(sample), "--url", server.url)
        server.kill()
        server.restart()
        listed = json.loads(out(capsys, "list", "--json", "--url", server.url))
        assert [voice["id"] for voice in listed if voice["kind"] != "preset"] == [id]
