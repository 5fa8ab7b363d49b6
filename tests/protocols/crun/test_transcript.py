"""Both halves replay `transcripts/http/crun.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import EngineFailed, InvalidParameter, from_code
from streamer.protocols.crun import (
    Client,
    decode_task,
    encode_accepted,
    encode_error,
    encode_info,
    encode_task,
    info_of,
    job_of,
)
from streamer.protocols.hosted import Again, Call, Sound
from streamer.resources import Job, JobResult, StoredFile

PATH = Path(__file__).parents[1] / "transcripts" / "http" / "crun.jsonl"
LINES = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
PAIRS = list(zip(LINES[::2], LINES[1::2], strict=True))
FILE = StoredFile("file_1", "", "result", "audio/wav", 9, 0.0, 1.0)
RESULT = JobResult(0, 1, FILE, 24000, 4000.0)
ID = "task_12345678"


def job(line: dict[str, Any]) -> Job:
    """The job of which a line of the server tells."""
    fields = dict(line["job"])
    if "error" in fields:
        fields["error"] = from_code(fields["error"], "why")
    if "results" in fields:
        fields["results"] = (RESULT,) * fields["results"]
    task = decode_task(json.dumps(LINES[0]["body"]).encode())
    return Job("job_1", "", fields.pop("status"), job_of(task, ID), 1768900378.0, **fields)


@pytest.mark.parametrize("client", [line for line, _ in PAIRS if line["method"] == "POST"])
def test_a_request_is_worded_so_and_read(client: dict[str, Any]) -> None:
    body = client["body"]
    if not body["input"]["text"]:
        with pytest.raises(InvalidParameter):
            decode_task(json.dumps(body).encode())
        return
    task = decode_task(json.dumps(body).encode())
    assert json.loads(encode_task(task)) == {"callback_url": None, **body}


def test_a_new_task_is_told_so_and_asked_for() -> None:
    (client, server), (poll, _) = PAIRS[:2]
    body = encode_accepted(server["accepted"])
    assert json.loads(body) == server["body"]
    step = Client().read(Call(client["method"], client["path"]), server["status"], {}, body)
    assert step == Again(Call(poll["method"], poll["path"], task=ID))


@pytest.mark.parametrize(("client", "server"), [pair for pair in PAIRS if "job" in pair[1]])
def test_a_task_is_told_so_and_read(client: dict[str, Any], server: dict[str, Any]) -> None:
    body = encode_info(info_of(job(server), lambda file: f"https://files.example/{file.id}"))
    assert json.loads(body) == server["body"]
    call = Call(client["method"], client["path"], task=ID)
    data = server["body"]["data"]
    match data["status"]:
        case "failed":
            with pytest.raises(EngineFailed):
                Client().read(call, server["status"], {}, body)
        case "success":
            step = Client().read(call, server["status"], {}, body)
            assert step == Sound(url=data["result"]["media_urls"][0])
        case _:
            assert Client().read(call, server["status"], {}, body) == Again(call)


@pytest.mark.parametrize("server", [line for _, line in PAIRS if "error" in line])
def test_an_error_is_told_so_and_read(server: dict[str, Any]) -> None:
    code, param = server["error"]
    status, body, headers = encode_error(from_code(code, "why", param=param))
    assert (status, json.loads(body)) == (server["status"], server["body"])
    with pytest.raises(EngineFailed):
        Client().read(Call("GET", "/"), status, headers, body)
