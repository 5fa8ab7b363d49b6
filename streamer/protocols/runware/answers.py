"""What the server tells: the envelope `{"data": […], "errors": […]}` and what is in it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from streamer.errors import InternalError, RequestError, StreamerError
from streamer.protocols.runware.errors import TASK_CANCELLED, error_item
from streamer.protocols.runware.identities import media_id
from streamer.protocols.runware.tables import CONTENT_TYPES
from streamer.protocols.runware.tasks import Inference, decode_inference
from streamer.resources import PENDING, Job, JobResult, StoredFile

INFERENCE = "audioInference"
Item = dict[str, Any]
Link = Callable[[StoredFile], str]


def envelope(data: Sequence[Item], errors: Sequence[Item] = ()) -> bytes:
    """The body of an answer, the text of a message. `errors` only where there are some: the SDK takes
    an answer that has the word for a failure."""
    told: Item = {"data": list(data)}
    if errors:
        told["errors"] = list(errors)
    return msgspec.json.encode(told, enc_hook=str)


def authenticated(session: str, id: str = "") -> Item:
    told = {"taskType": "authentication", "connectionSessionUUID": session}
    return told | ({"taskUUID": id} if id else {})


def pong(id: str = "") -> Item:
    return {"taskType": "ping", "pong": True} | ({"taskUUID": id} if id else {})


def acknowledged(id: str) -> Item:
    return {"taskType": INFERENCE, "taskUUID": id}


def processing(job: Job, id: str) -> Item:
    """Of a job that has not ended."""
    return {
        "taskType": INFERENCE,
        "taskUUID": id,
        "status": "processing",
        "progress": int(100 * job.progress),
    }


def result_item(
    task: Inference,
    job: Job,
    result: JobResult,
    *,
    link: Link,
    data: bytes | None = None,
) -> Item:
    """One result as the task wants it: where it is, or its `data`."""
    told: Item = {
        "taskType": INFERENCE,
        "taskUUID": task.id,
        "audioUUID": media_id(result.file.id),
    }
    if task.output_type == "URL" or data is None:
        told["audioURL"] = link(result.file)
    else:
        text = base64.b64encode(data).decode()
        if task.output_type == "base64Data":
            told["audioBase64Data"] = text
        else:
            told["audioDataURI"] = f"data:{CONTENT_TYPES[task.output_format]};base64,{text}"
    if task.include_cost:
        told["cost"] = round((job.cost or 0.0) / max(1, len(job.results)), 9)
    told["seed"] = result.seed
    if job.request.warnings:
        told["warning"] = "; ".join(job.request.warnings)
    return told


def failure_of(job: Job) -> tuple[StreamerError, str]:
    """Why a job has ended without results, and Runware's code where our error has none."""
    if job.status == "cancelled":
        return RequestError("the task was cancelled"), TASK_CANCELLED
    return job.error or InternalError("the task failed"), ""


def failed(job: Job, id: str) -> Item:
    """The error of a job that failed or was cancelled."""
    assert job.status not in (*PENDING, "completed")
    error, code = failure_of(job)
    return error_item(error, INFERENCE, id, code=code)


def polled(item: Item, *, status: str) -> Item:
    """An item as `getResponse` tells it: "success" or "error"."""
    return {**item, "status": status}


def details(id: str, request: bytes, answer: bytes) -> Item:
    """`getTaskDetails`: the task as it was asked for, and the answer to it."""
    return {
        "taskType": "getTaskDetails",
        "taskUUID": id,
        "request": [msgspec.Raw(request)],
        "response": msgspec.Raw(answer),
    }


def stored(id: str, operation: str, media: str, url: str = "") -> Item:
    """`mediaStorage`: what was uploaded, or deleted."""
    told = {
        "taskType": "mediaStorage",
        "taskUUID": id,
        "operation": operation,
        "mediaUUID": media,
    }
    return told | ({"mediaURL": url} if url else {})


def encode_callbacks(job: Job, link: Link) -> list[Item]:
    """The bodies that the task's webhook is told: one for each result, or the error. They tell where a
    result is, also where the answer would hold it: bodies are kept until they are received."""
    task = decode_inference(job.request.echo)
    if job.status != "completed":
        return [polled(failed(job, task.id), status="error")]
    return [
        polled(result_item(task, job, result, link=link), status="success")
        for result in job.results
    ]
