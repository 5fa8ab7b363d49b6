"""ModelStream's `POST /v1/audio/speech` after its document, and after what gateways of its kind do where
that is silent."""

from __future__ import annotations

import base64
import json
from typing import Literal

from tests.providers.base import KEY, Act, Provider, Reply, Request, as_json
from tests.providers.sounds import CONTENT_TYPES, RATE, encoded, said_words, spoken

MODELS = ("qwen3-tts-flash", "qwen3-tts-flash-2025-11-27")
VOICES = ("Cherry", "Chelsie", "Zhibao", "Bingjiao", "Stella", "Aiden")
RANGES = {"volume": (0.1, 2.0), "speed": (0.5, 2.0), "pitch": (0.5, 2.0)}

Form = Literal["bytes", "unnamed", "string", "model"]


class ModelStreamProvider(Provider):
    """`form`: the sound as the body; the same without saying what it is; the document's JSON string; or
    the model's own answer, with a link. With times asked for always an object in JSON."""

    name = "modelstream"

    def __init__(self, *, form: Form = "bytes", key: str = KEY) -> None:
        super().__init__(key=key)
        self.form = form

    def kind(self, request: Request) -> str:
        return "speech" if request.path == "/v1/audio/speech" else "other"

    async def answer(self, request: Request, act: Act) -> Reply:
        if self.kind(request) == "other" or request.method != "POST":
            return self.refusal(404, "no such address")
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.refusal(401, "Invalid token")
        asked = request.json()
        if (wrong := _wrong(asked)) is not None:
            return self.refusal(400, wrong)
        text = asked.get("input") or asked["text"]
        speed, rate = asked.get("speed", 1.0), int(asked.get("sample_rate", RATE))
        name = asked.get("response_format") or asked.get("format") or "mp3"
        samples = spoken(text, speed=speed, pitch=asked.get("pitch", 1.0))
        samples = samples * asked.get("volume", 1.0)
        body, seconds = encoded(samples, name, out=rate), len(samples) / RATE
        said = CONTENT_TYPES[name].replace(str(RATE), str(rate))
        letters = base64.b64encode(body).decode()
        if asked.get("enable_timestamp"):
            words = said_words(text, speed=speed)
            return as_json({"audio": letters, "format": name, "sample_rate": rate, "words": words})
        match self.form:
            case "string":
                return Reply(200, json.dumps(letters).encode(), seconds=seconds)
            case "model":
                link = self.link(encoded(samples, "wav"), "audio/wav", seconds, act)
                audio = {"data": "", "url": link, "expires_at": 1800000000}
                return as_json({"output": {"audio": audio, "finish_reason": "stop"}})
            case "unnamed":
                return Reply(200, body, "application/octet-stream", seconds=seconds)
        return Reply(200, body, said, seconds=seconds, chunked=True)

    def refusal(self, status: int, said: str) -> Reply:
        error = {"message": said, "type": "invalid_request_error", "param": None, "code": None}
        return as_json({"error": error}, status)


def _wrong(asked: dict[str, object]) -> str | None:
    """What the document has against a request."""
    if not (asked.get("input") or asked.get("text")):
        return "text is required"
    choices = {
        "model": MODELS,
        "voice": VOICES,
        "language_type": ("Auto", "Chinese", "English"),
        "format": ("mp3", "pcm"),
        "response_format": ("mp3", "pcm"),
        "sample_rate": (16000, 24000, "16000", "24000"),
        "enable_timestamp": (True, False),
    }
    for name, value in asked.items():
        if name in choices and value not in choices[name]:
            return f"{name} must be one of {choices[name]}"
        if name in RANGES:
            low, high = RANGES[name]
            if not isinstance(value, int | float) or not low <= value <= high:
                return f"{name} must be {low} to {high}"
    return None
