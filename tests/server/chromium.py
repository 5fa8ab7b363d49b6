"""A real headless Chromium, driven over its DevTools protocol with nothing but a WebSocket."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
)


class Tab:
    """One page. `complaints` are what its console and its security policy had to say."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.complaints: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One DevTools command and its result."""
        id = next(self._ids)
        await self._socket.send(json.dumps({"id": id, "method": method, "params": parameters}))
        while True:
            message = json.loads(await self._socket.recv())
            if message.get("id") == id:
                assert "error" not in message, message["error"]
                result: dict[str, Any] = message["result"]
                return result
            if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(json.dumps(message["params"]))

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 15) -> None:
        """Wait until an expression is true in the page."""
        async with asyncio.timeout(seconds):
            while not await self.evaluate(f"Boolean({expression})"):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def tab(url: str, profile: Path) -> AsyncIterator[Tab]:
    """A tab with that page in a browser of its own."""
    browser = await asyncio.create_subprocess_exec(
        "chromium",
        *FLAGS,
        f"--user-data-dir={profile}",
        "about:blank",
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            port = await _port(browser)
        drained = asyncio.create_task(_drain(browser))
        async with connect(f"ws://127.0.0.1:{port}", max_size=None, compression=None) as socket:
            page = Tab(socket)
            made = await page.call("Target.createTarget", url="about:blank")
            target = made["targetId"]
        address = f"ws://127.0.0.1:{port.split('/')[0]}/devtools/page/{target}"
        async with connect(address, max_size=None, compression=None) as socket:
            page = Tab(socket)
            for domain in ("Runtime", "Log", "Page"):
                await page.call(f"{domain}.enable")
            await page.call("Page.navigate", url=url)
            await page.until(
                "document.readyState === 'complete' && location.href !== 'about:blank'"
            )
            yield page
    finally:
        browser.kill()
        await browser.wait()
        await drained


async def _port(browser: asyncio.subprocess.Process) -> str:
    assert browser.stderr is not None
    async for line in browser.stderr:
        if b"DevTools listening on ws://" in line:
            return line.decode().strip().partition("ws://127.0.0.1:")[2]
    raise AssertionError("Chromium did not start")


async def _drain(browser: asyncio.subprocess.Process) -> None:
    assert browser.stderr is not None
    while await browser.stderr.read(65536):
        pass
