"""`streamer jobs` as a person and a shell meet it, against the real server."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from streamer.audio.decoder import decode
from streamer.cli import run, waiting
from streamer.config import Settings
from streamer.engines.base import Engine
from tests.command_lines import isolate, started
from tests.scripted_engine import ScriptedEngine
from tests.server_process import ServerProcess, running_server

ROOT = Path(__file__).parent.parent
TEXT = "One two three. Four five."
HERE = "tests.test_cli_jobs"
ENGINES = f"tone,{HERE}:stuck_engine,{HERE}:failing_engine"
END_S = 30.0
"""What a test waits for has happened by then, or never does."""


def stuck_engine(settings: Settings) -> Engine:
    """One that never says a word: its jobs run until they are cancelled."""
    engine = ScriptedEngine("stuck")
    engine.gate.clear()
    return engine


def failing_engine(settings: Settings) -> Engine:
    return ScriptedEngine("failing", fail_at=0)


class Receiver(ThreadingHTTPServer):
    """Takes webhooks; `answer` is the status that it gives."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Webhook)
        self.answer = 204
        self.got: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Webhook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(self.headers["webhook-id"])
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(receiver: Receiver) -> Iterator[ServerProcess]:
    allowed = ["--fetch-allow", "127.0.0.1", "--fetch-ports", str(receiver.server_port)]
    jobs = ["--job-workers", "3", "--job-attempts", "1"]
    with running_server(ENGINES, [*allowed, *jobs]) as process:
        yield process


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


class Shell:
    """`streamer jobs …` of this server: exit code, and what is printed."""

    def __init__(self, server: ServerProcess, capfd: pytest.CaptureFixture[str]) -> None:
        self.url = server.url
        self._capfd = capfd

    def jobs(self, *arguments: str) -> tuple[int, str, str]:
        self._capfd.readouterr()
        code = run(["jobs", *arguments, "--url", self.url])
        out, err = self._capfd.readouterr()
        return code, out, err

    def printed(self, *arguments: str) -> str:
        code, out, err = self.jobs(*arguments)
        assert (code, err) == (0, "")
        return out.strip()

    def told(self, *arguments: str) -> Any:
        return json.loads(self.printed(*arguments, "--json"))

    def eventually(self, job: str, status: str) -> None:
        deadline = time.monotonic() + END_S
        while (found := self.told("show", job)["status"]) != status:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)


@pytest.fixture
def shell(server: ServerProcess, capfd: pytest.CaptureFixture[str]) -> Shell:
    return Shell(server, capfd)


def samples_of(path: Path | str) -> int:
    return len(decode(Path(path).read_bytes())[0])


def test_a_job_submitted_and_waited_for_is_a_file_as_say_writes_it(shell: Shell) -> None:
    job = shell.printed("new", TEXT, "-o", "job.mp3", "--seed", "1", "--speed", "1.5")
    assert (
        run(["say", TEXT, "-o", "said.mp3", "--seed", "1", "--speed", "1.5", "--engines", "tone"])
        == 0
    )
    assert samples_of("job.mp3") == samples_of("said.mp3")
    assert shell.told("show", job)["status"] == "completed"
    assert sorted(os.listdir()) == ["job.mp3", "said.mp3"]


def test_a_job_submitted_is_an_id_and_its_sound_can_be_had_later(shell: Shell) -> None:
    job = shell.printed("new", TEXT, "--format", "flac")
    shell.eventually(job, "completed")
    assert shell.printed("audio", job, "-o", "later.flac") == ""
    assert samples_of("later.flac") > 0
    told = shell.told("show", job)
    assert (told["voice"], told["text_characters"]) == ("tone-low", len(TEXT))
    shown = dict(line.split(maxsplit=1) for line in shell.printed("show", job).splitlines())
    assert shown["results[0].size"] == str(os.path.getsize("later.flac"))


def test_captions_of_a_job_are_written_as_the_files_name_says(shell: Shell) -> None:
    job = shell.printed("new", TEXT, "--wait")
    assert shell.printed("captions", job, "-o", "said.vtt") == ""
    assert shell.printed("captions", job, "-o", "said.srt") == ""
    assert Path("said.vtt").read_text().startswith("WEBVTT\n\n00:00:00.")
    assert Path("said.srt").read_text().startswith("1\n00:00:00,")
    said = Path("said.srt").read_text().split("\n", 2)[2]
    assert " ".join(said.split()) == TEXT
    code, _, err = shell.jobs("captions", job, "-o", "said.txt")
    assert code == 2
    assert "said.txt" in err
    assert sorted(os.listdir()) == ["said.srt", "said.vtt"]


def test_several_results_are_several_files_that_differ(shell: Shell) -> None:
    job = shell.told("new", TEXT, "-o", "out.wav", "--results", "3")
    files = [Path(f"out-{number}.wav") for number in (1, 2, 3)]
    assert sorted(os.listdir()) == [str(path) for path in files]
    assert len({path.read_bytes() for path in files}) == 3
    assert len({result["seed"] for result in job["results"]}) == 3
    shell.printed("audio", job["id"], "-o", "second.wav", "--result", "1")
    assert Path("second.wav").read_bytes() == files[1].read_bytes()


def test_text_from_a_file_and_from_standard_input_goes_to_standard_output(
    server: ServerProcess, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    for source in (["-f", "text.txt"], ["-"]):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "streamer",
                "jobs",
                "new",
                *source,
                "-o",
                "-",
                "--url",
                server.url,
            ],
            input=TEXT.encode(),
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout[:4] == b"RIFF"


def test_an_idempotency_key_makes_one_job_and_refuses_another(shell: Shell) -> None:
    first = shell.printed("new", TEXT, "--idempotency-key", "one")
    assert shell.printed("new", TEXT, "--idempotency-key", "one") == first
    code, out, err = shell.jobs("new", "Another.", "--idempotency-key", "one")
    assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_jobs_are_listed_newest_first(shell: Shell) -> None:
    ids = [shell.printed("new", TEXT, "--wait") for _ in range(3)]
    assert [job["id"] for job in shell.told("list", "--limit", "2")] == ids[:0:-1]
    lines = shell.printed("list", "--status", "completed", "--limit", "1").splitlines()
    assert [line.split()[0] for line in lines] == ["job", ids[-1]]


def test_a_job_that_failed_is_one_line_and_code_1(shell: Shell) -> None:
    code, out, err = shell.jobs("new", TEXT, "--model", "failing", "-o", "no.mp3")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "engine_failed" in err
    assert os.listdir() == []


def test_a_running_job_is_cancelled_and_the_files_of_a_finished_one_go(shell: Shell) -> None:
    stuck = shell.printed("new", TEXT, "--model", "stuck")
    shell.eventually(stuck, "running")
    assert shell.printed("cancel", stuck) == f"{stuck} cancelled"
    assert shell.told("show", stuck)["status"] == "cancelled"
    done = shell.printed("new", TEXT, "--wait")
    shell.printed("cancel", done)
    code, out, err = shell.jobs("audio", done, "-o", "gone.opus")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert os.listdir() == []


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_whoever_stops_waiting_is_told_that_the_job_goes_on(
    shell: Shell, server: ServerProcess, ending: signal.Signals, code: int
) -> None:
    wanted = ["new", TEXT, "--model", "stuck", "--wait", "--url", shell.url]
    asking = started("jobs", *wanted)
    deadline = time.monotonic() + END_S
    while not (running := shell.told("list", "--status", "running")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (job,) = (job["id"] for job in running)
    while not any(line.get("path") == f"/v1/jobs/{job}" for line in server.log_lines()):
        assert time.monotonic() < deadline, "it never asked how its job is"
        time.sleep(0.05)
    asking.send_signal(ending)
    out, err = asking.communicate(timeout=END_S)
    assert (asking.returncode, out) == (code, b"")
    assert job in err.decode()
    assert len(err.splitlines()) == 1
    assert shell.told("show", job)["status"] == "running"
    shell.printed("cancel", job)


def test_webhooks_are_listed_and_replayed(shell: Shell, receiver: Receiver) -> None:
    receiver.answer = 410
    job = shell.printed("new", TEXT, "--wait", "--webhook", receiver.url)
    deadline = time.monotonic() + END_S
    while not (found := shell.told("webhooks", "--state", "disabled", "--job", job)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (delivery,) = found
    assert (delivery["event"], delivery["last_status"]) == ("job.completed", 410)
    receiver.answer = 204
    assert shell.printed("replay", delivery["id"]).startswith(delivery["id"])
    while not (lines := shell.printed("webhooks", "--state", "delivered").splitlines()[1:]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert lines[0].split()[:4] == [delivery["id"], job, "job.completed", "delivered"]
    assert receiver.got == [delivery["id"]] * 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["new", "hi", "--voice", "nobody"], "nobody"),
        (["new", "hi", "--speed", "9"], "speed"),
        (["new", "hi", "--results", "16"], "results"),
        (["new", "hi", "--webhook", "ftp://example.org"], "webhook"),
        (["new", "hi", "--ttl", "-1"], "ttl_s"),
        (["new", ""], "text"),
        (["new", "hi", "-o", "missing/x.mp3"], "missing/x.mp3"),
        (["new", "hi", "-o", "x.doc"], "doc"),
        (["new", "hi", "-o", "-", "--results", "2"], "output"),
        (["list", "--status", "nothing"], "status"),
        (["show", "job_nothing"], "job"),
        (["cancel", "job_nothing"], "job"),
        (["audio", "job_nothing", "-o", "x.mp3"], "job"),
        (["replay", "msg_nothing"], "delivery"),
    ],
)
def test_what_cannot_be_had_is_one_line_that_names_it(
    shell: Shell, arguments: list[str], named: str
) -> None:
    before = shell.told("list")
    code, out, err = shell.jobs(*arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert named in err
    assert os.listdir() == []
    assert shell.told("list") == before


def test_a_server_that_is_not_there_is_one_line_without_the_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["jobs", "list", "--url", "http://127.0.0.1:1/#key=secret"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "http://127.0.0.1:1" in line
    assert "secret" not in line


@pytest.mark.parametrize("answer", [b"<html>", b""])
def test_what_is_no_streamer_is_one_line(answer: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(answer)}\r\n\r\n"
                connection.sendall(head.encode() + answer)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        assert run(["jobs", "list", "--url", f"http://127.0.0.1:{port}"]) == 1
        thread.join()
    (line,) = capsys.readouterr().err.splitlines()
    assert str(port) in line


class Restarting(ThreadingHTTPServer):
    """A server that takes a job, is away for `away` requests, and then has completed it."""

    daemon_threads = True

    def __init__(self, away: int) -> None:
        super().__init__(("127.0.0.1", 0), _Restarting)
        self.away = away


class _Restarting(BaseHTTPRequestHandler):
    server: Restarting

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(202, {"id": "job_1", "status": "queued", "created_at": ""})

    def do_GET(self) -> None:
        self.server.away -= 1
        if self.server.away < 0:
            self._answer(200, {"id": "job_1", "status": "completed", "created_at": ""})
        elif self.server.away % 2:
            self._answer(503, {"error": {"code": "draining", "message": "shutting down"}})
        else:
            self.close_connection = True  # without a word

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize(("patience_s", "code"), [(END_S, 0), (0.0, 1)])
def test_a_server_that_restarts_is_waited_for_as_long_as_patience_lasts(
    patience_s: float,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(waiting, "LATEST_S", 0.01)
    monkeypatch.setattr(waiting, "SOONEST_S", 0.01)
    monkeypatch.setattr(waiting, "PATIENCE_S", patience_s)
    with Restarting(away=5) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert run(["jobs", "new", TEXT, "--wait", "--url", url]) == code
        server.shutdown()
        thread.join()
    out, err = capsys.readouterr()
    assert out == ("" if code else "job_1\n")
    assert ("goes on" in err) == bool(code)


def test_a_key_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = str(tmp_path / "data")
    assert run(["keys", "new", "app", "--data-dir", data]) == 0
    key = capsys.readouterr().out.strip()
    with running_server("tone", ["--data-dir", data]) as server:
        assert run(["jobs", "new", TEXT, "--wait", "--url", server.url]) == 2
        monkeypatch.setenv("STREAMER_KEY", key)
        assert run(["jobs", "new", TEXT, "-o", "mine.opus", "--url", server.url]) == 0
    assert samples_of("mine.opus") > 0


def test_progress_is_told_on_a_terminal_only(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert run(["jobs", "new", TEXT, "-o", "said.wav", "--url", server.url]) == 0
    assert "%" in terminal.getvalue()
