"""docs/hosted.md and the pages on moving say what the code says, all in one form; links lead somewhere."""

from __future__ import annotations

import importlib
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from streamer.config import SETTINGS, Settings
from streamer.engines.hosted import CLIENTS
from streamer.engines.opening import open_engines
from streamer.errors import CODES
from streamer.protocols.hosted import Traits
from streamer.protocols.runware.errors import CODES as RUNWARE_CODES
from streamer.providers import Provider, read_providers
from streamer.server.hosted.table import APIS

DOCS = Path(__file__).parent.parent / "docs"
HOSTED = (DOCS / "hosted.md").read_text("utf-8")
MOVES = sorted((DOCS / "move-from").glob("*.md"))
FIRST, LAST = "What happens to each field", ["Errors", "The other way"]
NEVER = ("stalled_reader", "voice_limit")
"""Of a socket alone; of making voices, which AI/ML API has no request for."""
OPEN = "What its document leaves open, and how it is settled"


def traits_of(name: str) -> Traits:
    module, _, attribute = CLIENTS[name].partition(":")
    found: Traits = getattr(importlib.import_module(module), attribute).traits
    return found


def examples() -> list[dict[str, Any]]:
    return [
        tomllib.loads(text)
        for text in re.findall(r"^```toml\n(.*?)^```", HOSTED, re.MULTILINE | re.DOTALL)
    ]


def anchors(path: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_each_api_has_its_row_and_its_page() -> None:
    prefixes = re.findall(
        r"^\| [^|]+ \| `(/\w+)` \| .*\(move-from/(\w+)\.md\) \|$", HOSTED, re.MULTILINE
    )
    assert {(api.prefix, name) for name, api in APIS.items()} == set(prefixes)
    assert [path.stem for path in MOVES] == sorted(APIS)


@pytest.mark.parametrize("name", CLIENTS)
def test_each_engine_has_a_row_of_its_defaults(name: str) -> None:
    traits = traits_of(name)
    limit = str(traits.text_limit or "none")
    row = rf"^\| `{name}` \| `{re.escape(traits.url)}` \| `{re.escape(traits.model)}` \| [^|]+ \| {limit} \|"
    assert re.search(row, HOSTED, re.MULTILINE)


def test_each_field_of_a_provider_has_its_row() -> None:
    table = HOSTED.split("| of a provider |")[1].split("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", table, re.MULTILINE))
    assert set(rows) == {field.name for field in fields(Provider)}
    assert (rows["timeout_s"], rows["concurrency"]) == ("60", "8")


@pytest.mark.parametrize("example", examples(), ids=["drive", "chain"])
def test_the_settings_shown_open_their_engines(example: dict[str, Any]) -> None:
    assert set(example) <= {row.name for row in SETTINGS}
    providers = read_providers(example.pop("providers"), "the page")
    names = {engine.name for engine in open_engines(Settings(**example, providers=providers))}
    assert names == {*example["engines"], *example.get("fallbacks", {})}


@pytest.mark.parametrize("path", MOVES, ids=lambda path: path.stem)
def test_the_pages_on_moving_are_alike_in_form(path: Path) -> None:
    text = path.read_text("utf-8")
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert (heads[0], heads[-3:]) == (FIRST, [OPEN, *LAST])
    head = text.split("## ")[0]
    assert f"the base URL `http://HOST:8090/{path.stem}`" in " ".join(head.split())
    assert head.index("base URL") < head.index("```diff") < head.index("```sh")
    assert f"+  --url http://127.0.0.1:8090/{path.stem}/" in head or re.search(
        rf'^\+.*"http://127\.0\.0\.1:8090/{path.stem}/', head, re.MULTILINE
    )


@pytest.mark.parametrize("path", [DOCS / "hosted.md", *MOVES], ids=lambda path: path.stem)
def test_links_lead_to_sections(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, section = target.partition("#")
        page = (path.parent / name).resolve() if name else path
        assert page.exists(), target
        assert not section or section in anchors(page), target


def test_runwares_page_names_every_code_there_is() -> None:
    rows = set(re.findall(r"`(\w+)`", (DOCS / "move-from" / "runware.md").read_text("utf-8")))
    assert {code for _, code in RUNWARE_CODES} <= rows


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_status_of_every_error_is_on_the_pages(code: str) -> None:
    for name in ("aimlapi", "evolink"):
        encode: Any = importlib.import_module(f"streamer.protocols.{name}").encode_error
        status, *_ = encode(CODES[code]("said"))
        table = (DOCS / "move-from" / f"{name}.md").read_text("utf-8").split("## Errors")[1]
        told = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
        if code not in NEVER:
            assert str(status) in ", ".join(told).split(", "), name
