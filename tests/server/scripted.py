"""A scripted session and a server to run it: no engine, no encoder, every packet known beforehand.

Each word of the text becomes one packet of 20 ms that holds the word itself. Special words are
instructions: `fail` ends with `engine_failed`, `crash` raises, `forever` repeats itself until stopped,
`flood` is large packets without end, `hang` never comes to anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Set

from streamer.errors import EngineFailed, NotAvailable, TextLimit, UnknownVoice
from streamer.types import (
    Audio,
    AudioFormat,
    Done,
    EndReason,
    Event,
    Failed,
    Interrupted,
    Packet,
    Paused,
    Start,
    Started,
    Text,
)
from streamer.voices import Speaker

RATE = 24000
FRAME = 480
LONGEST = 2000


class ScriptedSession:
    """Speaks as the module says. `freed` tells whether its events were closed."""

    def __init__(self, start: Start, *, paced: bool, price: float = 0.0) -> None:
        if start.options.voice not in (None, "alba"):
            raise UnknownVoice(f"no voice {start.options.voice!r}", param="voice", candidates=[])
        self.start = start
        self.paced = paced
        self.price = price
        self.freed = False
        self.input = ""
        self.packets = 0
        self.flushes = 0
        self.reported: float | None = None
        self._ended = False
        self._wake = asyncio.Event()

    @property
    def characters(self) -> int:
        return len(self.input)

    @property
    def seconds(self) -> float:
        return self.packets * FRAME / RATE

    @property
    def underruns(self) -> int:
        return 0

    @property
    def cost(self) -> float:
        return self.price * self.characters / 1000

    def text(self, command: Text) -> None:
        if len(self.input) + len(command.text) > LONGEST:
            raise TextLimit("too much", param="text", limit=LONGEST)
        self.input += command.text
        self._wake.set()

    @property
    def pending(self) -> int:
        return 0

    def rehearse(self) -> Speaker:
        return Speaker("alba", "scripted", True, self.cost)

    def quote(self, command: Text) -> float:
        return self.price * len(command.text) / 1000

    def flush(self) -> None:
        self.flushes += 1

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    def played(self, played_ms: float) -> None:
        self.reported = played_ms

    @property
    def received(self) -> int:
        return len(self.input)

    @property
    def epoch(self) -> int:
        return 0

    def pause(self, played_ms: float | None = None) -> Paused:
        raise NotAvailable("a scripted session does not pause", param="type")

    def go_on(self) -> None:
        raise NotAvailable("a scripted session does not pause", param="type")

    def interrupted(self, played_ms: float | None = None) -> Interrupted:
        ms = played_ms if played_ms is not None else self.reported
        played = round((ms or 0.0) * RATE / 1000)
        return Interrupted(
            self.start.context, "", (), self.input, played, "server" if ms is None else "client"
        )

    def done(self, reason: EndReason) -> Done:
        return Done(
            self.start.context,
            reason,
            self.packets * FRAME,
            1000 * self.seconds,
            self.characters,
            1.0,
            "scripted",
            self.cost if self.price else None,
        )

    async def events(self) -> AsyncGenerator[Event, None]:
        audio = AudioFormat("pcm_s16le", "none", RATE, 1)
        context = self.start.context
        yield Started(
            context, audio, "audio/pcm", b"", 0, "alba", "scripted", self.start.options.seed or 0
        )
        try:
            said = 0
            while not self._ended or said < len(self.input):
                self._wake.clear()
                for word in self.input[said:].split():
                    async for event in self._say(word):
                        yield event
                        if isinstance(event, Failed):
                            return
                said = len(self.input)
                if not self._ended:
                    await self._wake.wait()
            yield self.done("end")
        finally:
            self.freed = True

    async def _say(self, word: str) -> AsyncGenerator[Event, None]:
        if word == "fail":
            yield Failed(EngineFailed("as told"), self.start.context)
        elif word == "crash":
            raise ZeroDivisionError("the text was: " + self.input)
        elif word == "hang":
            await asyncio.Event().wait()
        elif word == "header":  # of a container: bytes, but no sound yet
            yield Audio(self.start.context, Packet(b"header", self.packets * FRAME, 0))
        else:
            yield self._packet(word)
            while word in ("forever", "flood"):
                await asyncio.sleep(0.001)
                yield self._packet(word * (12000 if word == "flood" else 1))

    def _packet(self, word: str) -> Audio:
        pts = self.packets * FRAME
        self.packets += 1
        return Audio(self.start.context, Packet(word.encode(), pts, FRAME))


class Sessions:
    """Makes scripted sessions and remembers them."""

    def __init__(self, price_per_1000: float = 0.0) -> None:
        self.made: list[ScriptedSession] = []
        self._price = price_per_1000

    def __call__(
        self,
        start: Start,
        *,
        paced: bool,
        background: bool = False,
        key: str = "",
        voices: Set[str] | None = None,
    ) -> ScriptedSession:
        session = ScriptedSession(start, paced=paced, price=self._price)
        self.made.append(session)
        return session
