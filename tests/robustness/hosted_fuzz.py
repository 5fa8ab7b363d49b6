"""Fuzz the APIs of hosted voices: what no client should send gets an error in the API's own form."""

from __future__ import annotations

import copy
import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from tests.robustness.checks import idle, speaks
from tests.robustness.client import DEADLINE_S
from tests.robustness.texts import odd_text
from tests.server_process import ServerProcess

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 24000, 1e308, 2**70, "", " ", "Hi.", "x" * 700, "\x00"),
    *("é😀", [], {}, [1], {"a": None}, "NaN", "24000", "Cherry", "tone-low", "Auto", "English"),
    *("http://127.0.0.1/", "https://hooks.example/", "ftp://x", "data:audio/wav;base64,UklGRg=="),
    *(float("nan"), float("inf"), "nobody", str(uuid.UUID(int=7, version=4))),
)
OURS = (500, 501, 502)
"""What is our fault, in whatever words."""


@dataclass(frozen=True)
class Api:
    """`good` makes a body that is fine; `refused`: whether an answer of that status is an error in the
    API's own form."""

    path: str
    good: Callable[[Random], Any]
    refused: Callable[[int, Any], bool]


async def fuzz_hosted(server: ServerProcess, name: str, count: int, seed: int) -> Counter[str]:
    """Send so many bodies to one API; how often each status came."""
    api, random, tally = HOSTED[name], Random(seed), Counter[str]()
    async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as http:
        for _ in range(count):
            body = _body(api, random)
            accept = random.choice(("*/*", "application/json", "", ";;;", "text/html"))
            answer = await http.post(f"/{name}{api.path}", content=body, headers={"accept": accept})
            shown = f"{name} {body[:400]!r}: {answer.status_code} {answer.content[:400]!r}"
            tally[str(answer.status_code)] += 1
            assert answer.headers["x-request-id"], shown
            assert answer.status_code not in OURS, shown
            if answer.status_code not in (200, 201):
                assert answer.headers["content-type"] == "application/json", shown
                assert api.refused(answer.status_code, json.loads(answer.content)), shown
    await idle(server)
    await speaks(server)
    return tally


def _body(api: Api, random: Random) -> bytes:
    body = api.good(random)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        body = _spoilt(body, random)
    data = bytearray(json.dumps(body, ensure_ascii=random.random() < 0.5).encode())
    match random.randrange(25):
        case 0:
            data[random.randrange(len(data))] = random.randrange(256)
        case 1:
            del data[random.randrange(len(data)) :]
        case 2:
            data = bytearray(random.randbytes(random.randrange(500)))
        case 3:
            data = bytearray(b'{"model":' + b"[" * 50000)
        case 4 if random.random() < 0.1:
            data = bytearray(b'{"text":"' + b"x" * 1048576 + b'"}')
    return bytes(data)


def _spoilt(body: Any, random: Random) -> Any:
    """The body with one thing in it changed, taken away or put in, however deep."""
    body = copy.deepcopy(body)
    places = list(_containers(body))
    if not places:
        return random.choice(_ODD)
    place = random.choice(places)
    odd = copy.deepcopy(random.choice(_ODD))
    if isinstance(place, list):
        place.insert(random.randrange(len(place) + 1), odd)
        return body
    name = random.choice([*place, "extra", ""])
    match random.randrange(4):
        case 0:
            place.pop(name, None)
        case 1:
            place[name] = {"inside": odd}
        case _:
            place[name] = odd
    return body if random.random() < 0.95 else random.choice(([body], {"input": body}, odd))


def _containers(value: Any) -> list[Any]:
    """All objects and lists in a value, itself included."""
    if isinstance(value, dict):
        return [value, *(inner for one in value.values() for inner in _containers(one))]
    if isinstance(value, list):
        return [value, *(inner for one in value for inner in _containers(one))]
    return []


def _text(random: Random, limit: int) -> str:
    return (odd_text(random) if random.random() < 0.5 else "One two.")[:limit] or "One."


# crun


def _crun(random: Random) -> Any:
    text, language = _text(random, 300), random.choice(("Auto", "English", "Chinese"))
    speech = {
        "text": text,
        "voice": random.choice(("Serena", "tone-high")),
        "language_type": language,
        "instructions": "Speak clearly.",
        "optimize_instructions": True,
    }
    model, told = random.choice(
        (
            *(("qwen3-tts/speech-synthesis", speech),) * 3,
            ("qwen3-tts/voice-clone", {"text": text, "audio_url": "https://a.example/b.wav"}),
            ("qwen3-tts/voice-design", {"text": text, "description": "warm"}),
        )
    )
    return {"model": model, "input": told}


def _crun_refused(status: int, told: Any) -> bool:
    return (
        set(told) == {"code", "message", "data"}
        and told["code"] == status
        and status in (401, 402, 404, 422, 429, 455, 505)
        and isinstance(told["message"], str)
        and told["data"] is None
    )


# ModelStream


def _modelstream(random: Random) -> Any:
    names = random.choice((("input", "response_format"), ("text", "format")))
    return {
        "model": "qwen3-tts-flash",
        names[0]: _text(random, 300),
        "voice": random.choice(("Cherry", "Aiden", "tone-low")),
        "language_type": random.choice(("Auto", "English", "Chinese")),
        names[1]: random.choice(("mp3", "pcm")),
        "sample_rate": random.choice((16000, 24000, "16000", "24000")),
        "volume": random.choice((0.1, 1, 2)),
        "speed": random.choice((0.5, 1, 2)),
        "pitch": random.choice((0.5, 1, 2)),
        "enable_timestamp": random.random() < 0.3,
    }


def _modelstream_refused(status: int, told: Any) -> bool:
    error = told["error"]
    return 400 <= status < 500 and set(error) == {"message", "type", "param", "code"}


# AI/ML API


def _aimlapi(random: Random) -> Any:
    return {
        "model": "alibaba/qwen3-tts-flash",
        "text": _text(random, 600),
        "voice": random.choice(("Cherry", "Ethan", "Eric")),
    }


def _aimlapi_refused(status: int, told: Any) -> bool:
    fields = {"message", "statusCode", "code", "requestId"}
    return 400 <= status < 500 and fields <= set(told) and told["statusCode"] == status


# Evolink


def _evolink(random: Random) -> Any:
    if random.random() < 0.3:
        return {
            "model": "qwen-voice-design",
            "voice_prompt": "A calm announcer.",
            "preview_text": _text(random, 300),
            "preferred_name": "announcer",
            "language": "en",
            "sample_rate": random.choice((8000, 24000)),
            "response_format": random.choice(("pcm", "wav", "mp3", "opus")),
        }
    return {
        "model": "qwen3-tts-vd",
        "prompt": _text(random, 600),
        "voice": random.choice(("tone-low", "qwen-tts-vd-announcer-voice-20260402-a1b2")),
        "language_type": random.choice(("Auto", "English", "Chinese")),
    }


def _evolink_refused(status: int, told: Any) -> bool:
    error = told["error"]
    named = {"code", "message", "type"}
    return 400 <= status < 600 and named <= set(error) <= named | {"param"}


# Runware


def _runware(random: Random) -> Any:
    kind = random.choice(("base", "custom", "custom", "custom", "poll", "ping"))
    id = str(uuid.UUID(int=random.getrandbits(128), version=4))
    if kind == "ping":
        return [{"taskType": "ping", "ping": True}]
    if kind == "poll":
        return [{"taskType": "getResponse", "taskUUID": id}]
    task: dict[str, Any] = {
        "taskType": "audioInference",
        "taskUUID": id,
        "model": "alibaba:qwen@3-tts-1.7b-customvoice",
        "outputType": random.choice(("URL", "base64Data", "dataURI")),
        "outputFormat": random.choice(("MP3", "WAV", "FLAC", "OGG")),
        "deliveryMethod": random.choice(("sync", "async")),
        "numberResults": random.choice((1, 1, 2)),
        "includeCost": True,
        "speech": {
            "text": _text(random, 200),
            "voice": "Serena",
            "language": random.choice(("Auto", "English")),
            "speed": random.choice((0.25, 1, 4)),
        },
        "settings": {"maxNewTokens": 2048},
    }
    if kind == "base":
        task["model"] = "alibaba:qwen@3-tts-1.7b-base"
        task["speech"]["voice"] = "clone"
        task["settings"] |= {"transcript": "Welcome.", "xVectorOnly": False}
        task["inputs"] = {"audio": "https://assets.example/a.mp3"}
    return [task]


def _runware_refused(status: int, told: Any) -> bool:
    return (
        400 <= status < 600
        and {"errors"} <= set(told) <= {"data", "errors"}
        and all({"code", "message"} <= set(error) for error in told["errors"])
        and bool(told["errors"])
    )


HOSTED: Mapping[str, Api] = {
    "crun": Api("/api/v1/client/job/CreateTask", _crun, _crun_refused),
    "modelstream": Api("/v1/audio/speech", _modelstream, _modelstream_refused),
    "aimlapi": Api("/v1/tts", _aimlapi, _aimlapi_refused),
    "evolink": Api("/v1/audios/generations", _evolink, _evolink_refused),
    "runware": Api("/v1", _runware, _runware_refused),
}
"""By the prefix each is mounted at."""
