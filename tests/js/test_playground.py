"""The page at `/` in a real Chromium: it speaks, shows what happened, and can be used by everybody."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from streamer.server.auth import KeyStore
from tests.server_process import ServerProcess, running_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.requires("chromium", "chromium"),
    pytest.mark.requires("npm", "npm"),
    pytest.mark.timeout(120),
]

DRIVER = Path(__file__).parent / "playground_driver.mjs"
LONG = "Here is a sentence of some length, and it goes on. " * 12
PAGE_BYTES = 150_000

Play = Callable[..., dict[str, Any]]


def drive(
    node_modules: Path,
    url: str,
    scenario: str,
    heed: Callable[[str], None] = lambda line: None,
    **wanted: Any,
) -> dict[str, Any]:
    """What the driver saw. No scenario may leave a fault in the browser's console.

    `heed` is told each line that the driver prints, as it does.
    """
    chromium = shutil.which("chromium")
    assert chromium is not None
    command: list[str | Path] = [
        "node",
        DRIVER,
        node_modules,
        chromium,
        url,
        scenario,
        json.dumps(wanted),
    ]
    line = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        try:
            for printed in driver.stdout:
                line = printed.strip()
                heed(line)
        finally:
            if driver.poll() is None and not line.startswith("{"):
                driver.kill()
    assert driver.returncode == 0
    told: dict[str, Any] = json.loads(line)
    assert told["errors"] == []
    return told


@pytest.fixture
def play(node_modules: Path, tone_server: ServerProcess) -> Play:
    return lambda scenario, **wanted: drive(node_modules, f"{tone_server.url}/", scenario, **wanted)


def test_page_speaks_and_lights_each_word_as_it_is_heard(play: Play) -> None:
    # Slowly: a page whose frames come late on a busy machine lights the word of each.
    told = play("speaks", text="One two three, four five. Six seven.", speed=0.5)
    words = ["One", "two", "three", "four", "five", "Six", "seven"]
    assert told["lit"] == words
    assert told["said"] == "One two three, four five. Six seven."
    assert told["waiting"] == 0
    assert told["during"] == {"connection": "Connected", "pause": True}
    assert told["after"] == {"pause": False, "interrupt": False}
    for figure in ("First packet", "First sound heard", "Inside the server", "Speech"):
        assert figure in told["figures"]
    assert "report" in told["sent"]


def test_page_shows_when_each_segment_passed_each_stage(play: Play) -> None:
    rows = play("speaks", text="One two three four. Five six seven.")["rows"]
    assert [row[0] for row in rows] == ["One two three four.", "Five six seven."]
    for row in rows:
        stages = [int(cell) for cell in row[1:]]
        # Received here counts from here, so it may lie under the server's by rounding, never by more.
        assert stages[:4] == sorted(stages[:4])
        assert stages[5] >= stages[4]


def test_words_of_a_long_text_change_little_of_the_page(play: Play) -> None:
    line = "One \U0001f600 two three, four five six seven eight nine ten. "
    told = play("longText", text=line * 300 + "\n\n" + "eleven" * 100 + "\n" + line * 300)
    assert told["blocks"] > 30
    assert told["touched"] <= 4, "where ten words lie on both sides of short lines"
    assert told["same"]
    assert told["before"] > 0, "nobody has heard the last words yet"
    assert told["now"] == 0


def test_page_can_send_text_as_a_language_model_does(play: Play) -> None:
    told = play("tokens", text="One two three four. Five six.")
    assert told["said"] == "One two three four. Five six."
    assert told["pushes"] > 5


def test_pause_keeps_what_was_not_heard(play: Play) -> None:
    told = play("pauses", text="Here is a sentence of some length, and it goes on and on.")
    assert told["paused"]["status"].startswith("Paused after “")
    assert told["paused"]["button"] == "Continue"
    assert told["silent"]
    assert told["said"] == "Here is a sentence of some length, and it goes on and on."
    assert told["button"] == "Pause"
    assert {"paused", "continued"} <= {*told["types"]}


def test_barge_in_shows_what_nobody_heard(play: Play) -> None:
    told = play("interrupts", text=LONG)
    assert told["status"].startswith("Interrupted. Heard as far as “")
    assert told["lost"]
    assert told["said"] == LONG
    assert told["said"].endswith(told["lost"])


def test_haste_does_no_harm(play: Play) -> None:
    told = play("hasty", text=LONG)
    assert told["said"] == "One two three."
    assert told["still"]
    assert told["button"] == "Continue"
    assert told["status"].startswith("Interrupted")
    assert told["banner"] is False


def test_what_was_interrupted_while_the_server_was_gone_is_over(node_modules: Path) -> None:
    with running_server("tone") as server:

        def heed(line: str) -> None:
            if line == "kill":
                server.kill()
            elif line == "restart":
                server.restart()

        told = drive(node_modules, f"{server.url}/", "gone", heed, text=LONG)
        assert "Press Speak to begin again." in told["banner"]
        assert told["pause"] is False
        assert told["said"] == "Again."


def test_jobs_that_have_not_changed_are_left_alone_and_names_are_text(play: Play) -> None:
    name = "<img src=x>"
    told = play("watches", name=name)
    assert told["kept"] == [True, True]
    assert told["made"] == 0
    assert all(name in line for line in told["told"])
    assert f"failed: {name}" in told["told"][2]


def test_a_list_that_is_refused_says_so_and_one_that_failed_is_asked_for_again(play: Play) -> None:
    told = play("persists")
    assert told["refused"] == "refused: scope_missing"
    assert told["asked"] == 3
    assert told["made"] == 1


def test_a_list_of_voices_that_is_cut_says_how_many_more_there_are(play: Play) -> None:
    told = play("manyVoices")
    assert told["last"].startswith("50 more")
    assert told["open"]
    assert told["found"] == ["Default", "Voice 249en · e"]


def test_voices_can_be_searched_and_the_example_follows(play: Play) -> None:
    told = play("voices")
    assert len(told["found"]) == 2  # the default, and the one
    assert told["chosen"] == "tone-high"
    for language in ("curl", "python", "copied"):
        assert "tone-high" in told[language]
        assert "1.5" in told[language]
    assert '"seed":7' in told["curl"]
    assert "/client/player.js" in told["copied"]
    assert told["cards"] == ["tone-low"]
    assert told["makers"] == {"clone": False, "none": True}
    assert told["used"] == "tone-low"


def test_sound_can_be_downloaded_and_jobs_and_files_be_seen(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "speech.flac"
    told = play("downloads", text="One two three.", path=str(path))
    assert told["name"] == "speech.flac"
    with av.open(io.BytesIO(path.read_bytes())) as container:
        assert container.format.name == "flac"
    assert "completed" in told["job"]
    assert told["files"] >= 1


def test_page_can_be_used_by_keys_alone(play: Play) -> None:
    told = play("keyboard")
    assert told["first"] == "Skip to the text"
    assert told["skipped"] == "text"
    assert told["captions"] == "tab-captions"
    assert told["tab"] == ["tab-voices", "voices"]


def test_page_has_no_serious_fault_for_a_screen_reader(play: Play) -> None:
    faults = play("axe", text=LONG)["faults"]
    assert len(faults) == 22
    assert {state: found for state, found in faults.items() if found} == {}


def test_page_fits_a_phone(play: Play) -> None:
    told = play("phone", text=LONG)
    assert told["width"] <= 360
    assert told["captions"] <= 320
    assert told["listener"] <= 320
    assert told["small"] == []


def test_page_is_light(play: Play) -> None:
    sizes = play("weighs")["sizes"]
    assert {"/", "/page.css", "/page/main.js", "/client/streamer.js"} <= sizes.keys()
    assert sum(sizes.values()) < PAGE_BYTES


def test_page_asks_for_a_key_and_keeps_it_for_the_tab(node_modules: Path) -> None:
    with running_server("tone") as server:
        key = KeyStore(server.data).new("page")
        told = drive(node_modules, f"{server.url}/", "keys", key=key)
        assert "key is needed" in told["asked"]
        assert "Give a key or a token." in told["asked"]
        assert "Not a valid key" in told["wrong"]
        assert told["banner"] is False
        assert told["address"] == f"{server.url}/"
        assert told["stored"] == ["{}", ""]
        assert key not in server.log()


def test_tokens_that_do_not_fit_are_refused_and_the_page_says_what_to_do(
    node_modules: Path,
) -> None:
    with running_server("tone") as server:
        bearer = {"authorization": f"Bearer {KeyStore(server.data).new('page')}"}

        def token(**wish: Any) -> str:
            answer = httpx.post(f"{server.url}/v1/tokens", json=wish, headers=bearer)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["token"])

        expired = token(ttl_s=1)
        time.sleep(1.5)
        tokens = {
            "expired": expired,
            "origin": token(origin="https://elsewhere.example"),
            "none": "st-nonsense",
        }
        good = token(origin=server.url, voices=["tone-low"])
        narrow = token(voices=["tone-high"])
        told = drive(
            node_modules,
            f"{server.url}/",
            "tokensOfKeys",
            tokens=tokens,
            good=good,
            narrow=narrow,
        )
        banners = told["banners"]
        assert "ask for a new one" in banners["expired"]
        assert "setting `origins`" in banners["origin"]
        assert "not made for this" in banners["voice"]
        assert "Give a key or a token." in banners["none"]
