"""Both halves replay `transcripts/http/runware.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import EngineFailed, from_code
from streamer.protocols.hosted import Again, Call, Sound
from streamer.protocols.runware import Client, job_request
from streamer.protocols.runware.answers import (
    INFERENCE,
    acknowledged,
    envelope,
    failed,
    polled,
    processing,
    result_item,
)
from streamer.protocols.runware.errors import error_item, status_of
from streamer.protocols.runware.tasks import (
    GetResponse,
    Inference,
    Refusal,
    Task,
    decode_tasks,
    encode_tasks,
)
from streamer.resources import Job, JobResult, StoredFile

PATH = Path(__file__).parents[1] / "transcripts" / "http" / "runware.jsonl"
LINES = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
PAIRS = list(zip(LINES[::2], LINES[1::2], strict=True))
FILE = StoredFile("file_35e2a7b718254cb49d754ed8", "", "result", "audio/wav", 9, 0.0, 1.0)


def task_of(client: dict[str, Any]) -> Task | Refusal:
    (task,) = decode_tasks(json.dumps(client["body"]))
    return task


def inference(client: dict[str, Any]) -> Inference:
    """The task that a line is about: its own, or one of its taskUUID."""
    id = client["body"][0]["taskUUID"]
    own = task_of(client)
    some = [own, *(task_of(line) for line, _ in PAIRS)]
    return next(task for task in some if isinstance(task, Inference) and task.id == id)


def answer(client: dict[str, Any], server: dict[str, Any]) -> tuple[int, bytes]:
    """What the server makes of what its line says."""
    id, is_poll = client["body"][0]["taskUUID"], isinstance(task_of(client), GetResponse)
    if "error" in server:
        code, param = server["error"]
        error = from_code(code, "why", param=param)
        return status_of(error), envelope([], [error_item(error, INFERENCE, id)])
    if server.get("acknowledged"):
        return 200, envelope([acknowledged(id)])
    task, fields = inference(client), dict(server["job"])
    if "error" in fields:
        fields["error"] = from_code(fields["error"], "why")
    results = (JobResult(0, 7, FILE, 24000, 4000.0),) * fields.pop("results", 0)
    request = job_request(task, warnings=fields.pop("warnings", ()))
    job = Job("job_1", "", fields.pop("status"), request, 0.0, results=results, **fields)
    if job.status == "running":
        return 200, envelope([processing(job, id)])
    if job.status == "failed":
        return 200, envelope([], [polled(failed(job, id), status="error")])
    items = [
        result_item(task, job, result, link=lambda file: f"https://files.example/{file.id}")
        for result in results
    ]
    return 200, envelope([polled(i, status="success") for i in items] if is_poll else items)


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_a_request_is_worded_so_and_read(client: dict[str, Any], server: dict[str, Any]) -> None:
    task = task_of(client)
    if isinstance(task, Refusal):
        assert [task.error.code, task.error.param] == server["error"]
        return
    assert decode_tasks(encode_tasks([task])) == [task]
    if not client.get("note"):
        assert json.loads(encode_tasks([task])) == client["body"]


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_an_answer_is_worded_so_and_read(client: dict[str, Any], server: dict[str, Any]) -> None:
    status, body = answer(client, server)
    assert (status, json.loads(body)) == (server["status"], server["body"])

    call = Call("POST", "/v1", task=client["body"][0]["taskUUID"])
    if server["body"].get("errors"):
        with pytest.raises(EngineFailed):
            Client().read(call, status, {}, body)
        return
    step = Client().read(call, status, {}, body)
    told = server["body"]["data"][0]
    if "audioURL" in told:
        assert step == Sound(url=told["audioURL"], content_type="audio/wav")
    else:
        assert isinstance(step, Again)


def test_the_documents_examples_are_there() -> None:
    texts = [client["body"][0]["speech"]["text"] for client, _ in PAIRS[:2]]
    assert texts[0].startswith("Good evening, and welcome to Gallery Seven.")
    assert texts[1].startswith("Attention passengers on Platform 4.")
