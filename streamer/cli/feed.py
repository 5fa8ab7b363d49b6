"""What `captions` reads, on its way to whoever speaks it: as it comes, as there is room, until it ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from streamer.cli import source
from streamer.cli.cues import Waiting
from streamer.cli.utterance import Utterance
from streamer.errors import InvalidParameter
from streamer.feeding import FEED_S, PIECE
from streamer.text.captions import Decoder
from streamer.types import CueOptions, Event

IDLE_S = 0.5
"""A cue that has text is spoken without the empty line behind it when nothing came for so long."""
LAST_S = 0.5
"""So long is taken what comes behind a Ctrl+C: who writes the captions hears it too, and may finish."""


def pieces_of(file: Path, encoding: str | None, *, live: bool) -> AsyncGenerator[str | None, None]:
    """As `Feed` takes them; pauses count where it is `live`."""
    return source.with_pauses(text_of(file, encoding), IDLE_S if live else None)


async def text_of(file: Path, encoding: str | None) -> AsyncGenerator[str, None]:
    """What can be read by now, again and again. Raises `InvalidCaptions` for bytes that are no text."""
    if file == Path("-") and sys.stdin.isatty():
        raise InvalidParameter("captions are read from a file or a pipe", param="file")
    decoder = Decoder(encoding)
    async with aclosing(source.bytes_of(file)) as pieces:
        async for data in pieces:
            yield decoder.push(data)
    yield decoder.flush()


class Feed:
    """Gives an utterance its text as it has room for it. None among the pieces is a pause: a cue that has
    text is spoken then, before its block ends."""

    def __init__(self, pieces: AsyncGenerator[str | None, None], options: CueOptions) -> None:
        self._pieces = pieces
        self._waiting = Waiting(options)
        self._blank = True
        self._input = asyncio.Timeout(None)
        self._ended = False
        self._interrupted = False

    async def __call__(self, utterance: Utterance) -> None:
        try:
            async with self._input:
                await self._read(utterance)
        except TimeoutError:
            if not self._input.expired():
                raise
        finally:
            self._ended = True
        if self._blank:
            raise InvalidParameter("no captions", param="file")
        await utterance.end()

    def interrupt(self) -> bool:
        """The input ends here. False where there was none yet, and where this was said before."""
        if self._blank or self._interrupted:
            return False
        self._interrupted = True
        if not self._ended:
            self._input.reschedule(asyncio.get_running_loop().time() + LAST_S)
        return True

    def told(self, event: Event) -> None:
        """What is told of cues: those that wait no more make room."""
        self._waiting.told(event)

    async def _read(self, utterance: Utterance) -> None:
        step = max(1, min(PIECE, utterance.room // 4))
        async with aclosing(self._pieces) as pieces:
            async for piece in pieces:
                if piece is None:
                    # A line that was shown before, or a sound, is not the end: the next one may say more.
                    if self._waiting.open and self._waiting.flush():
                        await utterance.flush()
                    continue
                self._blank = self._blank and not piece.strip()
                for start in range(0, len(piece), step):
                    await self._push(utterance, piece[start : start + step])

    async def _push(self, utterance: Utterance, text: str) -> None:
        # Polled: cues that are not spoken make room without a sound.
        while self._pending(utterance) + len(text) > utterance.room:  # noqa: ASYNC110
            await asyncio.sleep(FEED_S)
        await utterance.push(text)
        self._waiting.push(text)
        await asyncio.sleep(0)

    def _pending(self, utterance: Utterance) -> int:
        known = utterance.pending
        return self._waiting.characters if known is None else known
