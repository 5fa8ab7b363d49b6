"""Voices by the Python client, against the real server and an engine that makes them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamer
from streamer.audio.decoder import decode
from streamer.client.remote import Remote
from streamer.client.voices import Voices
from streamer.errors import IdempotencyConflict, InvalidMedia, InvalidParameter, NotFound
from tests.parrot import hertz_of
from tests.server.voices import recording
from tests.server_process import ServerProcess, running_server

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("tone,tests.parrot:open_engine") as process:
        yield process


@pytest.mark.asyncio
async def test_a_voice_is_cloned_speaks_is_listed_and_deleted(server: ServerProcess) -> None:
    async with streamer.connect(server.websocket_url) as client:
        wanted = {"name": "Ann", "transcript": "So, so.", "language": "de"}
        ann = await client.voices.clone(recording(440), **wanted, idempotency_key="k")
        assert (ann.name, ann.kind, ann.engine) == ("Ann", "clone", "parrot")
        assert ann.languages[0] == "de"
        assert await client.voices.clone(recording(440), **wanted, idempotency_key="k") == ann
        with pytest.raises(IdempotencyConflict):
            await client.voices.clone(recording(550), idempotency_key="k")
        spoken = decode(await client.voices.preview("Ann", codec="flac"))
        assert abs(hertz_of(spoken[0][: spoken[1] * 6 // 10], spoken[1]) - 440) < 3
        events = [event async for event in client.speak("One two.", voice="Ann", language="de")]
        assert isinstance(events[-1], streamer.types.Done)
        assert (await client.voices.list())[-1] == await client.voices.get("Ann") == ann
        await client.voices.delete(ann.id)
        assert ann not in await client.voices.list()


@pytest.mark.asyncio
async def test_a_designed_voice_says_its_preview(server: ServerProcess) -> None:
    async with streamer.connect(server.url) as client:
        bob = await client.voices.design(
            "calm, at 600 Hz", name="Bob", preview_text="Hello you.", seed=3
        )
        assert (bob.kind, bob.description, bob.preview_text) == (
            *("design", "calm, at 600 Hz", "Hello you."),
        )
        assert (await client.voices.preview("Bob"))[:4] == b"OggS"
        await client.voices.delete("Bob")


@pytest.mark.asyncio
async def test_what_a_server_refuses_is_raised_as_its_type(server: ServerProcess) -> None:
    async with streamer.connect(server.url) as client:
        voices = client.voices
        with pytest.raises(NotFound):
            await voices.delete("no/body?")
        with pytest.raises(NotFound):
            await voices.get("nobody")
        with pytest.raises(InvalidMedia):
            await voices.clone(b"no sound")
        for named, refused in [
            ("recording", voices.clone()),
            ("recording", voices.clone(b"sound", url="https://example.org/a.wav")),
            ("description", voices.design(" ")),
            ("audio.codec", voices.preview("polly", codec="tape")),
        ]:
            with pytest.raises(InvalidParameter) as caught:
                await refused
            assert caught.value.param == named


@pytest.mark.asyncio
async def test_no_server_is_an_os_error_that_names_it() -> None:
    with running_server("tone") as gone:
        async with streamer.connect(gone.url) as client:
            await client.voices.list()
            gone.kill()
            with pytest.raises(OSError, match=gone.host):
                await client.voices.list()


@pytest.mark.asyncio
async def test_a_closed_client_asks_for_nothing_more(server: ServerProcess) -> None:
    async with streamer.connect(server.url) as client:
        voices = client.voices
        assert await voices.list()
    with pytest.raises(ConnectionError, match="closed"):
        await voices.list()
    async with streamer.connect(server.url) as client:
        pass
    with pytest.raises(ConnectionError, match="closed"):
        _ = client.voices


@pytest.mark.asyncio
async def test_what_can_not_be_sent_is_refused_by_name() -> None:
    for url, key in [("http://h", "k\u00e9y"), ("http://h", "k\ny"), ("http://h:99999", "key")]:
        with pytest.raises(InvalidParameter) as caught:
            Remote(url, key)
        assert caught.value.param == ("url" if key == "key" else "key")
    async with Remote("http://127.0.0.1:1", None) as remote:
        for again in ("k\u00e9y", "k\ny"):
            with pytest.raises(InvalidParameter) as caught:
                await Voices(remote).design("calm", idempotency_key=again)
            assert caught.value.param == "idempotency_key"


def test_the_example_of_the_page_on_voices_runs(server: ServerProcess, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "voices.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "ann.wav").write_bytes(recording(440))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code.replace("127.0.0.1:8090", server.host)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[1:] for line in done.stdout.splitlines()] == [
        *(["Bob", "design"], ["Ann", "clone"]),
    ]
    assert (tmp_path / "bob.ogg").read_bytes()[:4] == b"OggS"
