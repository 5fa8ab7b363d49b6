"""crun's `CreateTask` and `TaskInfo`, as its documents have them. HTTP answers 200 also for its own errors
where `mirrors` is off, since the documents do not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.providers.base import Act, Provider, Reply, Request, as_json
from tests.providers.sounds import CONTENT_TYPES, RATE, encoded, spoken

MODEL = "qwen3-tts/speech-synthesis"
_CREATE = "/api/v1/client/job/CreateTask"
_INFO = "/api/v1/client/job/TaskInfo"
_BALANCE = "/api/v1/client/account/balance"
_CREATED = 1768900378
_FIELDS = {"text", "voice", "language_type", "instructions", "optimize_instructions"}


@dataclass
class Task:
    """What was asked for, and how far it is. `failure`: what it will fail with."""

    asked: dict[str, Any]
    act: Act
    polls: int = 0
    failure: str = ""


class CrunProvider(Provider):
    """Makes a task of each request, which is `running` for `waits` polls. The act of the request that made
    it is that of its result's link."""

    name = "crun"

    def __init__(self, *, mirrors: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.waits = 2
        self.failures: list[str] = []
        """What the next tasks fail with."""
        self._mirrors = mirrors
        self._tasks: dict[str, Task] = {}

    def kind(self, request: Request) -> str:
        return {_CREATE: "speech", _INFO: "poll", _BALANCE: "balance"}.get(request.path, "other")

    async def answer(self, request: Request, act: Act) -> Reply:
        if request.headers.get("x-api-key") != self.key:
            return self.refusal(401, "Authentication credentials are missing or invalid")
        match self.kind(request), request.method:
            case "speech", "POST":
                return self._create(request.json(), act)
            case "poll", "GET":
                return self._poll(request.query.get("task_id", ""), act)
            case "balance", "GET":
                return as_json({"code": 200, "message": "success", "data": {"balance": 12.5}})
        return self.refusal(404, "The requested resource or endpoint does not exist")

    def refusal(self, status: int, said: str) -> Reply:
        told = {"code": status, "message": said, "data": None}
        return as_json(told, status if self._mirrors else 200)

    def _create(self, asked: dict[str, Any], act: Act) -> Reply:
        told = asked.get("input")
        if asked.get("model") != MODEL or not isinstance(told, dict):
            return self.refusal(422, "model, input")
        if not told.get("text") or set(told) - _FIELDS:
            return self.refusal(422, "input")
        id = f"task_{self.number():08d}"
        failure = self.failures.pop(0) if self.failures else ""
        self._tasks[id] = Task(asked, act, failure=failure)
        return as_json({"code": 200, "message": "success", "data": {"task_id": id}})

    def _poll(self, id: str, act: Act) -> Reply:
        task = self._tasks.get(id)
        if task is None:
            return self.refusal(404, "Task not found")
        task.polls += 1
        if task.polls <= self.waits:
            return _told(id, task, "running", None)
        if task.failure:
            return _told(id, task, "failed", {"code": 501, "message": task.failure})
        samples = spoken(task.asked["input"]["text"])
        where = act if act.fault in ("inside", "expired") else task.act
        url = self.link(encoded(samples, "wav"), CONTENT_TYPES["wav"], len(samples) / RATE, where)
        return _told(id, task, "success", {"code": 200, "message": "ok", "media_urls": [url]})


def _told(id: str, task: Task, status: str, result: object) -> Reply:
    ended = status != "running"
    data = {
        "task_id": id,
        "provider": "Alibaba",
        "model_version": "speech-synthesis",
        "status": status,
        "param": task.asked,
        "create_at": _CREATED,
        "result": result,
        "duration_s": 3 if ended else None,
        "complete_at": _CREATED + 3 if ended else None,
        "source": "api",
    }
    return as_json({"code": 200, "message": "success", "data": data})
