"""`streamer voices`: who can speak here, and the voices that a key has made on a running server."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from streamer.cli.engines import load_catalogue
from streamer.cli.options import takes_settings
from streamer.cli.server import AsJson, Server, asked, takes_server
from streamer.cli.table import print_json, print_table
from streamer.client.remote import Remote
from streamer.client.voices import Voices
from streamer.config import Settings
from streamer.errors import InvalidParameter
from streamer.protocols.native.voices import VoiceAnswer
from streamer.types import Voice
from streamer.voices import Catalogue

app = typer.Typer(
    help="Voices: of the engines here, and those that are made on a running server.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

VoiceOf = Annotated[str, typer.Argument(metavar="VOICE", help="Its id or name.")]
Name = Annotated[str | None, typer.Option(help="What it is called, besides its id.")]
Language = Annotated[str | None, typer.Option(help="BCP 47 tag of its main language.")]
Model = Annotated[str | None, typer.Option(help="Engine that is to make it.")]
Again = Annotated[
    str | None, typer.Option(metavar="KEY", help="The same request again is the same voice.")
]


@app.callback()
@takes_settings("engines", "voice", "voice_aliases")
def voices(
    context: typer.Context,
    settings: Settings,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the voices of the engines in the settings; the first is the default one. With a command: the
    voices of a running server."""
    if context.invoked_subcommand is not None:
        return
    catalogue = load_catalogue(settings)
    try:
        if as_json:
            print(json.dumps(_rows(catalogue), indent=2))
        else:
            _print(catalogue)
    finally:
        asyncio.run(catalogue.aclose())


@app.command("list")
@takes_server()
def list_voices(server: Server, as_json: AsJson = False) -> None:
    """List the voices of a server, those that the key has made last."""
    found = asked(server, lambda remote: Voices(remote).list())
    if as_json:
        print_json(found)
        return
    rows = [
        (v.id, v.name, v.kind, v.engine, ", ".join(v.languages), v.description or v.gender)
        for v in found
    ]
    headers = ("voice", "name", "kind", "engine", "languages", "about")
    print_table(headers, [tuple(map(escape, row)) for row in rows])


@app.command("add")
@takes_server()
def add(
    server: Server,
    recording: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URL",
            help="3 to 60 s of one speaker; - is standard input; or a file's id.",
        ),
    ],
    name: Name = None,
    transcript: Annotated[
        str | None, typer.Option(help="What is said in it, word for word: a closer likeness.")
    ] = None,
    language: Language = None,
    model: Model = None,
    idempotency_key: Again = None,
    as_json: AsJson = False,
) -> None:
    """Make a voice like a recording, and print its id."""
    given: dict[str, Any] = {}
    if recording.startswith(("http://", "https://")):
        given["url"] = recording
    elif re.fullmatch(r"file_[0-9a-f]{24}", recording):
        given["file"] = recording
    else:
        given["recording"] = _bytes_of(recording)

    async def made(remote: Remote) -> VoiceAnswer:
        return await Voices(remote).clone(
            **given,
            name=name,
            transcript=transcript,
            language=language,
            model=model,
            idempotency_key=idempotency_key,
        )

    _tell(asked(server, made), as_json)


@app.command("design")
@takes_server()
def design(
    server: Server,
    description: Annotated[str, typer.Argument(help="The voice in words.")],
    name: Name = None,
    preview_text: Annotated[
        str | None, typer.Option(help="What it says first; else a text of ours.")
    ] = None,
    language: Language = None,
    model: Model = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same voice.")] = None,
    idempotency_key: Again = None,
    as_json: AsJson = False,
) -> None:
    """Make a voice as described, and print its id."""

    async def made(remote: Remote) -> VoiceAnswer:
        return await Voices(remote).design(
            description,
            preview_text=preview_text,
            name=name,
            language=language,
            model=model,
            seed=seed,
            idempotency_key=idempotency_key,
        )

    _tell(asked(server, made), as_json)


@app.command("rm")
@takes_server()
def remove(server: Server, voice: VoiceOf) -> None:
    """Delete a voice that the key has made."""
    asked(server, lambda remote: Voices(remote).delete(voice))
    print(f"deleted {voice}")


def _bytes_of(recording: str) -> bytes:
    if recording == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(recording).read_bytes()
    except OSError as error:
        raise InvalidParameter(f"{recording}: {error.strerror}", param="recording") from None


def _tell(voice: VoiceAnswer, as_json: bool) -> None:
    if as_json:
        print_json(voice)
    else:
        print(voice.id)


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
