"""Fuzz a server: every message is answered by a typed error, or does what a message does."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random
from typing import Any

import httpx

from streamer.errors import CODES
from streamer.text.alignment import client_words
from tests.robustness.captions import captions, cue_options
from tests.robustness.checks import GOOD, idle, speaks
from tests.robustness.client import DEADLINE_S, OURS, Client, client
from tests.robustness.fields import CODECS, CONTAINERS, RATES
from tests.robustness.messages import Fuzzed, Fuzzer
from tests.robustness.texts import odd_text
from tests.server_process import ServerProcess

BATCH = 50
"""Messages on one connection, unless it is closed before; then a good request."""
CLIENTS = 4
CLOSES = (1001, 1007, 1009, 4000)
"""How a server may close: 1007 is for text that is not UTF-8, as RFC 6455 wants it."""


async def fuzz_messages(server: ServerProcess, count: int, seed: int) -> Counter[str]:
    """Send so many messages over several connections at once. What was sent, and what came of it."""
    shares = [count // CLIENTS + (n < count % CLIENTS) for n in range(CLIENTS)]
    done = await asyncio.gather(*(_fuzz(server, share, seed + n) for n, share in enumerate(shares)))
    await idle(server)
    await speaks(server)
    return sum(done, Counter())


async def _fuzz(server: ServerProcess, count: int, seed: int) -> Counter[str]:
    tally: Counter[str] = Counter()
    queue = list(Fuzzer(seed).messages(count))
    while queue:
        async with client(server.websocket_url) as one:
            for _ in range(min(BATCH, len(queue))):
                if not await _try(one, queue.pop(0), tally):
                    break
            else:
                await _still_speaks(one)
        tally["connections"] += 1
        if tally["connections"] % 20 == 0:
            await speaks(server)
    return tally


async def _try(one: Client, message: Fuzzed, tally: Counter[str]) -> bool:
    """Whether the connection is still open after the message."""
    told = len(one.errors)
    await one.send(message.data, text=message.text)
    is_open = await one.settled()
    errors = [e for e in one.errors[told:] if not str(e.get("context")).startswith("barrier-")]
    shown = f"{message.kind}: {message.data[:300]!r}"
    assert not one.violations, f"{shown}: {one.violations}"
    assert not [e for e in errors if e["code"] in OURS], f"{shown}: {errors}"
    if message.deserves == "error":
        assert errors or not is_open, f"no error after {shown}"
    if not is_open:
        assert one.closed is not None
        assert one.closed[0] in CLOSES, f"closed {one.closed} after {shown}"
        typed = errors and "context" not in errors[-1]
        assert typed or one.closed[0] in (1007, 1009), f"closed without a word after {shown}"
    tally["messages"] += 1
    tally["closed"] += not is_open
    tally["errors"] += bool(errors)
    return is_open


async def _still_speaks(one: Client) -> None:
    """The connection that was fuzzed serves a good request, beside whatever is live on it."""
    await one.say(type="cancel")
    heard = await one.speak("good", GOOD, voice="tone-low", pacing={"lead_ms": 60000})
    heard.check_complete()
    assert [(w["offset"], w["text"]) for w in heard.words] == client_words(GOOD)


# HTTP


async def fuzz_bodies(server: ServerProcess, count: int, seed: int) -> Counter[str]:
    """Fuzz the bodies of both speech endpoints: never a 500, an error is always typed."""
    tally: Counter[str] = Counter()
    random = Random(seed)
    async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as http:
        for _ in range(count):
            path = random.choice(("/v1/speech", "/v1/audio/speech"))
            body = _body(random, path)
            accept = random.choice(("*/*", "application/x-ndjson", "", ";;;", "text/html"))
            async with http.stream(
                "POST", path, content=body, headers={"accept": accept}
            ) as answer:
                content = await answer.aread()
            tally[str(answer.status_code)] += 1
            shown = f"{path} {body[:300]!r}: {answer.status_code} {content[:300]!r}"
            if answer.status_code == 200:
                assert b"internal_error" not in content, shown
                assert b"engine_failed" not in content, shown
                continue
            assert 400 <= answer.status_code < 500, shown
            error = json.loads(content)["error"]
            assert error["code"] in CODES, shown
            assert isinstance(error["message"], str), shown
            assert answer.headers["x-request-id"], shown
    await idle(server)
    await speaks(server)
    return tally


def _body(random: Random, path: str) -> bytes:
    body = _native_body(random) if path == "/v1/speech" else _openai_body(random)
    if random.random() < 0.3:
        name = random.choice(sorted(body))
        body[name] = random.choice(
            (None, 1, -1, "", "x" * 300, [], {}, True, 1e308, {"id": "x"}, "heart")
        )
    if random.random() < 0.05:
        body[random.choice(("context", "pacing", "x", "type"))] = random.choice(("a", 1, None))
    data = bytearray(json.dumps(body, ensure_ascii=random.random() < 0.5).encode())
    match random.randrange(20):
        case 0:
            data[random.randrange(len(data))] = random.randrange(256)
        case 1:
            del data[random.randrange(len(data)) :]
        case 2:
            data = bytearray(random.randbytes(random.randrange(500)))
        case 3:
            data = bytearray(b'{"text":' + b"[" * 50000)
        case 4 if random.random() < 0.3:
            data = bytearray(b'{"text":"' + b"x" * 1048576 + b'"}')
    return bytes(data)


def _native_body(random: Random) -> dict[str, Any]:
    audio = {
        "codec": random.choice(CODECS),
        "container": random.choice(CONTAINERS),
        "sample_rate": random.choice(RATES),
        "channels": random.choice((1, 2)),
    }
    body: dict[str, Any] = {
        "text": odd_text(random),
        "voice": random.choice(("tone-low", "tone-low", "tone-high", "heart", "nobody")),
        "speed": random.choice((0.25, 1, 1, 1.5, 4, 5)),
        "delivery": random.choice(("audio", "audio", "lines", "lines", "sse")),
        "timestamps": random.choice(("none", "word", "char")),
        "audio": {name: audio[name] for name in random.sample(sorted(audio), random.randrange(5))},
    }
    chosen = random.sample(sorted(body), random.randrange(1, 6))
    if random.random() < 0.15:
        chosen += ["input", "cues", "captions"]
        body |= {"input": "captions", "text": captions(random), "captions": True}
        body["cues"] = cue_options(random)
    return {name: body[name] for name in ("text", *chosen)}


def _openai_body(random: Random) -> dict[str, Any]:
    body: dict[str, Any] = {
        "input": odd_text(random),
        "model": random.choice(("tts-1", "tone", "hibari", "gpt-4o-mini-tts", "none")),
        "voice": random.choice(("alloy", "tone-low", {"id": "tone-high"}, "nobody")),
        "response_format": random.choice(("mp3", "opus", "aac", "flac", "wav", "pcm", "ogg")),
        "speed": random.choice((0.25, 1, 4, 4.1)),
        "stream_format": random.choice(("audio", "sse", "lines")),
    }
    chosen = random.sample(sorted(body), random.randrange(1, 6))
    return {name: body[name] for name in ("input", *chosen)}
