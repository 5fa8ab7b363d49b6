"""Jobs on the wire, both roles: what asks for one, what tells of one, and a webhook's `data`.

The server never says the text or a secret again. Knows no web framework.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streamer.errors import InvalidParameter, StreamerError
from streamer.protocols.native import answers, positions
from streamer.protocols.native import messages as wire
from streamer.protocols.native.fields import (
    After,
    Limit,
    Link,
    Secret,
    Ttl,
    Url,
    read,
    time_or_none,
)
from streamer.protocols.native.http import WholeUtterance, start_of, whole_utterance_of
from streamer.protocols.native.times import format_time
from streamer.protocols.strict import Schema
from streamer.resources import Job, JobRequest, JobResult, WebhookTarget
from streamer.types import Word

METADATA_BYTES = 8192
"""Most bytes of `metadata` as JSON, so that a webhook stays under 20 kB."""
MESSAGE = 500
"""Most characters of an error's message that a job tells."""


class _Webhook(wire.Strict, kw_only=True):
    url: Url
    secret: Secret | None = None


class _Job(WholeUtterance, kw_only=True):
    results: Annotated[int, Meta(ge=1, le=16)] | None = None
    webhook: _Webhook | None = None
    ttl_s: Ttl | None = None
    metadata: (
        Annotated[
            dict[
                Annotated[str, Meta(min_length=1, max_length=512)],
                Annotated[str, Meta(max_length=512)],
            ],
            Meta(max_length=16),
        ]
        | None
    ) = None


class JobsQuery(wire.Strict, kw_only=True):
    """The query of a list of jobs."""

    status: Literal["queued", "running", "completed", "failed", "cancelled"] | None = None
    limit: Limit = 100
    after: After | None = None


class ResultQuery(wire.Strict, kw_only=True):
    """Which of a job's results."""

    result: Annotated[int, Meta(ge=0, le=15)] = 0


class CaptionsQuery(ResultQuery, kw_only=True):
    """Of which of a job's results, and as what, its captions are wanted."""

    format: Literal["vtt", "srt"] = "vtt"


_JOB: Schema[_Job] = Schema(_Job)


def decode_job(body: bytes, *, context: str = "job") -> JobRequest:
    """A request body. Raises `InvalidMessage`, `UnknownParameter` or `InvalidParameter`."""
    message = _JOB.decode(body)
    metadata = message.metadata or {}
    if len(msgspec.json.encode(metadata)) > METADATA_BYTES:
        raise InvalidParameter(
            f"metadata must be at most {METADATA_BYTES} bytes of JSON", param="metadata"
        )
    hook = message.webhook
    return JobRequest(
        start_of(message, context),
        message.text,
        message.results or 1,
        None if hook is None else WebhookTarget(hook.url, hook.secret),
        message.ttl_s,
        metadata,
    )


def encode_job(request: JobRequest) -> bytes:
    """The body that asks for it."""
    hook = request.webhook
    message = _Job(
        results=None if request.results == 1 else request.results,
        webhook=None if hook is None else _Webhook(url=hook.url, secret=hook.secret),
        ttl_s=request.ttl_s,
        metadata=dict(request.metadata) or None,
        **whole_utterance_of(request.start, request.text),
    )
    return msgspec.json.encode(message)


class Cues(Struct, kw_only=True, frozen=True):
    """What became of the cues of a result."""

    spoken: int
    late: int
    skipped: int
    worst_late_ms: float


class Result(Struct, kw_only=True, frozen=True):
    """One result. `file` is the id of the file that `url` leads to; `cues`: of captions."""

    index: int
    seed: int
    audio_ms: float
    sample_rate: int
    mime: str
    size: int
    file: str
    url: str
    cues: Cues | UnsetType = UNSET


class Used(Struct, kw_only=True, frozen=True):
    characters: int = 0
    audio_ms: float = 0.0


class Problem(Struct, kw_only=True, frozen=True):
    """Why a job failed."""

    code: str
    message: str = ""
    param: str | None = None


class Hook(Struct, kw_only=True, frozen=True):
    url: str


class JobAnswer(Struct, kw_only=True, frozen=True):
    """A job as its client sees it. Times are ISO 8601, UTC (`native.times`)."""

    id: str
    status: str
    progress: float = 0.0
    position: int | None = None
    estimate_s: float | None = None
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    expires_at: str | None = None
    attempts: int = 0
    voice: str = ""
    engine: str = ""
    text_characters: int = 0
    usage: Used = Used()
    cost: float | None = None
    results: tuple[Result, ...] = ()
    error: Problem | None = None
    webhook: Hook | None = None
    metadata: Mapping[str, str] = {}


class _Jobs(Struct, kw_only=True):
    jobs: tuple[JobAnswer, ...]
    next: str | None = None


def job_answer(job: Job, link: Link) -> JobAnswer:
    """What is told of a job."""
    audio_ms = sum(result.audio_ms for result in job.results)
    hook = job.request.webhook
    return JobAnswer(
        id=job.id,
        status=job.status,
        progress=round(job.progress, 4),
        position=job.position,
        estimate_s=None if job.estimate_s is None else round(job.estimate_s, 3),
        created_at=format_time(job.created),
        started_at=time_or_none(job.started),
        finished_at=time_or_none(job.finished),
        expires_at=time_or_none(job.expires),
        attempts=job.attempts,
        voice=job.voice,
        engine=job.engine,
        text_characters=job.text_characters,
        usage=Used(characters=job.text_characters * len(job.results), audio_ms=round(audio_ms, 3)),
        cost=None if job.cost is None else round(job.cost, 9),
        results=tuple(_result(result, link) for result in job.results),
        error=None if job.error is None else _problem(job.error),
        webhook=None if hook is None else Hook(url=hook.url),
        metadata=dict(job.request.metadata),
    )


def encode_job_state(job: Job, link: Link) -> bytes:
    """The body that tells of one job."""
    return msgspec.json.encode(job_answer(job, link))


def decode_job_state(body: bytes) -> JobAnswer:
    """Raises `RemoteProtocolError` for what is no job."""
    return read(body, JobAnswer, "a job")


def encode_jobs(jobs: Sequence[Job], link: Link, next: str | None = None) -> bytes:
    """One page of a list; `next` is where the following one begins, None after the last."""
    listed = tuple(job_answer(job, link) for job in jobs)
    return msgspec.json.encode(_Jobs(jobs=listed, next=next))


def decode_jobs(body: bytes) -> tuple[tuple[JobAnswer, ...], str | None]:
    """Raises `RemoteProtocolError` for what is no list of jobs."""
    page = read(body, _Jobs, "a list of jobs")
    return page.jobs, page.next


def encode_event(job: Job, link: Link) -> Mapping[str, Any]:
    """The `data` of a webhook about this job: all but its words, under 20 kB."""
    told: dict[str, Any] = msgspec.to_builtins(job_answer(job, link))
    return told


class _Words(Struct):
    words: tuple[answers.Word, ...]


def encode_words(words: Sequence[Word], rate: int) -> bytes:
    """Times of one result's words."""
    return msgspec.json.encode(_Words(positions.encode_words(words, rate)))


def decode_words(body: bytes, rate: int) -> tuple[Word, ...]:
    """Raises `RemoteProtocolError` for what is no list of words."""
    return positions.decode_words(read(body, _Words, "a list of words").words, rate)


def _result(result: JobResult, link: Link) -> Result:
    return Result(
        index=result.index,
        seed=result.seed,
        audio_ms=round(result.audio_ms, 3),
        sample_rate=result.sample_rate,
        mime=result.file.content_type,
        size=result.file.size,
        file=result.file.id,
        url=link(result.file),
        cues=UNSET if result.cues is None else Cues(**asdict(result.cues)),
    )


def _problem(error: StreamerError) -> Problem:
    return Problem(code=error.code, message=error.message[:MESSAGE], param=error.param)
