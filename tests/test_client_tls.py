"""Servers that no authority vouches for: the client and the commands know them by a fingerprint or a file."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import streamer
from streamer.cli import run
from streamer.client.remote import Remote
from streamer.client.trust import tls_context
from streamer.config import Settings
from streamer.errors import InvalidParameter
from streamer.server.tls import open_context
from tests.server_process import ServerProcess, running_server

KEY = "sk-streamer-" + "k" * 32
OTHER = "AB:" * 31 + "AB"


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("tone", ["--tls", "self"]) as process:
        yield process


@pytest.fixture(scope="module")
def fingerprint(server: ServerProcess) -> str:
    """As the server prints it."""
    found = re.search(r"fingerprint \(SHA-256\): (\S+)", server.log())
    assert found is not None
    return found[1]


@pytest.mark.asyncio
async def test_the_right_fingerprint_is_enough(server: ServerProcess, fingerprint: str) -> None:
    for written in (fingerprint, fingerprint.replace(":", "").lower()):
        async with streamer.connect(f"wss://{server.host}", fingerprint=written) as client:
            events = [event async for event in client.speak("One two three.")]
            assert isinstance(events[-1], streamer.types.Done)
            assert await client.voices.list()


@pytest.mark.asyncio
async def test_a_file_of_authorities_is_enough(server: ServerProcess, tmp_path: Path) -> None:
    address, _, port = server.host.rpartition(":")
    pem = await asyncio.to_thread(ssl.get_server_certificate, (address, int(port)))
    (tmp_path / "ca.pem").write_text(pem)
    async with streamer.connect(f"https://{server.host}", cafile=tmp_path / "ca.pem") as client:
        assert await client.voices.list()
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        async with streamer.connect(f"https://{server.host}"):
            pass


@asynccontextmanager
async def overheard() -> AsyncIterator[tuple[str, str, bytearray]]:
    """A server with a certificate of its own, that hangs up at once: `address:port`, its fingerprint, and all
    that it was sent once TLS was up."""
    heard = bytearray()
    context, fingerprint = open_context(Settings(tls="self"))
    assert fingerprint is not None

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", fingerprint, heard


@pytest.mark.asyncio
async def test_a_wrong_fingerprint_is_refused_before_anything_is_sent() -> None:
    async with overheard() as (host, fingerprint, heard):
        with pytest.raises(InvalidParameter, match=f"another fingerprint: {fingerprint}") as caught:
            async with streamer.connect(f"wss://{host}", KEY, fingerprint=OTHER):
                pass
        assert caught.value.param == "fingerprint"
        url = f"https://{host}"
        async with Remote(url, KEY, tls_context(url, fingerprint=OTHER)) as remote:
            with pytest.raises(InvalidParameter, match="another fingerprint") as caught:
                await remote.ask(bytes, "GET", "/v1/voices")
        assert caught.value.param == "fingerprint"
        assert heard == b""
        with pytest.raises(OSError, match="no WebSocket"):
            async with streamer.connect(f"wss://{host}", KEY, fingerprint=fingerprint):
                pass
        assert KEY.encode() in heard


@pytest.mark.parametrize(
    ("url", "wrong", "named"),
    [
        ("ws://127.0.0.1:1", {"fingerprint": OTHER}, "fingerprint"),
        ("http://127.0.0.1:1", {"cafile": __file__}, "cafile"),
        ("wss://127.0.0.1:1", {"fingerprint": "AB:CD"}, "fingerprint"),
        ("wss://127.0.0.1:1", {"cafile": __file__}, "cafile"),
        ("wss://127.0.0.1:1", {"cafile": "missing.pem"}, "cafile"),
        ("wss://127.0.0.1:1", {"cafile": __file__, "fingerprint": OTHER}, "fingerprint"),
        (
            "wss://127.0.0.1:1",
            {"ssl": ssl.create_default_context(), "fingerprint": OTHER},
            "ssl",
        ),
    ],
)
@pytest.mark.asyncio
async def test_what_makes_nobody_known_is_refused_by_name(
    url: str, wrong: dict[str, str], named: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        async with streamer.connect(url, **wrong):  # type: ignore[arg-type]
            pass
    assert caught.value.param == named


def test_commands_know_a_server_by_its_fingerprint(
    server: ServerProcess,
    fingerprint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nOne two.\n")
    commands = (
        ["say", "One two.", "-o", "out.wav"],
        ["captions", "talk.srt", "-o", "out.wav"],
        ["captions", "talk.srt", "--live", "-o", "out.wav"],
        ["jobs", "new", "One two.", "-o", "out.wav"],
        ["voices", "list"],
    )
    there = ["--url", f"wss://{server.host}"]
    for command in commands:
        assert run([*command, *there, "--fingerprint", fingerprint]) == 0
        capsys.readouterr()
        (tmp_path / "out.wav").unlink(missing_ok=True)
        assert run([*command, *there, "--fingerprint", OTHER]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "fingerprint" in line
        assert run([*command, *there]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "CERTIFICATE_VERIFY_FAILED" in line
        assert not (tmp_path / "out.wav").exists()
    assert run([*commands[0], "--fingerprint", OTHER]) == 2
    assert "--url" in capsys.readouterr().err
