"""`streamer voices`: who can speak here."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.markup import escape

from streamer.cli.engines import load_catalogue
from streamer.cli.options import takes_settings
from streamer.cli.table import print_table
from streamer.config import Settings
from streamer.types import Voice
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
            _print(catalogue)
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
            "aliases": _aliases(catalogue, voice),
            "default": voice is default,
        }
        for voice in _default_first(catalogue)
    ]


def _print(catalogue: Catalogue) -> None:
    rows = [
        (
            " ".join([voice.id, *_aliases(catalogue, voice)]),
            voice.engine,
            ", ".join(voice.languages),
            voice.description or voice.name or voice.gender,
        )
        for voice in _default_first(catalogue)
    ]
    print_table(
        ("voice", "engine", "languages", "about"), [tuple(map(escape, row)) for row in rows]
    )


def _default_first(catalogue: Catalogue) -> list[Voice]:
    default = catalogue.resolve()[1]
    return sorted(catalogue.voices, key=lambda voice: voice is not default)


def _aliases(catalogue: Catalogue, voice: Voice) -> list[str]:
    return [name for name, target in catalogue.aliases.items() if target == voice.id]
