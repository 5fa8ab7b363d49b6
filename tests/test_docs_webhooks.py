"""The receivers of docs/webhooks.md run as printed: they take what the server signs, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.listening import kept_port
from tests.server_process import ServerProcess, running_server

PAGE = (Path(__file__).parent.parent / "docs" / "webhooks.md").read_text("utf-8")
PORT = "9000"
END_S = 20.0
EVENT = '{"type":"job.completed","data":{"id":"job_1","status":"completed"}}'


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


NODE = pytest.mark.requires("node", "nodejs")
RECEIVERS = [
    *(
        pytest.param("receiver.py", code, id=f"python-{number}")
        for number, code in enumerate(blocks("python"))
    ),
    *(pytest.param("receiver.mjs", code, id="js", marks=NODE) for code in blocks("js")),
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with kept_port() as port:
        yield port


@pytest.fixture(scope="module")
def server(port: int) -> Iterator[ServerProcess]:
    allowed = ["--fetch-allow", "127.0.0.1", "--fetch-ports", str(port)]
    with running_server("tone", allowed) as process:
        yield process


def asked(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
        return json.load(answer)


@contextlib.contextmanager
def running(name: str, code: str, secret: str, port: int, place: Path) -> Iterator[Path]:
    """The file that a receiver prints into, while it runs."""
    assert code.count(PORT) == 1
    (place / name).write_text(code.replace(PORT, str(port)))
    program = sys.executable if name.endswith(".py") else shutil.which("node") or "node"
    printed = place / "printed"
    with printed.open("wb") as out, (place / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [program, name],
            cwd=place,
            env={**os.environ, "WEBHOOK_SECRET": secret},
            stdout=out,
            stderr=errors,
        )
    try:
        until(lambda: answers(port))
        yield printed
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (place / "errors").read_text()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def until(done: Any) -> None:
    deadline = time.monotonic() + END_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def posted(port: int, headers: dict[str, str], body: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", body.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def signed(secret: str, *, id: str = "msg_1", age_s: float = 0.0) -> dict[str, str]:
    """Headers for `EVENT`, by a library that isn't ours."""
    moment = datetime.now(UTC) - timedelta(seconds=age_s)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, moment, EVENT),
    }


def states(server: ServerProcess, job: str) -> list[tuple[str, int]]:
    """What became of what is told of a job, and after how many attempts."""
    listed = asked(f"{server.url}/v1/webhooks/deliveries?job={job}")["deliveries"]
    return [(delivery["state"], delivery["attempts"]) for delivery in listed]


def test_there_are_two_receivers_in_python_and_one_in_javascript() -> None:
    assert (len(blocks("python")), len(blocks("js"))) == (2, 1)


@pytest.mark.parametrize(("name", "code"), RECEIVERS)
def test_a_receiver_takes_the_end_of_a_job(
    server: ServerProcess, port: int, name: str, code: str, tmp_path: Path
) -> None:
    secret = asked(f"{server.url}/v1/webhooks/secret")["secret"]
    with running(name, code, secret, port, tmp_path) as printed:
        hook = {"url": f"http://127.0.0.1:{port}/"}
        job = asked(f"{server.url}/v1/jobs", {"text": "Hello there.", "webhook": hook})["id"]
        until(printed.read_text)
        assert printed.read_text() == f"job.completed {job} completed\n"
    # The receiver has printed it before the server has its answer.
    until(lambda: states(server, job) != [("pending", 0)])
    assert states(server, job) == [("delivered", 1)]


@pytest.mark.parametrize(("name", "code"), RECEIVERS)
def test_a_receiver_refuses_what_was_changed_or_is_old(
    port: int, name: str, code: str, tmp_path: Path
) -> None:
    secret, other = (f"whsec_{letter * 32}" for letter in "ab")
    good = signed(secret)
    with running(name, code, secret, port, tmp_path) as printed:
        assert posted(port, good, EVENT) == 204
        both = {**good, "webhook-signature": f"v1,AAAA {good['webhook-signature']}"}
        assert posted(port, both, EVENT) == 204  # while a secret is being changed
        for headers, body in (
            (good, EVENT.replace("job_1", "job_2")),
            ({**good, "webhook-id": "msg_2"}, EVENT),
            ({**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) - 1)}, EVENT),
            ({**good, "webhook-timestamp": "now"}, EVENT),
            ({**good, "webhook-signature": "v1,"}, EVENT),
            ({**good, "webhook-signature": "nonsense"}, EVENT),
            (signed(other), EVENT),
            (signed(secret, age_s=3600), EVENT),
            (signed(secret, age_s=-3600), EVENT),
            ({}, EVENT),
        ):
            assert posted(port, headers, body) == 400, (headers, body)
        assert printed.read_text().splitlines() == ["job.completed job_1 completed"] * 2
