"""The page at /, in a real browser: it speaks, lights words, stops, and asks for a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streamer.config import Settings
from streamer.server.run import load, sessions
from tests.server.chromium import Tab, tab
from tests.server.running import Running, eventually, running

pytestmark = [pytest.mark.browser, pytest.mark.requires("chromium", "chromium")]

HEARD = "document.querySelectorAll('#said .heard').length"
STATUS = "document.getElementById('status').textContent"


@asynccontextmanager
async def speaking(directory: Path) -> AsyncIterator[Running]:
    settings = Settings(engines=["tone"])
    catalogue = load(settings)
    opened = sessions(settings, catalogue)
    async with running(directory, catalogue=catalogue, sessions=opened) as server:
        yield server


async def say(page: Tab, text: str) -> None:
    await page.evaluate(f"document.getElementById('text').value = {text!r}")
    await page.evaluate("document.getElementById('speak').click()")


@pytest.mark.parametrize("webcodecs", [True, False])
@pytest.mark.asyncio
async def test_page_speaks_what_is_typed_and_lights_the_words(
    tmp_path: Path, webcodecs: bool
) -> None:
    async with speaking(tmp_path) as server, tab(server.url, tmp_path / "profile") as page:
        if not webcodecs:
            # Through pcm_s16le, as in a browser that has no AudioDecoder.
            await page.call(
                "Page.addScriptToEvaluateOnNewDocument", source="delete window.AudioDecoder"
            )
            await page.call("Page.reload")
            await page.until("document.querySelectorAll('#voice option').length > 1")
        assert await page.evaluate("hasOpus") is webcodecs
        await page.until("document.querySelectorAll('#voice option').length > 1")
        await say(page, "One two three, four five.")
        await page.until(f"{STATUS}.includes('s of speech')")
        assert await page.evaluate(HEARD) == 5
        assert await page.evaluate("document.getElementById('said').textContent") == (
            "One two three, four five."
        )
        first_audio = await page.evaluate(f"{STATUS}.match(/after (\\d+) ms/)[1]")
        assert int(first_audio) < 5000
        counters = server.service.ledger.counters
        await eventually(lambda: sum(counters.first_sound.counts) == 1)
        assert counters.audio_seconds > 0.5
        assert page.complaints == []


@pytest.mark.asyncio
async def test_stop_interrupts_and_shows_what_was_heard(tmp_path: Path) -> None:
    async with speaking(tmp_path) as server, tab(server.url, tmp_path / "profile") as page:
        await say(page, "Here is a sentence of some length. " * 10)
        await page.until(f"{HEARD} > 2")
        await page.evaluate("document.getElementById('stop').click()")
        await page.until(f"{STATUS}.startsWith('Stopped. Heard as far as')")
        await eventually(lambda: server.live == 0)
        assert server.service.ledger.counters.contexts["interrupted"] == 1
        await say(page, "Again.")
        await page.until(f"{STATUS}.includes('s of speech')")
        assert page.complaints == []


@pytest.mark.asyncio
async def test_key_in_the_address_is_used_and_hidden(tmp_path: Path) -> None:
    async with speaking(tmp_path) as server:
        key = server.keys.new("page")
        async with tab(f"{server.url}/#key={key}", tmp_path / "profile") as page:
            await page.until("document.querySelectorAll('#voice option').length > 1")
            assert key not in await page.evaluate("location.href")
            await say(page, "Hello.")
            await page.until(f"{STATUS}.includes('s of speech')")


@pytest.mark.asyncio
async def test_page_asks_for_a_key_and_says_why(tmp_path: Path) -> None:
    async with speaking(tmp_path) as server:
        key = server.keys.new("page")
        async with tab(server.url, tmp_path / "profile") as page:
            await page.until("!document.getElementById('keyed').hidden")
            assert "key is needed" in await page.evaluate(STATUS)
            await say(page, "Hello.")
            await asyncio.sleep(0.2)
            assert "key is needed" in await page.evaluate(STATUS)
            await page.evaluate(
                f"(() => {{ const k = document.getElementById('key'); k.value = {key!r};"
                " k.dispatchEvent(new Event('change')); })()"
            )
            await page.until("document.querySelectorAll('#voice option').length > 1")
            await say(page, "Hello.")
            await page.until(f"{STATUS}.includes('s of speech')")
