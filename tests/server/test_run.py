"""A server's whole life: what it needs to start, what it says, how it drains and how it exits."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import socket
import sys
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.config import Settings
from streamer.errors import InvalidParameter, StorageFull
from streamer.files import FileStore
from streamer.server.auth import SCOPES, KeyStore
from streamer.server.run import load, require_keys, serve
from tests.server.running import eventually, hear, hear_until, running, say, settings_for


@pytest.mark.asyncio
async def test_ready_server_says_where_it_listens(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        port = server.server.port
        assert server.told == [f"Streamer listening on http://127.0.0.1:{port}/"]


@pytest.mark.asyncio
async def test_tls_self_tells_the_fingerprint(tmp_path: Path) -> None:
    async with running(tmp_path, tls="self") as server:
        assert server.told[0].startswith("Certificate fingerprint (SHA-256): ")
        assert server.told[1].startswith("Streamer listening on https://127.0.0.1:")
        async with server.http(verify=False) as http:
            url = server.url.replace("http:", "https:")
            assert (await http.get(url + "/healthz")).status_code == 200


def test_off_loopback_without_keys_is_refused_with_the_line_that_helps(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path)
    for host in ("0.0.0.0", "", "::", "192.168.1.2", "tts.example.org"):
        with pytest.raises(InvalidParameter, match="streamer keys new"):
            require_keys(Settings(host=host), keys, first_key=False)
    assert require_keys(Settings(), keys, first_key=False) == ""
    keys.new("app")
    assert require_keys(Settings(host="0.0.0.0"), keys, first_key=False) == ""
    keys.revoke("app")
    with pytest.raises(InvalidParameter):
        require_keys(Settings(host="0.0.0.0"), keys, first_key=False)


def test_names_that_clients_of_hosted_apis_know_have_a_voice() -> None:
    settings = Settings(engines=["tone"], voice="tone-high", voice_aliases={"Cherry": "tone-low"})
    aliases = load(settings).aliases
    assert (aliases["Cherry"], aliases["Ethan"]) == ("tone-low", "tone-high")


def test_a_stand_in_is_a_voice_that_is_here() -> None:
    assert load(Settings(engines=["tone"], stand_in="tone-high")).voices
    assert load(Settings(engines=["tone"], stand_in="Serena")).voices
    with pytest.raises(InvalidParameter) as caught:
        load(Settings(engines=["tone"], stand_in="nobody"))
    assert caught.value.param == "stand_in"


def test_vorbis_without_its_package_is_refused_before_a_voice_is_loaded(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    settings = Settings(
        engines=["nobody's"], runware_ogg="vorbis", port=0, data_dir=str(tmp_path / "data")
    )
    with pytest.raises(InvalidParameter) as caught:
        load(settings)
    assert caught.value.param == "runware_ogg"
    assert serve(settings) == 2
    error = capsys.readouterr().err
    assert error.startswith("streamer: runware_ogg: ")
    assert error.count("\n") == 1
    assert "soundfile" in error


def test_vorbis_with_its_package_is_served() -> None:
    assert load(Settings(engines=["tone"], runware_ogg="vorbis")).voices


def test_first_key_is_made_once_and_told_in_the_address(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path)
    fragment = require_keys(Settings(host="0.0.0.0"), keys, first_key=True)
    secret = fragment.removeprefix("#key=")
    assert keys.find(secret).scopes == SCOPES
    assert require_keys(Settings(host="0.0.0.0"), keys, first_key=True) == ""
    assert len(keys.list()) == 1


def test_settings_that_can_not_be_served_are_told_and_exit_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = dataclasses.replace(Settings(), host="0.0.0.0", data_dir=str(tmp_path), port=0)
    assert serve(settings) == 2
    error = capsys.readouterr().err
    assert error.startswith("streamer: ")
    assert f"streamer keys new NAME --data-dir {tmp_path}" in error


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port_that_is_taken_is_one_line_that_names_it(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = dataclasses.replace(Settings(), host=host, port=port, data_dir=str(tmp_path))
        assert serve(settings) == 2
    error = capsys.readouterr().err
    assert error == f"streamer: can't listen on {host}:{port}: Address already in use\n"


@pytest.mark.asyncio
async def test_drain_lets_live_contexts_finish_and_refuses_what_is_new(tmp_path: Path) -> None:
    async with (
        running(tmp_path, drain_s=10.0) as server,
        server.http() as http,
        server.socket() as speaking,
        server.socket() as unused,
    ):
        await hear(speaking)
        await hear(unused)
        await say(speaking, type="text", context="a", text="one ")
        await hear_until(speaking, "binary")
        server.server.handle_exit(signal.SIGTERM, None)
        with pytest.raises(ConnectionClosed):
            await unused.recv()
        assert unused.close_code == 1001
        with pytest.raises(InvalidStatus) as caught:
            async with server.socket():
                pass
        assert caught.value.response.status_code == 503
        assert caught.value.response.headers["retry-after"]
        assert (await http.post("/v1/speech", json={"text": "x"})).status_code == 503
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/healthz")).status_code == 200
        await say(speaking, type="text", context="b", text="new")
        error = (await hear_until(speaking, "error"))[-1]
        assert (error["code"], error["context"]) == ("draining", "b")
        await say(speaking, type="text", context="a", text="two")
        await say(speaking, type="end", context="a")
        heard = await hear_until(speaking, "done")
        assert heard[-1]["reason"] == "end"
        with pytest.raises(ConnectionClosed):
            await speaking.recv()
        assert speaking.close_code == 1001
        await asyncio.wait_for(server.task, 5)


@pytest.mark.asyncio
async def test_drain_waits_for_http_answers_too(tmp_path: Path) -> None:
    async with running(tmp_path, drain_s=10.0) as server, server.http() as http:
        async with http.stream("POST", "/v1/speech", json={"text": "forever"}):
            server.server.handle_exit(signal.SIGTERM, None)
            await eventually(lambda: server.service.ledger.draining)
            await asyncio.sleep(0.1)
            assert not server.task.done()
        await asyncio.wait_for(server.task, 5)


@pytest.mark.asyncio
async def test_drain_ends_what_does_not_finish_in_time(tmp_path: Path) -> None:
    async with running(tmp_path, drain_s=0.1) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="forever ")
        await hear_until(socket, "binary")
        server.server.handle_exit(signal.SIGTERM, None)
        assert (await hear_until(socket, "done"))[-1]["reason"] == "drained"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1001
        await asyncio.wait_for(server.task, 5)


@pytest.mark.asyncio
async def test_second_signal_ends_the_drain(tmp_path: Path) -> None:
    async with (
        running(tmp_path, drain_s=60.0) as server,
        server.socket(close_timeout=0.1) as socket,
    ):
        await hear(socket)
        await say(socket, type="text", context="a", text="forever ")
        await hear_until(socket, "binary")
        server.server.handle_exit(signal.SIGTERM, None)
        await eventually(lambda: server.service.ledger.draining)
        server.server.handle_exit(signal.SIGTERM, None)
        await asyncio.wait_for(server.task, 5)
        assert server.sessions.made[0].freed


def test_start_that_the_disk_refuses_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def start(self: FileStore) -> None:
        raise StorageFull("the disk is full")

    monkeypatch.setattr(FileStore, "start", start)
    assert serve(settings_for(tmp_path, engines=["tone"])) == 2
    assert capsys.readouterr().err.endswith("streamer: the disk is full\n")
