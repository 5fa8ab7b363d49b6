"""Clones and designed voices by the hosted APIs' own requests, where an engine here makes them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.errors import EngineFailed, InvalidMedia, TextLimit
from streamer.protocols.runware.tables import VOICE_DESIGN
from streamer.resources import JobRequest
from streamer.server.auth import ANONYMOUS, KeyStore
from streamer.types import Description, OptionsUpdate, Reference, Start
from tests.parrot import Parrot
from tests.server.hosted.runware import ask, clone, done, refused, task
from tests.server.running import eventually
from tests.server.voices import VOICES, Web, ended, pitch, pitch_of, voiced

pytestmark = pytest.mark.asyncio
EVOLINK = "/evolink/v1/audios/generations"
CRUN = "/crun/api/v1/client/job"


async def heard(http: httpx.AsyncClient, url: str) -> float:
    return pitch_of((await http.get(url)).content)


async def own(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    voices: list[dict[str, Any]] = (await http.get(VOICES)).json()["voices"]
    return [voice for voice in voices if voice["kind"] != "preset"]


async def test_runware_clones_a_recording_at_an_address_or_an_upload(tmp_path: Path) -> None:
    parrot = Parrot()
    async with voiced(tmp_path, parrot, change=Web(440)) as server, server.http() as http:
        wanted = clone("https://example.org/a.wav", outputFormat="WAV")
        answer = await ask(http, wanted)
        assert "x-streamer-warning" not in answer.headers
        assert abs(await heard(http, answer.json()["data"][0]["audioURL"]) - 440) < 3
        media = {
            "taskType": "mediaStorage",
            "taskUUID": wanted["taskUUID"][:-1] + "0",
            "operation": "upload",
            "media": "https://example.org/b.wav",
        }
        (stored,) = await done(http, media)
        only = {"settings": {"xVectorOnly": True}}
        (item,) = await done(http, clone(stored["mediaUUID"], outputFormat="WAV") | only)
        assert abs(await heard(http, item["audioURL"]) - 440) < 3
        assert [s.transcript for s in parrot.heard if isinstance(s, Reference)] == ["Welcome.", ""]
        assert await own(http) == []


async def test_runware_makes_the_same_clone_once_and_another_for_another_key(
    tmp_path: Path,
) -> None:
    keys, parrot = KeyStore(tmp_path), Parrot()
    async with voiced(tmp_path, parrot, change=Web(440)) as server, server.http() as http:
        for name in "ab":
            headers = {"authorization": f"Bearer {keys.new(name)}"}
            tasks = [clone("https://example.org/a.wav") for _ in range(3)]
            answer = await http.post("/runware/v1", json=tasks, headers=headers)
            assert len(answer.json()["data"]) == 3, answer.text
        assert len(parrot.heard) == 2


async def test_runware_designs_a_voice_after_its_prompt(tmp_path: Path) -> None:
    parrot = Parrot()
    async with voiced(tmp_path, parrot) as server, server.http() as http:
        wanted = task(
            model=VOICE_DESIGN,
            speech={"text": "One two three.", "language": "German"},
            positivePrompt="calm, at 520 Hz",
            outputFormat="WAV",
        )
        (item,) = await done(http, wanted)
        assert abs(await heard(http, item["audioURL"]) - 520) < 3
        (source,) = parrot.heard
        assert isinstance(source, Description)
        assert (source.language, source.preview_text[:5]) == ("de", "Hallo")


async def test_runware_names_its_own_field_for_a_recording_that_is_none(tmp_path: Path) -> None:
    parrot = Parrot()
    async with voiced(tmp_path, parrot, change=Web(440)) as server, server.http() as http:
        parrot.fault = InvalidMedia("nobody speaks in it", param="audio")
        error = await refused(http, clone("https://example.org/a.wav"), status=422)
        assert (error["code"], error["parameter"]) == ("invalidMedia", "inputs.audio")


async def test_a_task_finds_the_voice_that_was_made_for_it_after_a_restart(tmp_path: Path) -> None:
    parrot = Parrot()
    wanted = clone("https://example.org/a.wav", deliveryMethod="async", outputFormat="WAV")
    parrot.mouth.clear()
    async with voiced(tmp_path, parrot, change=Web(440)) as server, server.http() as http:
        await done(http, wanted)
    async with voiced(tmp_path) as server, server.http() as http:
        poll = {"taskType": "getResponse", "taskUUID": wanted["taskUUID"]}
        while (item := (await done(http, poll))[0])["status"] == "processing":
            await asyncio.sleep(0.01)
        assert abs(await heard(http, item["audioURL"]) - 440) < 3


async def test_passing_voices_go_when_nobody_asks_for_them_and_room_is_made_for_more(
    tmp_path: Path,
) -> None:
    web, directory = Web(400), tmp_path / "voices"
    async with (
        voiced(tmp_path, Parrot(), change=web, key_voices=2) as server,
        server.http() as http,
    ):
        for hertz in (400, 500, 600):
            web.hertz = hertz
            await done(http, clone("https://example.org/a.wav"))
        assert len(list(directory.glob("*.json"))) == 2
        jobs = server.service.resources.jobs
        store = server.service.resources.voices
        await store.sweep(jobs.voices)
        assert len(list(directory.glob("*.json"))) == 2
        now = store._clock()
        store._clock = lambda: now + 86401
        await store.sweep(jobs.voices)
        assert list(directory.iterdir()) == []


def made_in(directory: Path) -> int:
    return len(list((directory / "voices").glob("*.json")))


async def test_a_voice_that_was_made_for_a_task_that_is_refused_goes_again(tmp_path: Path) -> None:
    parrot = Parrot()
    foreign = "Привет, мир."
    async with voiced(tmp_path, parrot, change=Web(440)) as server, server.http() as http:
        wanted = clone("https://example.org/a.wav")
        wanted["speech"] = {**wanted["speech"], "text": foreign}
        await refused(http, wanted, status=400)
        assert (len(parrot.heard), made_in(tmp_path)) == (1, 0)
        source = {"text": foreign, "audio_url": "https://example.org/a.wav"}
        wanted = {"model": "qwen3-tts/voice-clone", "input": source}
        answer = await http.post(f"{CRUN}/CreateTask", json=wanted)
        assert answer.json()["code"] == 422, answer.text
        assert (len(parrot.heard), made_in(tmp_path)) == (2, 0)
        source["text"] = "One."
        answer = await http.post(f"{CRUN}/CreateTask", json=wanted)
        assert answer.json()["code"] == 200, answer.text
        source["text"] = foreign
        answer = await http.post(f"{CRUN}/CreateTask", json=wanted)
        assert answer.json()["code"] == 422, answer.text
        assert (len(parrot.heard), made_in(tmp_path)) == (3, 1)  # one of them was accepted
        assert not server.service.enrolling._asked


async def test_a_voice_that_a_refused_task_shares_with_one_to_come_stays(tmp_path: Path) -> None:
    parrot = Parrot()
    async with voiced(tmp_path, parrot) as server, server.http() as http:
        enrolling = server.service.enrolling
        meter = server.service.meter(ANONYMOUS, "r")
        source = Description("calm, at 520 Hz", "One.", "auto")
        first, second = enrolling.passing(meter, source), enrolling.passing(meter, source)
        voice = await first.__aenter__()
        assert await second.__aenter__() == voice
        wanted = {"text": "One.", "voice": voice.id}
        assert (await http.post("/v1/jobs", json=wanted)).status_code == 202
        await second.__aexit__(None, None, None)
        assert not await first.__aexit__(TextLimit, TextLimit("refused"), None)
        assert (len(parrot.heard), made_in(tmp_path)) == (1, 1)
        other = replace(source, text="at 600 Hz")
        both = [enrolling.passing(meter, other) for _ in range(2)]
        for one in both:
            await one.__aenter__()
        for left, one in zip((2, 1), both, strict=True):
            assert not await one.__aexit__(TextLimit, TextLimit("refused"), None)
            assert made_in(tmp_path) == left


async def test_a_task_that_was_accepted_though_its_asker_went_keeps_its_voice(
    tmp_path: Path,
) -> None:
    parrot = Parrot()
    parrot.mouth.clear()
    async with voiced(tmp_path, parrot) as server:
        service, meter = server.service, server.service.meter(ANONYMOUS, "r")
        source = Description("calm, at 520 Hz", "One.", "auto")

        async def asks() -> None:
            async with service.enrolling.passing(meter, source) as voice:
                start = Start("job", OptionsUpdate(voice=voice.id))
                await service.resources.jobs.submit("", JobRequest(start, "One."))
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await asks()
        assert made_in(tmp_path) == 1
        parrot.mouth.set()


async def test_a_passing_voice_that_an_unfinished_task_needs_stays(tmp_path: Path) -> None:
    web = Web(400)
    async with (
        voiced(tmp_path, Parrot(), change=web, key_voices=1) as server,
        server.http() as http,
    ):
        jobs, store = server.service.resources.jobs, server.service.resources.voices
        (id,) = [
            (await http.get("/v1/jobs")).json()["jobs"][0]["voice"]
            for _ in [await done(http, clone("https://example.org/a.wav"))]
        ]

        async def needed() -> set[str]:
            return {id}

        now = store._clock()
        store._clock = lambda: now + 86401
        await store.sweep(needed)
        await store.make_room("", needed)
        assert store.find("", id) is not None
        await store.sweep(jobs.voices)
        assert store.find("", id) is None


async def test_evolink_designs_a_voice_that_speaks_afterwards_by_its_name(tmp_path: Path) -> None:
    parrot = Parrot()
    async with voiced(tmp_path, parrot, hosted_strict=True) as server, server.http() as http:
        design = {
            "model": "qwen-voice-design",
            "voice_prompt": "calm, at 520 Hz",
            "preview_text": "One two three.",
            "preferred_name": "calm",
        }
        answer = await http.post(EVOLINK, json=design)
        assert "x-streamer-warning" not in answer.headers, answer.text
        made = await ended(http, f"/evolink/v1/tasks/{answer.json()['id']}")
        assert abs(await heard(http, made["results"][0]) - 520) < 3
        name = made["result_data"]["voice"]
        (voice,) = await own(http)
        assert (voice["name"], voice["description"]) == (name, design["voice_prompt"])
        speech = {"prompt": "Four five six.", "voice": name}
        answer = await http.post(EVOLINK, json=speech)
        assert "x-streamer-warning" not in answer.headers, answer.text
        told = await ended(http, f"/evolink/v1/tasks/{answer.json()['id']}")
        assert abs(await heard(http, told["results"][0]) - 520) < 3
        assert abs(await pitch(http, name) - 520) < 3


async def test_evolink_keeps_no_voice_of_a_task_that_it_refuses(tmp_path: Path) -> None:
    async with voiced(tmp_path, Parrot()) as server, server.http() as http:
        design = {
            "model": "qwen-voice-design",
            "voice_prompt": "calm",
            "preview_text": "One.",
            "callback_url": "https://127.0.0.1/told",
        }
        assert (await http.post(EVOLINK, json=design)).status_code == 400
        await eventually(lambda: not list((tmp_path / "voices").glob("*.json")))


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_evolink_keeps_no_voice_of_a_task_that_ends_without_a_result(
    tmp_path: Path, end: str
) -> None:
    parrot = Parrot()
    parrot.mouth.clear()
    async with voiced(tmp_path, parrot, job_attempts=1) as server, server.http() as http:
        design = {
            "model": "qwen-voice-design",
            "voice_prompt": "calm",
            "preview_text": "One.",
        }
        id = (await http.post(EVOLINK, json=design)).json()["id"]
        assert len(await own(http)) == 1
        await eventually(lambda: parrot.spoken)
        if end == "failed":
            parrot.speech_fault = EngineFailed("no")
            parrot.mouth.set()
        else:
            assert (await http.post(f"/evolink/v1/tasks/{id}/cancel")).status_code == 200
        told = await ended(http, f"/evolink/v1/tasks/{id}")
        assert told["status"] == "failed"  # so it calls both
        await eventually(lambda: not list((tmp_path / "voices").iterdir()))
        assert await own(http) == []


async def test_evolink_says_when_a_key_has_its_voices(tmp_path: Path) -> None:
    async with voiced(tmp_path, Parrot(), key_voices=1) as server, server.http() as http:
        design = {
            "model": "qwen-voice-design",
            "voice_prompt": "calm",
            "preview_text": "One.",
        }
        assert (await http.post(EVOLINK, json=design)).status_code == 200
        answer = await http.post(EVOLINK, json=design)
        assert (answer.status_code, answer.json()["error"]["code"]) == (402, "quota_exceeded")


@pytest.mark.parametrize(
    ("model", "source", "hertz"),
    [
        ("voice-clone", {"audio_url": "https://example.org/a.wav", "transcript": "So."}, 440),
        ("voice-design", {"description": "calm, at 520 Hz"}, 520),
    ],
)
async def test_crun_clones_and_designs(
    tmp_path: Path, model: str, source: dict[str, str], hertz: float
) -> None:
    async with voiced(tmp_path, Parrot(), change=Web(440)) as server, server.http() as http:
        wanted = {"model": f"qwen3-tts/{model}", "input": {"text": "One two three.", **source}}
        answer = await http.post(f"{CRUN}/CreateTask", json=wanted)
        assert "x-streamer-warning" not in answer.headers, answer.text
        id = answer.json()["data"]["task_id"]
        told = (await ended(http, f"{CRUN}/TaskInfo", task_id=id))["data"]
        assert told["status"] == "success"
        assert abs(await heard(http, told["result"]["media_urls"][0]) - hertz) < 3


async def test_an_engine_that_clones_alone_leaves_designs_to_the_stand_in(tmp_path: Path) -> None:
    parrot = Parrot()
    parrot.capabilities = replace(Parrot.capabilities, design=False)
    async with voiced(tmp_path, parrot, stand_in="polly") as server, server.http() as http:
        wanted = {"model": "qwen3-tts/voice-design", "input": {"text": "One.", "description": "x"}}
        answer = await http.post(f"{CRUN}/CreateTask", json=wanted)
        assert answer.headers["x-streamer-warning"] == "stand_in"
        assert parrot.heard == []
