"""Both roles of OpenAI's API meet: one server of ours speaks through another, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from bench.wire import Record, connected
from streamer.audio.decoder import Decoder
from streamer.types import AudioFormat, Samples
from tests.server_process import running_server

TEXT = "One two three. Four five six seven, eight nine. Ten."


async def said(url: str, text: str, **options: Any) -> Record:
    async with asyncio.timeout(30), connected(url) as wire:
        record = await wire.speak(text, **options)
        await record.until("end")
        return record


def decoded(record: Record) -> Samples:
    decoder = Decoder(AudioFormat("opus", "none", record.rate))
    parts = [part for sound in record.sounds for part in decoder.push(sound.data)]
    return np.concatenate([*parts, *decoder.flush()])


@pytest.mark.asyncio
async def test_a_context_here_is_spoken_by_another_server() -> None:
    with running_server("tone") as upstream:
        provider = {"url": f"{upstream.url}/v1", "voice": "tone-low"}
        flags = ["--providers", json.dumps({"openai": provider})]
        with running_server("openai", flags) as server:
            direct = await said(upstream.websocket_url, TEXT, voice="tone-low")
            hosted = await said(server.websocket_url, TEXT, voice="tone-low")
            metrics = upstream.metrics()
    assert hosted.ending["type"] == "done"
    assert hosted.ending["engine"] == "openai"
    assert hosted.started["audio"]["codec"] == "opus"
    assert [part["text"] for part in hosted.segments] == [part["text"] for part in direct.segments]
    assert [word["text"] for word in hosted.words] == [word["text"] for word in direct.words]
    assert hosted.received == pytest.approx(direct.received, rel=0.05)
    assert np.abs(decoded(hosted)).max() > 0.05
    assert metrics
    assert not hosted.late


@pytest.mark.asyncio
async def test_a_server_that_is_gone_is_told_as_a_failure_that_may_pass() -> None:
    flags = ["--providers", json.dumps({"openai": {"url": "http://127.0.0.1:9/v1"}})]
    with running_server("openai", flags) as server:
        record = await said(server.websocket_url, TEXT)
    assert (record.ending["type"], record.ending["code"]) == ("error", "engine_failed")
    assert record.ending["retryable"] is True
