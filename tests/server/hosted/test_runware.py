"""A client of Runware finds all that its document says: over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from streamer.protocols.runware.tables import BASE, VOICE_DESIGN
from streamer.server.hosted.runware.http import WIDE
from tests.foreign import answer, foreign, ok
from tests.server.hosted.bodies import spoilt
from tests.server.hosted.runware import (
    PATH,
    ask,
    clone,
    done,
    new_id,
    recording,
    refused,
    task,
)
from tests.server.hosted.tones import WORD_S, decoded, toned
from tests.server.running import Running, eventually, places_held


@asynccontextmanager
async def serving(
    directory: Path, **changes: Any
) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    async with toned(directory, **changes) as server, server.http() as http:
        yield server, http


async def sound_at(http: httpx.AsyncClient, url: str) -> bytes:
    got = await http.get(url)
    assert got.status_code == 200
    return got.content


@pytest.mark.asyncio
async def test_the_documents_answer_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        asked = task()
        (told,) = await done(http, asked)
        assert told["taskType"] == "audioInference"
        assert told["taskUUID"] == asked["taskUUID"]
        assert set(told) == {"taskType", "taskUUID", "audioUUID", "audioURL", "seed"}
        codec, rate, channels, sound = decoded(await sound_at(http, told["audioURL"]))
        assert (codec.startswith("mp3"), rate, channels) == (True, 24000, 2)
        assert len(sound) / channels / rate == pytest.approx(3 * WORD_S, abs=0.15)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "settings", "codec", "rate", "channels"),
    [
        ("WAV", None, "pcm_s16le", 24000, 1),
        ("FLAC", None, "flac", 24000, 1),
        ("OGG", None, "opus", 48000, 2),
        ("MP3", {"sampleRate": 44100, "bitrate": 320, "channels": 1}, "mp3", 44100, 1),
        ("MP3", {"sampleRate": 8000, "bitrate": 8}, "mp3", 8000, 2),
        ("OGG", {"sampleRate": 16000, "bitrate": 16, "channels": 1}, "opus", 48000, 1),
    ],
)
async def test_the_result_is_of_the_format_asked_for(
    tmp_path: Path, name: str, settings: Any, codec: str, rate: int, channels: int
) -> None:
    async with serving(tmp_path) as (_, http):
        asked = task(outputFormat=name, outputType="base64Data")
        if settings is not None:
            asked["audioSettings"] = settings
        (told,) = await done(http, asked)
        found, heard_rate, heard_channels, sound = decoded(
            base64.b64decode(told["audioBase64Data"])
        )
        assert (found.removesuffix("float"), heard_rate, heard_channels) == (codec, rate, channels)
        assert len(sound) / channels / rate == pytest.approx(3 * WORD_S, abs=0.2)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "rate", "channels", "bitrate"),
    [
        (None, 24000, 2, 72),
        ({"sampleRate": 8000, "bitrate": 8, "channels": 1}, 8000, 1, 8),
        ({"sampleRate": 48000, "bitrate": 256}, 48000, 2, 256),
    ],
)
async def test_ogg_is_vorbis_where_that_is_set(
    tmp_path: Path, settings: Any, rate: int, channels: int, bitrate: int
) -> None:
    async with serving(tmp_path, runware_ogg="vorbis") as (_, http):
        asked = task(outputFormat="OGG")
        if settings is not None:
            asked["audioSettings"] = settings
        (told,) = await done(http, asked)
        got = await http.get(told["audioURL"])
        assert got.headers["content-type"] == "audio/ogg; codecs=vorbis"
        assert '.ogg"' in got.headers["content-disposition"]
        codec, heard_rate, heard_channels, sound = decoded(got.content)
        assert (codec, heard_rate, heard_channels) == ("vorbis", rate, channels)
        seconds = len(sound) / channels / rate
        assert seconds == pytest.approx(3 * WORD_S, abs=0.2)
        assert (len(got.content) - 5000) * 8 / seconds <= bitrate * 1000


@pytest.mark.asyncio
async def test_vorbis_comes_in_every_way_and_may_be_a_reference(tmp_path: Path) -> None:
    changes = {"runware_ogg": "vorbis", "stand_in": "tone-low"}
    async with serving(tmp_path, **changes) as (_, http):
        (told,) = await done(http, task(outputFormat="OGG", outputType="dataURI"))
        head, _, text = told["audioDataURI"].partition(",")
        assert head == "data:audio/ogg;base64"
        assert decoded(base64.b64decode(text))[0] == "vorbis"

        asked = task(outputFormat="OGG", deliveryMethod="async", numberResults=2)
        await done(http, asked)
        poll = {"taskType": "getResponse", "taskUUID": asked["taskUUID"]}
        while (items := await done(http, poll))[0]["status"] == "processing":
            await asyncio.sleep(0.01)
        for item in items:
            assert decoded(await sound_at(http, item["audioURL"]))[0] == "vorbis"
        await done(http, clone(items[0]["audioUUID"]))
        (told,) = await done(http, task(outputFormat="MP3", outputType="base64Data"))
        assert decoded(base64.b64decode(told["audioBase64Data"]))[0].startswith("mp3")


@pytest.mark.asyncio
async def test_a_result_can_be_a_data_uri_and_tell_its_cost(tmp_path: Path) -> None:
    async with serving(tmp_path, price_per_1000=1.0) as (_, http):
        asked = task("Hey.", outputType="dataURI", outputFormat="WAV", includeCost=True)
        (told,) = await done(http, asked)
        assert told["audioDataURI"].startswith("data:audio/wav;base64,UklGR")
        assert told["cost"] == 0.004
        assert "audioURL" not in told


@pytest.mark.asyncio
async def test_results_have_seeds_of_their_own(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        told = await done(http, task("Hey.", numberResults=4))
        assert len(told) == 4
        assert len({item["seed"] for item in told}) == 4
        assert len({item["audioUUID"] for item in told}) == 4


@pytest.mark.asyncio
async def test_an_async_task_is_acknowledged_and_polled(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        asked = task(deliveryMethod="async", numberResults=2)
        assert await done(http, asked) == [
            {"taskType": "audioInference", "taskUUID": asked["taskUUID"]}
        ]
        poll = {"taskType": "getResponse", "taskUUID": asked["taskUUID"].upper()}
        while (told := await done(http, poll))[0]["status"] == "processing":
            assert told[0]["taskUUID"] == asked["taskUUID"]
            await asyncio.sleep(0.01)
        assert [item["status"] for item in told] == ["success"] * 2
        assert all(item["audioURL"] for item in told)

        (details,) = await done(http, poll | {"taskType": "getTaskDetails"})
        (request,) = details["request"]
        assert request["speech"]["text"] == asked["speech"]["text"]
        assert [item["audioUUID"] for item in details["response"]["data"]] == [
            item["audioUUID"] for item in told
        ]


@pytest.mark.asyncio
async def test_a_task_uuid_is_used_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        asked = task("Hey.")
        await done(http, asked)
        error = await refused(http, asked | {"deliveryMethod": "async"}, status=409)
        assert error["code"] == "conflictTaskUUID"
        assert error["parameter"] == "taskUUID"
        assert error["taskUUID"] == asked["taskUUID"]


@pytest.mark.asyncio
async def test_a_task_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        error = await refused(http, {"taskType": "getResponse", "taskUUID": new_id()}, status=404)
        assert (error["code"], error["parameter"]) == ("taskFailedOrNotFound", "taskUUID")


@pytest.mark.asyncio
async def test_one_refused_task_stops_no_other(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        good, bad = task("Hey."), task("Hey.", ttl=59)
        told = await ask(http, good, bad)
        assert told.status_code == 200
        fields = told.json()
        assert [item["taskUUID"] for item in fields["data"]] == [good["taskUUID"]]
        (error,) = fields["errors"]
        assert error["taskUUID"] == bad["taskUUID"]
        assert error["taskType"] == "audioInference"
        assert error["parameter"] == "ttl"


@pytest.mark.asyncio
async def test_ttl_is_how_long_a_result_is_kept(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, http):
        await done(http, task("Hey.", ttl=60))
        (job,) = await server.service.resources.jobs.list("")
        assert job.expires is not None
        assert job.finished is not None
        assert job.expires - job.finished == pytest.approx(60)
        assert (await refused(http, task("Hey.", ttl=10**9)))["parameter"] == "ttl"


@pytest.mark.asyncio
async def test_sound_beyond_the_cap_of_tokens_is_an_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        words = "one two three four five six seven"
        told = await ask(http, task(words, settings={"maxNewTokens": 10}))  # 0.8 s
        (error,) = told.json()["errors"]
        assert (told.status_code, told.json()["data"]) == (200, [])
        assert error["parameter"] == "settings.maxNewTokens"
        await done(http, task(words, settings={"maxNewTokens": 40}))


@pytest.mark.asyncio
async def test_an_unknown_voice_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        error = await refused(http, task(speech={"text": "Hey.", "voice": "nobody"}), status=404)
        assert (error["code"], error["parameter"]) == ("invalidVoice", "speech.voice")
        await done(http, task(speech={"text": "Hey.", "voice": "auto"}))
        await done(http, task(speech={"text": "Hey.", "voice": "tone-low"}))


# Style, clones, designed voices


@pytest.mark.asyncio
async def test_a_prompt_nobody_follows_is_warned_of(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        told = await ask(http, task("Hey.", positivePrompt="Softly."))
        assert told.headers["x-streamer-warning"] == "positivePrompt_ignored"
        assert told.json()["data"][0]["warning"] == "positivePrompt_ignored"


@pytest.mark.asyncio
async def test_a_prompt_nobody_follows_is_refused_where_that_is_set(tmp_path: Path) -> None:
    async with serving(tmp_path, hosted_strict=True) as (_, http):
        error = await refused(http, task("Hey.", positivePrompt="Softly."))
        assert (error["code"], error["parameter"]) == ("unsupportedParameter", "positivePrompt")


@pytest.mark.asyncio
async def test_a_clone_that_nothing_here_makes_is_refused_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        for asked in (
            clone("https://assets.runware.ai/assets/inputs/a.mp3"),
            task(model=VOICE_DESIGN, speech={"text": "Hey."}, positivePrompt="An old man."),
        ):
            error = await refused(http, asked)
            assert (error["code"], error["parameter"]) == ("unsupportedModel", "model")
            assert error["taskUUID"] == asked["taskUUID"]


@pytest.mark.asyncio
async def test_a_stand_in_speaks_and_the_answer_says_so(tmp_path: Path) -> None:
    async with foreign(ok(recording())) as host:
        changes = {
            "fetch_allow": ["127.0.0.1"],
            "fetch_ports": [host.port],
            "stand_in": "tone-high",
        }
        async with serving(tmp_path, **changes) as (server, http):
            told = await ask(http, clone(f"http://127.0.0.1:{host.port}/a.wav"))
            assert told.status_code == 200
            assert told.headers["x-streamer-warning"] == "stand_in"
            (item,) = told.json()["data"]
            assert item["warning"] == "stand_in"
            assert await sound_at(http, item["audioURL"])
            (job,) = await server.service.resources.jobs.list("")
            assert job.voice == "tone-high"
            design = task(model=VOICE_DESIGN, speech={"text": "Hey."}, positivePrompt="Old.")
            assert (await done(http, design))[0]["warning"] == "stand_in"


@pytest.mark.asyncio
async def test_a_recording_must_be_one(tmp_path: Path) -> None:
    async with foreign({"/text": ok(b"no sound"), "/gone": answer(404)}) as host:
        changes = {"fetch_allow": ["127.0.0.1"], "fetch_ports": [host.port], "stand_in": "tone-low"}
        async with serving(tmp_path, **changes) as (_, http):
            base = f"http://127.0.0.1:{host.port}"
            for reference, status, code in (
                (f"{base}/text", 422, "invalidMedia"),
                (f"{base}/gone", 422, "downloadFailed"),
                ("http://10.0.0.1/a.wav", 400, "invalidURL"),
                ("file:///etc/passwd", 400, "invalidURL"),
                (new_id(), 404, "mediaNotFound"),
            ):
                error = await refused(http, clone(reference), status=status)
                assert (error["code"], error["parameter"]) == (code, "inputs.audio"), reference


# Media


@pytest.mark.asyncio
async def test_media_are_kept_used_and_deleted(tmp_path: Path) -> None:
    data = recording()
    text = base64.b64encode(data).decode()
    async with foreign(ok(data, content_type="audio/wav")) as host:
        changes = {"fetch_allow": ["127.0.0.1"], "fetch_ports": [host.port], "stand_in": "tone-low"}
        async with serving(tmp_path, **changes) as (_, http):
            for media in (f"http://127.0.0.1:{host.port}/a", f"data:audio/wav;base64,{text}", text):
                asked = {"taskType": "mediaStorage", "taskUUID": new_id(), "operation": "upload"}
                (kept,) = await done(http, asked | {"media": media})
                assert kept["taskUUID"] == asked["taskUUID"]
                assert kept["operation"] == "upload"
                assert await sound_at(http, kept["mediaURL"]) == data
                (item,) = await done(http, clone(kept["mediaUUID"]))
                await done(http, clone(item["audioUUID"]))  # of an earlier result

                delete = asked | {"operation": "delete", "media": kept["mediaUUID"]}
                assert (await done(http, delete))[0]["mediaUUID"] == kept["mediaUUID"]
                error = await refused(http, clone(kept["mediaUUID"]), status=410)
                assert (error["code"], error["parameter"]) == ("mediaExpired", "inputs.audio")
                assert (await refused(http, delete, status=410))["parameter"] == "media"


@pytest.mark.asyncio
async def test_media_that_are_no_sound_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        asked = {"taskType": "mediaStorage", "taskUUID": new_id(), "operation": "upload"}
        for media, code in (("@@@@", "invalidParameter"), ("AAAA", "invalidMedia")):
            answered = (await ask(http, asked | {"media": media})).json()
            assert answered["errors"][0]["code"] == code
            assert answered["errors"][0]["parameter"] == "media"


@pytest.mark.asyncio
async def test_media_may_be_larger_than_other_bodies(tmp_path: Path) -> None:
    async with serving(tmp_path, max_body_bytes=65536) as (_, http):
        media = base64.b64encode(recording(10.0)).decode()
        asked = {"taskType": "mediaStorage", "taskUUID": new_id(), "operation": "upload"}
        (kept,) = await done(http, asked | {"media": media})
        assert kept["mediaUUID"]


# What is told elsewhere


@pytest.mark.asyncio
async def test_each_result_is_told_to_the_webhook(tmp_path: Path) -> None:
    async with foreign(ok(b"")) as host:
        changes = {"fetch_allow": ["127.0.0.1"], "fetch_ports": [host.port]}
        async with serving(tmp_path, **changes) as (_, http):
            hook = f"http://127.0.0.1:{host.port}/hook?token=a"
            asked = task("Hey.", webhookURL=hook, numberResults=2, outputType="base64Data")
            told = await done(http, asked)
            await eventually(lambda: len(host.requests) == 2)
            bodies = [json.loads(request.body) for request in host.requests]
            assert {body["audioUUID"] for body in bodies} == {item["audioUUID"] for item in told}
            for body in bodies:
                assert body["taskUUID"] == asked["taskUUID"]
                assert await sound_at(http, body["audioURL"])
            late = task("one two", webhookURL=hook, settings={"maxNewTokens": 1})
            await ask(http, late)
            await eventually(lambda: len(host.requests) == 3)
            body = json.loads(host.requests[2].body)
            assert (body["status"], body["taskUUID"]) == ("error", late["taskUUID"])
            assert body["parameter"] == "settings.maxNewTokens"


@pytest.mark.asyncio
async def test_results_are_put_to_the_upload_endpoint(tmp_path: Path) -> None:
    async with foreign({"/good": ok(b""), "/bad": answer(403)}) as host:
        changes = {"fetch_allow": ["127.0.0.1"], "fetch_ports": [host.port]}
        async with serving(tmp_path, **changes) as (_, http):
            base = f"http://127.0.0.1:{host.port}"
            (told,) = await done(http, task("Hey.", uploadEndpoint=f"{base}/good"))
            (request,) = host.requests
            assert request.line.startswith("PUT /good ")
            assert request.headers["content-type"] == "audio/mpeg"
            assert request.body == await sound_at(http, told["audioURL"])

            asked = task("Hey.", uploadEndpoint=f"{base}/bad", deliveryMethod="async")
            await done(http, asked)
            poll = {"taskType": "getResponse", "taskUUID": asked["taskUUID"]}
            while "errors" not in (fields := (await ask(http, poll)).json()):
                assert fields["data"][0]["status"] == "processing"
                await asyncio.sleep(0.01)
            assert fields["data"][0]["status"] == "success"
            (error,) = fields["errors"]
            assert (error["code"], error["parameter"]) == ("uploadFailed", "uploadEndpoint")
            assert error["status"] == "error"


@pytest.mark.asyncio
async def test_addresses_inside_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        for field in ("webhookURL", "uploadEndpoint"):
            error = await refused(http, task("Hey.", **{field: "http://127.0.0.1/a"}))
            assert (error["code"], error["parameter"]) == ("invalidURL", field)


# Keys


@pytest.mark.asyncio
async def test_the_key_comes_as_a_header_or_as_a_task(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, http):
        key = server.keys.new("one")
        element = {"taskType": "authentication", "apiKey": key}
        wrong = element | {"apiKey": "wrong"}
        for code, tasks, headers in (
            ("", [task("Hey.")], {"authorization": f"Bearer {key}"}),
            ("", [element, task("Hey.")], {}),
            ("missingApiKey", [task("Hey.")], {}),
            ("missingApiKey", [{"taskType": "authentication"}, task("Hey.")], {}),
            ("invalidApiKey", [task("Hey.")], {"authorization": "Bearer wrong"}),
            ("invalidApiKey", [wrong, task("Hey.")], {}),
            ("invalidApiKey", [wrong, task()], {"authorization": f"Bearer {key}"}),
        ):
            told = await ask(http, *tasks, headers=headers)
            assert told.status_code == (401 if code else 200), told.text
            if code:
                assert told.json()["errors"][0]["code"] == code
        (job, other) = await server.service.resources.jobs.list(server.keys.list()[0].id)
        assert job.key == other.key != ""


@pytest.mark.asyncio
async def test_without_keys_whatever_key_is_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        told = await ask(http, task("Hey."), headers={"authorization": "Bearer whatever"})
        assert told.status_code == 200
        assert await done(http, {"taskType": "authentication", "apiKey": "x"}) == []
        assert await done(http, {"taskType": "ping", "ping": True}) == [
            {"taskType": "ping", "pong": True}
        ]


@pytest.mark.asyncio
async def test_a_task_is_of_its_key_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, http):
        first, second = (
            {"authorization": f"Bearer {server.keys.new(name)}"} for name in ("one", "two")
        )
        asked = task("Hey.")
        assert (await ask(http, asked, headers=first)).status_code == 200
        poll = {"taskType": "getResponse", "taskUUID": asked["taskUUID"]}
        assert (await ask(http, poll, headers=second)).status_code == 404
        assert (await ask(http, asked, headers=second)).status_code == 200


# Whatever else comes


@pytest.mark.asyncio
async def test_an_address_that_is_none_is_told_as_that(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        told = await http.post(PATH + "/nothing", json=[task()])
        assert told.status_code == 404
        assert told.json()["errors"][0]["code"] == "addressNotFound"


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[1]", b"nonsense", b"\xff", b"[null]"])
async def test_what_is_no_task_is_told_in_the_apis_form(tmp_path: Path, body: bytes) -> None:
    async with serving(tmp_path) as (_, http):
        told = await http.post(PATH, content=body)
        assert told.status_code == 400
        assert told.json()["errors"][0]["code"] == "invalidRequest"
        told = await http.get(PATH)
        assert told.status_code == 405
        assert told.json()["errors"][0]["code"] == "invalidMethod"


@pytest.mark.asyncio
async def test_no_body_is_a_fault(tmp_path: Path) -> None:
    goods = [task("Hey."), clone("https://a.example/b.mp3"), task(model=BASE), {"taskType": "ping"}]
    async with serving(tmp_path) as (_, http):
        for number, good in enumerate(goods):
            for body in spoilt(good, 150, number):
                whole = body if Random(body).random() < 0.1 else b"[" + body + b"]"
                told = await http.post(PATH, content=whole)
                fields = told.json()
                assert told.status_code < 500, (body, fields)
                assert isinstance(fields["data"], list)
                for error in fields.get("errors", ()):
                    assert isinstance(error["code"], str)
                    assert isinstance(error["message"], str)
                assert fields.get("errors") or told.status_code == 200


@pytest.mark.asyncio
async def test_wide_bodies_take_a_place_of_their_key_and_leave_others_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.server.hosted.runware.http.WIDE_WAIT_S", 0.2)
    held = places_held(monkeypatch, "streamer.server.hosted.runware.http")
    async with serving(tmp_path, max_body_bytes=1024, max_file_bytes=1 << 20) as (server, http):
        mine, other = ({"X-API-Key": server.keys.new(name)} for name in ("mine", "other"))
        media = base64.b64encode(recording()).decode()

        def upload() -> dict[str, Any]:
            fields = {"operation": "upload", "media": f"data:audio/wav;base64,{media}"}
            return {"taskType": "mediaStorage", "taskUUID": new_id(), **fields}

        _, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: {mine['X-API-Key']}\r\n"
        writer.write(f"{head}Content-Length: 4000\r\n\r\n[".encode())  # and no more for now
        await eventually(lambda: held() == 1)
        waited = asyncio.create_task(ask(http, upload(), headers=mine))
        for _ in range(WIDE):
            assert (await ask(http, upload(), headers=other)).status_code == 200
        assert (await ask(http, task(), headers=mine)).status_code == 200, "it is not wide"
        answered = await waited
        assert answered.status_code == 429
        assert answered.json()["errors"][0]["code"] == "rateLimitExceeded"
        assert int(answered.headers["retry-after"]) > 0
        writer.close()
        await writer.wait_closed()

        async def again() -> int:
            return (await ask(http, upload(), headers=mine)).status_code

        async with asyncio.timeout(10):
            while await again() == 429:
                await asyncio.sleep(0.02)
        assert await again() == 200, "the place came back"
