"""Do captions say when words are heard? The times in WebVTT of what was spoken, read by a library, against
Whisper's: of `say --captions`, of a job of text, and of a job of captions, some of them hurried.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import webvtt

from bench._common import arguments, machine, median, percentile, report
from bench.hearing import Samples
from bench.judges import Judge, whisper
from bench.texts import PARAGRAPH, VARIED
from bench.transcripts import same_words
from streamer.audio.decoder import decode
from tests.server_process import running_server

OFF_MS = 150.0
TEXT = " ".join((*VARIED, PARAGRAPH))
SEED = 7
JOB_S = 180.0
CUE_S = 2.6
"""A sentence of `VARIED` takes 3 to 4.5 s: too long for such a slot, so that it is hurried or late."""
_TAG = re.compile(r"<(\d+):(\d\d):(\d\d)\.(\d{3})>")
ROADS = ("say", "job", "cues")


@dataclass(frozen=True, slots=True)
class Captioned:
    """Sound (mono) and the captions of it."""

    samples: Samples
    rate: int
    vtt: str
    srt: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A word of a caption, and when the caption is shown."""

    text: str
    start_ms: float
    shown_ms: tuple[float, float]


def words_of(vtt: str) -> list[Said]:
    """The words of WebVTT that have a time: the first of a caption its own, others that of a tag."""
    words = []
    for caption in webvtt.from_string(vtt, strict=True).captions:
        shown = tuple(1000 * _seconds(at) for at in (caption.start, caption.end))
        at, start = 0, shown[0]
        for tag in [*_TAG.finditer(caption.raw_text), None]:
            end = len(caption.raw_text) if tag is None else tag.start()
            for word in html.unescape(caption.raw_text[at:end]).split()[:1]:
                words.append(Said(word, start, (shown[0], shown[1])))
            if tag is not None:
                at, start = tag.end(), 1000 * _seconds(tag.group()[1:-1])
    return words


def _seconds(time: str) -> float:
    hours, minutes, seconds = time.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def said(directory: Path) -> Captioned:
    """By the command line, in a process of its own."""
    sound, captions = directory / "said.wav", directory / "said.vtt"
    command = [sys.executable, "-m", "streamer", "say", TEXT, "-o", str(sound)]
    command += ["--captions", str(captions), "--engines", "hibari", "--seed", str(SEED)]
    subprocess.run(command, check=True, timeout=JOB_S)
    return Captioned(*decode(sound.read_bytes()), captions.read_text("utf-8"))


def job(url: str, **request: Any) -> Captioned:
    """By a job of the server there."""
    with httpx.Client(base_url=url, timeout=60) as http:
        answer = http.post("/v1/jobs", json={"seed": SEED, "audio": {"codec": "flac"}, **request})
        answer.raise_for_status()
        path, deadline = f"/v1/jobs/{answer.json()['id']}", time.monotonic() + JOB_S
        while (state := http.get(path).json())["status"] in ("queued", "running"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"a job is not done after {JOB_S} s: {state}")
            time.sleep(0.1)
        if state["status"] != "completed":
            raise RuntimeError(f"the job failed: {state}")
        sound = http.get(f"{path}/audio").content
        vtt, srt = (http.get(f"{path}/captions?format={name}").text for name in ("vtt", "srt"))
    return Captioned(*decode(sound), vtt, srt)


def dense_captions(sentences: Sequence[str] = VARIED) -> str:
    """A file of them, every second one in a slot that is too short."""
    blocks, at = ["WEBVTT\n"], 0.0
    for number, sentence in enumerate(sentences):
        end = at + (CUE_S if number % 2 else 2 * CUE_S)
        blocks.append(f"{number}\n{_time(at)} --> {_time(end)}\n{sentence}\n")
        at = end
    return "\n".join(blocks)


def _time(seconds: float) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"00:{int(minutes):02}:{seconds:06.3f}"


@dataclass(frozen=True, slots=True)
class Heard:
    """How far Whisper's words are from those of the captions."""

    off_ms: list[float]
    words: int
    shown: int
    """Of those compared, the words whose beginning is heard while their caption is shown."""

    @property
    def median_ms(self) -> float:
        return median([abs(off) for off in self.off_ms])

    @property
    def matched(self) -> float:
        return len(self.off_ms) / self.words


def listen(captioned: Captioned, ear: Judge) -> Heard:
    ours = words_of(captioned.vtt)
    heard = ear.judge(captioned.samples, captioned.rate)
    pairs = same_words([word.text for word in ours], [word for word, _, _ in heard])
    off = [1000 * heard[b][1] - ours[a].start_ms for a, b in pairs]
    shown = 0
    for a, b in pairs:
        low, high = ours[a].shown_ms
        shown += low - OFF_MS <= 1000 * heard[b][1] <= high + OFF_MS
    return Heard(off, len(ours), shown)


def makers(url: str, directory: Path) -> dict[str, Callable[[], Captioned]]:
    """What makes them, by road."""
    return {
        "say": lambda: said(directory),
        "job": lambda: job(url, text=TEXT),
        "cues": lambda: job(url, text=dense_captions(), input="captions"),
    }


def run() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with running_server("hibari") as server, tempfile.TemporaryDirectory() as directory:
        made = {road: make() for road, make in makers(server.url, Path(directory)).items()}
    with whisper() as ear:
        for road, captioned in made.items():
            heard = listen(captioned, ear)
            off = [abs(o) for o in heard.off_ms]
            figures[road] = {
                "median_off_ms": round(heard.median_ms, 1),
                "p90_off_ms": round(percentile(off, 90), 1),
                "bias_ms": round(median(heard.off_ms), 1),
                "words_compared": f"{len(off)} of {heard.words}",
                "heard_while_shown": f"{heard.shown} of {len(off)}",
            }
    met = all(figures[road]["median_off_ms"] <= OFF_MS for road in ROADS)
    return {**figures, "machine": machine("hibari-tts", "webvtt-py"), "met": met}


if __name__ == "__main__":
    chosen = arguments(__doc__)
    report(run(), as_json=chosen.json)
