"""Budgets over engines of different prices: nobody can spend more than the key has, whoever speaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamer.engines.fallback import Fallback, Step
from streamer.server.limits import KeyLimits
from streamer.server.run import sessions
from streamer.voices import Catalogue
from tests.scripted_engine import ScriptedEngine
from tests.server.running import Running, eventually, hear, hear_until, running, say, settings_for

TEXT = "Ten chars."
FREE, DEAR = "free-a", "dear-a"
AS_JSON = {"transport": "json"}


def priced(name: str, price: float, language: str = "en") -> ScriptedEngine:
    engine = ScriptedEngine(name, languages=(language,))
    engine.voices = engine.voices[:1]
    engine.capabilities = replace(engine.capabilities, price_per_1000=price)
    return engine


@asynccontextmanager
async def serving(
    directory: Path, **changes: Any
) -> AsyncIterator[tuple[Running, ScriptedEngine, ScriptedEngine]]:
    """A server of a free voice, a dear one (1 a character), and a chain of both; the usual price is 0."""
    free, dear = priced("free", 0.0), priced("dear", 1000.0, "mul")
    chain = Fallback("chain", [Step(free, free.voices[0]), Step(dear, dear.voices[0])])
    catalogue = Catalogue({engine.name: engine for engine in (free, dear, chain)})
    opens = sessions(settings_for(directory, **changes), catalogue)
    async with running(directory, catalogue=catalogue, sessions=opens, **changes) as server:
        yield server, free, dear


def key_of(server: Running, budget: float) -> dict[str, str]:
    return {"X-API-Key": server.keys.new("app", KeyLimits(budget=budget))}


@pytest.mark.asyncio
async def test_speech_is_admitted_at_the_price_of_who_is_asked(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _, _), server.http() as http:
        headers = key_of(server, 15.0)

        async def status(**asked: Any) -> int:
            answer = await http.post("/v1/speech", json={"text": TEXT, **asked}, headers=headers)
            return answer.status_code

        for _ in range(3):
            assert await status(voice=FREE) == 200
        assert await status(voice=DEAR) == 200
        assert await status(voice=DEAR) == 402
        assert await status(voice=FREE) == 200
        assert await status(voice=FREE, text="你好,世界,你好。") == 402, "only the dear one can"
        assert await status(voice="chain") == 402, "the dear one may have to"
        assert await status(voice="chain", text="Four") == 200
        usage = (await http.get("/v1/usage", headers=headers)).json()
        assert usage["spent"] == 10.0


@pytest.mark.asyncio
async def test_jobs_are_admitted_and_settled_at_the_price_of_who_speaks(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, free, dear), server.http() as http:
        headers = key_of(server, 25.0)
        dear.gate.clear()
        asked = {"text": TEXT, "voice": DEAR}
        job = (await http.post("/v1/jobs", json=asked, headers=headers)).json()
        assert job["cost"] is None
        balance = "/crun/api/v1/client/account/balance"
        assert (await http.get(balance, headers=headers)).json()["data"] == {"balance": 15}
        two = {**asked, "results": 2}
        assert (await http.post("/v1/jobs", json=two, headers=headers)).status_code == 402
        voice = {"model": "qwen3-tts-vd", "voice": "chain", "prompt": TEXT}
        made = await http.post("/evolink/v1/audios/generations", json=voice, headers=headers)
        task = made.json()
        assert task["usage"] == {"credits_reserved": 10}, "the dear one may have to speak"
        for asked in ({"voice": FREE}, {"voice": DEAR, "text": "Sixth."}):
            answer = await http.post("/v1/jobs", json={"text": TEXT, **asked}, headers=headers)
            assert answer.status_code == (402 if asked["voice"] == DEAR else 202), answer.text
        dear.gate.set()

        async def ended() -> dict[str, Any]:
            while True:
                told = await http.get(f"/evolink/v1/tasks/{task['id']}", headers=headers)
                if told.json()["status"] == "completed":
                    return dict(told.json())
                await asyncio.sleep(0.01)

        async with asyncio.timeout(15):
            assert (await ended())["usage"] == {"credits_reserved": 0}, "the free one has spoken"
            while (left := await http.get(balance, headers=headers)).json()["data"] != {
                "balance": 15
            }:
                await asyncio.sleep(0.01)
        assert left.status_code == 200
        assert free.spoken


@pytest.mark.asyncio
async def test_contexts_at_once_and_text_in_pieces_hold_back_what_they_may_cost(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (server, _, dear):
        key = server.keys.new("app", KeyLimits(budget=25.0))
        dear.gate.clear()
        async with server.socket(key=key) as socket:
            assert (await hear(socket))["type"] == "ready"
            for context in ("one", "two"):
                await say(socket, type="start", context=context, voice=DEAR)
                for piece in ("Ten ", "chars."):
                    await say(socket, type="text", context=context, text=piece)
            await say(socket, type="text", context="one", text="Sixth.")
            refused = (await hear_until(socket, "error"))[-1]
            assert (refused["code"], refused["context"]) == ("budget_spent", "one")
            await say(socket, type="start", context="three", voice=FREE, audio=AS_JSON)
            await say(socket, type="text", context="three", text=TEXT)
            await say(socket, type="end", context="three")
            done = (await hear_until(socket, "done"))[-1]
            assert (done["context"], done.get("cost")) == ("three", None)
            await say(socket, type="cancel", context="two")
            await hear_until(socket, "done")
        await eventually(lambda: not server.live)
        assert not server.service.ledger.unbooked
