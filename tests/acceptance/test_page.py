"""The page at `/` in a real Chromium: it speaks what is typed, shows the words, and stops."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.venvs import cache_directory
from tests.server_process import ServerProcess

pytestmark = [
    pytest.mark.browser,
    pytest.mark.requires("chromium", "chromium"),
    pytest.mark.requires("npm", "npm"),
    pytest.mark.timeout(180),
]

PLAYWRIGHT = "playwright-core@1.65.0"
DRIVER = Path(__file__).parent / "page_driver.mjs"
TEXT = "The page speaks what is typed, and it shows every word. Then it goes on to the end."


@pytest.fixture(scope="module")
def playwright() -> Path:
    """A directory with playwright-core, which drives Debian's Chromium and brings no browser."""
    directory = cache_directory() / PLAYWRIGHT
    if not (directory / "node_modules" / "playwright-core").exists():
        directory.mkdir(parents=True, exist_ok=True)
        command = [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(directory),
        ]
        subprocess.run([*command, PLAYWRIGHT], check=True, timeout=120)
    return directory


@pytest.fixture(scope="module")
def told(hibari_server: ServerProcess, playwright: Path) -> dict[str, Any]:
    """What the driver saw and heard."""
    chromium = shutil.which("chromium")
    assert chromium is not None
    ran = subprocess.run(
        ["node", DRIVER, playwright, chromium, f"{hibari_server.url}/", TEXT],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def test_packets_come_and_sound_is_heard(told: dict[str, Any]) -> None:
    assert told["errors"] == []
    assert told["packets"] > 100
    sound = told["sound"]
    assert sound["states"] == ["running"]
    assert sound["loud"] / sound["rate"] > 2.0, "less than two seconds of sound"
    assert (sound["squares"] / sound["loud"]) ** 0.5 > 0.02, "the sound is too soft"


def test_words_are_shown_as_they_are_heard(told: dict[str, Any]) -> None:
    words = [word.strip(".,") for word in TEXT.split()]
    assert told["said"] == TEXT
    assert told["heard"] == words
    assert 0 < told["midway"] < len(words), "words were not shown one after the other"
    assert "First audio after" in told["status"]
    assert "done" in told["types"]
    assert "report" in told["sent"]


def test_stop_tells_how_far_it_was_heard(told: dict[str, Any]) -> None:
    assert "interrupt" in told["sent"]
    assert "interrupted" in told["types"]
    assert "Heard as far as" in told["stopped"]
