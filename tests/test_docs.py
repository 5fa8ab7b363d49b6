"""The docs say what there is: settings, codes, metrics, commands; links lead somewhere; examples run.

The pages of the protocols are checked in `tests/protocols/test_pages.py`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import typer

from streamer import cli
from streamer.config import SETTINGS
from streamer.errors import CODES
from streamer.protocols.native import messages
from streamer.server.metrics import METRICS
from tests.server_process import ServerProcess, running_server
from tests.settings_page import PAGE, page

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {path.name: path.read_text("utf-8") for path in PAGES}
EXAMPLE_URL = "ws://127.0.0.1:8090"
SPOKEN = ["Hello", "there", "I", "speak", "while", "you", "write"]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("hibari") as process:
        yield process


def example(language: str) -> str:
    """The README's one example in that language."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def ran(command: list[str], cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_settings_page_is_made_from_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(), "make docs"


def test_every_setting_has_a_heading_and_no_other_has() -> None:
    assert re.findall(r"^## `(\w+)`$", TEXTS["settings.md"], re.MULTILINE) == [
        row.name for row in SETTINGS
    ]


def test_settings_named_in_the_docs_exist() -> None:
    names = {row.environment for row in SETTINGS} | {"STREAMER_CONFIG", "STREAMER_KEY"}
    for name, text in TEXTS.items():
        assert set(re.findall(r"STREAMER_[A-Z_0-9]*[A-Z0-9]", text)) <= names, name


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_code_is_a_row_of_the_protocol(code: str) -> None:
    assert re.search(rf"^\| `{code}` \|", TEXTS["protocol.md"], re.MULTILINE)


@pytest.mark.parametrize(
    "name",
    sorted(
        str(struct.__struct_config__.tag)
        for struct in vars(messages).values()
        if getattr(getattr(struct, "__struct_config__", None), "tag", None)
    ),
)
def test_every_message_has_a_heading(name: str) -> None:
    assert re.search(rf"^### `{name}`$", TEXTS["protocol.md"], re.MULTILINE)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_a_row_of_the_page_on_deployment(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", TEXTS["deploy.md"], re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target.partition("#")[0]).exists(), target


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours in the docs."""
    for name, text in TEXTS.items():
        for line in re.findall(
            r"\bstreamer ((?:serve|say|captions|jobs|voices|keys|doctor)\b[^`#|&\n]*)", text
        ):
            yield name, shlex.split(line.replace("…", "").replace("'", ""))


def test_every_command_and_flag_in_the_docs_exists() -> None:
    group = typer.main.get_command(cli.app)
    found = 0
    for name, words in commands():
        command = group
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        flags = {flag for parameter in command.params for flag in parameter.opts}
        for word in words:
            if word.startswith("-") and word != "-":
                assert word.partition("=")[0] in flags, f"{name}: {word}"
                found += 1
    assert found > 5


def test_every_make_target_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for name, text in TEXTS.items():
        assert set(re.findall(r"(?:^|`)(?:    )?make ([a-z]+)", text, re.MULTILINE)) <= targets, (
            name
        )


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_python_example_of_the_readme_runs(server: ServerProcess, tmp_path: Path) -> None:
    code = example("python")
    assert EXAMPLE_URL in code
    code = code.replace(EXAMPLE_URL, f"ws://{server.host}")
    lines = ran([sys.executable, "-W", "error", "-c", code], tmp_path).splitlines()
    words = [word for line in lines if line[0] == "[" for word in re.findall(r"\('([^']+)'", line)]
    packets = [tuple(map(int, line.split())) for line in lines if line[0] != "["]
    assert words == SPOKEN
    assert len(packets) > 50
    for (pts, duration, size), (following, *_) in pairwise(packets):
        assert (pts + duration, size > 0) == (following, True)
