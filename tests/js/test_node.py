"""The JavaScript client in node: its types, its own tests, its size, and what it does with a real server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.js.conftest import CLIENT

pytestmark = [pytest.mark.requires("node", "nodejs"), pytest.mark.requires("npm", "npm")]


def test_the_types_hold(node_modules: Path) -> None:
    tsc = node_modules / "typescript" / "bin" / "tsc"
    ran = subprocess.run(
        ["node", tsc, "-p", CLIENT, "--typeRoots", node_modules / "@types"],
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert ran.returncode == 0, ran.stdout
