"""Cases of player_page.js in a real Chromium: for the tests, and for `bench/browser.py`."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.js.conftest import files_served

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "clients" / "js" / "src"
PAGES = ("player_page.html", "player_strict.html", "player_page.js", "recorder.js")

Told = dict[str, Any]


def browse(node_modules: Path, page: str, runs: list[Told]) -> Told:
    """What each of these cases of player_page.js answers, by its name."""
    chromium = shutil.which("chromium")
    assert chromium is not None
    driver = HERE / "player_driver.mjs"
    ran = subprocess.run(
        ["node", driver, node_modules, chromium, page, json.dumps(runs)],
        capture_output=True,
        text=True,
        timeout=220,
    )
    assert ran.returncode == 0, ran.stderr
    told: Told = json.loads(ran.stdout.splitlines()[-1])
    return told


@contextlib.contextmanager
def pages(node_modules: Path) -> Iterator[str]:
    """The pages, the client's sources and its optional dependency, at an origin of their own."""
    with tempfile.TemporaryDirectory(prefix="streamer-") as name:
        directory = Path(name)
        (directory / "client").symlink_to(SOURCES)
        (directory / "modules").symlink_to(node_modules)
        for file in PAGES:
            (directory / file).symlink_to(HERE / file)
        with files_served(directory) as url:
            yield url
