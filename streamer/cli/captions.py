"""`streamer captions`: a file of captions, or captions as they are written, to speech that is in time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.cues import Report
from streamer.cli.engines import load_catalogue
from streamer.cli.feed import Feed, pieces_of, text_of
from streamer.cli.options import takes_settings
from streamer.cli.posted import posted
from streamer.cli.progress import Progress
from streamer.cli.running import run_async
from streamer.cli.server import Server, takes_server
from streamer.cli.sink import FORMATS, format_of, player
from streamer.cli.speaking import speak
from streamer.cli.track import caption_format
from streamer.cli.utterance import Utterance, in_process, on_server
from streamer.config import Settings
from streamer.errors import InvalidParameter
from streamer.types import (
    CueOptions,
    Descriptions,
    Event,
    OptionsUpdate,
    Overlap,
    Overrun,
    Start,
)

USUAL = CueOptions()


@takes_settings("engines", "voice_aliases", "workers")
@takes_server(None)
def captions(
    settings: Settings,
    server: Server | None,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="WebVTT or SRT; - is standard input.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; - is standard output. Else it plays.",
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="In real time, from the first cue on, as the captions arrive. "
            "Else as fast as it can be made, from time 0 on.",
        ),
    ] = False,
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
    speaker: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VOICE", help="The voice of somebody in them; once for each."),
    ] = None,
    overrun: Annotated[
        Overrun, typer.Option(help="What becomes of a cue whose time comes too soon.")
    ] = USUAL.overrun,
    max_rate: Annotated[
        float, typer.Option(min=1, max=2, help="A cue is hurried so much at most.")
    ] = USUAL.max_rate,
    max_late: Annotated[
        float,
        typer.Option(min=0, max=60_000, metavar="MS", help="A cue that is later is skipped."),
    ] = USUAL.max_late_ms,
    overlap: Annotated[
        Overlap, typer.Option(help="Cues at the same time: one after the other, or at once.")
    ] = USUAL.overlap,
    delay: Annotated[
        float,
        typer.Option(
            min=0, max=60_000, metavar="MS", help="Live: heard so much later than they say."
        ),
    ] = USUAL.delay_ms,
    descriptions: Annotated[
        Descriptions, typer.Option(help="Sounds: [music], (laughs).")
    ] = USUAL.descriptions,
    encoding: Annotated[
        str | None, typer.Option(help="Character set of the file, if it is not Unicode.")
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
    """Speak captions in time: each cue at its own, silence between."""
    audio = format_of(output, format)
    audio = replace(audio, sample_rate=sample_rate or audio.sample_rate, bit_rate=bit_rate)
    if output is None:
        player()
    if captions is not None:
        caption_format(captions)
    cues = CueOptions(
        origin_ms=None if live else 0.0,
        delay_ms=delay,
        max_rate=max_rate,
        overrun=overrun,
        max_late_ms=max_late,
        speakers=_voices(speaker or ()),
        overlap=overlap,
        descriptions=descriptions,
    )
    if delay and not live:
        raise InvalidParameter("a delay is for --live", param="delay")
    options = OptionsUpdate(voice, model, language, instructions, speed, pitch, volume, seed)
    start = Start(
        *("captions", options, audio),
        timestamps="segment",
        input="captions",
        cues=cues,
        captions=captions is not None,
    )
    progress = Progress(output, "waiting for captions")
    if server is not None and not live:
        opening = posted(start, server, text_of(file, encoding))
        run_async(_speak(opening, None, output, captions, progress))
        return
    if server is not None:
        opening = on_server(start, server)
    else:
        opening = in_process(start, load_catalogue(settings), settings, paced=live)
    feed = Feed(pieces_of(file, encoding, live=live), cues)

    def interrupted() -> bool:
        ends = feed.interrupt()
        if ends:
            progress.note("what has come is spoken to its end; Ctrl+C again gives up")
        return ends

    speaking = _speak(opening, feed, output, captions, progress)
    run_async(speaking, interrupted if live else None)


def _voices(named: Sequence[str]) -> dict[str, str]:
    """NAME=VOICE, as they were typed."""
    voices = {}
    for one in named:
        name, equals, voice = (part.strip() for part in one.partition("="))
        if not (name and equals and voice):
            raise InvalidParameter(f"NAME=VOICE, not {one!r}", param="speaker")
        voices[name] = voice
    return voices


async def _speak(
    opening: AbstractAsyncContextManager[Utterance],
    feed: Feed | None,
    output: str | None,
    captions: str | None,
    progress: Progress,
) -> None:
    report = Report(progress, "played" if output is None else output)

    def told(event: Event) -> None:
        report.told(event)
        if feed is not None:
            feed.told(event)

    await speak(opening, feed or _whole, output, captions, progress, told)


async def _whole(utterance: Utterance) -> None:
    """It has its text already."""
