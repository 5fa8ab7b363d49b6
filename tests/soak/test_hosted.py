"""10,000 bodies that no client should send, for each API of hosted voices."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from streamer.errors import CODES
from tests.robustness.checks import log_is_clean
from tests.server.hosted.bodies import spoilt
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

CLIENTS = 4
APIS: Mapping[str, tuple[str, Mapping[str, Any], Callable[[Any], str]]] = {
    "modelstream": (
        "/modelstream/v1/audio/speech",
        {
            "model": "qwen3-tts-flash",
            "input": "Hi.",
            "voice": "Cherry",
            "language_type": "Auto",
            "response_format": "mp3",
            "sample_rate": 24000,
            "volume": 1,
            "speed": 1,
            "pitch": 1,
            "enable_timestamp": False,
        },
        lambda body: str(body["error"]["code"]),
    ),
    "aimlapi": (
        "/aimlapi/v1/tts",
        {"model": "alibaba/qwen3-tts-flash", "text": "Hi.", "voice": "Cherry"},
        lambda body: str(body["code"]),
    ),
}
"""Path, a good body, and how the code of an error is found in the API's own form."""


@pytest.mark.asyncio
@pytest.mark.parametrize("name", APIS)
async def test_10000_spoilt_bodies_get_errors_of_the_apis_form_or_what_they_ask(name: str) -> None:
    path, good, code_of = APIS[name]
    bodies = list(spoilt(good, 10_000, seed=20261121))
    statuses: Counter[int] = Counter()

    async def send(share: list[bytes]) -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as http:
            for body in share:
                answer = await http.post(path, content=body)
                statuses[answer.status_code] += 1
                assert answer.status_code < 500, body
                if answer.status_code >= 400:
                    assert code_of(answer.json()) in CODES, body

    flags = ["--key-requests-per-minute", "1000000", "--key-chars-per-minute", "100000000"]
    with running_server("tone", flags) as server:
        await asyncio.gather(*(send(bodies[at::CLIENTS]) for at in range(CLIENTS)))
        assert statuses.total() == 10_000
        assert statuses[400] > 2_000
        assert statuses[200] + statuses[201] > 500
        log_is_clean(server)
