"""What tells of a task, and errors; with `Client`, which reads them, both roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from streamer.errors import (
    AccessError,
    BudgetSpent,
    Draining,
    EngineFailed,
    Gone,
    InternalError,
    LimitError,
    MethodNotAllowed,
    NotAvailable,
    NotFound,
    StorageFull,
    StorageUnavailable,
    StreamerError,
)
from streamer.protocols.native import errors as native_errors
from streamer.resources import Job, StoredFile

MESSAGE = 500
"""Most characters of an error's message that a task tells."""

CODES: tuple[tuple[tuple[type[StreamerError], ...], int], ...] = (
    ((AccessError,), 401),
    ((BudgetSpent,), 402),
    ((NotFound, Gone, MethodNotAllowed), 404),
    ((LimitError,), 429),
    ((Draining, StorageUnavailable, StorageFull), 455),
    ((EngineFailed,), 501),
    ((NotAvailable,), 505),
    ((InternalError,), 500),
    ((StreamerError,), 422),
)
"""Which of the documented codes an error is; the first row that fits."""

_NAMES = {
    "text": "input.text",
    "voice": "input.voice",
    "language": "input.language_type",
    "instructions": "input.instructions",
    "webhook.url": "callback_url",
    "id": "task_id",
}
"""The documents' names of what our errors name."""


class Result(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What a task came to: URLs of its sound, or why there is none."""

    code: int
    message: str
    media_urls: tuple[str, ...] = ()


class Info(Struct, kw_only=True, frozen=True):
    """A task as `TaskInfo` and the callback tell of it. `create_at` and `complete_at` in Unix seconds,
    `duration_s` between them; `param` is the request."""

    task_id: str
    provider: str = "Streamer"
    model_version: str = ""
    status: str
    param: Any = None
    create_at: int | None = None
    result: Result | None = None
    duration_s: float | None = None
    complete_at: int | None = None
    source: str = "api"


def info_of(job: Job, link: Callable[[StoredFile], str]) -> Info:
    """What is told of a job."""
    param: Mapping[str, Any] = msgspec.json.decode(job.request.echo or "{}")
    result: Result | None = None
    match job.status:
        case "completed":
            status = "success"
            urls = tuple(link(one.file) for one in job.results)
            result = Result(code=200, message="success", media_urls=urls)
        case "failed" | "cancelled":
            status = "failed"
            error = job.error or EngineFailed("the task was cancelled")
            result = Result(code=code_of(error), message=_message(error)[:MESSAGE])
        case _:
            status = "running"
    took = None if job.finished is None else round(job.finished - job.created, 3)
    return Info(
        task_id=job.request.alias or job.id,
        model_version=str(param.get("model", "")).rpartition("/")[2],
        status=status,
        param=param,
        create_at=int(job.created),
        result=result,
        duration_s=took,
        complete_at=None if job.finished is None else int(job.finished),
    )


def encode_accepted(task_id: str) -> bytes:
    return _answer({"task_id": task_id})


def encode_info(info: Info) -> bytes:
    return _answer(info)


def encode_balance(balance: float | None) -> bytes:
    """In the unit of the server's price; None where nothing bounds it."""
    return _answer({"balance": None if balance is None else round(balance, 9)})


def encode_callbacks(job: Job, link: Callable[[StoredFile], str]) -> Sequence[Mapping[str, Any]]:
    """The `data` of `TaskInfo`, alone."""
    told: dict[str, Any] = msgspec.to_builtins(info_of(job, link))
    return [told]


def code_of(error: StreamerError) -> int:
    """The documented code, which is the HTTP status too."""
    return next(code for kinds, code in CODES if isinstance(error, kinds))


def encode_error(error: StreamerError, request_id: str = "") -> tuple[int, bytes, dict[str, str]]:
    """The HTTP answer: status, body `{"code", "message", "data"}`, headers in lower case."""
    _, _, headers = native_errors.encode_error(error, request_id)
    code = code_of(error)
    return code, _dump({"code": code, "message": _message(error), "data": None}), headers


def _message(error: StreamerError) -> str:
    name = _NAMES.get(error.param or "", error.param)
    return error.message if not name or name in error.message else f"{name}: {error.message}"


def _answer(data: Any) -> bytes:
    return _dump({"code": 200, "message": "success", "data": data})


def _dump(value: Any) -> bytes:
    return msgspec.json.encode(value)
