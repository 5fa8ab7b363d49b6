"""A server whose engines make voices (`tests.parrot`), and recordings for it."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from streamer.engines.base import Engine
from streamer.engines.tone import Tone
from streamer.fetch import Answer
from streamer.protocols.hosted_voices import default_aliases
from streamer.server.resources import Resources, open_voices
from streamer.server.run import sessions
from streamer.types import Samples
from streamer.voices import Catalogue
from tests.parrot import RATE, Parrot, hertz_of
from tests.server.running import Running, running, settings_for

VOICES = "/v1/voices"


@asynccontextmanager
async def voiced(
    directory: Path,
    *engines: Engine,
    change: Callable[[Resources], Resources] | None = None,
    **changes: Any,
) -> AsyncIterator[Running]:
    """Of these engines (tone, then a parrot), with these changes to the settings."""
    engines = engines or (Tone(), Parrot())
    settings = settings_for(directory, **changes)
    names = default_aliases([voice for engine in engines for voice in engine.voices])
    catalogue = Catalogue({engine.name: engine for engine in engines}, aliases=names)
    store = open_voices(settings, directory)
    opens = sessions(settings, catalogue, store)
    async with running(
        directory, catalogue=catalogue, sessions=opens, voices=store, change=change, **changes
    ) as server:
        yield server


def wav(sound: Samples, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def recording(hertz: float = 440.0, seconds: float = 4.0, level: float = 0.3) -> bytes:
    """A WAV file of somebody who speaks at one pitch."""
    time = np.arange(round(seconds * RATE)) / RATE
    return wav((level * np.sin(2 * np.pi * hertz * time)).astype(np.float32))


async def cloned(
    http: httpx.AsyncClient, hertz: float = 440.0, *, status: int = 201, **query: Any
) -> dict[str, Any]:
    """What is told of a new clone."""
    headers = {"content-type": "audio/wav", **query.pop("headers", {})}
    answer = await http.post(VOICES, content=recording(hertz), headers=headers, params=query)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def pitch(http: httpx.AsyncClient, voice: str, **options: Any) -> float:
    """At how many Hz it speaks."""
    body = {"text": "One two three.", "voice": voice, "audio": {"codec": "pcm_s16le"}, **options}
    answer = await http.post("/v1/speech", json=body)
    assert answer.status_code == 200, answer.text
    return pitch_of(answer.content)


def pitch_of(file: bytes) -> float:
    """Of a WAV file, also one whose length is not known."""
    samples = np.frombuffer(file[44:], "<i2")[: RATE * 6 // 10].astype(np.float32)
    return hertz_of(samples, RATE)


class Web:
    """Every address is a recording at so many Hz."""

    def __init__(self, hertz: float) -> None:
        self.hertz = hertz

    def check(self, url: str, *, param: str = "url") -> None:
        pass

    async def get(self, url: str, *, max_bytes: int, param: str = "url") -> Answer:
        return Answer(200, {"content-type": "audio/wav"}, recording(self.hertz), url)

    async def aclose(self) -> None:
        pass

    def __call__(self, resources: Resources) -> Resources:
        fetcher: Any = self
        return replace(resources, fetcher=fetcher)


async def ended(http: httpx.AsyncClient, path: str, **params: str) -> dict[str, Any]:
    """What is told of a hosted API's task once it is over."""
    while True:
        told: dict[str, Any] = (await http.get(path, params=params)).json()
        state = told["data"]["status"] if "data" in told else told["status"]
        if state not in ("pending", "processing", "running"):
            return told
        await asyncio.sleep(0.01)
