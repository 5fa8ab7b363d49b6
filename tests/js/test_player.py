"""The browser's Player with the real server, in a real Chromium: what reaches the loudspeaker.

How late something is on the clock of the sound is the player's own doing and is bounded here; how late
on the wall's is the machine's too, and is measured by `bench/browser.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.js.browsing import Told, browse, pages
from tests.server_process import running_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.requires("chromium", "chromium"),
    pytest.mark.requires("npm", "npm"),
    pytest.mark.timeout(240),
]

TEXT = "The player says all of this. Then it ends."
WORDS = [word.strip(".") for word in TEXT.split()]
TUNED = "One two three 😀 four five. " * 6
SAMPLE_RATE = 48000
WORD_LATE_MS = 50.0
SILENT_MS = 60.0


@pytest.fixture(scope="module")
def site(node_modules: Path) -> Iterator[str]:
    with pages(node_modules) as url:
        yield url


@pytest.fixture(scope="module")
def told(node_modules: Path, site: str) -> Told:
    """All cases, one after the other in one browser."""
    insecure = site.replace("127.0.0.1", "insecure.test")
    pcm = {"codec": "pcm_s16le", "sample_rate": SAMPLE_RATE}
    strict = f"{site}/player_strict.html"
    with ExitStack() as stack:
        settings = ["--origins", insecure, "--channel-linger-s", "0.5"]
        server = stack.enter_context(running_server("tone", settings))

        def run(name: str, run: str, **more: Any) -> Told:
            argument = {"url": server.url, "text": TEXT, **more.pop("argument", {})}
            return {"name": name, "run": run, "argument": argument, **more}

        answers = browse(
            node_modules,
            f"{site}/player_page.html",
            [
                run("opus", "whole"),
                run("narrow", "whole", argument={"client": {"audio": "opus"}}),
                run("dropped", "whole", argument={"drop": 60}),
                run("wasm", "whole", without=["AudioDecoder"], argument={"wasm": True}),
                run("pcm", "whole", without=["AudioDecoder"]),
                run("blobless", "whole", page=strict, argument={"client": {"audio": pcm}}),
                run(
                    "file",
                    "whole",
                    page=strict,
                    argument={
                        "client": {"audio": pcm},
                        "player": {"workletUrl": "/client/worklet.js"},
                    },
                ),
                run("insecure", "whole", page=f"{insecure}/player_page.html"),
                run("stopped", "stopped", argument={"after": 3}),
                run(
                    "stopped insecure",
                    "stopped",
                    page=f"{insecure}/player_page.html",
                    argument={"after": 3},
                ),
                run("paused", "pausedReally", argument={"after": 3}),
                run("twice", "twice", argument={"texts": ["One two.", "Three four."]}),
                run("locked", "locked"),
                run("paused locally", "pausedLocally"),
                run("paused remotely", "pausedRemotely"),
                run("broken opus", "broken", argument={"codec": "opus"}),
                run("broken pcm", "broken", argument={"codec": "pcm_s16le"}),
                run("unplayable", "unplayable"),
                run("tidy", "tidy"),
                run("tuned", "tuned", argument={"text": TUNED, "after": 2.5}),
                run("tuned pcm", "tuned", argument={"text": TUNED, "after": 2.5, "audio": pcm}),
            ],
        )
        answers["metrics"] = {**server.metrics(), "pageErrors": []}
        return answers


def test_no_page_had_an_error(told: Told) -> None:
    errors = {name: answer["pageErrors"] for name, answer in told.items() if answer["pageErrors"]}
    failed = {name: answer["failed"] for name, answer in told.items() if "failed" in answer}

    assert (errors, failed) == ({}, {})


@pytest.mark.parametrize(
    ("name", "mode", "tolerance"),
    [
        # Two decoders of Opus differ by rounding; the others are the very same samples.
        ("opus", "opus-webcodecs", 1e-3),
        ("narrow", "opus-webcodecs", 1e-3),
        ("dropped", "opus-webcodecs", 1e-3),
        ("wasm", "opus-wasm", 0.0),
        ("pcm", "pcm", 0.0),
        ("blobless", "pcm", 0.0),
        ("file", "pcm", 0.0),
    ],
)
def test_all_of_the_sound_and_nothing_else_is_played(
    told: Told, name: str, mode: str, tolerance: float
) -> None:
    heard = told[name]

    assert heard["mode"] == mode
    assert bool(heard["reason"]) is (mode != "opus-webcodecs")
    assert heard["sought"] == heard["samples"] * SAMPLE_RATE // heard["rate"]
    assert heard["worst"] <= tolerance
    assert (heard["beyond"], heard["lost"]) == (0, 0)
    assert heard["gaps"] == heard["underruns"], "what a busy machine left out was told"
    assert heard["rms"] == pytest.approx(heard["rmsSought"], rel=0.001)
    assert heard["rms"] > 0.05, "the tones are louder than that"
    assert heard["states"] == ["ready", "playing", "ready", "closed"]
    assert heard["ends"] == 1
    assert heard["errors"] == []


def test_without_a_secure_context_pcm_is_scheduled_and_the_player_says_so(told: Told) -> None:
    heard = told["insecure"]

    assert heard["mode"] == "pcm-scheduled"
    assert "secure context" in heard["reason"]
    assert heard["sought"] == heard["samples"]
    # The page's own thread is what gives and takes the samples here: on a busy machine some come late.
    assert heard["rms"] == pytest.approx(heard["rmsSought"], rel=0.05)
    assert [word["text"] for word in heard["words"]] == WORDS


def test_a_lost_socket_is_not_heard(told: Told) -> None:
    dropped = told["dropped"]

    assert dropped["sockets"] == 1
    assert [word["text"] for word in dropped["words"]] == WORDS


@pytest.mark.parametrize("name", ["opus", "narrow", "wasm", "pcm", "file"])
def test_a_word_is_told_as_it_is_heard(told: Told, name: str) -> None:
    heard = told[name]

    assert [word["text"] for word in heard["words"]] == WORDS
    assert heard["segments"] == ["The player says all of this.", "Then it ends."]
    late = [word["position"] - word["start_ms"] for word in heard["words"]]
    assert min(late) >= 0, "a word was told before it was heard"
    # Half of them: a page whose turn does not come tells the others late, which is the machine's doing.
    assert median(late) < WORD_LATE_MS
    if not heard["underruns"]:  # else the clock of the recording is not that of the sound
        assert median(word["late_ms"] for word in heard["words"]) < WORD_LATE_MS
        assert min(word["late_ms"] for word in heard["words"]) > -1


def test_an_interrupt_silences_at_once_and_says_what_was_heard(told: Told) -> None:
    stopped = told["stopped"]
    interrupted = stopped["interrupted"]
    heard = [word["text"] for word in interrupted["heard_words"]]

    assert stopped["sounded_ms"] <= SILENT_MS
    assert stopped["step"] < 0.05, "it clicked"
    assert interrupted["clock"] == "client"
    assert interrupted["played_ms"] == pytest.approx(stopped["heard_ms"], abs=10)
    assert heard == WORDS[: len(heard)]
    assert stopped["words"][: len(heard)] == heard
    assert len(heard) in (len(stopped["words"]) - 1, len(stopped["words"]))
    assert interrupted["heard_text"] + interrupted["unspoken_text"] == TEXT
    assert stopped["state"] == "ready"
    assert stopped["ends"] == 1


def test_also_where_the_page_plays_by_itself(told: Told) -> None:
    stopped = told["stopped insecure"]
    heard = [word["text"] for word in stopped["interrupted"]["heard_words"]]

    assert stopped["interrupted"]["clock"] == "client"
    assert heard == WORDS[: len(heard)]
    assert len(heard) >= len(stopped["words"]) - 1


def test_a_pause_is_silent_and_goes_on_at_the_first_word_not_heard(told: Told) -> None:
    paused = told["paused"]
    again = len(paused["paused"]["heard_words"])
    texts = [word["text"] for word in paused["words"]]
    before = len(texts) - (len(WORDS) - again)

    assert paused["sounded_ms"] <= SILENT_MS
    assert paused["state"] == "paused"
    assert paused["states"] == ["ready", "playing", "paused", "playing", "ready", "closed"]
    assert paused["paused"]["played_ms"] == pytest.approx(paused["before_ms"], abs=10)
    assert paused["position"] == pytest.approx(paused["paused"]["played_ms"], abs=1)
    assert texts[:before] == WORDS[:before]
    assert texts[before:] == WORDS[again:]
    assert paused["words"][before]["start_ms"] >= paused["continued"]["at_ms"]
    assert paused["errors"] == []


def test_after_the_last_packet_a_pause_is_the_players_own(told: Told) -> None:
    paused = told["paused locally"]
    at = paused["continued"]["at_ms"]

    assert paused["state"] == "paused"
    assert paused["grown"] == 0, "it sounded during the pause"
    assert at == 600 <= paused["paused"]["played_ms"]
    assert paused["words"] == ["w0", "w1", "w2", "w2", "w3", "w4"]
    assert paused["sounded"] == paused["before"] + round((1500 - at) * 48)
    (report,) = paused["reports"]
    assert report["underruns"] >= 0
    assert report["first_sound_ms"] > 0


def test_words_after_a_pause_are_told_where_the_server_put_them(told: Told) -> None:
    paused = told["paused remotely"]

    assert paused["position"] == pytest.approx(paused["paused"]["played_ms"], abs=1)
    assert paused["words"] == [["w0", 0], ["w1", 300], ["w2", 800]]
    assert paused["sounded"] == round(paused["paused"]["played_ms"] * 48) + 20 * 960
    assert paused["end"] == 1200


def test_contexts_follow_each_other_without_a_gap(told: Told) -> None:
    heard = told["twice"]

    assert heard["ends"] == 2
    assert heard["words"] == ["One", "two", "Three", "four"]
    if not heard["underruns"]:
        assert heard["longest"] < 128, "less than a quantum of silence in what never is silent"


def test_a_locked_player_waits_and_a_stopped_clock_stops_it(told: Told) -> None:
    locked = told["locked"]

    assert locked["unknown"] == "unknown_voice"
    assert locked["states"] == ["locked", "playing", "interrupted", "playing", "ready", "closed"]
    assert locked["before"] == {"position": 0, "words": 0}
    assert locked["still"] == locked["paused"]
    assert locked["words"] == WORDS


@pytest.mark.parametrize("name", ["broken opus", "broken pcm"])
def test_what_cant_be_decoded_is_a_typed_error_after_what_could_be(told: Told, name: str) -> None:
    broken = told[name]

    assert broken["caught"] == {"code": "decoding_failed", "name": "StreamerError"}
    assert [error["code"] for error in broken["errors"]] == ["decoding_failed"]
    assert broken["asked"] == [["cancel"]], "the server is told to stop"
    assert broken["sounded"] == (9600 if name == "broken pcm" else 0)
    assert broken["state"] == "ready"


def test_a_codec_for_files_is_refused(told: Told) -> None:
    assert told["unplayable"]["caught"] == {"code": "unsupported_parameter", "param": "audio.codec"}


def test_what_ends_elsewhere_ends_here(told: Told) -> None:
    tidy = told["tidy"]

    assert tidy["interrupted"] == {"state": "ready", "silent": True}
    assert tidy["cancelled"] == {"state": "ready", "silent": True}
    assert tidy["lost"] == {"code": "context_lost", "sounded": 9600}
    assert tidy["early"] == {"played_ms": 0, "state": "paused", "position": 0}
    assert tidy["broke"] == {"code": "playback_failed", "nodes": 2, "heard": 1200}
    assert (tidy["call"], tidy["back"]) == ("interrupted", "paused")
    assert tidy["late"] == "closed"
    assert tidy["hasty"] == ["paused", "playing", "AbortError", "playing"]
    assert tidy["nothing"] == ["context_conflict"] * 3
    assert tidy["states"][-1] == "closed"


@pytest.mark.parametrize("name", ["tuned", "tuned pcm"])
def test_a_channel_is_heard_from_where_it_was_joined(told: Told, name: str) -> None:
    tuned = told[name]
    words = [word["text"] for word in tuned["words"]]

    assert tuned["first_ms"] > 0
    assert 2 <= len(words) < len(tuned["all"])
    assert words == tuned["all"][-len(words) :]
    assert tuned["words"][0]["position"] >= tuned["first_ms"]
    assert min(word["position"] - word["start_ms"] for word in tuned["words"]) >= 0
    assert tuned["quoted"], "offsets are of what its segments quote"
    assert tuned["told"]["samples"] == tuned["sought"], "all of it from there"
    assert tuned["told"]["media"] == tuned["end"], "on the channel's clock"
    assert (tuned["refused"], tuned["playing"]) == ("not_available", "playing")
    assert tuned["states"] == ["ready", "playing", "ready", "closed"]
    assert tuned["errors"] == []


def test_the_server_is_told_what_the_listener_heard(told: Told) -> None:
    metrics = told["metrics"]
    heard = sum(answer.get("ends", 0) for answer in told.values())

    assert metrics["streamer_first_sound_seconds_count"] >= heard
    assert metrics["streamer_listener_drift_ppm_count"] > 0
    assert metrics["streamer_listener_underruns_total"] >= 0
