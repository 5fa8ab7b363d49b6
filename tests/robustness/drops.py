"""Listeners whose sockets are cut again and again, between any two bytes: what they hear is what they would
have heard.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random

from streamer import connect
from streamer.client import Client, Patience
from streamer.text.alignment import client_words
from streamer.types import (
    Audio,
    AudioFormat,
    Continued,
    Done,
    Event,
    OptionsUpdate,
    Paused,
    Start,
    Started,
    Transport,
    Word,
    Words,
)
from tests.robustness.client import DEADLINE_S
from tests.server_process import ServerProcess

UP_BYTES, DOWN_BYTES = 1500, 40_000
"""How much a socket carries up or down on average before it is cut: a handshake takes about 500 up."""
PATIENT = ("--text-pause-ms", "600000")
"""Flags of a server that cuts nothing because its text comes late."""
HASTE = Patience(first_s=0.02, most_s=0.1)
WORDS = (
    "a quiet river runs below the old stone bridge where seven white geese sleep until the morning "
    "bell has rung and somebody walks slowly home along the narrow road under tall dark trees"
).split()


# Cutting.


class Cutter:
    """A TCP proxy before a server. While it is `armed` each connection through it is cut after a random
    number of bytes in either direction: by FIN or RST, on both sides or on the client's only, so that the
    server speaks on into nothing. `cuts` counts them."""

    def __init__(self, host: str, random: Random) -> None:
        self.armed = False
        self.shut = False
        """No connection is let through."""
        self.muted = False
        """Nothing that the server says arrives; what the client says does."""
        self.cuts = 0
        self.port = 0
        self._host, _, port = host.rpartition(":")
        self._server_port = int(port)
        self._random = random
        self._pumps: set[asyncio.Task[None]] = set()
        self._pairs: set[_Pair] = set()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Cut every connection now."""
        for pair in list(self._pairs):
            self._cut(pair, deaf=False, reset=True)

    async def aclose(self) -> None:
        for pair in list(self._pairs):
            pair.close()
        for pump in self._pumps:
            pump.cancel()
        if self._pumps:
            await asyncio.wait(self._pumps)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.shut:
                raise ConnectionRefusedError
            up = await asyncio.open_connection(self._host, self._server_port)
        except OSError:
            writer.transport.abort()
            return
        budget: dict[bool, float] = {False: sys.maxsize, True: sys.maxsize}
        upwards = self._random.random() < 0.5
        budget[upwards] = self._random.expovariate(1 / (UP_BYTES if upwards else DOWN_BYTES))
        pair = _Pair((reader, writer), up, budget)
        self._pairs.add(pair)
        for upwards in (True, False):
            pump = asyncio.create_task(self._pump(pair, upwards=upwards))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, pair: _Pair, *, upwards: bool) -> None:
        (source, _), (_, sink) = (
            (pair.client, pair.server) if upwards else (pair.server, pair.client)
        )
        with suppress(OSError):
            while data := await source.read(4096):
                if pair.cut or (self.muted and not upwards):
                    continue
                if self.armed:
                    data = data[: int(pair.budget[upwards])]
                    pair.budget[upwards] -= len(data)
                sink.write(data)
                if self.armed and pair.budget[upwards] < 1:
                    deaf, reset = self._random.random() < 0.3, self._random.random() < 0.5
                    self._cut(pair, deaf=deaf, reset=reset)
                else:
                    await sink.drain()
        if not pair.cut or upwards is False:
            pair.close()
            self._pairs.discard(pair)

    def _cut(self, pair: _Pair, *, deaf: bool, reset: bool) -> None:
        self.cuts += 1
        pair.cut = True
        _hang_up(pair.client[1], reset=reset)
        if not deaf:
            _hang_up(pair.server[1], reset=reset)


@dataclass(eq=False)
class _Pair:
    """Both ends of one connection, and how many bytes it still carries, up (True) and down."""

    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    budget: dict[bool, float]
    cut: bool = False

    def close(self) -> None:
        _hang_up(self.client[1], reset=False)
        _hang_up(self.server[1], reset=False)


def _hang_up(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    raw = writer.get_extra_info("socket")
    if reset and not writer.transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.transport.close()


@asynccontextmanager
async def cutter(server: ServerProcess, seed: int) -> AsyncIterator[Cutter]:
    proxy = Cutter(server.host, Random(seed))
    listener = await asyncio.start_server(proxy.take, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.aclose()
        await listener.wait_closed()


# Speaking.


@dataclass(frozen=True)
class Line:
    """What is pushed at once, and seconds to wait before it."""

    text: str
    wait_s: float = 0.0
    mark: str | None = None
    flush: bool = False
    speed: float | None = None


@dataclass(frozen=True)
class Speech:
    """An utterance whose sound depends on its text alone: nothing in it depends on when the text came."""

    start: Start
    lines: Sequence[Line] = field(default_factory=tuple)


def speech(name: str, voice: str, random: Random, sentences: int) -> Speech:
    """Uncompressed sound of several sentences, with their text still coming; or encoded sound of one segment,
    which is made when all of it is there: what an encoder holds back would else come out by the clock."""
    streamed = random.random() < 0.7
    transport: Transport = random.choice(("binary", "json"))
    codec = random.choice(("pcm_s16le", "pcm_mulaw") if streamed else ("opus", "mp3", "flac"))
    rate = 8000 if codec == "pcm_mulaw" else None
    start = Start(
        name,
        OptionsUpdate(voice=voice, seed=random.randrange(2**32)),
        AudioFormat(codec, sample_rate=rate),
        transport,
        lead_ms=60_000,
        cut="sentence" if streamed else "none",
    )
    count = sentences if streamed else 1
    lines: list[Line] = []
    for number in range(count):
        words = [random.choice(WORDS) for _ in range(random.randrange(12, 18))]
        sentence = " ".join(words).capitalize() + (". " if number < count - 1 else ".")
        speed = random.choice((None, None, 1.2)) if number else None
        while sentence:
            size = random.randrange(1, 30)
            mark = f"{name}-{len(lines)}" if random.random() < 0.1 else None
            wait_s = random.random() * 0.005
            lines.append(Line(sentence[:size], wait_s, mark, speed=speed))
            sentence, speed = sentence[size:], None
        if streamed and random.random() < 0.3:
            lines.append(Line("", flush=True))
    return Speech(start, lines)


async def spoken(client: Client, speech: Speech) -> list[Event]:
    """All its events, but for what the clock says in them."""

    async def feed() -> None:
        for line in speech.lines:
            await asyncio.sleep(line.wait_s)
            options = {} if line.speed is None else {"speed": line.speed}
            if line.flush:
                await context.flush()
            else:
                await context.push(line.text, mark=line.mark, **options)
        await context.end()

    context = await client.start(speech.start)
    feeding = asyncio.create_task(feed())
    try:
        async with asyncio.timeout(2 * DEADLINE_S):
            events = [_timeless(event) async for event in context]
            await feeding
    finally:
        feeding.cancel()
        await asyncio.wait([feeding])
    return events


def _timeless(event: Event) -> Event:
    return replace(event, first_audio_ms=None) if isinstance(event, Done) else event


def sound(events: Sequence[Event]) -> bytes:
    return b"".join(event.packet.data for event in events if isinstance(event, Audio))


async def speak_over_drops(server: ServerProcess, drops: int, seed: int, sentences: int = 5) -> int:
    """Speeches, three at a time, until so many sockets have been cut; all as if none had been. How often the
    client came back."""
    random, number = Random(seed), 0
    async with (
        cutter(server, seed) as proxy,
        connect(server.url) as undisturbed,
        connect(proxy.url, patience=HASTE) as client,
    ):
        while proxy.cuts < drops:
            voices = (random.choice(("tone-low", "heart")) for _ in range(3))
            speeches = [
                speech(f"s{number + n}", voice, random, sentences) for n, voice in enumerate(voices)
            ]
            number += len(speeches)
            expected = await asyncio.gather(*(spoken(undisturbed, one) for one in speeches))
            proxy.armed = True
            heard = await asyncio.gather(*(spoken(client, one) for one in speeches))
            proxy.armed = False
            for before, after in zip(expected, heard, strict=True):
                assert isinstance(before[-1], Done), before[-1]
                assert sound(after) == sound(before)
                assert after == before
        return client.reconnects


async def pause_over_drops(server: ServerProcess, drops: int, seed: int) -> int:
    """Speeches that are paused and go on, again and again, until so many sockets have been cut: each pause
    says what was heard, the sound has no hole but those of the pauses, and at the end every word was told.
    How many pauses."""
    random, number, pauses = Random(seed), 0, 0
    async with cutter(server, seed) as proxy, connect(proxy.url, patience=HASTE) as client:
        while proxy.cuts < drops:
            voice = random.choice(("tone-low", "heart"))
            one = speech(f"p{number}", voice, random, 3)
            number += 1
            proxy.armed = True
            async with asyncio.timeout(2 * DEADLINE_S):
                pauses += await _paused_again_and_again(client, one, random)
            proxy.armed = False
    return pauses


async def _paused_again_and_again(client: Client, speech: Speech, random: Random) -> int:
    context = await client.start(speech.start)
    text = "".join(line.text for line in speech.lines)
    await context.push(text)
    await context.end()
    rate, end, pauses = 0, 0, 0
    words: list[Word] = []
    async for event in context:
        match event:
            case Started():
                rate = event.audio.sample_rate or 0
            case Words():
                words += event.words
            case Audio():
                assert event.packet.pts == end or not end, (event.packet.pts, end)
                end = event.packet.pts + event.packet.duration
            case Paused():
                words = [word for word in words if word.end <= event.played]
                assert list(event.heard_words) == words
            case Continued():
                assert event.start >= end
                end = event.start
        if rate and end > 0 and pauses < 6 and random.random() < 0.02:
            played_ms = 1000 * end / rate * random.random()
            paused = await context.pause(played_ms)
            pauses += 1
            assert paused.heard_text + paused.unspoken_text == text
            assert text.startswith(paused.heard_text)
            await context.go_on()
    assert [(word.offset, word.text) for word in words] == client_words(text)
    assert list((await context.interrupt(1e9)).heard_words) == words
    return pauses
