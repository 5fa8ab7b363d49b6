"""The JavaScript client in pages of other origins: what is refused says why, though browsers hide it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.server.auth import KeyStore
from tests.server_process import running_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.requires("chromium", "chromium"),
    pytest.mark.requires("npm", "npm"),
    pytest.mark.timeout(180),
]


def test_what_is_refused_says_why_to_any_origin(
    node_modules: Path, other_origin: Callable[[Path], str], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text('<link rel="icon" href="data:,">', "utf-8")
    here = other_origin(tmp_path)
    elsewhere = here.replace("127.0.0.1", "elsewhere.test")
    chromium = shutil.which("chromium")
    assert chromium is not None
    with running_server("tone") as server:
        key = KeyStore(server.data).new("app")

        def token(**wish: Any) -> str:
            bearer = {"authorization": f"Bearer {key}"}
            answer = httpx.post(f"{server.url}/v1/tokens", json=wish, headers=bearer)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["token"])

        old = token(ttl_s=1)
        time.sleep(1.2)
        low, high = "tone-low", "tone-high"
        cases = {
            "no key": (here, None, low, "unauthenticated  string"),
            "a wrong key": (here, "sk-nonsense", low, "unauthenticated  string"),
            "a key": (here, key, low, "end"),
            "a token": (here, token(origin=here, voices=[low]), low, "end"),
            "a token of another origin": (
                here,
                token(origin=elsewhere),
                low,
                "origin_not_allowed origin string",
            ),
            "a token of another voice": (
                here,
                token(origin=here, voices=[high]),
                low,
                "scope_missing voice object",
            ),
            "an old token": (here, old, low, "token_expired  string"),
            "a page that may not": (elsewhere, key, low, "origin_not_allowed origin string"),
        }
        asked = {
            name: {"page": f"{origin}/page.html", "key": secret, "voice": voice}
            for name, (origin, secret, voice, _) in cases.items()
        }
        driver = Path(__file__).parent / "origins_driver.mjs"
        ran = subprocess.run(
            ["node", driver, node_modules, chromium, server.url, json.dumps(asked)],
            capture_output=True,
            text=True,
            timeout=120,
        )
        log = server.log()
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == {
        name: said for name, (*_, said) in cases.items()
    }
    assert key not in log
