"""Voices over HTTP: made after a recording or a description, spoken by the key that made them alone."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from streamer.engines.tone import Tone
from streamer.errors import EngineFailed
from streamer.fetch import Answer
from streamer.server.auth import KeyStore
from streamer.server.limits import KeyLimits
from streamer.server.resources import Resources
from streamer.types import Description, Reference
from tests.parrot import PRESET_HZ, Parrot
from tests.server.running import eventually, hear_until, say
from tests.server.voices import VOICES, cloned, pitch, pitch_of, recording, voiced, wav

pytestmark = pytest.mark.asyncio
DESIGN = f"{VOICES}/design"
JSON = {"codec": "pcm_s16le", "transport": "json"}


def code_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def test_a_clone_speaks_as_its_recording_does_by_id_and_by_name(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        told = await cloned(http, 440, name="Ann", language="de", transcript=" So bin ich. ")
        assert told["id"].startswith("voice_")
        assert told["languages"] == ["de", "en", "ja"]
        assert (told["kind"], told["engine"], told["name"]) == ("clone", "parrot", "Ann")
        assert told["created_at"].endswith("Z")
        assert abs(await pitch(http, told["id"]) - 440) < 3
        assert abs(await pitch(http, "Ann") - 440) < 3
        assert abs(await pitch(http, "Ann", model="parrot") - 440) < 3
        assert abs(await pitch(http, "polly") - PRESET_HZ) < 3
        (engine,) = [e for e in server.service.catalogue.engines.values() if isinstance(e, Parrot)]
        (source,) = engine.heard
        assert isinstance(source, Reference)
        assert (source.sample_rate, source.transcript) == (24000, "So bin ich.")
        assert (str(source.samples.dtype), len(source.samples)) == ("float32", 4 * 24000)


async def test_a_designed_voice_speaks_as_described_and_its_preview_says_its_text(
    tmp_path: Path,
) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        wanted = {
            "description": "calm, at 520 Hz",
            "preview_text": "One two three four.",
            "name": "Bob",
            "seed": 7,
        }
        answer = await http.post(DESIGN, json=wanted)
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert answer.headers["location"] == f"{VOICES}/{told['id']}"
        assert (told["kind"], told["description"]) == ("design", wanted["description"])
        assert (await http.get(f"/native{VOICES}/{told['id']}")).json() == told
        assert (await http.get(f"{VOICES}/Bob")).json() == told
        sound = await http.get(f"{VOICES}/{told['id']}/preview?codec=pcm_s16le")
        assert sound.headers["content-type"] == "audio/wav"
        assert abs(pitch_of(sound.content) - 520) < 3
        engine = server.service.catalogue.engines["parrot"]
        assert isinstance(engine, Parrot)
        assert engine.heard == [
            Description(wanted["description"], wanted["preview_text"], "auto", 7)  # type: ignore[arg-type]
        ]
        assert engine.spoken[-1].text == wanted["preview_text"]


async def test_a_preset_has_a_preview_too_and_an_unknown_voice_has_none(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        sound = await http.get(f"{VOICES}/polly/preview")
        assert (sound.status_code, sound.content[:4]) == (200, b"OggS")
        assert (await http.get(f"{VOICES}/Cherry")).json()["kind"] == "preset"
        for path in ("nobody", "nobody/preview"):
            assert code_of(await http.get(f"{VOICES}/{path}")) == (404, "not_found", "id")
        answer = await http.get(f"{VOICES}/polly/preview?codec=nonsense")
        assert code_of(answer)[0] == 400


async def test_the_list_has_presets_first_then_the_keys_own_newest_first(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        first, second = await cloned(http), await cloned(http)
        listed = (await http.get(VOICES)).json()
        assert [voice["kind"] for voice in listed["voices"]] == ["preset"] * 3 + ["clone"] * 2
        assert listed["voices"][3:] == [second, first]
        assert listed["aliases"]["Cherry"]


async def test_a_recording_comes_as_data_as_a_file_or_from_an_address(tmp_path: Path) -> None:
    class Web:
        async def get(self, url: str, *, max_bytes: int, param: str = "url") -> Answer:
            return Answer(200, {"content-type": "audio/wav"}, recording(700), url)

        async def aclose(self) -> None:
            pass

    def change(resources: Resources) -> Resources:
        fetcher: Any = Web()
        return replace(resources, fetcher=fetcher)

    async with voiced(tmp_path, change=change) as server, server.http() as http:
        uri = "data:audio/wav;base64," + base64.b64encode(recording(500)).decode()
        headers = {"content-type": "audio/wav"}
        file = (await http.post("/v1/files", content=recording(600), headers=headers)).json()
        for source, hertz in (
            ({"data": uri}, 500),
            ({"file": file["id"]}, 600),
            ({"url": "https://example.org/a.wav"}, 700),
        ):
            answer = await http.post(VOICES, json={**source, "name": f"at {hertz}"})
            assert answer.status_code == 201, answer.text
            assert abs(await pitch(http, f"at {hertz}") - hertz) < 3


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, (400, "invalid_parameter", "data")),
        ({"data": "data:,", "file": "x"}, (400, "invalid_parameter", "data")),
        ({"data": "nonsense"}, (400, "invalid_parameter", "data")),
        ({"file": "file_0"}, (404, "not_found", "file")),
        ({"url": "http://127.0.0.1/a.wav"}, (400, "url_not_allowed", "url")),
        ({"data": "data:,sound", "gender": "f"}, (400, "unknown_parameter", "gender")),
        ({"data": "data:,sound"}, (422, "invalid_media", "audio")),
        ({"data": "data:,sound", "model": "none"}, (404, "unknown_voice", "model")),
        ({"data": "data:,sound", "model": "tone"}, (400, "unsupported_parameter", "model")),
        ({"data": "data:,sound", "name": "x" * 65}, (400, "invalid_parameter", "name")),
    ],
)
async def test_what_is_no_recording_is_refused_by_name(
    tmp_path: Path, body: dict[str, str], code: tuple[int, str, str]
) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        assert code_of(await http.post(VOICES, json=body)) == code
        assert (await http.get(VOICES)).json()["voices"][3:] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, (400, "invalid_parameter", "description")),
        ({"description": " "}, (400, "invalid_parameter", "description")),
        ({"description": "a", "preview_text": " "}, (400, "invalid_parameter", "preview_text")),
        ({"description": "a", "language": "fr"}, (422, "language_not_supported", "language")),
        ({"description": "a", "name": "polly"}, (400, "invalid_parameter", "name")),
        ({"description": "a", "name": "Cherry"}, (400, "invalid_parameter", "name")),
        ({"description": "a", "name": " a"}, (400, "invalid_parameter", "name")),
        ({"description": "a", "name": "voice_" + "0" * 24}, (400, "invalid_parameter", "name")),
        ({"description": "a", "seed": -1}, (400, "invalid_parameter", "seed")),
    ],
)
async def test_a_bad_description_is_refused_by_name(
    tmp_path: Path, body: dict[str, Any], code: tuple[int, str, str]
) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        assert code_of(await http.post(DESIGN, json=body)) == code


@pytest.mark.parametrize("seconds", [0.5, 2.9, 61])
async def test_a_recording_is_of_3_to_60_seconds(tmp_path: Path, seconds: float) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        body = recording(440, seconds)
        answer = await http.post(VOICES, content=body, headers={"content-type": "audio/wav"})
        assert code_of(answer) == (422, "invalid_media", "audio")


async def test_silence_and_a_form_are_no_recordings(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        silence = wav(np.zeros(24000 * 4, np.float32))
        answer = await http.post(VOICES, content=silence, headers={"content-type": "audio/wav"})
        assert code_of(answer) == (422, "invalid_media", "audio")
        answer = await http.post(VOICES, data={"name": "x"})
        assert code_of(answer) == (400, "unsupported_parameter", "content-type")


async def test_without_an_engine_that_can_it_is_not_available(tmp_path: Path) -> None:
    async with voiced(tmp_path, Tone()) as server, server.http() as http:
        headers = {"content-type": "audio/wav"}
        answer = await http.post(VOICES, content=recording(), headers=headers)
        assert code_of(answer) == (501, "not_available", None)
        answer = await http.post(DESIGN, json={"description": "calm"})
        assert code_of(answer) == (501, "not_available", None)


async def test_an_engine_makes_what_it_can_and_no_more(tmp_path: Path) -> None:
    deaf = Parrot("deaf")
    deaf.capabilities = replace(Parrot.capabilities, clone=False)
    async with voiced(tmp_path, deaf, Parrot()) as server, server.http() as http:
        assert (await cloned(http))["engine"] == "parrot"
        answer = await http.post(DESIGN, json={"description": "calm"})
        assert answer.json()["engine"] == "deaf"
        answer = await http.post(DESIGN, json={"description": "calm", "model": "parrot"})
        assert answer.json()["engine"] == "parrot"


async def test_a_key_sees_speaks_and_deletes_its_own_voices_alone(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path)
    ann, bob = bearer(keys.new("ann")), bearer(keys.new("bob"))
    async with (
        voiced(tmp_path) as server,
        server.http(headers=ann) as hers,
        server.http(headers=bob) as his,
    ):
        told = await cloned(hers, 440, name="me")
        assert len((await his.get(VOICES)).json()["voices"]) == 3
        for name in (told["id"], "me"):
            assert code_of(await his.get(f"{VOICES}/{name}")) == (404, "not_found", "id")
            assert code_of(await his.delete(f"{VOICES}/{name}")) == (404, "not_found", "id")
            body = {"text": "Hello.", "voice": name}
            for path in ("/v1/speech", "/v1/jobs"):
                answer = await his.post(path, json=body)
                assert code_of(answer) == (404, "unknown_voice", "voice")
                assert "me" not in answer.json()["error"]["candidates"]
        await cloned(his, 880, name="me")
        assert abs(await pitch(hers, "me") - 440) < 3
        assert abs(await pitch(his, "me") - 880) < 3
        answer = await hers.post("/v1/speech", json={"text": "Hello.", "voice": "you"})
        assert answer.json()["error"]["candidates"] == ["tone-low", "tone-high", "polly", "me"]


async def test_a_name_is_one_voices_and_a_key_has_so_many(tmp_path: Path) -> None:
    async with voiced(tmp_path, key_voices=2) as server, server.http() as http:
        first = await cloned(http, name="me")
        again = await cloned(http, name="me", status=409)
        assert (again["error"]["code"], again["error"]["param"]) == ("context_conflict", "name")
        await cloned(http)
        full = await cloned(http, status=409)
        assert (full["error"]["code"], full["error"]["limit"]) == ("voice_limit", 2)
        assert full["error"]["retryable"] is False
        assert (await http.delete(f"{VOICES}/{first['id']}")).status_code == 204
        assert code_of(await http.delete(f"{VOICES}/{first['id']}")) == (404, "not_found", "id")
        await cloned(http, name="me")


async def test_the_same_request_again_is_the_same_voice(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        key = {"idempotency-key": "k-1"}
        first = await cloned(http, 440, headers=key)
        assert await cloned(http, 440, headers=key, status=200) == first
        other = await cloned(http, 450, headers=key, status=422)
        assert other["error"]["code"] == "idempotency_conflict"
        answer = await http.post(DESIGN, json={"description": "x"}, headers=key)
        assert code_of(answer)[1] == "idempotency_conflict"
        answer = await http.post(
            DESIGN, json={"description": "x"}, headers={"idempotency-key": "k-2"}
        )
        replayed = await http.post(
            DESIGN, json={"description": "x"}, headers={"idempotency-key": "k-2"}
        )
        assert (replayed.status_code, replayed.json()) == (200, answer.json())
        assert replayed.headers["idempotency-replayed"] == "true"
    async with voiced(tmp_path) as server, server.http() as http:
        assert await cloned(http, 440, headers=key, status=200) == first


async def test_two_requests_at_once_with_one_idempotency_key_make_one_voice(tmp_path: Path) -> None:
    parrot = Parrot()
    parrot.gate.clear()
    async with voiced(tmp_path, parrot) as server, server.http() as http:
        body, key = {"description": "x"}, {"idempotency-key": "k"}
        both = [asyncio.create_task(http.post(DESIGN, json=body, headers=key)) for _ in range(2)]
        await eventually(lambda: parrot.making)
        parrot.gate.set()
        first, second = [await task for task in both]
        assert first.json()["id"] == second.json()["id"]
        assert len(parrot.heard) == 1


async def test_voices_are_there_after_a_restart(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        await cloned(http, 440, name="Ann")
        before = (await http.get(VOICES)).json()
    async with voiced(tmp_path) as server, server.http() as http:
        assert (await http.get(VOICES)).json() == before
        assert abs(await pitch(http, "Ann") - 440) < 3


async def test_a_voice_whose_engine_is_not_loaded_is_listed_and_unknown(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        await cloned(http, name="Ann")
    async with voiced(tmp_path, Tone()) as server, server.http() as http:
        assert (await http.get(VOICES)).json()["voices"][-1]["name"] == "Ann"
        answer = await http.post("/v1/speech", json={"text": "Hi.", "voice": "Ann"})
        assert code_of(answer) == (404, "unknown_voice", "voice")
        assert "Ann" not in answer.json()["error"]["candidates"]


@pytest.mark.parametrize("how", ["cut", "changed", "gone"])
async def test_a_damaged_voice_is_said_to_be_and_can_be_deleted(tmp_path: Path, how: str) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        id = (await cloned(http))["id"]
    path = tmp_path / "voices" / f"{id}.safetensors"
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if how == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    async with voiced(tmp_path) as server, server.http() as http:
        for address in ("/v1/speech", "/v1/jobs"):
            answer = await http.post(address, json={"text": "Hi.", "voice": id})
            assert code_of(answer) == (500, "voice_damaged", "voice")
            assert answer.json()["error"]["voice"] == id
        assert abs(await pitch(http, "polly") - PRESET_HZ) < 3
        assert (await http.delete(f"{VOICES}/{id}")).status_code == 204
        assert list((tmp_path / "voices").iterdir()) == []


async def test_a_voice_whose_record_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        damaged, newer = (await cloned(http))["id"], (await cloned(http))["id"]
    (tmp_path / "voices" / f"{damaged}.json").write_bytes(b'{"format": 1, "voice": ')
    (tmp_path / "voices" / f"{newer}.json").write_bytes(b'{"format": 99}')
    async with voiced(tmp_path) as server, server.http() as http:
        answer = await http.post("/v1/speech", json={"text": "Hi.", "voice": damaged})
        assert code_of(answer) == (500, "voice_damaged", "voice")
        answer = await http.post("/v1/speech", json={"text": "Hi.", "voice": newer})
        assert code_of(answer) == (404, "unknown_voice", "voice")
    assert len(list((tmp_path / "voices").iterdir())) == 4  # nothing of theirs is thrown away


async def test_files_of_voices_are_private_and_what_a_crash_left_half_goes(tmp_path: Path) -> None:
    directory = tmp_path / "voices"
    async with voiced(tmp_path) as server, server.http() as http:
        id = (await cloned(http))["id"]
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    told = json.loads((directory / f"{id}.json").read_text())
    assert told["voice"]["id"] == id
    other = "voice_" + "0" * 24
    (directory / f"{other}.safetensors").write_bytes(b"half")
    (directory / f".{other}.json.0123abcd").write_bytes(b"{")
    async with voiced(tmp_path) as server, server.http() as http:
        assert [v["id"] for v in (await http.get(VOICES)).json()["voices"][3:]] == [id]
    assert sorted(path.name for path in directory.iterdir()) == [f"{id}.json", f"{id}.safetensors"]


async def test_who_speaks_with_a_voice_goes_on_while_it_is_deleted(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http, server.socket() as socket:
        id = (await cloned(http))["id"]
        await say(socket, type="start", context="c", voice=id, audio=JSON)
        await hear_until(socket, "ready")
        await say(socket, type="text", context="c", text="One two three. ")
        await hear_until(socket, "segment")
        assert (await http.delete(f"{VOICES}/{id}")).status_code == 204
        await say(socket, type="text", context="c", text="Four five six.")
        await say(socket, type="end", context="c")
        assert (await hear_until(socket, "done", "error"))[-1]["type"] == "done"
        await say(socket, type="start", context="d", voice=id)
        error = (await hear_until(socket, "error"))[-1]
        assert (error["code"], error["param"]) == ("unknown_voice", "voice")


async def test_a_voice_can_change_within_a_context(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http, server.socket() as socket:
        await cloned(http, 440, name="Ann")
        await say(socket, type="start", context="c", audio=JSON, voice="polly")
        await say(socket, type="text", context="c", text="One two. ")
        await say(socket, type="text", context="c", text="Three four.", voice="Ann")
        await say(socket, type="end", context="c")
        assert (await hear_until(socket, "done", "error"))[-1]["type"] == "done"
        engine = server.service.catalogue.engines["parrot"]
        assert isinstance(engine, Parrot)
        assert [segment.options.voice.name for segment in engine.spoken] == ["", "Ann"]


async def test_jobs_and_openai_speak_with_the_keys_own_voices(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path)
    headers = bearer(keys.new("ann"))
    async with voiced(tmp_path) as server, server.http(headers=headers) as http:
        id = (await cloned(http, 440, name="Ann"))["id"]
        wanted = {"text": "One two three.", "voice": "Ann", "audio": {"codec": "pcm_s16le"}}
        job = (await http.post("/v1/jobs", json=wanted)).json()
        assert job["voice"] == id
        while job["status"] in ("queued", "running"):
            await asyncio.sleep(0.01)
            job = (await http.get(f"/v1/jobs/{job['id']}")).json()
        assert job["status"] == "completed"
        sound = await http.get(f"/v1/jobs/{job['id']}/audio")
        assert abs(pitch_of(sound.content) - 440) < 3
        wanted = {"model": "tts-1", "input": "One two.", "voice": "Ann", "response_format": "wav"}
        sound = await http.post("/v1/audio/speech", json=wanted)
        assert sound.status_code == 200, sound.text
        assert abs(pitch_of(sound.content) - 440) < 3
        await cloned(http, 880, name="nova")  # one of OpenAI's names, which else is the default
        sound = await http.post("/v1/audio/speech", json=wanted | {"voice": "nova"})
        assert abs(pitch_of(sound.content) - 880) < 3


async def test_a_client_that_goes_ends_what_the_engine_does_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    parrot = Parrot()
    parrot.gate.clear()
    async with voiced(tmp_path, parrot) as server, server.http() as http:
        task = asyncio.create_task(http.post(DESIGN, json={"description": "x", "name": "x"}))
        await eventually(lambda: parrot.making)
        task.cancel()
        await asyncio.wait([task])
        await eventually(lambda: not parrot.making)
        parrot.gate.set()
        await eventually(lambda: not server.live)
        assert (await http.get(VOICES)).json()["voices"][1:] == []
        assert (await http.post(DESIGN, json={"description": "x", "name": "x"})).is_success


async def test_few_voices_are_made_at_once_and_one_of_a_key(tmp_path: Path) -> None:
    keys, parrot = KeyStore(tmp_path), Parrot()
    parrot.gate.clear()
    secrets = [keys.new(name) for name in "abc"]
    async with voiced(tmp_path, parrot) as server, server.http() as http:
        body = {"description": "x"}
        tasks = [
            asyncio.create_task(http.post(DESIGN, json=body, headers=bearer(secret)))
            for secret in secrets
            for _ in range(2)
        ]
        await eventually(lambda: parrot.making == 2)
        await asyncio.sleep(0.05)
        parrot.gate.set()
        assert [(await task).status_code for task in tasks] == [201] * 6
        assert parrot.most == 2


async def test_what_an_engine_fails_with_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    parrot = Parrot()
    async with voiced(tmp_path, parrot) as server, server.http() as http:
        for fault, code in (
            (EngineFailed("no memory"), (502, "engine_failed", None)),
            (ZeroDivisionError(), (500, "internal_error", None)),
        ):
            parrot.fault = fault
            assert code_of(await http.post(DESIGN, json={"description": "x"})) == code
        assert (await http.get(VOICES)).json()["voices"][1:] == []
        assert not (tmp_path / "voices").exists()


async def test_a_designed_voice_costs_what_its_preview_does(tmp_path: Path) -> None:
    keys, parrot = KeyStore(tmp_path), Parrot()
    headers = bearer(keys.new("ann", KeyLimits(budget=0.015), scopes=("speak", "manage", "usage")))
    async with (
        voiced(tmp_path, parrot, price_per_1000=1.0) as server,
        server.http(headers=headers) as http,
    ):
        await cloned(http)
        assert (await http.get("/v1/usage")).json()["spent"] == 0
        body = {"description": "calm", "preview_text": "0123456789"}
        assert (await http.post(DESIGN, json=body)).status_code == 201
        assert (await http.get("/v1/usage")).json()["spent"] == 0.01
        assert code_of(await http.post(DESIGN, json=body)) == (402, "budget_spent", None)
        assert len(parrot.heard) == 2
