"""A real server on a free port of loopback, in the test's own loop, and clients for it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from streamer.config import Settings
from streamer.protocols.native import subprotocols_for
from streamer.server.auth import KeyStore
from streamer.server.places import Places
from streamer.server.resources import DATABASE, Resources, open_resources
from streamer.server.run import Server, configure
from streamer.server.service import Service
from streamer.server.speaking import OpenSession
from streamer.types import Capabilities, Voice
from streamer.usage import Usage
from streamer.voices import Catalogue, VoiceStore
from tests.server.scripted import Sessions


class SilentEngine:
    """Only has voices: scripted sessions do the speaking."""

    name = "scripted"
    voices = (Voice("alba", "scripted", "Alba"),)
    capabilities = Capabilities(models={"large": None})

    async def aclose(self) -> None:
        pass


@dataclass
class Running:
    """A server that runs, and what a test wants to look into."""

    server: Server
    service: Service
    keys: KeyStore
    told: list[str]
    sessions: Sessions
    task: asyncio.Task[None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def live(self) -> int:
        return len(self.service.ledger.charges)

    def http(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=10, **options)

    def socket(
        self, *, key: str | None = None, path: str = "/v1/stream", **options: Any
    ) -> connect:
        options.setdefault("subprotocols", subprotocols_for(key))
        options.setdefault("compression", None)
        return connect(f"ws://127.0.0.1:{self.server.port}{path}", **options)


def settings_for(directory: Path, **changes: Any) -> Settings:
    changes.setdefault("drain_s", 1.0)
    return dataclasses.replace(Settings(), port=0, data_dir=str(directory), **changes)


@asynccontextmanager
async def running(
    directory: Path,
    *,
    catalogue: Any = None,
    sessions: OpenSession | None = None,
    voices: VoiceStore | None = None,
    change: Callable[[Resources], Resources] | None = None,
    **changes: Any,
) -> AsyncIterator[Running]:
    """A server with these changes to the settings. On the way out it must have freed everything."""
    settings = settings_for(directory, **changes)
    keys, scripted = KeyStore(directory), Sessions(settings.price_per_1000)
    told: list[str] = []
    engines: Any = {"scripted": SilentEngine()}
    opens = sessions or scripted
    with closing(Usage(directory / DATABASE)) as usage:
        resources = open_resources(settings, directory, usage, opens, voices)
        if change is not None:
            resources = change(resources)
        service = Service(settings, catalogue or Catalogue(engines), keys, usage, opens, resources)
        server = configure(settings, service, told.append)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        try:
            yield Running(server, service, keys, told, scripted, task)
        finally:
            server.should_exit = True
            await task
    assert not service.ledger.charges
    assert not service.connections
    assert service.ledger.counters.active_contexts == 0
    assert service.ledger.limits.connections == 0
    assert service.ledger.limits.listeners == 0
    assert all(session.freed for session in scripted.made if session.packets)


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    """The next message; of a binary one its packet as `data`."""
    async with asyncio.timeout(15):
        message = await socket.recv()
    if isinstance(message, bytes):
        return {"type": "binary", "data": message[20:].decode()}
    decoded: dict[str, Any] = json.loads(message)
    return decoded


async def hear_until(socket: ClientConnection, *kinds: str) -> list[dict[str, Any]]:
    """All messages up to and with the first of these types."""
    heard = [await hear(socket)]
    while heard[-1]["type"] not in kinds:
        heard.append(await hear(socket))
    return heard


async def eventually(condition: Any) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.002)


def places_held(monkeypatch: pytest.MonkeyPatch, module: str) -> Callable[[], int]:
    """Says how many places of that module's are held, once a server is made."""
    made: list[Places] = []

    def kept(*arguments: Any, **options: Any) -> Places:
        made.append(Places(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(f"{module}.Places", kept)
    return lambda: sum(sum(places._held.values()) for places in made)
