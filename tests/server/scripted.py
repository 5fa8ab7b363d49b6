"""A scripted session and a server to run it: no engine, no encoder, every packet known beforehand.

Each word of the text becomes one packet of 20 ms that holds the word itself. Special words are
instructions: `fail` ends with `engine_failed`, `crash` raises, `forever` repeats itself until stopped,
`flood` is large packets without end, `hang` never comes to anything.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Set
from dataclasses import dataclass

from streamer.errors import EngineFailed, TextLimit, UnknownVoice
from streamer.packets import Tap
from streamer.types import (
    Audio,
    AudioFormat,
    Continued,
    Cue,
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


@dataclass(frozen=True, slots=True)
class _Said:
    """A word that was sent, and the sample where it ends."""

    word: str
    offset: int
    end: int


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
        self.missing: list[float] = []
        """Seconds of sound that were missed, each time that the client came back."""
        self.epoch = 0
        self._taken = 0
        self._queue: list[tuple[str, int]] = []
        self._endless = False
        self._said: list[_Said] = []
        self._unheard: list[_Said] = []
        self._paused: Paused | None = None
        self._continued: Continued | None = None
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

    def cue(self, command: Cue) -> None:
        self.text(Text(command.context, command.text))

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

    def missed(self, seconds: float) -> None:
        self.missing.append(seconds)

    def played(self, played_ms: float) -> None:
        self.reported = played_ms

    @property
    def rate(self) -> int:
        return RATE

    @property
    def received(self) -> int:
        return len(self.input)

    def pause(self, played_ms: float | None = None) -> Paused:
        if self._paused is None:
            self.epoch += 1
            self.reported = self.reported if played_ms is None else played_ms
            answer = self.interrupted()
            self._unheard = [said for said in self._said if said.end > answer.played]
            at = self._unheard[0].offset if self._unheard else self._taken
            self._paused = Paused(
                *(self.start.context, self.input[:at], (), self.input[at:]),
                *(answer.played, answer.clock),
            )
        return self._paused

    def go_on(self) -> None:
        if self._paused is not None:
            again = [(said.word, said.offset) for said in self._unheard]
            self._queue[:0] = again
            at = self._queue[0][1] if self._queue else len(self.input)
            self._continued = Continued(self.start.context, self.packets * FRAME, at)
            self._paused = None
            self._wake.set()

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
            while True:
                event = await self._next()
                epoch = self.epoch
                yield event
                if self.epoch != epoch:
                    continue  # it was not sent, and comes again
                if isinstance(event, Done | Failed):
                    return
                self._sent(event)
        finally:
            self.freed = True

    async def _next(self) -> Event:
        context = self.start.context
        while True:
            self._wake.clear()
            if self._paused is not None:
                await self._wake.wait()
            elif self._continued is not None:
                return self._continued
            elif not self._queue and self._taken < len(self.input):
                words = re.finditer(r"\S+", self.input[self._taken :])
                self._queue = [(word[0], self._taken + word.start()) for word in words]
                self._taken = len(self.input)
            elif self._queue:
                word = self._queue[0][0]
                if word == "fail":
                    return Failed(EngineFailed("as told"), context)
                if word == "crash":
                    raise ZeroDivisionError("the text was: " + self.input)
                if word == "hang":
                    await asyncio.Event().wait()
                if word == "header":  # of a container: bytes, but no sound yet
                    return Audio(context, Packet(b"header", self.packets * FRAME, 0))
                if self._endless:
                    await asyncio.sleep(0.001)
                if self._paused is not None:
                    continue
                data = word * (12000 if word == "flood" and self._endless else 1)
                return Audio(context, Packet(data.encode(), self.packets * FRAME, FRAME))
            elif self._ended:
                return self.done("end")
            else:
                await self._wake.wait()

    def _sent(self, event: Event) -> None:
        if isinstance(event, Continued):
            self._continued = None
            return
        assert isinstance(event, Audio)
        word, offset = self._queue[0]
        self._endless = word in ("forever", "flood")
        if event.packet.duration:
            self.packets += 1
            self._said.append(_Said(word, offset, self.packets * FRAME))
        if not self._endless:
            del self._queue[0]


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
        tap: Tap | None = None,
    ) -> ScriptedSession:
        session = ScriptedSession(start, paced=paced, price=self._price)
        self.made.append(session)
        return session
