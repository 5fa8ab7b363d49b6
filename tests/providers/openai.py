"""OpenAI's `POST /v1/audio/speech`, as its documents and its compatible servers have it."""

from __future__ import annotations

from streamer.protocols.openai import BUILTIN_VOICES
from tests.providers.base import Act, Provider, Reply, Request, as_json
from tests.providers.sounds import CONTENT_TYPES, RATE, encoded, spoken

VOICES = sorted(BUILTIN_VOICES)


class OpenAiProvider(Provider):
    """Streams the sound as the body of the answer."""

    name = "openai"
    base = "/v1"

    def kind(self, request: Request) -> str:
        return {"/v1/audio/speech": "speech", "/v1/models": "models"}.get(request.path, "other")

    async def answer(self, request: Request, act: Act) -> Reply:
        wanted = {"speech": "POST", "models": "GET"}.get(self.kind(request))
        if request.method != wanted:
            return self.refusal(404, "no such address")
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.refusal(401, f"Incorrect API key provided: {self.key}")
        if wanted == "GET":
            return as_json({"object": "list", "data": [{"id": "gpt-4o-mini-tts"}]})
        asked = request.json()
        if asked["voice"] not in VOICES:
            return self.refusal(400, f"voice must be one of {', '.join(VOICES)}")
        if not 0 < len(asked["input"]) <= 4096:
            return self.refusal(400, "input must have 1 to 4096 characters")
        name = asked.get("response_format", "mp3")
        samples = spoken(asked["input"], speed=asked.get("speed", 1.0))
        body = encoded(samples, name)
        return Reply(
            200, body, CONTENT_TYPES[name], seconds=len(samples) / RATE, chunked=bool(len(body))
        )

    def refusal(self, status: int, said: str) -> Reply:
        error = {"message": said, "type": "invalid_request_error", "param": None, "code": None}
        return as_json({"error": error}, status)
