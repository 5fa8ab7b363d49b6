"""`streamer captions`: a file of captions, or captions as they are written, to speech that is in time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli import source
from streamer.cli.cues import Report, Waiting
from streamer.cli.engines import load_catalogue
from streamer.cli.options import CLIENT_KEY, takes_settings
from streamer.cli.progress import Progress
from streamer.cli.remote import Remote
from streamer.cli.running import run_async
from streamer.cli.sink import FORMATS, format_of, player
from streamer.cli.speaking import speak
from streamer.cli.track import caption_format
from streamer.cli.utterance import Utterance, in_process, on_server
from streamer.config import Settings
from streamer.errors import InvalidParameter
from streamer.feeding import FEED_S, PIECE
from streamer.protocols.base import RemoteProtocolError, SpeechRequest
from streamer.protocols.native.caption_files import encode_captions
from streamer.protocols.native.http import LineDecoder
from streamer.text.captions import Decoder
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
def captions(
    settings: Settings,
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
    url: Annotated[
        str | None, typer.Option(help="Server to ask, e.g. ws://127.0.0.1:8090; else spoken here.")
    ] = None,
    key: Annotated[str | None, typer.Option(envvar=CLIENT_KEY, help="The server's key.")] = None,
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
    text = _text(file, encoding)
    if url is not None and not live:
        run_async(_speak(_on_file(start, url, key, text), None, output, captions))
    elif url is not None:
        run_async(_speak(on_server(start, url, key), _Feed(text, start), output, captions))
    else:
        catalogue = load_catalogue(settings)
        opening = in_process(start, catalogue, settings, paced=live)
        run_async(_speak(opening, _Feed(text, start), output, captions))


def _voices(named: Sequence[str]) -> dict[str, str]:
    """NAME=VOICE, as they were typed."""
    voices = {}
    for one in named:
        name, equals, voice = (part.strip() for part in one.partition("="))
        if not (name and equals and voice):
            raise InvalidParameter(f"NAME=VOICE, not {one!r}", param="speaker")
        voices[name] = voice
    return voices


async def _text(file: Path, encoding: str | None) -> AsyncGenerator[str, None]:
    """What can be read by now, again and again. Raises `InvalidCaptions` for bytes that are no text."""
    if file == Path("-") and sys.stdin.isatty():
        raise InvalidParameter("captions are read from a file or a pipe", param="file")
    decoder = Decoder(encoding)
    async with aclosing(source.bytes_of(file)) as pieces:
        async for data in pieces:
            yield decoder.push(data)
    yield decoder.flush()


class _Feed:
    """Gives an utterance its text as it has room for it."""

    def __init__(self, text: AsyncGenerator[str, None], start: Start) -> None:
        self._text = text
        self._waiting = Waiting(start.cues)

    async def __call__(self, utterance: Utterance) -> None:
        step = max(1, min(PIECE, utterance.room // 4))
        blank = True
        async with aclosing(self._text) as pieces:
            async for piece in pieces:
                blank = blank and not piece.strip()
                for start in range(0, len(piece), step):
                    await self._push(utterance, piece[start : start + step])
        if blank:
            raise InvalidParameter("no captions", param="file")
        await utterance.end()

    async def _push(self, utterance: Utterance, text: str) -> None:
        # Polled: cues that are not spoken make room without a sound.
        while self._pending(utterance) + len(text) > utterance.room:  # noqa: ASYNC110
            await asyncio.sleep(FEED_S)
        await utterance.push(text)
        if utterance.pending is None:
            self._waiting.push(text)
        await asyncio.sleep(0)

    def _pending(self, utterance: Utterance) -> int:
        known = utterance.pending
        return self._waiting.characters if known is None else known

    def told(self, event: Event) -> None:
        self._waiting.told(event)


@asynccontextmanager
async def _on_file(
    start: Start, url: str, key: str | None, text: AsyncGenerator[str, None]
) -> AsyncGenerator[Utterance, None]:
    """Spoken by a server, as fast as it can be made, of a file that is whole."""
    async with Remote(url, key) as remote:
        yield _Posted(remote, start, text)


class _Posted:
    room = sys.maxsize
    pending = 0

    def __init__(self, remote: Remote, start: Start, text: AsyncGenerator[str, None]) -> None:
        self._remote = remote
        self._start = start
        self._text = text

    async def push(self, text: str) -> None:
        """It is all there."""

    async def end(self) -> None:
        """As it is."""

    async def events(self) -> AsyncIterator[Event]:
        async with aclosing(self._text) as pieces:
            text = "".join([piece async for piece in pieces])
        if not text.strip():
            raise InvalidParameter("no captions", param="file")
        decoder = LineDecoder()
        sent = self._remote.stream(
            "POST",
            "/v1/captions",
            params=dict(encode_captions(SpeechRequest(self._start, text, "lines"))),
            body=text.encode(),
            headers={"content-type": "text/plain; charset=utf-8"},
        )
        try:
            async with aclosing(sent) as answer:
                async for data in answer:
                    for event in decoder.push(data):
                        yield event
            for event in decoder.flush():
                yield event
        except RemoteProtocolError:
            raise OSError("the server does not answer as a Streamer does") from None


async def _speak(
    opening: AbstractAsyncContextManager[Utterance],
    feed: _Feed | None,
    output: str | None,
    captions: str | None,
) -> None:
    progress = Progress(output, "waiting for captions")
    report = Report(progress, "played" if output is None else output)

    def told(event: Event) -> None:
        report.told(event)
        if feed is not None:
            feed.told(event)

    await speak(opening, feed or _whole, output, captions, progress, told)


async def _whole(utterance: Utterance) -> None:
    """It has its text already."""
