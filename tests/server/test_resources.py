"""What outlives a request: opened without threads, kept running, closed whatever fails."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import InvalidParameter, StorageUnavailable
from streamer.server.resources import DATABASE, Resources, open_resources
from streamer.usage import Usage
from tests.server.running import eventually, running, settings_for
from tests.server.scripted import Sessions


def opened(directory: Path, **changes: Any) -> tuple[Resources, Usage]:
    usage = Usage(directory / DATABASE)
    try:
        return open_resources(
            settings_for(directory, **changes), directory, usage, Sessions()
        ), usage
    except BaseException:
        usage.close()
        raise


class Closing:
    """Closes as told, and remembers it."""

    def __init__(self, fails: bool = False) -> None:
        self.closed = 0
        self._fails = fails

    async def aclose(self) -> None:
        self.closed += 1
        if self._fails:
            raise ZeroDivisionError


@pytest.mark.asyncio
async def test_nothing_runs_before_it_is_started(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    resources, usage = opened(tmp_path)
    assert set(threading.enumerate()) <= before
    await resources.aclose()
    usage.close()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"fetch_allow": ["nonsense/99"]}, "fetch_allow"),
        ({"public_url": "tts.example"}, "public_url"),
        ({"public_url": "https://tts.example/?a"}, "public_url"),
    ],
)
def test_bad_settings_are_told_at_once(tmp_path: Path, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        opened(tmp_path, **changes)
    assert caught.value.param == param


@pytest.mark.asyncio
async def test_all_is_closed_though_one_fails(tmp_path: Path) -> None:
    resources, usage = opened(tmp_path)
    await resources.fetcher.aclose()
    guard: Any = Closing(fails=True)
    fetcher: Any = Closing()
    with pytest.raises(ZeroDivisionError):
        await dataclasses.replace(resources, guard=guard, fetcher=fetcher).aclose()
    assert (guard.closed, fetcher.closed) == (1, 1)
    with pytest.raises(StorageUnavailable):
        await resources.database.read(lambda connection: None)
    await resources.guard.aclose()
    usage.close()


@pytest.mark.asyncio
async def test_loop_that_fails_begins_again_and_ends_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamer.server.resources.AGAIN_S", 0.01)
    resources, usage = opened(tmp_path)
    await resources.start()
    runs: list[str] = []

    def failing(name: str) -> Callable[[], Any]:
        async def run() -> None:
            runs.append(name)
            raise ZeroDivisionError("the text was: hush")

        return run

    for name in ("files", "webhooks", "jobs"):
        monkeypatch.setattr(getattr(resources, name), "run", failing(name), raising=False)
    task = asyncio.create_task(resources.run())
    await eventually(lambda: all(runs.count(name) > 1 for name in ("files", "webhooks", "jobs")))
    task.cancel()
    await asyncio.wait([task])
    assert any(record.message == "fault" for record in caplog.records)
    await resources.aclose()
    usage.close()


@pytest.mark.asyncio
async def test_database_that_is_locked_is_a_typed_error_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.database.BUSY_S", 0.1)
    async with running(tmp_path) as server, server.http() as http:
        other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        for path in ("/v1/jobs", "/v1/files"):
            answer = await http.post(path, json={"text": "one"} if path == "/v1/jobs" else None)
            assert answer.status_code == 503, answer.text
            assert answer.json()["error"]["code"] == "storage_unavailable"
            assert answer.headers["retry-after"]
        assert (await http.get("/v1/jobs")).json() == {"jobs": [], "next": None}
        assert (await http.post("/v1/speech", json={"text": "one"})).content == b"one"
        other.execute("ROLLBACK")
        other.close()
        assert (await http.post("/v1/jobs", json={"text": "one"})).status_code == 202
