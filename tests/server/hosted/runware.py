"""Tasks for the server's Runware, and what it answers."""

from __future__ import annotations

import io
import uuid
import wave
from typing import Any

import httpx
import numpy as np

from streamer.protocols.runware.tables import BASE, CUSTOM_VOICE

PATH = "/runware/v1"
Item = dict[str, Any]


def new_id() -> str:
    return str(uuid.uuid4())


def task(text: str = "One two three.", /, **fields: Any) -> Item:
    """An `audioInference` that is good. `text` may have been given with `speech`."""
    made: Item = {
        "taskType": "audioInference",
        "taskUUID": new_id(),
        "model": CUSTOM_VOICE,
        "speech": {"text": text, "voice": "Serena"},
    }
    return made | fields


def clone(reference: str, **fields: Any) -> Item:
    settings = {"transcript": "Welcome.", "xVectorOnly": False}
    return task(
        model=BASE,
        speech={"text": "One two three.", "voice": "clone", "language": "English"},
        settings=settings,
        inputs={"audio": reference},
        **fields,
    )


async def ask(http: httpx.AsyncClient, *tasks: object, **options: Any) -> httpx.Response:
    return await http.post(PATH, json=list(tasks), **options)


async def done(http: httpx.AsyncClient, *tasks: object) -> list[Item]:
    """The data of an answer without errors."""
    answer = await ask(http, *tasks)
    told = answer.json()
    assert answer.status_code == 200, answer.text
    assert set(told) == {"data"}, told
    data: list[Item] = told["data"]
    return data


async def refused(http: httpx.AsyncClient, *tasks: object, status: int = 400) -> Item:
    """The one error of an answer without data."""
    answer = await ask(http, *tasks)
    told = answer.json()
    assert (answer.status_code, told["data"]) == (status, []), answer.text
    (error,) = told["errors"]
    assert error["code"]
    assert error["message"]
    return dict(error)


def recording(seconds: float = 1.0) -> bytes:
    """A WAV file to speak like."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        time = np.arange(round(16000 * seconds)) / 16000
        file.writeframes((8000 * np.sin(2 * np.pi * 220 * time)).astype("<i2").tobytes())
    return data.getvalue()
