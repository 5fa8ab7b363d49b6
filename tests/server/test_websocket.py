"""Handshakes: what is refused, and that it is refused as HTTP before the upgrade."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.server.limits import KeyLimits
from tests.server.running import eventually, hear, hear_until, running, say


async def refusal(server: Any, **options: Any) -> tuple[int, dict[str, Any], Any]:
    """The HTTP answer to a handshake that must fail: status, error, headers."""
    with pytest.raises(InvalidStatus) as caught:
        async with server.socket(**options):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body)["error"], response.headers


@pytest.mark.asyncio
async def test_socket_opens_with_the_subprotocol_and_a_request_id(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as server,
        server.socket(additional_headers={"X-Request-ID": "abc-1"}) as socket,
    ):
        assert socket.subprotocol == "streamer.v1"
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] == "abc-1"
        ready = await hear(socket)
        assert ready["type"] == "ready"
        assert ready["request_id"] == "abc-1"
        assert ready["limits"]["max_contexts"] == 16


@pytest.mark.asyncio
async def test_socket_without_any_subprotocol_is_fine(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket(subprotocols=None) as socket:
        assert socket.subprotocol is None
        assert (await hear(socket))["type"] == "ready"


@pytest.mark.asyncio
async def test_unusable_request_id_is_replaced(tmp_path: Path) -> None:
    headers = {"X-Request-ID": "a b\tc"}
    async with running(tmp_path) as server, server.socket(additional_headers=headers) as socket:
        assert (await hear(socket))["request_id"] not in ("", "a b\tc")


@pytest.mark.asyncio
async def test_keys_are_asked_for_once_there_are_any(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        async with server.socket() as socket:
            assert (await hear(socket))["type"] == "ready"
        key = server.keys.new("app")
        status, error, headers = await refusal(server)
        assert (status, error["code"]) == (401, "unauthenticated")
        assert headers["www-authenticate"] == "Bearer"
        assert headers["x-request-id"] == error["request_id"]
        assert (await refusal(server, key="sk-streamer-wrong"))[0] == 401
        for options in (
            {"key": key},
            {"additional_headers": {"Authorization": f"Bearer {key}"}},
            {"additional_headers": {"X-API-Key": key}},
        ):
            async with server.socket(**options) as socket:
                ready = await hear(socket)
                assert ready["limits"]["key_contexts"] == 64


@pytest.mark.asyncio
async def test_subprotocol_key_that_is_not_base64url_is_no_key(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        server.keys.new("app")
        bad = ["streamer.v1", "streamer.auth.__4"]
        status, error, _ = await refusal(server, subprotocols=bad)
        assert (status, error["code"]) == (401, "unauthenticated")


@pytest.mark.asyncio
async def test_revoked_key_is_refused_and_says_so(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        key = server.keys.new("app")
        server.keys.revoke("app")
        status, error, _ = await refusal(server, key=key)
        assert (status, error["code"]) == (401, "key_revoked")


@pytest.mark.asyncio
async def test_key_without_the_scope_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        key = server.keys.new("reader", scopes=["usage"])
        status, error, _ = await refusal(server, key=key)
        assert (status, error["code"], error["param"]) == (403, "scope_missing", "scope")


@pytest.mark.asyncio
async def test_foreign_origin_is_refused_even_with_a_key(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        key = server.keys.new("app")
        status, error, _ = await refusal(server, key=key, origin="https://evil.example")
        assert (status, error["code"]) == (403, "origin_not_allowed")


@pytest.mark.asyncio
async def test_unknown_query_parameter_is_refused_by_the_dialect(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        status, error, headers = await refusal(server, path="/v1/stream?key=secret")
        assert (status, error["code"], error["param"]) == (400, "unknown_parameter", "key")
        assert headers["x-request-id"]
        await eventually(lambda: server.service.ledger.limits.connections == 0)


@pytest.mark.asyncio
async def test_unknown_address_is_not_found(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        status, error, _ = await refusal(server, path="/v2/stream")
        assert (status, error["code"]) == (404, "not_found")


@pytest.mark.asyncio
async def test_connection_limits_of_server_and_key(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=2) as server:
        key = server.keys.new("small", KeyLimits(connections=1))
        other = server.keys.new("other")
        async with server.socket(key=key):
            status, error, _ = await refusal(server, key=key)
            assert (status, error["code"], error["limit"]) == (429, "connection_limit", 1)
            async with server.socket(key=other):
                assert (await refusal(server, key=other))[1]["limit"] == 2
        await eventually(lambda: server.service.ledger.limits.connections == 0)
        async with server.socket(key=key) as socket:
            assert (await hear(socket))["type"] == "ready"


@pytest.mark.asyncio
async def test_plain_get_says_what_the_handshake_would(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        good = await http.get("/v1/stream")
        assert (good.status_code, good.json()) == (200, {"status": "ok"})
        key = server.keys.new("app")
        evil = {"Origin": "https://evil.example", "Authorization": f"Bearer {key}"}
        answers = [
            (await http.get("/v1/stream"), 401, "unauthenticated"),
            (await http.get("/v1/stream", headers=evil), 403, "origin_not_allowed"),
            (await http.post("/v1/stream"), 405, "method_not_allowed"),
        ]
        for answer, status, code in answers:
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "set-cookie" not in answer.headers
        preflight = await http.options("/v1/stream", headers={"Origin": "https://evil.example"})
        assert preflight.status_code == 204
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        allowed = await http.get("/v1/stream", headers={"Authorization": f"Bearer {key}"})
        assert allowed.status_code == 200
        assert server.service.ledger.limits.connections == 0


@pytest.mark.asyncio
async def test_socket_is_served_under_the_dialects_own_prefix_too(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket(path="/native/v1/stream") as socket:
        assert (await hear(socket))["type"] == "ready"


@pytest.mark.asyncio
async def test_client_that_vanishes_frees_its_contexts(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        async with server.socket() as socket:
            await hear(socket)
            for name in ("a", "b", "c"):
                await say(socket, type="text", context=name, text="forever ")
            await hear_until(socket, "binary")
            assert server.live == 3
            socket.transport.abort()
        await eventually(lambda: server.live == 0 and not server.service.connections)
        assert all(session.freed for session in server.sessions.made)
        assert server.service.ledger.counters.contexts["gone"] == 3


@pytest.mark.asyncio
async def test_oversized_message_closes_with_1009(tmp_path: Path) -> None:
    async with running(tmp_path, max_message_bytes=2048) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="x" * 4096)
        with pytest.raises(ConnectionClosed):
            await hear_until(socket, "never")
        assert socket.close_code == 1009


@pytest.mark.asyncio
async def test_peer_that_is_still_sending_an_oversized_message_is_told_and_not_reset(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, max_message_bytes=2048) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
        writer.write(
            b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        async with asyncio.timeout(10):
            await reader.readuntil(b'"ready"')
            size = 3_000_000
            writer.write(b"\x81\xff" + size.to_bytes(8) + b"mask" + bytes(size))
            await writer.drain()
            rest = await reader.read()
        writer.close()
    assert b"\x03\xf1frame with 3000000 bytes exceeds limit" in rest  # 1009


@pytest.mark.asyncio
async def test_invalid_utf8_closes_with_1007_and_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await socket.send(b'{"type": "\xff"}', text=True)
        with pytest.raises(ConnectionClosed):
            await hear_until(socket, "never")
        assert socket.close_code == 1007
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.asyncio
async def test_silent_peer_is_found_by_ping(tmp_path: Path) -> None:
    async with running(tmp_path, ping_s=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
        writer.write(
            b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: " + base64.b64encode(b"0" * 16) + b"\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        await eventually(lambda: server.service.connections)
        await eventually(lambda: not server.service.connections)
        writer.close()


@pytest.mark.asyncio
async def test_handshake_headers_that_never_end_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as server:
        with monkeypatch.context() as patch:
            patch.setattr("streamer.server.transport.HEADER_S", 0.05)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
            writer.write(b"GET /v1/stream HTTP/1.1\r\nHost: ")
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        async with httpx.AsyncClient(base_url=server.url) as http:
            assert (await http.get("/healthz")).status_code == 200


@pytest.mark.asyncio
async def test_handshake_that_the_dialect_refuses_is_counted_and_has_its_id(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        status, error, headers = await refusal(server, path="/v1/stream?resume=2")
        assert (status, error["code"], error["param"]) == (400, "invalid_parameter", "resume")
        assert headers["x-request-id"] == error["request_id"]
        preview = await http.get("/v1/stream?other=1", headers={"X-Request-ID": "r-9"})
        assert preview.json()["error"]["code"] == "unknown_parameter"
        assert preview.json()["error"]["request_id"] == "r-9"
        errors = server.service.ledger.counters.errors
        assert (errors["invalid_parameter"], errors["unknown_parameter"]) == (1, 1)
        assert server.service.ledger.limits.connections == 0
