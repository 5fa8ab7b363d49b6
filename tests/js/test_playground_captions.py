"""The page's captions in a real Chromium: cues light up against the clock, others listen in `<audio>`s."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import av
import httpx
import pytest

from streamer.server.auth import KeyStore
from streamer.text.captions import CueReader, ParsedCue
from tests.js.test_playground import Play, drive, play
from tests.server_process import running_server

__all__ = ["play"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.requires("chromium", "chromium"),
    pytest.mark.requires("npm", "npm"),
    pytest.mark.timeout(120),
]

CAPTIONS = """WEBVTT

1
00:00:00.200 --> 00:00:01.500
One 😀 two three.

2
00:00:01.600 --> 00:00:02.000
[music]

3
00:00:02.000 --> 00:00:02.400
<v Ben>Four five six seven.

4
00:00:02.400 --> 00:00:04.500
Eight nine.
"""
SPOKEN = ["One 😀 two three.", "Four five six seven.", "Eight nine."]


def seconds(clock: str) -> float:
    minutes, rest = clock.split(":")
    return int(minutes) * 60 + float(rest)


def test_cues_of_a_dropped_file_light_up_at_their_time_and_what_is_late_is_told(play: Play) -> None:
    told = play("captions", captions=CAPTIONS)
    assert [one["line"] for one in told["lit"]] == SPOKEN
    assert told["words"] == "One two three Four five six seven Eight nine".split()
    rows = told["rows"]
    assert [row["text"] for row in rows] == [SPOKEN[0], "[music]", *SPOKEN[1:]]
    assert [row["voice"] for row in rows] == ["tone-low", "", "tone-high", "tone-low"]
    assert [row["time"] for row in rows] == ["00:00.2", "", "00:02.0", "00:02.4"]
    assert [row["state"] for row in rows] == ["spoken", "skipped", "spoken", "spoken"]
    assert rows[1]["told"] == "Cue 2 left out: it describes a sound"
    assert rows[3]["told"].startswith("spoken · ")
    assert rows[3]["told"].endswith(" s late")
    for row, one in zip([rows[0], *rows[2:]], told["lit"], strict=True):
        assert seconds(one["clock"]) >= seconds(row["time"]) - 0.2
    assert told["figures"].startswith("Cues spoken3At their time2Late1, median ")
    assert told["figures"].endswith("Hurried0Left out1")
    assert told["clock"] == "00:04.5"
    assert (told["marked"], told["stop"]) == (0, False)
    assert told["during"] == {"stop": True, "connection": "Connected"}


def test_captions_stop_at_once_and_never_speak_beside_the_text(play: Play) -> None:
    told = play("stopsCaptions", captions=CAPTIONS)
    assert "speaking" not in told["states"]
    assert "broken" in told["states"]
    assert told["silent"]
    assert told["starts"] == 2
    assert told["stopped"] == "Stopped."


def test_what_can_not_be_spoken_is_refused_by_name(play: Play) -> None:
    files = {
        "talk.ttml": '<tt xmlns="http://www.w3.org/ns/ttml"><body/></tt>',
        "latin.srt": "1\n00:00:00,000 --> 00:00:01,000\nK\u00f6ln\n",
        "wide.vtt": "\ufeffWEBVTT\n\n00:00.100 --> 00:01.000\nK\u00f6ln.\n",
    }
    told = play("refusesCaptions", files=files)
    assert "TTML" in told["banners"]["talk.ttml"]
    assert "UTF-8" in told["banners"]["latin.srt"]
    assert told["wide"] == ["K\u00f6ln."]
    assert told["starts"] == 0
    assert "Ben tone-high" in told["hint"]


def test_a_long_file_is_sent_as_it_is_spoken(play: Play) -> None:
    told = play("feedsCaptions", cues=3000)
    assert told["banner"] is False
    assert 39_000 < told["first"] < 45_000
    assert told["later"] > told["first"]


def test_a_channel_is_heard_by_two_in_plain_audio_elements(play: Play) -> None:
    told = play("publishes", captions=CAPTIONS.replace("04.500", "30.000"), lines=2)
    assert told["copied"] == told["link"]
    assert told["link"].endswith("/listen.html#channel=hall-1")
    for heard, format in zip(told["heard"], ["mp3", "ogg"], strict=True):
        assert f"/v1/listen/hall-1.{format}?" in heard["source"]
        assert heard["lines"][:2] == SPOKEN[:2]
    assert told["again"] == SPOKEN[: len(told["again"])], "said twice over a line that was lost"
    assert len(told["again"]) >= 2
    assert told["stopped"] == "Stopped."
    assert told["hidden"]
    assert told["nobody"] == "Nobody speaks on this channel now."


def test_a_listener_is_given_a_token_that_can_do_nothing_but_listen(node_modules: Path) -> None:
    with running_server("tone") as server:
        key = KeyStore(server.data).new("page")
        told = drive(
            node_modules,
            f"{server.url}/",
            "publishes",
            key=key,
            captions=CAPTIONS.replace("04.500", "30.000"),
            lines=2,
        )
        (token,) = parse_qs(urlsplit(told["link"]).fragment)["token"]
        assert token != key
        assert all(token in heard["source"] for heard in told["heard"])
        refused = httpx.get(f"{server.url}/v1/voices", headers={"authorization": f"Bearer {token}"})
        assert refused.status_code == 403
        assert told["nobody"] == "This link is no longer good: ask for another."
        assert token not in server.log()


def test_captions_become_files_of_sound_and_of_what_was_spoken(play: Play, tmp_path: Path) -> None:
    told = play("rendersCaptions", captions=CAPTIONS, folder=str(tmp_path))
    with av.open(told["files"]["Sound"]) as container:
        assert container.format.name == "flac"
        samples = sum(frame.samples for frame in container.decode(audio=0))
        assert samples == round(4.5 * container.streams.audio[0].rate)
    for label in ("WebVTT", "SRT"):
        reader = CueReader()
        cues = [*reader.push(Path(told["files"][label]).read_text("utf-8")), *reader.flush()]
        texts = [" ".join(cue.text.split()) for cue in cues if isinstance(cue, ParsedCue)]
        assert texts == SPOKEN
    assert told["jobs"] == 1
