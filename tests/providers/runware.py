"""Runware's `POST /v1`, as its document and its SDK have it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.providers.base import Act, Provider, Reply, Request, as_json
from tests.providers.sounds import CONTENT_TYPES, RATE, encoded, spoken

VOICES = (*("Vivian", "Serena", "Uncle_Fu", "Dylan", "Eric", "Ryan", "Aiden", "Ono_Anna", "Sohee"),)
"""Of the model with named voices."""
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MODEL = "alibaba:qwen@3-tts-1.7b-"
_FIELDS = {
    *("taskType", "taskUUID", "outputType", "outputFormat", "audioSettings", "webhookURL"),
    *("deliveryMethod", "uploadEndpoint", "ttl", "includeCost", "numberResults", "inputs"),
    *("model", "speech", "settings", "positivePrompt"),
}
_LANGUAGES = (
    *("Auto", "Chinese", "English", "Japanese", "Korean", "French"),
    *("German", "Spanish", "Italian", "Russian", "Portuguese"),
)
_FORMATS = {"MP3": "mp3", "WAV": "wav", "FLAC": "flac", "OGG": "opus"}
_CODES = {
    401: "invalidApiKey",
    402: "insufficientCredits",
    404: "taskFailedOrNotFound",
    429: "rateLimitExceeded",
    500: "internalServerError",
    503: "serviceUnavailable",
}


@dataclass
class Task:
    """What was asked for, and how far it is."""

    asked: Mapping[str, Any]
    act: Act
    polls: int = 0
    failure: str = ""


class RunwareProvider(Provider):
    """Answers a synchronous task with its sound, and acknowledges others: a poll finds those `processing`
    for `waits` times. `slow` makes every task one of these."""

    name = "runware"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.waits = 2
        self.slow = False
        self.failures: list[str] = []
        """Codes that the next tasks fail with."""
        self._tasks: dict[str, Task] = {}

    def kind(self, request: Request) -> str:
        if request.path != "/v1" or request.method != "POST":
            return "other"
        try:
            kind = request.json()[0]["taskType"]
        except (ValueError, LookupError, TypeError):
            return "other"
        kinds = {"audioInference": "speech", "getResponse": "poll", "authentication": "key"}
        return kinds.get(kind, "other")

    async def answer(self, request: Request, act: Act) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.refusal(401, "Invalid API key")
        match self.kind(request):
            case "speech":
                (asked,) = request.json()
                return self._create(asked, act)
            case "poll":
                (asked,) = request.json()
                return self._poll(asked["taskUUID"], act)
            case "key":
                (asked,) = request.json()
                if asked["apiKey"] != self.key:
                    return self.refusal(401, "Invalid API key")
                return as_json({"data": [{"taskType": "authentication"}]})
        return self.refusal(404, "no such task")

    def refusal(self, status: int, said: str) -> Reply:
        return _failed(_CODES.get(status, "invalidParameter"), said, status=status)

    def _create(self, asked: Mapping[str, Any], act: Act) -> Reply:
        wrong = _wrong(asked)
        if wrong:
            return _failed("invalidParameter", f"invalid {wrong}", wrong, asked.get("taskUUID"))
        id = asked["taskUUID"]
        if id in self._tasks:
            return _failed("conflictTaskUUID", "taskUUID was used", "taskUUID", id)
        failure = self.failures.pop(0) if self.failures else ""
        task = self._tasks[id] = Task(asked, act, failure=failure)
        if asked.get("deliveryMethod") == "async" or self.slow:
            return as_json({"data": [{"taskType": "audioInference", "taskUUID": id}]})
        return self._ended(id, task, act, {})

    def _poll(self, id: str, act: Act) -> Reply:
        task = self._tasks.get(id)
        if task is None:
            return _failed("taskFailedOrNotFound", "no such task", "taskUUID", id)
        task.polls += 1
        if task.polls <= self.waits:
            told = {"taskType": "audioInference", "taskUUID": id, "status": "processing"}
            return as_json({"data": [told]})
        where = act if act.fault in ("inside", "expired") else task.act
        return self._ended(id, task, where, {"status": "success"})

    def _ended(self, id: str, task: Task, act: Act, more: Mapping[str, Any]) -> Reply:
        if task.failure:
            return _failed(task.failure, "scripted", "", id, status=200)
        asked = task.asked
        name = _FORMATS[asked.get("outputFormat", "MP3")]
        samples = spoken(asked["speech"]["text"], speed=asked["speech"].get("speed", 1.0))
        body, seconds = encoded(samples, name), len(samples) / RATE
        told = {
            "taskType": "audioInference",
            "taskUUID": id,
            "audioUUID": f"35e2a7b7-1825-4cb4-9d75-{self.number():012d}",
            **more,
        }
        match asked.get("outputType", "URL"):
            case "URL":
                told["audioURL"] = self.link(body, CONTENT_TYPES[name], seconds, act)
            case "base64Data":
                told["audioBase64Data"] = base64.b64encode(body).decode()
            case _:
                text = base64.b64encode(body).decode()
                told["audioDataURI"] = f"data:{CONTENT_TYPES[name]};base64,{text}"
        return as_json({"data": [told]})


class SlowRunwareProvider(RunwareProvider):
    """Acknowledges every task, and has its result at the first poll."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.slow, self.waits = True, 0


def _failed(code: str, said: str, name: str = "", id: object = None, *, status: int = 400) -> Reply:
    error = {"code": code, "message": said, "taskType": "audioInference"}
    error |= {"parameter": name} if name else {}
    error |= {"taskUUID": str(id)} if id else {}
    return as_json({"data": [], "errors": [error]}, status)


def _wrong(asked: Mapping[str, Any]) -> str:
    """The parameter that the document forbids so, "" where there is none."""
    if unknown := set(asked) - _FIELDS:
        return min(unknown)
    if not _UUID4.fullmatch(asked.get("taskUUID", "")):
        return "taskUUID"
    model = asked.get("model", "").removeprefix(_MODEL)
    if model not in ("base", "customvoice", "voicedesign"):
        return "model"
    speech, settings = asked.get("speech", {}), asked.get("settings", {})
    if not 0 < len(speech.get("text", "")) <= 2000:
        return "speech.text"
    if not 0.25 <= speech.get("speed", 1.0) <= 4:
        return "speech.speed"
    if speech.get("language", "Auto") not in _LANGUAGES:
        return "speech.language"
    if model == "customvoice" and speech.get("voice") not in VOICES:
        return "speech.voice"
    if model == "voicedesign" and not asked.get("positivePrompt"):
        return "positivePrompt"
    if model == "base":
        if not asked.get("inputs", {}).get("audio"):
            return "inputs.audio"
        if not (settings.get("transcript") or settings.get("xVectorOnly")):
            return "settings.transcript"
    if asked.get("outputFormat") in ("WAV", "FLAC") and "audioSettings" in asked:
        return "audioSettings"
    return ""
