"""Both roles meet: a server of ours speaks through another that is the hosted API, for each of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import numpy as np
import pytest

from bench.hearing import samples_of
from bench.wire import Record, connected
from streamer.text.alignment import client_words
from tests import hosted_roles as roles
from tests.hosted_roles import VOICES, Upstream, check_segments, check_whole
from tests.robustness.checks import idle, log_is_clean
from tests.server_process import ServerProcess

FIRST = "Please remember to bring your passport."
TEXT = f"{FIRST} The museum opens at nine, on the left. It isn't far!"
LONG = " ".join([TEXT] * 6)
CONCURRENCY = 3
FAILED = ("error", "engine failed")
"""What is logged of an engine that failed: for a context, and by a chain."""


@dataclass
class Pair:
    """`server` speaks through `upstream`; `direct` is the text as that speaks it itself."""

    upstream: Upstream
    server: ServerProcess
    direct: Record


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """At the end nothing is left in work there, and neither has a fault or a secret in its log."""
    with ExitStack() as stack:
        up = stack.enter_context(roles.upstream())
        server = stack.enter_context(roles.downstream(up.providers(concurrency=CONCURRENCY)))
        direct = asyncio.run(roles.said(up.server, TEXT, up.key))
        check_whole(direct, TEXT)
        yield Pair(up, server, direct)
        asyncio.run(idle(server))
        asyncio.run(up.settled())
        asyncio.run(up.owned())
        for each in (server, up.server):
            log_is_clean(each, "passport", *up.secrets)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", VOICES)
async def test_tokens_become_packets_of_speech_made_there(pair: Pair, name: str) -> None:
    record = await roles.said(pair.server, TEXT, voice=f"{name}-voice")

    check_whole(record, TEXT)
    assert (record.started["engine"], record.ending["engine"]) == (name, name)
    assert (record.started["audio"]["codec"], len(record.segments)) == ("opus", 3)
    sound = samples_of(record)
    assert len(sound) / 48000 == pytest.approx(record.ending["audio_ms"] / 1000, abs=0.1)
    assert record.ending["audio_ms"] == pytest.approx(pair.direct.ending["audio_ms"], rel=0.1)
    assert np.abs(sound).max() > 0.1
    assert record.ending["characters"] == pair.direct.ending["characters"]
    assert record.timings == ({"model"} if name == "modelstream" else {"estimated"})
    if name == "modelstream":
        for word, same in zip(_in_segments(record), _in_segments(pair.direct), strict=True):
            assert word == pytest.approx(same, abs=60)


def _in_segments(record: Record) -> list[float]:
    """Where each word begins, ms after the first of its segment."""
    starts: list[float] = []
    for part in record.segments:
        end = part["offset"] + len(part["text"])
        own = [w["start_ms"] for w in record.words if part["offset"] <= w["offset"] < end]
        starts += [start - own[0] for start in own]
    return starts


@pytest.mark.asyncio
@pytest.mark.parametrize("name", VOICES)
async def test_interrupts_free_both(pair: Pair, name: str) -> None:
    voice = f"{name}-voice"
    async with asyncio.timeout(30), connected(pair.server.websocket_url) as wire:
        heard = await roles.begun(wire, LONG, voice=voice)
        await heard.until(1.0)
        await wire.send("interrupt", context=heard.context, played_ms=900)
        await heard.until("end")
        assert heard.ending["type"] == "interrupted", heard.ending
        assert heard.ending["heard_text"] + heard.ending["unspoken_text"] == LONG
        assert heard.ending["heard_text"].startswith("Please")
        # More than there are places, so that one that is not given back is missed.
        for _ in range(2 * CONCURRENCY):
            record = await roles.begun(wire, LONG, voice=voice)
            await asyncio.sleep(0.02)
            await wire.send("interrupt", context=record.context, played_ms=0)
            await record.until("end")
            assert record.ending["type"] == "interrupted", record.ending
        last = await roles.begun(wire, FIRST, voice=voice)
        await last.until("end")
        check_whole(last, FIRST)
    await idle(pair.server)
    await pair.upstream.settled()


@pytest.mark.asyncio
async def test_what_the_provider_refuses_is_never_asked_of_our_client(pair: Pair) -> None:
    """A wrong key of ours there, and a right one whose budget is spent."""
    wrong = "sk-streamer-" + "wrong" * 8
    spent = pair.upstream.new("spent", budget=0.001)
    async with httpx.AsyncClient(base_url=pair.upstream.server.url, timeout=30) as http:
        headers = {"authorization": f"Bearer {spent}"}
        answers = [
            (await http.post("/v1/speech", json={"text": "Hi."}, headers=headers)).status_code
            for _ in range(2)
        ]
    assert answers[-1] == 402, answers
    for key in (wrong, spent):
        with roles.downstream(pair.upstream.providers(key)) as server:
            records = await asyncio.gather(
                *(roles.said(server, TEXT, voice=f"{name}-voice") for name in VOICES)
            )
            await idle(server)
            log_is_clean(server, "passport", key, warnings=FAILED)
        for name, record in zip(VOICES, records, strict=True):
            told = record.ending
            assert (told["type"], told.get("code")) == ("error", "engine_failed"), told
            assert told["retryable"] is False, told
            assert told["message"].startswith(f"{name}: ")
            assert not record.sounds
            assert key not in json.dumps(told)
    await pair.upstream.settled()


@pytest.mark.asyncio
async def test_a_provider_that_dies_midway_is_told_or_stood_in_for() -> None:
    with roles.upstream() as up:
        chains = ",".join(f"{name}-chain={name}:{name}-voice hibari:heart" for name in VOICES)
        # Twelve speak at once: nobody is given up for being slow.
        flags = ["--fallbacks", chains, "--fallback-timeout-s", "10"]
        with roles.downstream(up.providers(), *flags, more=["hibari"]) as server:
            async with asyncio.timeout(30), connected(server.websocket_url) as wire:
                alone, chained = [
                    [
                        await roles.begun(wire, f"{FIRST} Turn", voice=f"{name}-{of}", end=False)
                        for name in VOICES
                    ]
                    for of in ("voice", "chain")
                ]
                for record in [*alone, *chained]:
                    await record.until(1.0)
                up.server.kill()
                rest = TEXT.removeprefix(FIRST)
                for record in [*alone, *chained]:
                    await wire.send("text", context=record.context, text=f" left.{rest}")
                    await wire.send("end", context=record.context)
                for record in [*alone, *chained]:
                    await record.until("end")
            await idle(server)
            log_is_clean(server, "passport", *up.secrets, warnings=FAILED)
    for name, record in zip(VOICES, alone, strict=True):
        told = record.ending
        assert (told["type"], told.get("code")) == ("error", "engine_failed"), told
        assert told["retryable"] is True, told
        assert told["message"].startswith(f"{name}: ")
    text = f"{FIRST} Turn left.{rest}"
    for name, record in zip(VOICES, chained, strict=True):
        assert record.ending["engine"] == f"{name}+hibari", record.ending
        check_segments(record, text)
        assert not any(part["lost"] for part in record.segments)
        assert [(word["offset"], word["text"]) for word in record.words] == client_words(text)
