"""The JavaScript client in node: types, its own tests, what is published, what a real server makes of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.js.tools import CLIENT, EXAMPLE_URL, SERVER_TESTS, SPOKEN, example, node_tests
from tests.server_process import ServerProcess

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


def test_its_own_tests_pass() -> None:
    node_tests(sorted((CLIENT / "test").glob("*.test.js")))


def test_it_speaks_with_a_real_server(tone_server: ServerProcess) -> None:
    node_tests([SERVER_TESTS], SERVER_URL=tone_server.url)


def test_the_example_of_the_package_runs(tone_server: ServerProcess, tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "streamer-client"
    package.parent.mkdir()
    package.symlink_to(CLIENT)
    code = example(CLIENT / "README.md")
    assert EXAMPLE_URL in code
    code = code.replace(EXAMPLE_URL, tone_server.url).replace('voice: "heart", ', "")
    (tmp_path / "example.mjs").write_text(code, "utf-8")
    ran = subprocess.run(
        ["node", "example.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    words = [word for line in lines if not line.startswith("packet ") for word in line.split()]
    packets = [line.split() for line in lines if line.startswith("packet ")]
    assert words == SPOKEN
    at = 0
    for _, pts, size in packets:
        assert int(pts) == at
        at += int(size) // 2


def test_a_package_holds_what_is_imported_and_nothing_else() -> None:
    ran = subprocess.run(
        ["npm", "pack", "--dry-run", "--json", "--ignore-scripts"],
        cwd=CLIENT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    (package,) = json.loads(ran.stdout)
    about = json.loads((CLIENT / "package.json").read_text("utf-8"))
    held = {file["path"] for file in package["files"]}

    types = {"index.d.ts", "player.d.ts"}
    sources = {f"src/{path.name}" for path in (CLIENT / "src").iterdir()}
    assert held == sources | types | {"package.json", "README.md", "LICENSE"}
    assert "dependencies" not in about
    assert (CLIENT / "LICENSE").read_bytes() == (CLIENT.parents[1] / "LICENSE").read_bytes()
    for entry in about["exports"].values():
        for path in entry.values() if isinstance(entry, dict) else [entry]:
            assert path.removeprefix("./") in held
