"""Both halves replay `transcripts/http/evolink.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import EngineFailed, InvalidParameter, StreamerError, from_code
from streamer.protocols.evolink import (
    Client,
    Speech,
    decode_request,
    encode_error,
    encode_state,
    speech_job,
)
from streamer.protocols.hosted import Again, Call, Sound, Utterance
from streamer.resources import Job, JobResult, StoredFile

PATH = Path(__file__).parents[1] / "transcripts" / "http" / "evolink.jsonl"
LINES = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
PAIRS = list(zip(LINES[::2], LINES[1::2], strict=True))
FILE = StoredFile("file_1", "", "result", "audio/wav", 9, 0.0, 1.0)
RESULT = JobResult(0, 1, FILE, 24000, 4000.0)


def speech() -> Speech:
    request = decode_request(json.dumps(LINES[0]["body"]).encode())
    assert isinstance(request, Speech)
    return request


def said(call: Call) -> dict[str, Any]:
    line: dict[str, Any] = {"from": "client", "method": call.method, "path": call.path}
    return {**line, "body": json.loads(call.body)} if call.body else line


def bare(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "note"}


def job(line: dict[str, Any]) -> Job:
    """The job of which a line of the server tells."""
    fields = dict(line["job"])
    if "error" in fields:
        fields["error"] = from_code(fields["error"], "why")
    if "results" in fields:
        fields["results"] = (RESULT,) * fields["results"]
    request = speech_job(speech(), id=LINES[1]["body"]["id"])
    return Job("job_1", "", fields.pop("status"), request, 1775122733.5, reserved=0.32, **fields)


@pytest.mark.parametrize("client", [line for line, _ in PAIRS if line["method"] == "POST"])
def test_a_request_is_worded_so_and_read(client: dict[str, Any]) -> None:
    body = client["body"]
    call = Client().create(Utterance(body["prompt"], body["voice"]), body["model"])
    assert said(call) == bare(client)
    if body["prompt"]:
        assert decode_request(call.body) == Speech(body["prompt"], body["voice"])
    else:
        with pytest.raises(InvalidParameter):
            decode_request(call.body)


@pytest.mark.parametrize(("client", "server"), [pair for pair in PAIRS if "job" in pair[1]])
def test_a_task_is_told_so_and_read(client: dict[str, Any], server: dict[str, Any]) -> None:
    body = encode_state(job(server), lambda file: f"https://files.example/{file.id}")
    assert json.loads(body) == server["body"]
    id = server["body"]["id"]
    call = Call(client["method"], client["path"], task=id)
    match server["body"]["status"]:
        case "failed":
            with pytest.raises(EngineFailed):
                Client().read(call, server["status"], {}, body)
        case "completed":
            step = Client().read(call, server["status"], {}, body)
            assert step == Sound(url=server["body"]["results"][0])
        case _:
            again = Client().read(call, server["status"], {}, body)
            assert isinstance(again, Again)
            assert again.call.path == f"/v1/tasks/{id}"


@pytest.mark.parametrize("server", [line for _, line in PAIRS if "error" in line])
def test_an_error_is_told_so_and_read(server: dict[str, Any]) -> None:
    code, param = server["error"]
    error: StreamerError = from_code(code, "why", param=param)
    status, body, headers = encode_error(error)
    assert (status, json.loads(body)) == (server["status"], server["body"])
    with pytest.raises(EngineFailed):
        Client().read(Call("GET", "/"), status, headers, body)
