"""The engine of an API in its client's role drives our own server in its server's role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from streamer.config import Settings
from streamer.engines.base import open_engine
from streamer.errors import EngineFailed
from streamer.protocols import runware
from streamer.providers import Provider
from streamer.types import Options, PcmChunk, Segment
from tests.server.hosted.tones import WORD_S, level, toned

TEXTS = ("One two three four.", "Five six.", "Seven.")


USUAL = {"evolink": {"voice": "tone-low"}}
"""What a provider's settings need: Evolink has no voices but those made there."""


def settings_for(name: str, url: str, **fields: object) -> Settings:
    told: dict[str, Any] = {**USUAL.get(name, {}), **fields}
    provider = Provider(url=f"{url}/{name}", **told)
    port = urlsplit(url).port
    assert port is not None
    return Settings(providers={name: provider}, fetch_allow=["127.0.0.1"], fetch_ports=[port])


async def spoken(name: str, settings: Settings, *texts: str) -> list[PcmChunk]:
    engine = open_engine(name, settings)
    options = Options(engine.voices[0])

    async def segments() -> AsyncIterator[Segment]:
        for index, text in enumerate(texts):
            yield Segment(index, text, 0, options)

    try:
        async with asyncio.timeout(20):
            return [chunk async for chunk in engine.synthesize(segments(), lambda: 0.0)]
    finally:
        await engine.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("modelstream", False),
        ("modelstream", True),
        ("aimlapi", False),
        ("crun", False),
        ("evolink", False),
        ("runware", False),
    ],
)
async def test_segments_are_spoken_whole_and_in_order(
    tmp_path: Path, name: str, times: bool
) -> None:
    async with toned(tmp_path) as server:
        key = server.keys.new("a")
        settings = settings_for(name, server.url, key=key, word_times=times)

        chunks = await spoken(name, settings, *TEXTS)

        assert [chunk.segment for chunk in chunks if chunk.last] == [0, 1, 2]
        for index, text in enumerate(TEXTS):
            sound = np.concatenate([c.samples for c in chunks if c.segment == index])
            count = len(text.split())
            assert len(sound) / 24000 == pytest.approx(count * WORD_S, abs=0.1)
            assert level(sound) > 0.05
            words = [word for c in chunks if c.segment == index for word in c.words]
            if not times:
                assert words == []
                continue
            assert [text[w.offset :][: len(w.text)] for w in words] == [w.text for w in words]
            starts = [word.start / 24000 for word in words]
            assert starts == pytest.approx([at * WORD_S for at in range(count)], abs=0.02)


@pytest.mark.asyncio
@pytest.mark.parametrize("codec", ["opus", "vorbis"])
async def test_ogg_of_runware_is_heard_whatever_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    monkeypatch.setattr(runware, "Client", partial(runware.Client, output_format="OGG"))
    async with toned(tmp_path, runware_ogg=codec) as server:
        chunks = await spoken("runware", settings_for("runware", server.url), "One two three four.")
        sound = np.concatenate([chunk.samples for chunk in chunks])
        assert len(sound) / 24000 == pytest.approx(4 * WORD_S, abs=0.1)
        assert level(sound) > 0.05


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["crun", "modelstream", "aimlapi", "evolink", "runware"])
async def test_a_refusal_is_a_failure_that_no_further_try_mends(tmp_path: Path, name: str) -> None:
    async with toned(tmp_path) as server:
        server.keys.new("a")

        with pytest.raises(EngineFailed) as caught:
            await spoken(name, settings_for(name, server.url, key="stolen"), "Hi.")

        assert not caught.value.retryable
        assert "stolen" not in caught.value.message


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["crun", "modelstream", "aimlapi", "evolink", "runware"])
async def test_a_text_over_the_apis_limit_is_spoken_in_parts(tmp_path: Path, name: str) -> None:
    sentence = "This is a sentence of seven whole words. "
    async with toned(tmp_path) as server:
        chunks = await spoken(name, settings_for(name, server.url), sentence * 20)

        seconds = sum(len(chunk.samples) for chunk in chunks) / 24000
        assert 20 * 8 * WORD_S <= seconds < 20 * (8 * WORD_S + 0.5), "pauses between sentences"
        assert [chunk.last for chunk in chunks].count(True) == 1
