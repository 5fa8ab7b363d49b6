"""`streamer captions`: a file to speech that is in time; of what comes live see `test_cli_live.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from streamer.audio.decoder import decode
from streamer.cli import run
from streamer.cli.cues import Waiting
from streamer.text.captions import CueReader, ParsedCue
from streamer.types import CueOptions, SegmentStarted, Skipped
from tests.command_lines import isolate
from tests.server_process import ServerProcess, running_server

TONE = ("--engines", "tone")
VTT = """WEBVTT

1
00:00:00.500 --> 00:00:01.500
<v Anna>Good evening.

2
00:00:02.000 --> 00:00:02.400
Two hundred people have come to hear it.

3
00:00:02.500 --> 00:00:03.000
All of it.

4
00:00:05.000 --> 00:00:04.000
backward

5
00:00:07.000 --> 00:00:08.250
[music]
"""
LENGTH_S = 8.25
TOLD = [
    "late: cue 3 by ",
    "skipped: cue 4, invalid",
    "talk.wav: 8.25 s, 3 cues spoken, 1 late (by ",
]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)
    (tmp_path / "talk.vtt").write_text(VTT)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("tone", ["--max-pending-chars", "400"]) as process:
        yield process


def sound(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    return decode(path.read_bytes())


def many(cues: int, ms: int, text: str) -> str:
    """A file of so many cues, so many ms apart."""

    def at(n: int) -> str:
        return f"00:{n * ms // 60_000:02}:{n * ms // 1000 % 60:02},{n * ms % 1000:03}"

    return "\n".join(f"{n}\n{at(n)} --> {at(n + 1)}\n{text} {n}.\n" for n in range(cues))


def test_a_file_is_spoken_in_time_and_what_is_late_or_skipped_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["captions", "talk.vtt", "-o", "talk.wav", *TONE]) == 0
    samples, rate = sound(tmp_path / "talk.wav")
    assert len(samples) == LENGTH_S * rate
    for begin_s in (0.5, 2.0):
        begin = round(begin_s * rate)
        assert np.max(np.abs(samples[begin - rate // 4 : begin - rate // 50])) < 1e-3
        assert np.max(np.abs(samples[begin : begin + rate // 20])) > 0.05
    out, err = capsys.readouterr()
    lines = sorted(err.splitlines())
    assert out == ""
    assert [line[: len(told)] for line, told in zip(lines, TOLD, strict=True)] == TOLD
    assert "2 skipped (1 invalid, 1 description)" in lines[2]


def test_captions_of_what_was_spoken_are_written_with_the_same_names(tmp_path: Path) -> None:
    assert run(["captions", "talk.vtt", "-o", "talk.opus", "--captions", "out.vtt", *TONE]) == 0
    reader = CueReader()
    cues = reader.push((tmp_path / "out.vtt").read_text()) + reader.flush()
    assert [cue.id for cue in cues] == ["1", "2", "3"]
    assert [cue.text for cue in cues if isinstance(cue, ParsedCue)] == [
        *("Good evening.", "Two hundred people have come to hear it.", "All of it."),
    ]


def test_wishes_change_what_is_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tone = (*TONE, "--seed", "1")
    plain = ["captions", "talk.vtt", "-o", "plain.wav", *tone]
    assert run(plain) == 0
    assert run([*plain[:3], "voices.wav", *tone, "--speaker", "Anna=tone-high"]) == 0
    assert run([*plain[:3], "sounds.wav", *tone, "--descriptions", "speak"]) == 0
    capsys.readouterr()
    assert run([*plain[:3], "skip.wav", *tone, "--overrun", "skip", "--max-rate", "1"]) == 0
    assert "skipped: cue 3, late" in capsys.readouterr().err
    assert run([*plain[:3], "late.wav", *tone, "--max-late", "10", "--overlap", "queue"]) == 0
    assert "skipped: cue 3, late" in capsys.readouterr().err
    before, rate = sound(tmp_path / "plain.wav")
    voices, _ = sound(tmp_path / "voices.wav")
    assert not np.allclose(before[:rate], voices[:rate], atol=0.01)
    assert np.allclose(before[2 * rate : 3 * rate], voices[2 * rate : 3 * rate], atol=0.01)
    sounds, _ = sound(tmp_path / "sounds.wav")
    assert np.max(np.abs(before[7 * rate :])) < 1e-3 < np.max(np.abs(sounds[7 * rate :]))


def test_a_character_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.srt").write_bytes(many(2, 1000, "Grüße").encode("cp1252"))
    assert run(["captions", "old.srt", "-o", "old.wav", *TONE]) == 2
    assert "encoding" in capsys.readouterr().err
    assert not (tmp_path / "old.wav").exists()
    assert run(["captions", "old.srt", "-o", "old.wav", "--encoding", "cp1252", *TONE]) == 0
    assert run(["captions", "old.srt", "-o", "old.wav", "--encoding", "zlib", *TONE]) == 2


def test_a_file_is_spoken_whole_however_little_may_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "long.srt").write_text(many(100, 600, "One"))
    monkeypatch.setenv("STREAMER_MAX_PENDING_CHARS", "60")
    monkeypatch.setenv("STREAMER_MAX_CONTEXT_CHARS", "500")
    assert run(["captions", "long.srt", "-o", "long.wav", *TONE]) == 0
    samples, rate = sound(tmp_path / "long.wav")
    assert len(samples) == 60 * rate
    assert "100 cues spoken, 0 late, 0 skipped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["missing.vtt"], "missing.vtt"),
        (["."], "file"),
        (["empty.vtt"], "no captions"),
        (["talk.ttml"], "TTML"),
        (["talk.txt"], "neither WebVTT nor SRT"),
        (["talk.vtt", "--speaker", "Anna"], "NAME=VOICE"),
        (["talk.vtt", "--speaker", "Anna=nobody"], "nobody"),
        (["talk.vtt", "--voice", "nobody"], "nobody"),
        (["talk.vtt", "--overrun", "wait"], "--overrun"),
        (["talk.vtt", "--max-rate", "3"], "--max-rate"),
        (["talk.vtt", "--delay", "100"], "delay"),
        (["talk.vtt", "--captions", "out.txt"], "captions"),
        (["talk.vtt", "--format", "doc"], "format"),
    ],
)
def test_what_cannot_be_had_is_one_line_that_names_it(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty.vtt").write_text("\n")
    (tmp_path / "talk.ttml").write_text(
        '<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml"/>'
    )
    (tmp_path / "talk.txt").write_text("Good evening.\nTwo hundred people.\n")
    assert run(["captions", *arguments, "-o", "x.wav", *TONE]) == 2
    err = capsys.readouterr().err
    assert named in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "x.wav").exists()


def test_a_server_speaks_a_file_as_it_is_spoken_here(
    server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    both = ["--seed", "1", "--speaker", "Anna=tone-high"]
    assert run(["captions", "talk.vtt", "-o", "here/talk.wav", *both, *TONE]) == 0
    here = capsys.readouterr().err
    asked = ["captions", "talk.vtt", "-o", "talk.wav", *both, "--url", server.url]
    assert run([*asked, "--captions", "out.srt"]) == 0
    there = capsys.readouterr().err
    assert there.splitlines()[:-1] == here.splitlines()[:-1]
    assert there.splitlines()[-1] == here.splitlines()[-1].removeprefix("here/")
    ours, rate = sound(tmp_path / "here/talk.wav")
    theirs, _ = sound(tmp_path / "talk.wav")
    assert len(ours) == len(theirs) == LENGTH_S * rate
    assert np.allclose(ours, theirs, atol=0.01)
    assert "Good evening." in (tmp_path / "out.srt").read_text()


def test_a_servers_refusal_is_one_line(
    server: ServerProcess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "talk.ass").write_text("[Script Info]\nTitle: x\n")
    for file, wish, named in [
        ("talk.vtt", ["--voice", "nobody"], "nobody"),
        ("talk.ass", [], "ASS"),
        ("talk.ass", ["--live"], "ASS"),
    ]:
        assert run(["captions", file, "-o", "x.wav", "--url", server.url, *wish]) == 2
        err = capsys.readouterr().err
        assert named in err
        assert len(err.splitlines()) == 1


def test_more_than_may_wait_is_said_live_to_a_server_as_it_has_room(
    server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "long.srt").write_text(many(40, 100, "More cues than may wait"))
    late = ("--max-late", "400", "--overrun", "late")
    assert run(["captions", "long.srt", "--live", "-o", "x.wav", "--url", server.url, *late]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("skipped: cue ") for line in lines)
    assert lines[-1].startswith("x.wav: ")


def test_cues_that_wait_at_a_server_are_counted_until_they_are_told_of() -> None:
    waiting = Waiting(CueOptions())
    waiting.push("WEBVTT\n\na\n00:01.000 --> 00:02.000\n12345\n\nb\n00:02.000 --> 00:03.000\n")
    assert waiting.characters == 5
    waiting.push("123\n\n\n[music]\n\na\n00:01.000 --> 00:02.000\n1234567\n\n")
    assert waiting.characters == 10
    waiting.told(SegmentStarted("c", 0, "1234567", 0, 0, "flush", cue="a"))
    waiting.told(Skipped("c", "b", "late"))
    waiting.told(Skipped("c", "x", "invalid"))
    waiting.push("a\n00:01.000 --> 00:02.000\n1234567\n\n")
    assert waiting.characters == 0
