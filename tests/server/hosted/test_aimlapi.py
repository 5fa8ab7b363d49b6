"""A client of AI/ML API finds all that its document says."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.errors import CODES
from streamer.protocols.aimlapi import MODEL, VOICES
from streamer.server.limits import KeyLimits
from streamer.types import OptionsUpdate, Start
from tests.server.hosted.bodies import spoilt
from tests.server.hosted.tones import WORD_S, decoded, toned
from tests.server.running import eventually, running
from tests.server.scripted import ScriptedSession, Sessions

TTS = "/aimlapi/v1/tts"
TEXT = (
    "Qwen3 Speech Synthesis offers a range of natural, human-like voices with support for multiple"
    " languages and dialects. It can produce multilingual speech in a consistent voice, adapting tone"
    " and intonation to deliver smooth, expressive narration even for complex text."
)
GOOD = {"model": MODEL, "text": "One two three.", "voice": "Cherry"}


class AnyVoice(Sessions):
    """Scripted sessions that speak whatever voice they are asked for."""

    def __call__(self, start: Start, *, paced: bool, **others: Any) -> ScriptedSession:
        start = dataclasses.replace(start, options=OptionsUpdate())
        return super().__call__(start, paced=paced, **others)


def error_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code, and the field that is named."""
    body = answer.json()
    assert set(body) - {"errors"} == {"message", "statusCode", "code", "requestId"}
    assert body["message"]
    assert body["statusCode"] == answer.status_code
    assert body["requestId"] == answer.headers["x-request-id"]
    paths = [".".join(each["path"]) for each in body.get("errors", [])]
    return answer.status_code, body["code"], paths[0] if paths else None


@pytest.mark.asyncio
async def test_the_documents_example_gets_a_link_to_a_file_and_all_of_the_schema(
    tmp_path: Path,
) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        body = {"model": MODEL, "text": TEXT, "voice": "Cherry"}
        answer = await http.post(TTS, json=body, headers={"x-request-id": "r-1"})
        assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
        told = answer.json()
        assert set(told) == {"audio", "usage", "metadata"}
        assert told["usage"] == {"characters": 267}
        assert told["audio"]["url"].startswith(server.url)

        file = await http.get(told["audio"]["url"])
        assert (file.status_code, file.headers["content-type"]) == (200, "audio/wav")
        codec, rate, channels, sound = decoded(file.content)
        assert (codec, rate, channels) == ("pcm_s16le", 24000, 1)
        assert int.from_bytes(file.content[40:44], "little") == 2 * len(sound)

        metadata = told["metadata"]
        assert metadata["sha256"] == hashlib.sha256(file.content).hexdigest()
        assert metadata["duration"] == pytest.approx(len(sound) / 24000, abs=0.001)
        assert metadata["duration"] > 30 * WORD_S
        assert (metadata["channels"], metadata["request_id"]) == (1, "r-1")
        (model,) = metadata["models"]
        assert set(metadata["model_info"][model]) == {"name", "version", "arch"}
        assert metadata["model_info"][model]["name"] == "tone"
        assert metadata["created"].endswith("Z")

        job = (await http.get(f"/v1/jobs/{metadata['transaction_key']}")).json()
        assert (job["status"], job["text_characters"]) == ("completed", 267)


@pytest.mark.asyncio
async def test_the_17_voices_and_600_characters_are_taken(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        for voice in VOICES:
            answer = await http.post(TTS, json={**GOOD, "voice": voice, "text": "Hi."})
            assert answer.status_code == 201, answer.text
        answer = await http.post(TTS, json={**GOOD, "text": "é😀. " * 150})
        assert (answer.status_code, answer.json()["usage"]["characters"]) == (201, 600)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"text": ""}, "invalid_parameter", "text"),
        ({"text": "a" * 601}, "invalid_parameter", "text"),
        ({"text": "é" * 601}, "invalid_parameter", "text"),
        ({"text": " "}, "invalid_parameter", "text"),
        ({"text": 5}, "invalid_parameter", "text"),
        ({"voice": "Serena"}, "invalid_parameter", "voice"),
        ({"voice": "tone-low"}, "invalid_parameter", "voice"),
        ({"model": "tone"}, "invalid_parameter", "model"),
        ({"format": "mp3"}, "unknown_parameter", "format"),
    ],
)
async def test_a_bad_field_is_400_and_named(
    tmp_path: Path, fields: dict[str, Any], code: str, param: str
) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        answer = await http.post(TTS, json={**GOOD, **fields})
        assert error_of(answer) == (400, code, param)
        assert answer.json()["message"].startswith("Body validation error! ")
        assert (await http.get("/v1/jobs")).json()["jobs"] == []


@pytest.mark.asyncio
async def test_other_refusals_have_the_statuses_of_the_providers_list(tmp_path: Path) -> None:
    changes = {"price_per_1000": 1000.0, "max_body_bytes": 1024}
    async with toned(tmp_path, **changes) as server, server.http() as http:
        key = server.keys.new("a", limits=KeyLimits(budget=20.0))
        assert error_of(await http.post(TTS, json=GOOD))[:2] == (401, "unauthenticated")
        http.headers["authorization"] = f"Bearer {key}"
        assert (await http.post(TTS, json=GOOD)).status_code == 201
        assert error_of(await http.post(TTS, json=GOOD))[:2] == (403, "budget_spent")
        assert error_of(await http.post(TTS, content=b"{"))[:2] == (400, "invalid_message")
        assert error_of(await http.post(TTS, content=b" " * 2000))[:2] == (413, "message_limit")
        assert error_of(await http.get(TTS))[:2] == (405, "method_not_allowed")
        assert error_of(await http.post(TTS + "/x", json=GOOD))[:2] == (404, "not_found")
        answer = await http.post(TTS + "?voice=Cherry", json=GOOD)
        assert error_of(answer) == (400, "unknown_parameter", "voice")


@pytest.mark.asyncio
async def test_a_job_that_fails_is_told_so(tmp_path: Path) -> None:
    async with (
        running(tmp_path, sessions=AnyVoice(), job_attempts=1) as server,
        server.http() as http,
    ):
        answer = await http.post(TTS, json={**GOOD, "text": "fail"})
        assert error_of(answer)[:2] == (502, "engine_failed")


@pytest.mark.asyncio
async def test_what_nobody_waits_for_any_more_is_not_spoken(tmp_path: Path) -> None:
    async with running(tmp_path, sessions=AnyVoice()) as server, server.http() as http:
        asking = asyncio.create_task(http.post(TTS, json={**GOOD, "text": "forever"}))

        async def became(status: str) -> None:
            async with asyncio.timeout(10):
                while [job["status"] for job in (await http.get("/v1/jobs")).json()["jobs"]] != [
                    status
                ]:
                    await asyncio.sleep(0.02)

        await became("running")
        asking.cancel()
        await became("cancelled")
        await eventually(lambda: server.service.ledger.limits.connections == 0)


@pytest.mark.asyncio
async def test_spoilt_bodies_get_an_error_of_its_form_or_a_link(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        statuses = set()
        for body in spoilt({**GOOD, "text": "Hi."}, 1000, seed=2):
            answer = await asyncio.wait_for(http.post(TTS, content=body), 10)
            statuses.add(answer.status_code)
            if answer.status_code != 201:
                assert error_of(answer)[1] in CODES
        assert statuses == {201, 400}
        assert not server.live
