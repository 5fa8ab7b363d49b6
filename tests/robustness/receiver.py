"""A receiver of webhooks that now and then answers badly or not at all, and remembers all it was told."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.listening import listening

SECRET = "whsec_c29tZSBzZWNyZXQgdGhhdCBhIGpvYiBicmluZ3MgYWxvbmc="
"""One that a job may bring along."""


@dataclass(frozen=True)
class Told:
    """One webhook as it came. `kept`: it was answered as received."""

    id: str
    type: str
    data: dict[str, Any]
    kept: bool


class Receiver:
    """`failing` and `hanging` are shares of the webhooks whose first attempt is answered with 500, or
    never. What is signed by none of `secrets` goes to `bad`, and what is old, but with `any_time`."""

    def __init__(
        self,
        *,
        failing: float = 0.0,
        hanging: float = 0.0,
        rng: random.Random | None = None,
        any_time: bool = False,
    ) -> None:
        self.secrets: set[str] = set()
        self.told: list[Told] = []
        self.bad: list[str] = []
        self.answer = 204
        """The status of a good answer."""
        self.port = 0
        self._failing = failing
        self._hanging = hanging
        self._any_time = any_time
        self._rng = rng or random.Random(0)
        self._spoiled: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/told"

    def flags(self) -> list[str]:
        """What lets a server call it."""
        return ["--fetch-allow", "127.0.0.1", "--fetch-ports", str(self.port)]

    def ids(self) -> dict[str, set[str]]:
        """The ids of the webhooks of each job."""
        found: dict[str, set[str]] = defaultdict(set)
        for one in self.told:
            found[one.data["id"]].add(one.id)
        return found

    def kept(self) -> set[str]:
        """Jobs whose end was told and received."""
        return {one.data["id"] for one in self.told if one.kept}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            with suppress(OSError, EOFError):
                while status := await self._one(reader):
                    writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)
                    await writer.drain()
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader) -> int:
        """The status for the next request; 0: none, and the connection ends."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return 0
        lines = head.decode("latin-1").split("\r\n")[1:-2]
        headers = {
            name.lower(): value.strip() for name, _, value in (s.partition(":") for s in lines)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        if not self._signed(body, headers):
            self.bad.append(headers.get("webhook-id", ""))
            return 401
        id = headers["webhook-id"]
        status = self._status(id)
        message = json.loads(body)
        self.told.append(Told(id, message["type"], message["data"], 200 <= status < 300))
        if not status:
            await asyncio.Event().wait()
        return status

    def _signed(self, body: bytes, headers: dict[str, str]) -> bool:
        for secret in self.secrets:
            if self._any_time:
                at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
                signature = Webhook(secret).sign(headers["webhook-id"], at, body.decode())
                if signature in headers["webhook-signature"].split():
                    return True
                continue
            with suppress(WebhookVerificationError):
                Webhook(secret).verify(body, headers)
                return True
        return False

    def _status(self, id: str) -> int:
        """0: no answer ever. A webhook fails once at most, as its third attempt would take minutes."""
        drawn = self._rng.random()
        if id in self._spoiled or drawn >= self._failing + self._hanging:
            return self.answer
        self._spoiled.add(id)
        return 0 if drawn < self._hanging else 500


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    """It listens on a free port of loopback meanwhile."""
    async with listening(receiver.serve) as receiver.port:
        yield receiver
