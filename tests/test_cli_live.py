"""`streamer captions --live`: heard while it is written, and ended by a person, with real signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.audio.decoder import decode
from streamer.cli.cues import Report
from streamer.cli.feed import Feed
from streamer.cli.progress import Progress
from streamer.engines.tone import SAMPLE_RATE, SOUND
from streamer.text.captions import CueReader, ParsedCue
from streamer.types import AudioFormat, CueOptions, Done, Event, SegmentStarted, Started
from tests.command_lines import isolate, started
from tests.server_process import ServerProcess, running_server

TONE = ("--engines", "tone")
FIRST = "0\n00:00:00,000 --> 00:00:00,500\nOne.\n\n"
SECOND = "1\n00:00:00,500 --> 00:00:01,000\nTwo.\n\n"
MUCH_LATER = "1\n00:10:00,000 --> 00:10:01,000\nTwo.\n\n"
REST_S = 0.005
"""Shorter than what is between two words, also where more is said behind a cue."""


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("tone") as process:
        yield process


def spoken(told: str) -> tuple[object, int]:
    """How much sound and how many cues the last line tells of. How long that takes is up to the machine:
    silence gives way where it was late, and speech is hurried."""
    found = re.search(r"([\d.]+) s, (\d+) cues? spoken", told.splitlines()[-1])
    assert found is not None, told
    return pytest.approx(float(found[1]), abs=0.006), int(found[2])


def words_of(sound: NDArray[np.floating], rate: int, told: str) -> int:
    """How many are heard, each a tone and a rest, and whole: as long as a word is, where none was late. Else
    some may be hurried."""
    loud = np.flatnonzero(np.abs(sound) > 0.02)
    rests = np.flatnonzero(np.diff(loud) > REST_S * rate)
    begins, ends = loud[np.r_[0, rests + 1]], loud[np.r_[rests, len(loud) - 1]]
    whole = (ends - begins) / rate / (SOUND / SAMPLE_RATE)
    most_rate = 1 if ", 0 late" in told else 1.1 * CueOptions().max_rate
    assert 0.97 / most_rate < np.min(whole) <= np.max(whole) < 1.03
    return len(whole)


def test_live_captions_are_heard_while_they_are_written() -> None:
    arguments = ("captions", "-", "--live", "-o", "-", "--format", "pcm", *TONE)
    with started(*arguments) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"WEBVTT\n\n00:10:00.000 --> 00:10:01.000\nOne tw\xc3")
        process.stdin.flush()
        process.stdin.write(b"\xb6.\n\n")
        process.stdin.flush()
        before = process.stdout.read(24000)  # half a second, while the input is still open
        process.stdin.write(b"00:10:01.500 --> 00:10:02.500\nFour five.\n")
        process.stdin.close()
        after = process.stdout.read()
        told = process.stderr.read().decode()
    assert process.returncode == 0
    heard = np.frombuffer(before + after, "<i2").astype(np.float32) / 32768
    assert np.max(np.abs(heard[:12000])) > 0.05
    assert words_of(heard, 24000, told) == 4
    assert spoken(told) == (len(heard) / 24000, 2)


def test_a_live_cue_is_heard_before_its_block_ends_and_goes_on_with_more_lines() -> None:
    arguments = ("captions", "-", "--live", "-o", "-", "--format", "pcm", *TONE)
    with started(*arguments) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"WEBVTT\n\n00:10:00.000 --> 00:10:01.000\nOne two.\n")
        process.stdin.flush()
        before = process.stdout.read(24000)  # half a second: the clock begins with the first cue
        process.stdin.write(b"Four five six seven eight nine ten.\n")
        process.stdin.close()
        after = process.stdout.read()
        told = process.stderr.read().decode()
    assert process.returncode == 0
    heard = np.frombuffer(before + after, "<i2").astype(np.float32) / 32768
    assert np.max(np.abs(heard[:12000])) > 0.05
    assert words_of(heard, 24000, "more lines are hurried") == 9
    assert "skipped: cue" not in told
    assert spoken(told) == (len(heard) / 24000, 1)


class Told:
    """An utterance that tells what it was told."""

    room = 1000
    pending = 0

    def __init__(self) -> None:
        self.told: list[str] = []

    async def push(self, text: str) -> None:
        self.told.append(text)

    async def flush(self) -> None:
        self.told.append("flush")

    async def end(self) -> None:
        self.told.append("end")

    async def events(self) -> AsyncIterator[Event]:
        return
        yield


@pytest.mark.asyncio
async def test_only_what_says_something_is_spoken_before_its_block_ends() -> None:
    async def pieces() -> AsyncGenerator[str | None, None]:
        for piece in (
            "WEBVTT\n\n00:01.000 --> 00:03.000\n",
            "[music]\n",
            "Good ",
            "day,\n",
            "Ann.\n",
        ):
            yield piece
            yield None
        yield None

    utterance = Told()
    await Feed(pieces(), CueOptions())(utterance)
    assert utterance.told[3:] == ["day,\n", "flush", "Ann.\n", "flush", "end"]
    assert "flush" not in utterance.told[:3]


@pytest.mark.asyncio
async def test_a_ctrl_c_behind_an_input_that_failed_changes_nothing() -> None:
    async def pieces() -> AsyncGenerator[str | None, None]:
        yield FIRST
        raise OSError("gone")

    feed, utterance = Feed(pieces(), CueOptions()), Told()
    with pytest.raises(OSError, match="gone"):
        await feed(utterance)
    assert feed.interrupt()
    assert not feed.interrupt()
    assert utterance.told == [FIRST]


def test_silence_that_was_left_out_is_told_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    audio = AudioFormat("pcm_s16le", sample_rate=24000)
    for shift, more in ((0, ""), (39120, ", 1.63 s of silence left out")):
        report = Report(Progress("-"), "-")
        for event in (
            Started("c", audio, "", b"", 0, "low", "tone", 0),
            SegmentStarted("c", 0, "One.", 0, 0, "flush", cue="1"),
            SegmentStarted("c", 1, "Two.", 4, 9000, "flush", cue="2", shift=shift),
            Done("c", "end", 24000, 1000.0, 8, None, "tone"),
        ):
            report.told(event)
        (line,) = capsys.readouterr().err.splitlines()
        assert f"2 cues spoken, 0 late, 0 skipped{more}, tone/low" in line


def sounding(process: subprocess.Popen[bytes], directory: Path) -> None:
    """Wait until sound lies in the file that is not whole yet."""
    while not any(path.stat().st_size > 4800 for path in directory.glob(".said.wav.*")):
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.parametrize("at_a_server", [False, True])
def test_the_first_ctrl_c_is_the_end_of_live_captions(
    at_a_server: bool, server: ServerProcess, tmp_path: Path
) -> None:
    arguments = ("captions", "-", "--live", "-o", "said.wav", "--captions", "said.vtt")
    where = ("--url", server.url) if at_a_server else TONE
    with started(*arguments, *where) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write((FIRST + SECOND).encode().rstrip())
        process.stdin.flush()
        sounding(process, tmp_path)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        process.stdin.close()
        told = process.stderr.read().decode()
    samples, rate = decode((tmp_path / "said.wav").read_bytes())
    assert spoken(told) == (len(samples) / rate, 2)
    assert words_of(samples, rate, told) == 2
    reader = CueReader()
    cues = reader.push((tmp_path / "said.vtt").read_text()) + reader.flush()
    assert [cue.text for cue in cues if isinstance(cue, ParsedCue)] == [
        *("One.", "Two."),
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"said.wav", "said.vtt"}


def test_a_ctrl_c_of_a_terminal_leaves_the_player_playing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, played = tmp_path / "bin" / "aplay", tmp_path / "played"
    player.parent.mkdir()
    player.write_text(f"#!/bin/sh\nexec cat > {played}\n")
    player.chmod(0o755)
    monkeypatch.setenv("PATH", f"{player.parent}:{os.environ['PATH']}")
    with started("captions", "-", "--live", *TONE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write((FIRST + SECOND).encode())
        process.stdin.flush()
        while not (played.exists() and played.stat().st_size):
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells all that run in it
        assert process.wait(30) == 0
        process.stdin.close()
        told = process.stderr.read().decode()
    heard = np.frombuffer(played.read_bytes(), "<i2").astype(np.float32) / 32768
    assert spoken(told) == (len(heard) / 48000, 2)
    assert words_of(heard, 48000, told) == 2


def test_what_is_written_in_answer_to_a_ctrl_c_is_spoken(tmp_path: Path) -> None:
    with started("captions", "-", "--live", "-o", "said.wav", *TONE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(FIRST.encode())
        process.stdin.flush()
        sounding(process, tmp_path)
        process.send_signal(signal.SIGSTOP)  # so that it is there in time, however slow we are
        process.send_signal(signal.SIGINT)
        process.stdin.write(b"1\n00:00:00,500 --> 00:00:01,000\nBye.\n")
        process.stdin.close()
        process.send_signal(signal.SIGCONT)
        assert "2 cues spoken" in process.stderr.read().decode()
    assert process.returncode == 0


def test_a_second_ctrl_c_gives_live_captions_up(tmp_path: Path) -> None:
    with started("captions", "-", "--live", "-o", "said.wav", *TONE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write((FIRST + MUCH_LATER).encode())
        process.stdin.flush()
        sounding(process, tmp_path)
        process.send_signal(signal.SIGINT)
        assert b"Ctrl+C again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        process.stdin.close()
        assert process.stderr.read() == b""
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("live", "text", "ending", "code"),
    [
        (True, FIRST, signal.SIGTERM, 143),
        (True, "", signal.SIGINT, 130),
        (False, FIRST, signal.SIGINT, 130),
    ],
    ids=["terminated", "nothing has come", "not live"],
)
def test_a_signal_ends_it_and_leaves_nothing(
    live: bool, text: str, ending: signal.Signals, code: int, tmp_path: Path
) -> None:
    mode = ["--live"] if live else []
    with started("captions", "-", *mode, "-o", "said.wav", *TONE) as process:
        assert process.stdin is not None
        process.stdin.write(text.encode())
        process.stdin.flush()
        while not any(path.name.startswith(".said.wav") for path in tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(ending)
        process.wait(30)
        process.stdin.close()
    assert process.returncode == code
    assert not [*tmp_path.iterdir()]
