"""The README's example for browsers runs as printed, in a real Chromium, also in a page of another origin."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.js.tools import CLIENT, EXAMPLE_URL, SPOKEN, example
from tests.server_process import running_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.requires("chromium", "chromium"),
    pytest.mark.requires("npm", "npm"),
    pytest.mark.timeout(180),
]

PAGE = (
    '<!doctype html><link rel="icon" href="data:,"><button>Speak</button>'
    '<script type="module">{}</script>'
)


def test_the_example_of_the_readme_runs_in_pages_of_any_origin(
    node_modules: Path, other_origin: Callable[[Path], str], tmp_path: Path
) -> None:
    code = example(CLIENT.parents[1] / "README.md")
    assert len(code.splitlines()) <= 15
    chromium = shutil.which("chromium")
    assert chromium is not None
    driver = Path(__file__).parent / "readme_driver.mjs"
    with running_server("hibari") as server:
        mine = code.replace(EXAMPLE_URL, server.url)
        assert mine.count(server.url) == 3
        (tmp_path / "example.html").write_text(PAGE.format(mine), "utf-8")
        page = f"{other_origin(tmp_path)}/example.html"
        ran = subprocess.run(
            ["node", driver, node_modules, chromium, page, server.url],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ran.returncode == 0, ran.stderr
    for told in json.loads(ran.stdout.splitlines()[-1]):
        assert told["whole"] == SPOKEN
        *words, heard = told["stopped"]
        assert words == SPOKEN[: len(words)]
        assert heard.startswith("heard: Hello")
        assert len(heard) < len("heard: Hello there. I speak while you write.")
