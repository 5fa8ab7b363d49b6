"""A client of ModelStream finds all that its document says."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from streamer.errors import CODES
from tests.server.hosted.bodies import spoilt
from tests.server.hosted.tones import WORD_S, decoded, hertz, level, onset_s, pcm, toned
from tests.server.running import eventually, running

SPEECH = "/modelstream/v1/audio/speech"
TEXT = "One two three four five."
GOOD = {
    "model": "qwen3-tts-flash",
    "input": TEXT,
    "voice": "Cherry",
    "language_type": "Auto",
    "response_format": "pcm",
    "sample_rate": 24000,
    "volume": 1,
    "speed": 1,
    "pitch": 1,
    "enable_timestamp": False,
}


async def said(http: httpx.AsyncClient, /, accept: str = "*/*", **fields: Any) -> httpx.Response:
    """The answer to a good request with these changes."""
    answer = await http.post(SPEECH, json={**GOOD, **fields}, headers={"accept": accept})
    assert answer.status_code == 200, answer.text
    return answer


def error_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return answer.status_code, error["code"], error["param"]


@pytest.mark.asyncio
@pytest.mark.parametrize("rate", [24000, 16000, "24000", "16000"])
async def test_the_sound_has_the_format_rate_and_length_asked_for(
    tmp_path: Path, rate: int | str
) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        answer = await said(http, sample_rate=rate)
        assert answer.headers["content-type"] == f"audio/pcm; rate={rate}; channels=1"
        assert len(answer.content) == pytest.approx(2 * int(rate) * 5 * WORD_S, rel=0.05)

        answer = await said(http, sample_rate=rate, response_format="mp3")
        assert answer.headers["content-type"] == "audio/mpeg"
        codec, found, channels, sound = decoded(answer.content)
        assert (codec.startswith("mp3"), found, channels) == (True, int(rate), 1)
        assert len(sound) / found == pytest.approx(5 * WORD_S, abs=0.15)


@pytest.mark.asyncio
async def test_the_documents_other_names_mean_the_same(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        body = {"text": TEXT, "format": "pcm", "sample_rate": "16000", "voice": "Aiden"}
        answer = await http.post(SPEECH, json=body)
        assert answer.headers["content-type"] == "audio/pcm; rate=16000; channels=1"
        answer = await http.post(SPEECH, json={"text": "Hi."})
        assert answer.headers["content-type"] == "audio/mpeg"


@pytest.mark.asyncio
async def test_volume_speed_and_pitch_are_heard(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        usual = pcm((await said(http)).content)
        soft = pcm((await said(http, volume=0.1)).content)
        assert 20 * np.log10(level(usual) / level(soft)) == pytest.approx(20, abs=1.5)
        for speed in (0.5, 2):
            sound = pcm((await said(http, speed=speed)).content)
            assert len(sound) / len(usual) == pytest.approx(1 / speed, rel=0.08)
        for pitch, low, high in ((0.5, 110, 440), (2, 440, 1760)):  # tone-low's two octaves, moved
            sound = pcm((await said(http, voice="tone-low", pitch=pitch, input="Hey")).content)
            assert low * 0.97 <= hertz(sound, 24000) <= high * 1.03


@pytest.mark.asyncio
@pytest.mark.parametrize("voice", ["Cherry", "Chelsie", "Zhibao", "Bingjiao", "Stella", "Aiden"])
async def test_its_voices_have_one_here_each(tmp_path: Path, voice: str) -> None:
    async with toned(tmp_path, hosted_strict=True) as server, server.http() as http:
        for language in ("Auto", "Chinese", "English"):
            await said(http, voice=voice, language_type=language, input="Hi.")


@pytest.mark.asyncio
async def test_whoever_prefers_json_gets_the_documented_string(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        answer = await said(http, accept="application/json")
        assert answer.headers["content-type"] == "application/json"
        data = base64.b64decode(answer.json(), validate=True)
        assert len(data) == len((await said(http)).content)

        answer = await said(http, accept="application/json", response_format="mp3")
        assert decoded(base64.b64decode(answer.json()))[1] == 24000


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["mp3", "pcm"])
async def test_times_are_those_of_the_words_in_the_file(tmp_path: Path, form: str) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        answer = (await said(http, enable_timestamp=True, response_format=form)).json()
        assert set(answer) == {"audio", "format", "sample_rate", "words"}
        assert (answer["format"], answer["sample_rate"]) == (form, 24000)
        assert " ".join(word["text"] for word in answer["words"]) == TEXT.rstrip(".")
        data = base64.b64decode(answer["audio"], validate=True)
        sound = decoded(data)[3] if form == "mp3" else pcm(data)
        for word in answer["words"]:
            assert 0 <= word["start"] < word["end"] <= len(sound) / 24000
            heard = sound[round(word["start"] * 24000) :][: round(WORD_S * 24000)]
            assert level(heard) > 0.05
        first = answer["words"][0]["start"]
        assert first == pytest.approx(onset_s(sound, 24000), abs=0.012)


@pytest.mark.asyncio
async def test_sound_comes_as_it_is_made_and_ends_when_the_client_goes(tmp_path: Path) -> None:
    for body in (
        {"input": "forever", "response_format": "pcm"},
        {"input": "forever", "enable_timestamp": True},
    ):
        async with running(tmp_path) as server, server.http() as http:
            async with http.stream("POST", SPEECH, json=body) as answer:
                assert answer.status_code == 200
                first = await anext(answer.aiter_bytes())
                assert b"forever" in first or first.startswith(b'{"format":"mp3"')
            await eventually(lambda: not server.live)


@pytest.mark.asyncio
async def test_a_failure_is_an_error_before_the_first_sound_and_a_cut_after_it(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.post(SPEECH, json={"input": "fail"})
        assert error_of(answer) == (502, "engine_failed", None)
        answer = await http.post(SPEECH, json={"input": "crash"})
        assert error_of(answer) == (500, "internal_error", None)
        for accept in ("*/*", "application/json"):
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post(SPEECH, json={"input": "one fail"}, headers={"accept": accept})


@pytest.mark.asyncio
async def test_refusals_have_the_form_of_openai_and_name_the_field(tmp_path: Path) -> None:
    async with toned(tmp_path, max_context_chars=50) as server, server.http() as http:
        for fields, status, code, param in (
            ({"text": "Other."}, 400, "invalid_parameter", "text"),
            ({"speed": 2.5}, 400, "invalid_parameter", "speed"),
            ({"language_type": "German"}, 400, "invalid_parameter", "language_type"),
            ({"voice": "nobody"}, 404, "unknown_voice", "voice"),
            ({"model": "nothing"}, 404, "unknown_voice", "model"),
            ({"instructions": "Whisper."}, 400, "unknown_parameter", "instructions"),
            ({"input": "a" * 51}, 413, "text_limit", "text"),
        ):
            answer = await http.post(SPEECH, json={**GOOD, **fields})
            assert error_of(answer) == (status, code, param)
        assert error_of(await http.post(SPEECH, content=b"{"))[:2] == (400, "invalid_message")
        answer = await http.post(SPEECH + "?voice=Cherry", json=GOOD)
        assert error_of(answer) == (400, "unknown_parameter", "voice")
        assert error_of(await http.get(SPEECH))[:2] == (405, "method_not_allowed")
        assert error_of(await http.get("/modelstream/v1/models"))[:2] == (404, "not_found")


@pytest.mark.asyncio
async def test_keys_are_asked_for_where_there_are_some(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        key = server.keys.new("a")
        for headers in ({}, {"authorization": "Bearer sk-xxxxxx"}):
            answer = await http.post(SPEECH, json=GOOD, headers=headers)
            assert error_of(answer)[:2] == (401, "unauthenticated")
        answer = await http.post(SPEECH, json=GOOD, headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 200


@pytest.mark.asyncio
async def test_strict_refuses_voices_and_models_that_its_document_has_not(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        await said(http, voice="tone-high", model="tone")
    async with toned(tmp_path, hosted_strict=True) as server, server.http() as http:
        for name, value in (("voice", "tone-high"), ("model", "tone")):
            answer = await http.post(SPEECH, json={**GOOD, name: value})
            assert error_of(answer) == (400, "invalid_parameter", name)


@pytest.mark.asyncio
async def test_spoilt_bodies_get_an_error_of_its_form_or_sound(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        good = {**GOOD, "voice": "alba", "input": "Hi."}
        statuses = set()
        for body in spoilt(good, 1000, seed=4):
            answer = await asyncio.wait_for(http.post(SPEECH, content=body), 10)
            statuses.add(answer.status_code)
            if answer.status_code != 200:
                assert error_of(answer)[1] in CODES
        assert {200, 400} <= statuses
        assert not [status for status in statuses if status >= 500]
        assert not server.live
