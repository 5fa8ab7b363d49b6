"""AI/ML API's `POST /v1/tts` as the example of its document has it: a link to a WAV file."""

from __future__ import annotations

from tests.providers.base import Act, Provider, Reply, Request, as_json
from tests.providers.sounds import RATE, encoded, spoken

MODEL = "alibaba/qwen3-tts-flash"
VOICES = (
    *("Cherry", "Ethan", "Nofish", "Jennifer", "Ryan", "Katerina", "Elias", "Jada", "Dylan"),
    *("Sunny", "Li", "Marcus", "Roy", "Peter", "Rocky", "Kiki", "Eric"),
)


class AimlApiProvider(Provider):
    """Answers 201, as the schema says."""

    name = "aimlapi"

    def kind(self, request: Request) -> str:
        return "speech" if request.path == "/v1/tts" else "other"

    async def answer(self, request: Request, act: Act) -> Reply:
        if self.kind(request) == "other" or request.method != "POST":
            return self.refusal(404, "Not Found")
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.refusal(401, "This request requires a valid API key.")
        asked = request.json()
        wrong = (
            ("model", asked.get("model") != MODEL),
            ("text", not 1 <= len(asked.get("text", "")) <= 600),
            ("voice", asked.get("voice") not in VOICES),
        )
        for name, bad in wrong:
            if bad:
                return self.refusal(400, f"Body validation error! {name}")
        samples = spoken(asked["text"])
        link = self.link(encoded(samples, "wav"), "audio/wav", len(samples) / RATE, act)
        usage = {"characters": len(asked["text"])}
        return as_json({"audio": {"url": link}, "usage": usage}, 201)

    def refusal(self, status: int, said: str) -> Reply:
        return as_json({"message": said, "statusCode": status}, status)
