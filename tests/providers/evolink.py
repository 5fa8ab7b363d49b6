"""Evolink's `POST /v1/audios/generations` and `GET /v1/tasks/{id}`, as its documents have them, and a way to
end a task, as our own server has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.providers.base import Act, Provider, Reply, Request, as_json
from tests.providers.sounds import CONTENT_TYPES, RATE, encoded, spoken

VOICE = "qwen-tts-vd-announcer-voice-20260402-a1b2"
"""The document's voice. Built-in ones are not supported."""
_CREATED = 1775122733
_LANGUAGES = (
    *("Auto", "Chinese", "English", "Japanese", "Korean", "French"),
    *("German", "Spanish", "Italian", "Russian", "Portuguese"),
)
_FIELDS = {"model", "prompt", "voice", "language_type", "callback_url"}
_TYPES = {
    400: ("invalid_parameters", "invalid_request_error"),
    401: ("unauthorized", "authentication_error"),
    402: ("quota_exceeded", "insufficient_quota_error"),
    403: ("permission_denied", "permission_error"),
    404: ("resource_not_found", "not_found_error"),
    429: ("resource_exhausted", "rate_limit_error"),
}


@dataclass
class Task:
    """What was asked for, and how far it is. `failure`: how it will end, or has ended, instead."""

    text: str
    act: Act
    polls: int = 0
    failure: str = ""


class EvolinkProvider(Provider):
    """Makes a task of each request. A poll finds it `pending` first, then `processing`, and after `waits`
    of these completed. The act of the request that made it is that of its result's link."""

    name = "evolink"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.waits = 2
        self.failures: list[str] = []
        """Codes that the next tasks fail with."""
        self._tasks: dict[str, Task] = {}

    def kind(self, request: Request) -> str:
        if request.path == "/v1/audios/generations":
            return "speech"
        if request.path.endswith("/cancel"):
            return "cancel"
        return "poll" if request.path.startswith("/v1/tasks/") else "other"

    async def answer(self, request: Request, act: Act) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.refusal(401, "Invalid or expired token")
        match self.kind(request), request.method:
            case "speech", "POST":
                return self._create(request, act)
            case "poll", "GET":
                return self._poll(request.path.removeprefix("/v1/tasks/"), act)
            case "cancel", "POST":
                return self._cancel(request.path.split("/")[3])
        return self.refusal(404, "no such address")

    def refusal(self, status: int, said: str) -> Reply:
        code, kind = _TYPES.get(status, ("service_error", "upstream_error"))
        return as_json({"error": {"code": code, "message": said, "type": kind}}, status)

    def _create(self, request: Request, act: Act) -> Reply:
        asked = request.json()
        wrong = _wrong(asked)
        if wrong:
            return self.refusal(400, wrong)
        id = f"task-unified-{_CREATED}-{self.number():08d}"
        failure = self.failures.pop(0) if self.failures else ""
        task = self._tasks[id] = Task(asked["prompt"], act, failure=failure)
        return as_json(_told(id, task, "pending", 0))

    @property
    def cancelled(self) -> list[str]:
        """The texts of tasks that were, in the order in which they were made."""
        ended = "request_cancelled"
        return [task.text for task in self._tasks.values() if task.failure == ended]

    def _cancel(self, id: str) -> Reply:
        task = self._tasks.get(id)
        if task is None:
            return _unknown()
        task.failure, task.polls = "request_cancelled", self.waits + 1
        return as_json(_told(id, task, "failed", 0))

    def _poll(self, id: str, act: Act) -> Reply:
        task = self._tasks.get(id)
        if task is None:
            return _unknown()
        task.polls += 1
        if task.polls <= self.waits:
            status = "pending" if task.polls == 1 else "processing"
            return as_json(_told(id, task, status, 50 * (task.polls > 1)))
        if task.failure:
            error = {"code": task.failure, "message": "scripted"}
            return as_json({**_told(id, task, "failed", 50), "error": error})
        samples = spoken(task.text)
        where = act if act.fault in ("inside", "expired") else task.act
        url = self.link(encoded(samples, "wav"), CONTENT_TYPES["wav"], len(samples) / RATE, where)
        return as_json({**_told(id, task, "completed", 100), "results": [url]})


class PromptEvolinkProvider(EvolinkProvider):
    """Has made what is asked for by the first poll."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.waits = 0


def _unknown() -> Reply:
    error = {
        "code": "invalid_task_id",
        "message": "Invalid task ID",
        "type": "invalid_request_error",
        "param": "task_id",
    }
    return as_json({"error": error}, 400)


def _wrong(asked: Mapping[str, Any]) -> str:
    """What a request has that the document forbids."""
    if unknown := set(asked) - _FIELDS:
        return f"unknown parameter {min(unknown)}"
    if asked.get("model") != "qwen3-tts-vd":
        return "model must be qwen3-tts-vd"
    if not 0 < len(asked.get("prompt", "")) <= 600:
        return "prompt must have 1 to 600 characters"
    if not re.fullmatch(r"qwen-tts-vd-\w+-voice-\d{8}-\w{4}", asked.get("voice", "")):
        return "System built-in voices are not supported"
    if asked.get("language_type", "Auto") not in _LANGUAGES:
        return f"language_type must be one of {', '.join(_LANGUAGES)}"
    return ""


def _told(id: str, task: Task, status: str, progress: int) -> dict[str, Any]:
    ended = status in ("completed", "failed")
    return {
        "created": _CREATED,
        "id": id,
        "model": "qwen3-tts-vd",
        "object": "audio.generation.task",
        "progress": progress,
        "status": status,
        "task_info": {"can_cancel": not ended, "estimated_time": 10, "audio_type": "tts"},
        "type": "audio",
        "usage": {"credits_reserved": round(0.005 * len(task.text), 6)},
    }
