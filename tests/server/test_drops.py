"""Drops at random messages: what came over many sockets is what comes over one, byte for byte."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streamer.engines.tone import Tone
from streamer.server.run import sessions
from streamer.types import Event, Start
from streamer.voices import Catalogue
from tests.server.returning import Returning
from tests.server.running import Running, running, settings_for
from tests.server.scripted import ScriptedSession

DROPS = 12
CHANCE_OF_A_DROP = 0.12


class _Slow(ScriptedSession):
    """Speaks on for a while, so that drops fall into it."""

    async def _next(self) -> Event:
        await asyncio.sleep(0.0005)
        return await super()._next()


def slow(
    start: Start, *, paced: bool, background: bool = False, key: str = "", **rest: object
) -> ScriptedSession:
    return _Slow(start, paced=paced)


@dataclass
class Utterance:
    """What a client says in one context, and how much of it is said: `said` pieces over this socket."""

    options: Mapping[str, object]
    pieces: list[str]
    said: int = 0
    offsets: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.offsets = [sum(map(len, self.pieces[:i])) for i in range(len(self.pieces))]

    @property
    def whole(self) -> bool:
        return self.said > len(self.pieces)

    def goes_on_from(self, characters: int) -> None:
        """The server has so much of the text; whether it has the end nobody knows."""
        ends = [at + len(piece) for at, piece in zip(self.offsets, self.pieces, strict=True)]
        self.said = sum(end <= characters for end in ends)


def conversation(seed: int) -> dict[str, Utterance]:
    chance = random.Random(f"text {seed}")
    return {
        name: Utterance(
            {"audio": {"transport": transport}, "seed": seed},
            [f"{name}{i} " * chance.randrange(1, 6) for i in range(chance.randrange(5, 25))],
        )
        for name, transport in (("a", "binary"), ("b", "json"), ("c", "binary"))
    }


class Speaker:
    """A client that says its conversation, and loses its socket where `chance` has it."""

    def __init__(self, client: Returning, seed: int, drops: int) -> None:
        self.client = client
        self.talk = conversation(seed)
        self.chance = random.Random(seed)
        self.drops = drops
        self.dropped = 0

    async def speak(self) -> None:
        # Side by side later, but begun in turn: the numbers of their streams are part of what is compared.
        for name in self.talk:
            await self._start(name)
            while name not in self.client.messages:
                await self._hear()
        while not all(self.client.over(name) for name in self.talk):
            left = [name for name in self.talk if not self.talk[name].whole]
            if left and self.chance.random() < 0.5:
                await self._say(self.chance.choice(left))
            else:
                await self._hear()
            await self._may_drop()

    async def _start(self, name: str) -> None:
        await self.client.say(type="start", context=name, **self.talk[name].options)

    async def _say(self, name: str) -> None:
        utterance = self.talk[name]
        if utterance.said < len(utterance.pieces):
            text, at = utterance.pieces[utterance.said], utterance.offsets[utterance.said]
            await self.client.say(type="text", context=name, text=text, at=at)
        elif not self.client.over(name):
            await self.client.say(type="end", context=name)
        utterance.said += 1

    async def _hear(self) -> None:
        try:
            async with asyncio.timeout(0.005):
                await self.client.hear()
        except TimeoutError:
            return

    async def _may_drop(self) -> None:
        if self.dropped < self.drops and self.chance.random() < CHANCE_OF_A_DROP:
            self.dropped += 1
            self.client.drop()
            if self.chance.random() < 0.5:
                await self.client.waited_for()
            resumed = await self.client.come_back()
            for name, utterance in self.talk.items():
                state = resumed["contexts"][name]
                assert state["recovered"]
                utterance.goes_on_from(state["characters"])


@asynccontextmanager
async def speaking(
    directory: Path, seed: int, drops: int
) -> AsyncIterator[tuple[Running, Speaker]]:
    async with (
        running(directory, sessions=slow) as server,
        Returning(server) as client,
    ):
        speaker = Speaker(client, seed, drops)
        async with asyncio.timeout(30):
            await speaker.speak()
        yield server, speaker


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(10))
async def test_what_comes_over_many_sockets_is_what_comes_over_one(
    tmp_path: Path, seed: int
) -> None:
    async with speaking(tmp_path, seed, drops=0) as (_, undisturbed):
        pass
    async with speaking(tmp_path, seed, DROPS) as (server, speaker):
        assert speaker.client.messages == undisturbed.client.messages
        assert speaker.dropped >= 5
        counters = server.service.ledger.counters
        assert counters.resumes == {"resumed": speaker.dropped}
        assert counters.contexts == {"end": 3}
        assert server.service.ledger.limits.connections <= 2


async def spoken(directory: Path, codec: str, chance: random.Random | None) -> list[str | bytes]:
    """What a real session says, but for the time it took."""
    catalogue = Catalogue({"tone": Tone()})
    real = sessions(settings_for(directory), catalogue)
    text = "One word and another. And then some more of them, to the end."
    async with (
        running(directory, catalogue=catalogue, sessions=real) as server,
        Returning(server) as client,
        asyncio.timeout(30),
    ):
        options = {"audio": {"codec": codec}, "pacing": {"lead_ms": 60000}, "seed": 1}
        await client.say(type="start", context="a", **options)
        await client.say(type="text", context="a", text=text)
        await client.say(type="end", context="a")
        await client.hear()
        while not client.over("a"):
            await client.hear()
            if chance is not None and chance.random() < 0.1:
                client.drop()
                resumed = await client.come_back()
                state = resumed["contexts"]["a"]
                assert state["recovered"]
                if not client.over("a"):
                    at = state["characters"]
                    await client.say(type="text", context="a", text=text[at:], at=at)
                    await client.say(type="end", context="a")
        *rest, done = client.messages["a"]
    assert isinstance(done, str)
    return [*rest, str(json.loads(done) | {"first_audio_ms": 0})]


@pytest.mark.asyncio
@pytest.mark.parametrize("codec", ["opus", "pcm_s16le", "mp3"])
async def test_real_sound_is_the_same_over_many_sockets(tmp_path: Path, codec: str) -> None:
    undisturbed = await spoken(tmp_path, codec, None)
    assert await spoken(tmp_path, codec, random.Random(codec)) == undisturbed
