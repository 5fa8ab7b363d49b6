"""`streamer voices`: who can speak here."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streamer.cli.engines import load_catalogue
from streamer.cli.options import takes_settings
from streamer.config import Settings
from streamer.voices import Catalogue


@takes_settings("engines", "voice", "voice_aliases")
def voices(
    settings: Settings,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the voices of the engines in the settings; the first is the default one."""
    catalogue = load_catalogue(settings)
    try:
        if as_json:
            print(json.dumps(_rows(catalogue), indent=2))
        else:
            _print(_rows(catalogue))
    finally:
        asyncio.run(catalogue.aclose())


def _rows(catalogue: Catalogue) -> list[dict[str, object]]:
    default = catalogue.resolve()[1]
    return [
        {
            "id": voice.id,
            "engine": voice.engine,
            "name": voice.name,
            "languages": list(voice.languages),
            "gender": voice.gender,
            "description": voice.description,
            "aliases": [name for name, to in catalogue.aliases.items() if to == voice.id],
            "default": voice is default,
        }
        for voice in sorted(catalogue.voices, key=lambda voice: voice is not default)
    ]


def _print(rows: list[dict[str, object]]) -> None:
    table = Table("voice", "engine", "languages", "about", box=None, pad_edge=False)
    for row in rows:
        languages = row["languages"]
        assert isinstance(languages, list)
        table.add_row(
            str(row["id"]),
            str(row["engine"]),
            ", ".join(languages),
            str(row["description"] or row["name"] or row["gender"]),
        )
    Console().print(table)
