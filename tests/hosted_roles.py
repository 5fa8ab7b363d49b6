"""Two servers of ours: one is a hosted API, the other a client of it. All over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from bench.wire import Record, Wire, connected
from streamer.server.auth import DEFAULT_SCOPES, KeyStore
from streamer.server.limits import KeyLimits
from streamer.text.alignment import client_words
from tests.server_process import ServerProcess, running_server

VOICES: Mapping[str, str] = {
    "crun": "Serena",
    "runware": "Vivian",
    "aimlapi": "Cherry",
    "evolink": "heart",  # it has no voices but those made there
    "modelstream": "Stella",
    "openai": "alloy",
}
"""Each API, and a voice that its documents know."""
PATHS: Mapping[str, str] = {"openai": "/v1"}
"""Where it is, if not under its name."""
PRICE = 10.0
"""Of 1,000 characters, there."""
END_S = 30.0
_IN_WORK = re.compile(r"^(streamer_active_contexts|streamer_jobs{.*}) (.*)$", re.MULTILINE)


@dataclass
class Upstream:
    """A server that is all of the APIs, and wants a key."""

    server: ServerProcess
    store: KeyStore
    key: str = ""
    watcher: str = ""
    """A key that may read metrics."""
    secrets: list[str] = field(default_factory=list)

    def new(self, name: str, *scopes: str, **limits: Any) -> str:
        secret = self.store.new(name, KeyLimits(**limits), scopes or DEFAULT_SCOPES)
        self.secrets.append(secret)
        return secret

    def providers(self, key: str | None = None, **fields: Any) -> dict[str, dict[str, Any]]:
        """The setting `providers`: all of them, each with a voice of a name of its own."""
        return {
            name: {
                "url": self.server.url + PATHS.get(name, f"/{name}"),
                "key": self.key if key is None else key,
                "voices": {f"{name}-voice": voice},
                "word_times": name == "modelstream",
                **fields,
            }
            for name, voice in VOICES.items()
        }

    async def settled(self) -> None:
        """Wait until nothing is in work here: no context, no job."""
        deadline = time.monotonic() + END_S
        headers = {"authorization": f"Bearer {self.watcher}"}
        async with httpx.AsyncClient(
            base_url=self.server.url, headers=headers, timeout=END_S
        ) as http:
            while left := _IN_WORK.findall((await http.get("/metrics")).text):
                if not any(float(value) for _, value in left):
                    return
                assert time.monotonic() < deadline, f"still in work: {left}"
                await asyncio.sleep(0.05)
        raise AssertionError("it tells nothing of what is in work")

    async def owned(self) -> None:
        """Every job has ended, and every stored byte belongs to a live file of some key."""
        files = 0
        for key in self.secrets:
            if key != self.watcher:
                jobs = await self._all("jobs", key)
                assert {job["status"] for job in jobs} <= {"completed", "cancelled"}, jobs
                files += len(await self._all("files", key))
        blobs = [path for path in (self.server.data / "files").rglob("*") if path.is_file()]
        assert len(blobs) == files, (blobs, files)

    async def _all(self, what: str, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = {"limit": "100"}
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            base_url=self.server.url, headers=headers, timeout=END_S
        ) as http:
            while True:
                answer = await http.get(f"/v1/{what}", params=query)
                assert answer.status_code == 200, answer.text
                page = answer.json()
                found += page[what]
                if not page["next"]:
                    return found
                query["after"] = page["next"]


@contextlib.contextmanager
def upstream(engines: str = "hibari", *flags: str) -> Iterator[Upstream]:
    usual = ["--price-per-1000", str(PRICE), "--keys-recheck-s", "0.1", "--log-level", "debug"]
    with running_server(engines, [*usual, *flags]) as server:
        store = KeyStore(server.data)
        it = Upstream(server, store)
        it.key, it.watcher = it.new("downstream"), it.new("watcher", "metrics")
        deadline = time.monotonic() + END_S
        while (
            httpx.get(f"{server.url}/v1/voices", timeout=END_S).status_code != 401
        ):  # until it knows of keys
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield it


@contextlib.contextmanager
def downstream(
    providers: Mapping[str, Mapping[str, Any]], *flags: str, more: Sequence[str] = ()
) -> Iterator[ServerProcess]:
    """A server whose voices are these providers' (and those of `more` engines)."""
    settings = ["--providers", json.dumps(providers), *flags]
    with running_server(",".join([*providers, *more]), settings) as server:
        yield server


def tokens(text: str) -> list[str]:
    """The text as a language model writes it: pieces of words."""
    return re.findall(r"\s?\S{1,4}", text)


async def begun(wire: Wire, text: str, **options: Any) -> Record:
    """A context that has this much of its text, token by token."""
    options.setdefault("pacing", {"lead_ms": 60000})
    return await wire.speak(tokens(text), **options)


async def said(server: ServerProcess, text: str, key: str = "", **options: Any) -> Record:
    """The text spoken to its end, whatever that is, on a connection of its own."""
    headers = {"authorization": f"Bearer {key}"} if key else None
    async with (
        asyncio.timeout(END_S),
        connected(server.websocket_url, additional_headers=headers) as wire,
    ):
        record = await begun(wire, text, **options)
        await record.until("end")
        assert not wire.errors
    assert not record.late
    return record


def check_whole(record: Record, text: str) -> None:
    """It was spoken to its end: the words are those of the text, quoted, in order and within the sound."""
    assert record.ending["type"] == "done", record.ending
    assert record.ending["reason"] == "end"
    assert [(word["offset"], word["text"]) for word in record.words] == client_words(text)
    check_segments(record, text)
    times = [time for word in record.words for time in (word["start_ms"], word["end_ms"])]
    assert times == sorted(times)
    assert times[-1] <= record.ending["audio_ms"] + 1
    assert record.sequences == list(range(len(record.sequences)))


def check_segments(record: Record, text: str) -> None:
    """Each segment quotes the text, follows the one before it, and is spoken once."""
    assert [part["index"] for part in record.segments] == list(range(len(record.segments)))
    at = 0
    for part in record.segments:
        assert part["offset"] >= at, record.segments
        at = part["offset"] + len(part["text"])
        assert text[part["offset"] : at] == part["text"]
