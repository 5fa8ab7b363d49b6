"""A raw client that comes back: it counts what arrives, hangs up without a word, and goes on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.server.running import Running, eventually, hear, say

PATH = "/v1/stream?resume=1"
ENDINGS = {"done", "interrupted", "error"}


class Returning:
    """One client over any number of sockets. `messages` are those of each context as they came."""

    def __init__(self, server: Running, key: str | None = None) -> None:
        self.server = server
        self.key = key
        self.messages: dict[str, list[str | bytes]] = {}
        self.resumed: dict[str, Any] = {}
        self.ready: dict[str, Any] = {}
        self._socket: ClientConnection | None = None
        self._streams: dict[int, str] = {}

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None
        return self._socket

    @property
    def received(self) -> dict[str, int]:
        return {name: len(came) - 1 for name, came in self.messages.items()}

    async def __aenter__(self) -> Returning:
        self.ready = await self.dial()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def dial(self) -> dict[str, Any]:
        self._socket = await self.server.socket(path=PATH, key=self.key, max_queue=None)
        return await hear(self.socket)

    def drop(self) -> None:
        """No close frame, and what is on the way is lost."""
        self.socket.transport.abort()

    async def waited_for(self) -> None:
        """The server has found out."""
        await eventually(lambda: self.server.service.ledger.counters.detached)

    async def come_back(self, **changes: Any) -> dict[str, Any]:
        """Resume over another socket; the answer."""
        await self.dial()
        session = {"session": self.ready["session"], "token": self.ready["token"]}
        await self.say(type="resume", **session | {"received": self.received} | changes)
        self.resumed = await hear(self.socket)
        return self.resumed

    async def say(self, **message: Any) -> None:
        await say(self.socket, **message)

    async def hear(self) -> dict[str, Any]:
        """The next message, which has to be the next of its context. Of sound its packet as `data`."""
        async with asyncio.timeout(15):
            message = await self.socket.recv()
        if isinstance(message, bytes):
            context = self._streams[int.from_bytes(message[2:4], "big")]
            sequence = int.from_bytes(message[4:8], "big")
            found: dict[str, Any] = {"type": "binary", "context": context, "sequence": sequence}
            found["data"] = message[20:].decode("latin-1")
        else:
            found = json.loads(message)
        if "context" not in found:
            return found
        if found["type"] == "error" and self.over(found["context"]):
            return found  # what was said crossed its end
        came = self.messages.setdefault(found["context"], [])
        assert found["sequence"] == len(came), found
        if found["type"] == "started":
            self._streams[found["stream"]] = found["context"]
        came.append(message)
        return found

    async def hear_until(self, *kinds: str) -> list[dict[str, Any]]:
        heard = [await self.hear()]
        while heard[-1]["type"] not in kinds:
            heard.append(await self.hear())
        return heard

    async def hear_all(self, *contexts: str) -> None:
        """Until all of these have ended."""
        while not all(self.over(context) for context in contexts):
            await self.hear()

    def over(self, context: str) -> bool:
        last = self.messages.get(context, [b""])[-1]
        return isinstance(last, str) and json.loads(last)["type"] in ENDINGS
