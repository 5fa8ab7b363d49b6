"""A session over a WebSocket, to Opus, as with the embedded voice: the sound is noise, all else is real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from streamer.engines.qwen3 import engine as qwen3
from streamer.engines.qwen3.engine import Qwen3
from streamer.server.run import sessions
from streamer.voices import Catalogue
from tests.engines.qwen3 import small
from tests.robustness.client import Client, client
from tests.server.running import eventually, running, settings_for

pytestmark = pytest.mark.asyncio
TEXT = "Hello world, it is a test. This is the voice of it! And that was it."
FAST = {"lead_ms": 20000}
WORDS = "Hello world it is a test This is the voice of it And that was it".split()


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[Client, Qwen3]]:
    engine = qwen3.open_engine(small.settings(slots=4), small.BUDGET)
    catalogue = Catalogue({"qwen3": engine})
    real = sessions(settings_for(directory), catalogue)
    try:
        async with running(directory, catalogue=catalogue, sessions=real) as server:
            url = server.url.replace("http", "ws") + "/v1/stream"
            async with client(url) as speaker:
                yield speaker, engine
                assert not speaker.errors
    finally:
        await engine.aclose()


def start(context: str, **more: Any) -> dict[str, Any]:
    return {"type": "start", "context": context, "voice": "ryan", "pacing": FAST, **more}


def running_now(engine: Qwen3) -> int:
    return engine.checkpoints["custom_voice"].running


async def test_text_becomes_opus_with_segments_and_estimated_words(tmp_path: Path) -> None:
    async with serving(tmp_path) as (speaker, engine):
        heard = await speaker.speak("a", TEXT, voice="ryan", seed=1, pacing=FAST)
        heard.check_complete()
        assert heard.started is not None
        assert heard.started["audio"]["codec"] == "opus"
        assert (heard.started["voice"], heard.started["seed"]) == ("ryan", 1)
        assert [segment["text"].strip() for segment in heard.segments] == [
            "Hello world, it is a test.",
            "This is the voice of it!",
            "And that was it.",
        ]
        assert [word["text"] for word in heard.words] == WORDS
        # Said in one breath: all sound is the model's.
        frames = heard.ending["samples"] / 1920 if heard.ending else 0
        assert frames == int(frames)
        assert engine.checkpoints["custom_voice"].reasons == {"stop": 1}


async def test_text_that_comes_word_by_word_is_spoken_as_it_comes(tmp_path: Path) -> None:
    async with serving(tmp_path) as (speaker, _):
        await speaker.say(**start("a"))
        for word in TEXT.split(" "):
            await speaker.say(type="text", context="a", text=word + " ")
            await asyncio.sleep(0.02)
        await speaker.say(type="end", context="a")
        heard = await speaker.ending("a")
        heard.check_complete()
        assert [word["text"] for word in heard.words] == WORDS


async def test_interrupted_context_frees_its_slot_and_tells_what_was_heard(tmp_path: Path) -> None:
    text = "It is the voice of the world. " * 20
    async with serving(tmp_path) as (speaker, engine):
        await speaker.say(**start("a", pacing={"lead_ms": 200}))
        await speaker.say(type="text", context="a", text=text)
        await speaker.until(
            lambda: "a" in speaker.heard and speaker.heard["a"].packets > 5, "sound"
        )
        await speaker.say(type="interrupt", context="a")
        heard = await speaker.ending("a")
        assert heard.outcome == "interrupted"
        assert heard.ending is not None
        assert heard.ending["heard_text"] + heard.ending["unspoken_text"] == text
        await eventually(lambda: not running_now(engine))
        (await speaker.speak("b", "Hello.", voice="serena", pacing=FAST)).check_complete()


async def test_more_contexts_than_slots_are_all_spoken(tmp_path: Path) -> None:
    async with serving(tmp_path) as (speaker, engine):
        texts = {f"c{number}": f"Hello {number} of it." for number in range(12)}
        said = [speaker.speak(name, text, pacing=FAST) for name, text in texts.items()]
        for heard in await asyncio.gather(*said):
            heard.check_complete()
        assert not running_now(engine)
