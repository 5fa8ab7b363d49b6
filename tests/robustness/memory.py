"""Many utterances, many clients: what a server holds afterwards."""

from __future__ import annotations

import asyncio
from itertools import count

import httpx

from tests.robustness.checks import idle
from tests.robustness.client import DEADLINE_S, client
from tests.server_process import ServerProcess

CLIENTS = 16
SENTENCES = (
    "Yes, I can do that.",
    "It is half past nine.",
    "Turn left, then right.",
    "Your order is on its way.",
    "Please wait a moment.",
    "That will be twelve dollars.",
    "Nothing was found.",
)
FORMATS = (
    *(
        {"codec": "opus"},
        {"codec": "mp3"},
        {"codec": "aac", "container": "adts"},
        {"codec": "flac"},
    ),
    *({"codec": "pcm_s16le", "sample_rate": 16000}, {"codec": "opus", "container": "ogg"}),
)
SPEEDS = (1.0, 1.0, 1.25, 2.5)
PER_CONNECTION = 10


async def speak_many(server: ServerProcess, utterances: int, voice: str) -> None:
    """So many utterances from all clients at once, each complete; every sixth over HTTP."""
    numbers = count()

    async def speak() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as http:
            while True:
                async with client(server.websocket_url) as one:
                    for _ in range(PER_CONNECTION):
                        number = next(numbers)
                        if number >= utterances:
                            return
                        text = SENTENCES[number % len(SENTENCES)]
                        audio = FORMATS[number % len(FORMATS)]
                        speed = SPEEDS[number % len(SPEEDS)]
                        if number % 6 == 5:
                            body = {"text": text, "voice": voice, "speed": speed}
                            answer = await http.post("/v1/speech", json=body)
                            assert answer.status_code == 200
                            assert len(answer.content) > 1000
                            continue
                        heard = await one.speak(
                            f"u{number}",
                            text,
                            voice=voice,
                            audio=audio,
                            speed=speed,
                            pacing={"lead_ms": 60000},
                        )
                        heard.check_complete()
                        assert len(heard.words) == len(text.split())

    await asyncio.gather(*(speak() for _ in range(CLIENTS)))
    await idle(server)
