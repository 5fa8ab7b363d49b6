"""Files of captions against the real server: heard in time, whole to the sample, refused by name, and as
jobs that outlive a kill."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import pytest

from streamer.audio.decoder import decode
from streamer.types import Samples
from tests.server_process import ServerProcess, running_server

TALK = """WEBVTT

1
00:00.500 --> 00:02.500
<v Anna>Good evening, and welcome.

2
00:02.500 --> 00:03.600
Two hundred people have come to the town hall tonight.

3
00:03.600 --> 00:06.000
The mayor speaks first.

4
00:06.500 --> 00:08.000
[music]
"""
LENGTH_S = 8.0
TTML = '<?xml version="1.0"?>\n<tt xmlns="http://www.w3.org/ns/ttml"><body/></tt>\n'
END_S = 120.0
"""On a machine that does much else at once."""


@pytest.fixture(scope="module")
def http(hibari_server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hibari_server.url, timeout=END_S) as client:
        yield client


def onsets(sound: Samples, rate: int) -> list[float]:
    """Where sound begins after 0.2 s of silence, in seconds."""
    step = rate // 200
    loud = np.abs(sound[: len(sound) // step * step]).reshape(-1, step).max(axis=1) > 0.01
    at = np.flatnonzero(loud)
    begins = [at[0], *(b for a, b in pairwise(at) if b - a > 40)]
    return [float(begin) / 200 for begin in begins]


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize(
    ("query", "rate"),
    [
        ({}, 48000),
        ({"codec": "mp3"}, 24000),
        ({"codec": "pcm_s16le", "sample_rate": "16000"}, 16000),
        ({"codec": "flac", "sample_rate": "44100"}, 44100),
    ],
)
def test_a_file_is_as_long_as_its_captions_and_each_is_heard_at_its_time(
    http: httpx.Client, query: dict[str, str], rate: int
) -> None:
    answer = http.post("/v1/captions", content=TALK, params=query)
    assert answer.status_code == 200
    sound, decoded = decode(answer.content)
    assert decoded == rate
    if query.get("codec") == "mp3":  # the file doesn't say how long its lead-in and its padding are
        assert 0 <= len(sound) - LENGTH_S * rate < 3 * 1152
    else:
        assert len(sound) == LENGTH_S * rate
    lead_in_s = 0.046 if query.get("codec") == "mp3" else 0.0
    first, second = onsets(sound, rate)[:2]
    assert first == pytest.approx(0.5 + lead_in_s, abs=0.05)
    assert second == pytest.approx(2.5 + lead_in_s, abs=0.05)


def test_what_is_late_or_skipped_is_told(http: httpx.Client) -> None:
    query = {"delivery": "lines", "timestamps": "word"}
    lines = told(http.post("/v1/captions", content=TALK, params=query))
    segments = {line["cue"]: line for line in lines if line["type"] == "segment"}
    late = [line for line in lines if line["type"] == "late"]
    assert set(segments) == {"1", "2", "3"}
    assert [segments[cue]["start_ms"] for cue in "12"] == [500, 2500]
    assert 1 < segments["2"]["rate"] <= 1.35
    assert [line["cue"] for line in late] == ["3"]
    assert segments["3"]["start_ms"] == pytest.approx(3600 + late[0]["by_ms"], abs=0.1)
    assert [line["reason"] for line in lines if line["type"] == "skipped"] == ["description"]
    words = [word for line in lines if line["type"] == "words" for word in line["words"]]
    assert " ".join(word["text"] for word in words).startswith("Good evening and welcome")
    assert lines[-1]["audio_ms"] == 1000 * LENGTH_S

    hurried = query | {"max_rate": "2"}
    lines = told(http.post("/v1/captions", content=TALK, params=hurried))
    (by_ms,) = [line["by_ms"] for line in lines if line["type"] == "late"] or [0]
    assert by_ms < late[0]["by_ms"]

    lines = told(http.post("/v1/captions", content=TALK, params=query | {"overrun": "skip"}))
    skipped = {line["cue"]: line["reason"] for line in lines if line["type"] == "skipped"}
    assert skipped == {"3": "late", "4": "description"}


def test_subrip_with_an_origin_and_speakers(http: httpx.Client) -> None:
    srt = "1\r\n10:00:01,000 --> 10:00:02,500\r\nANNA: Hello there.\r\n\r\n"
    srt += "2\r\n10:00:03,000 --> 10:00:04,000\r\nGoodbye.\r\n"
    query = {"codec": "pcm_s16le", "origin_ms": "first", "speaker.Anna": "heart"}
    answer = http.post("/v1/captions", content=srt, params=query)
    assert answer.headers["content-type"] == "audio/wav"
    sound, _ = decode(answer.content)
    assert len(sound) == 3 * 24000
    assert onsets(sound, 24000) == pytest.approx([0.0, 2.0], abs=0.05)
    query["speaker.Anna"] = "nobody"
    answer = http.post("/v1/captions", content=srt, params=query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_voice")


@pytest.mark.parametrize(
    ("body", "content_type", "code", "details"),
    [
        (TTML, "text/vtt", "invalid_captions", {"format": "TTML"}),
        ("Scenarist_SCC V1.0\n\n00:00:01:00\t9420\n", "", "invalid_captions", {}),
        (
            "Good evening, and welcome.\n\nThis is no file of captions.\n",
            "",
            "invalid_captions",
            {},
        ),
        ("", "text/vtt", "invalid_captions", {}),
        (TALK.encode("utf-16")[2:-1], "text/vtt", "invalid_captions", {"param": "encoding"}),
        (TALK.replace("evening", "\xe9vening").encode("latin-1"), "", "invalid_captions", {}),
        (b"WEBVTT\n\n" + b"x" * (50 << 20), "", "message_limit", {"limit": 1048576}),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nПривет всем\n", "", "language_not_supported", {}),
    ],
    ids=["ttml", "scc", "prose", "nothing", "half", "latin-1", "50-mb", "russian"],
)
def test_what_is_not_spoken_is_refused_by_name(
    http: httpx.Client, body: str | bytes, content_type: str, code: str, details: dict[str, Any]
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    for query in ({}, {"job": "true"}, {"delivery": "lines"}):
        answer = http.post("/v1/captions", content=body, headers=headers, params=query)
        error = answer.json()["error"]
        assert (error["code"], answer.status_code) == (code, 413 if "limit" in code else 422)
        assert {name: error[name] for name in details} == details


def test_bad_blocks_are_skipped_and_the_rest_is_spoken(http: httpx.Client) -> None:
    body = (
        "WEBVTT\r\n\r\n00:00.000 --> 00:01.000\r\nOne.\r\r"
        "back\n00:03.000 --> 00:02.000\nNever.\n\n"
        "nan\nNaN:00.000 --> 00:02.000\nNever.\n\n"
        "\n00:02.000 --> 00:03.000\nTwo.\n"
    )
    lines = told(http.post("/v1/captions", content=body, params={"delivery": "lines"}))
    assert [line["text"] for line in lines if line["type"] == "segment"] == ["One.", "Two."]
    skipped = {line["cue"]: line["reason"] for line in lines if line["type"] == "skipped"}
    assert skipped == {"back": "invalid", "nan": "invalid"}
    assert lines[-1]["audio_ms"] == 3000


def ended(http: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + END_S
    while job["status"] in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(0.05)
        job = http.get(f"/v1/jobs/{job['id']}").json()
    return job


def test_a_job_is_the_same_file(http: httpx.Client) -> None:
    query = {"codec": "pcm_s16le", "seed": "1"}
    streamed = http.post("/v1/captions", content=TALK, params=query)
    answer = http.post("/v1/captions", content=TALK, params=query | {"job": "true"})
    assert answer.status_code == 202
    job = ended(http, answer.json())
    (result,) = job["results"]
    assert result["audio_ms"] == 1000 * LENGTH_S
    assert (result["cues"]["spoken"], result["cues"]["late"], result["cues"]["skipped"]) == (
        3,
        1,
        1,
    )
    assert 0 < result["cues"]["worst_late_ms"] <= 3000
    spoken = sum(map(len, TALK.splitlines()[4:16:5])) - len("<v Anna>")
    assert job["text_characters"] == job["usage"]["characters"] > spoken - 3
    kept = http.get(result["url"]).content
    assert np.array_equal(decode(kept)[0], decode(streamed.content)[0])


@pytest.mark.timeout(300)
def test_more_than_a_session_holds_goes_through_and_a_killed_job_is_taken_up_again() -> None:
    cues = 150
    times = [f"{at // 60:02}:{at % 60:02}.000" for at in range(0, 3 * cues + 1, 3)]
    file = "WEBVTT\n\n" + "".join(
        f"{begin} --> {end}\nThis is caption {number}.\n\n"
        for number, (begin, end) in enumerate(pairwise(times))
    )
    with (
        running_server("tone", ["--max-pending-chars", "500"]) as server,
        httpx.Client(base_url=server.url, timeout=END_S) as http,
    ):
        query = {"codec": "mp3", "job": "true"}
        headers = {"idempotency-key": "talk"}
        job = http.post("/v1/captions", content=file, params=query, headers=headers).json()
        deadline = time.monotonic() + END_S
        while job["progress"] < 0.05 and time.monotonic() < deadline:
            time.sleep(0.02)
            job = http.get(f"/v1/jobs/{job['id']}").json()
        assert job["status"] == "running"
        server.kill()
        server.restart()
        again = http.post("/v1/captions", content=file, params=query, headers=headers)
        assert (again.status_code, again.json()["id"]) == (200, job["id"])
        job = ended(http, again.json())
        assert (job["status"], job["attempts"]) == ("completed", 2)
        (result,) = job["results"]
        assert (result["cues"]["spoken"], result["cues"]["skipped"]) == (cues, 0)
        assert result["audio_ms"] == 3000 * cues
        (listed,) = http.get("/v1/files").json()["files"]
        assert listed["id"] == result["file"]
