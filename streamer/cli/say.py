"""`streamer say`: text from an argument, a file or standard input as it arrives; sound out as it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli import source
from streamer.cli.engines import load_catalogue
from streamer.cli.options import takes_settings
from streamer.cli.progress import Progress
from streamer.cli.running import run_async
from streamer.cli.server import Server, takes_server
from streamer.cli.sink import FORMATS, format_of, player
from streamer.cli.speaking import speak
from streamer.cli.track import caption_format
from streamer.cli.utterance import Utterance, in_process, on_server
from streamer.config import Settings
from streamer.errors import InvalidParameter
from streamer.types import Done, Event, OptionsUpdate, SegmentStarted, Start

QUIET_S = 60.0
"""No segment for so long: what waits can't be spoken at all, so more may come."""
DOWNLOAD_LEAD_MS = 60_000
"""How far a server may run ahead when nobody listens live: as far as the protocol allows."""


@takes_settings("engines", "voice_aliases", "workers")
@takes_server(None)
def say(
    settings: Settings,
    server: Server | None,
    text: Annotated[
        str | None, typer.Argument(help="What to say; - is standard input.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="File to read; - is standard input.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; - is standard output. Else it plays.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(metavar="|".join(FORMATS), help="Format, if the file's name doesn't say it."),
    ] = None,
    captions: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.vtt|FILE.srt",
            help="Write captions of what is spoken: WebVTT with word times, or SubRip.",
        ),
    ] = None,
    voice: Annotated[str | None, typer.Option(help="Voice (see streamer voices).")] = None,
    model: Annotated[str | None, typer.Option(help="Engine, or engine/model.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag, or auto.")] = None,
    instructions: Annotated[
        str | None, typer.Option(help="How to speak, where a voice can.")
    ] = None,
    speed: Annotated[float | None, typer.Option(help="0.25 to 4.")] = None,
    pitch: Annotated[float | None, typer.Option(help="0.5 to 2.")] = None,
    volume: Annotated[float | None, typer.Option(help="0 to 2.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same sound.")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="In Hz.")] = None,
    bit_rate: Annotated[int | None, typer.Option(help="In bit/s.")] = None,
) -> None:
    """Speak a text into a file, to standard output or through a player, and write captions of it."""
    audio = format_of(output, format)
    audio = replace(audio, sample_rate=sample_rate or audio.sample_rate, bit_rate=bit_rate)
    if output is None:
        player()
    if captions is not None:
        caption_format(captions)
    start = Start(
        "say",
        OptionsUpdate(voice, model, language, instructions, speed, pitch, volume, seed),
        audio,
        timestamps="segment",
        lead_ms=None if output is None else DOWNLOAD_LEAD_MS,
        captions=captions is not None,
    )
    pieces = source.of(text, file)
    if server is not None:
        run_async(_say(on_server(start, server), pieces, output, captions))
        return
    catalogue = load_catalogue(settings)
    run_async(_say(in_process(start, catalogue, settings), pieces, output, captions))


async def _say(
    opening: AbstractAsyncContextManager[Utterance],
    pieces: AsyncGenerator[str, None],
    output: str | None,
    captions: str | None,
) -> None:
    room, progress = Room(), Progress(output)

    def told(event: Event) -> None:
        match event:
            case SegmentStarted():
                room.spoken(event.offset + len(event.text))
            case Done(reason="end"):
                progress.done(event)
            case _:
                pass

    async def feed(utterance: Utterance) -> None:
        await _feed(pieces, utterance, room)

    async with aclosing(pieces):
        await speak(opening, feed, output, captions, progress, told)


class Room:
    """How much text waits for the voice; who reads the text waits here while it is too much."""

    def __init__(self) -> None:
        self._pushed = 0
        self._spoken = 0
        self._more = asyncio.Event()

    def pushed(self, characters: int) -> None:
        self._pushed += characters

    def spoken(self, offset: int) -> None:
        """Everything before that offset has a voice."""
        self._spoken = offset
        self._more.set()

    async def wait(self, characters: int, most: int) -> None:
        """Wait until no more than `most` wait with so many more."""
        while self._pushed + characters - self._spoken > most:
            self._more.clear()
            try:
                async with asyncio.timeout(QUIET_S):
                    await self._more.wait()
            except TimeoutError:  # so much text in which there is nothing to say
                return


async def _feed(pieces: AsyncIterator[str], utterance: Utterance, room: Room) -> None:
    """A book piped in is read as it is spoken."""
    step = max(1, min(source.PIECE, utterance.room // 4))
    blank = True
    async for piece in pieces:
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            await room.wait(len(part), utterance.room)
            await utterance.push(part)
            room.pushed(len(part))
        blank = blank and not piece.strip()
    if blank:
        raise InvalidParameter("nothing to say", param="text")
    await utterance.end()
