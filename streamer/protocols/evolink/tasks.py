"""Tasks as Evolink tells of them, to whoever asks and in callbacks alike."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from streamer.protocols.evolink.errors import CANCELLED, task_error
from streamer.protocols.evolink.requests import DESIGN, SPEECH, WAV, Design, Speech
from streamer.resources import PENDING, Job, JobRequest, StoredFile, WebhookTarget
from streamer.types import OptionsUpdate, Start

Link = Callable[[StoredFile], str]
"""The address at which a file can be had."""

DIALECT = "evolink"
ESTIMATE_S = 10
"""`estimated_time` while nothing is known: the document's own figure."""

_ID = re.compile(r"task-unified-([0-9]{1,12})-[0-9a-z]{8}")
_STATUS = {
    "queued": "pending",
    "running": "processing",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
}


class Echo(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What a job keeps for its answers. `voice`: the name that a designed voice gets."""

    model: str = SPEECH
    voice: str = ""


class _Info(Struct, kw_only=True):
    can_cancel: bool
    estimated_time: int
    audio_type: str = "tts"


class _Usage(Struct, kw_only=True):
    credits_reserved: float


class _Problem(Struct, kw_only=True):
    code: str
    message: str


class _Designed(Struct, kw_only=True):
    voice: str


class _Task(Struct, kw_only=True):
    created: int
    error: _Problem | UnsetType = UNSET
    id: str
    model: str
    object: str = "audio.generation.task"
    progress: int
    result_data: _Designed | UnsetType = UNSET
    results: list[str] | UnsetType = UNSET
    status: str
    task_info: _Info
    type: str = "audio"
    usage: _Usage


def task_id(now: float, chance: str) -> str:
    """The id of a task; `now` in Unix seconds, `chance` eight of 0-9a-z."""
    return f"task-unified-{int(now)}-{chance}"


def is_task_id(id: str) -> bool:
    return _ID.fullmatch(id) is not None


def speech_job(
    speech: Speech,
    voice: str | None = None,
    *,
    id: str,
    warnings: tuple[str, ...] = (),
) -> JobRequest:
    """The job that speaks it, in another `voice` where that is given. `id` is the task's."""
    options = OptionsUpdate(voice=voice or speech.voice, language=speech.language)
    start = Start("job", options, WAV, timestamps="none")
    return _job(start, speech.text, speech.callback_url, id, Echo(), warnings)


def design_job(
    design: Design,
    voice: str,
    name: str,
    *,
    id: str,
    warnings: tuple[str, ...] = (),
) -> JobRequest:
    """The job that speaks a designed voice's preview. `voice` is that voice, or stands in for it; `name` is
    how the client will call it."""
    options = OptionsUpdate(voice=voice, language=design.language or "auto")
    start = Start("job", options, design.audio, timestamps="none")
    echo = Echo(model=DESIGN, voice=name)
    return _job(start, design.text, design.callback_url, id, echo, warnings)


def _job(
    start: Start, text: str, url: str | None, id: str, echo: Echo, warnings: tuple[str, ...]
) -> JobRequest:
    return JobRequest(
        start,
        text,
        webhook=None if url is None else WebhookTarget(url, policy=DIALECT),
        dialect=DIALECT,
        alias=id,
        echo=msgspec.json.encode(echo).decode(),
        warnings=warnings,
    )


def encode_state(job: Job, link: Link) -> bytes:
    """The body that tells of a task, the answer to the request for it included."""
    return msgspec.json.encode(_task(job, link))


def encode_callbacks(job: Job, link: Link) -> list[Mapping[str, Any]]:
    """Bodies of what `callback_url` is told: the same, once."""
    return [msgspec.to_builtins(_task(job, link))]


def _task(job: Job, link: Link) -> _Task:
    echo = msgspec.json.decode(job.request.echo or b"{}", type=Echo)
    completed = job.status == "completed"
    known = _ID.fullmatch(job.request.alias)
    return _Task(
        created=int(known[1]) if known else int(job.created),
        error=_problem(job),
        id=job.request.alias or job.id,
        model=echo.model,
        progress=100 if completed else _progress(job),
        result_data=_Designed(voice=echo.voice) if completed and echo.voice else UNSET,
        results=[link(result.file) for result in job.results] if completed else UNSET,
        status=_STATUS[job.status],
        task_info=_Info(
            can_cancel=job.status in PENDING,
            estimated_time=_estimate(job),
        ),
        usage=_Usage(credits_reserved=_credits(job)),
    )


def _problem(job: Job) -> _Problem | UnsetType:
    if job.status == "cancelled":
        return _Problem(code=CANCELLED, message="the task was cancelled")
    if job.status != "failed":
        return UNSET
    if job.error is None:
        return _Problem(code="unknown_error", message="")
    code, message = task_error(job.error)
    return _Problem(code=code, message=message)


def _progress(job: Job) -> int:
    """Nobody remembers how far a task was that did not end well."""
    return min(99, int(job.progress * 100)) if job.status in PENDING else 0


def _estimate(job: Job) -> int:
    if job.status not in PENDING:
        return 0
    return ESTIMATE_S if job.estimate_s is None else max(1, math.ceil(job.estimate_s))


def _credits(job: Job) -> float:
    """What is held back for it, and once it has ended what it has cost."""
    return round((job.reserved if job.status in PENDING else job.cost) or 0.0, 9)
