"""Speech and facts over plain HTTP, in the words of each dialect."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.server.limits import NO_LIMITS, KeyLimits
from tests.server.running import eventually, running

SPEECH = "/v1/speech"
OPENAI = "/v1/audio/speech"
MODELSTREAM = "/modelstream/v1/audio/speech"


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.asyncio
async def test_speech_is_the_bare_packets_with_the_encoders_type(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.post(SPEECH, json={"text": "one two"}, headers={"X-Request-ID": "r-7"})
        assert (answer.status_code, answer.content) == (200, b"onetwo")
        assert answer.headers["content-type"] == "audio/pcm"
        assert answer.headers["x-request-id"] == "r-7"
        assert not server.sessions.made[0].paced
        assert (await http.post("/native" + SPEECH, json={"text": "one"})).content == b"one"


@pytest.mark.asyncio
async def test_speech_as_lines_says_what_the_socket_would(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.post(SPEECH, json={"text": "one two", "delivery": "lines"})
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert [line["type"] for line in lines] == ["started", "audio", "audio", "done"]
        assert base64.b64decode(lines[1]["data"]) == b"one"


@pytest.mark.asyncio
async def test_openai_speech_has_the_exact_type_of_its_format(tmp_path: Path) -> None:
    types = {
        "mp3": "audio/mpeg",
        "opus": "audio/ogg",
        "aac": "audio/aac",
        "flac": "audio/flac",
        "wav": "audio/wav",
    }
    async with running(tmp_path) as server, server.http() as http:
        for path in (OPENAI, "/openai" + OPENAI):
            for name, content_type in types.items():
                body = {"model": "tts-1", "voice": "alloy", "input": "one", "response_format": name}
                answer = await http.post(path, json=body)
                assert (answer.status_code, answer.content) == (200, b"one")
                assert answer.headers["content-type"] == content_type
                assert answer.headers["x-request-id"]


@pytest.mark.asyncio
async def test_openai_speech_as_events(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        body = {"model": "tts-1", "voice": "alba", "input": "one fail", "stream_format": "sse"}
        answer = await http.post(OPENAI, json=body)
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
        assert [event["type"] for event in events] == ["speech.audio.delta", "error"]
        assert events[1]["error"]["code"] == "engine_failed"


@pytest.mark.asyncio
async def test_error_before_the_first_sound_is_a_status(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        assert code_of(await http.post(SPEECH, json={"text": "fail"})) == (502, "engine_failed")
        assert code_of(await http.post(SPEECH, json={"text": "crash"})) == (500, "internal_error")
        lines = {"text": "fail", "delivery": "lines"}
        assert code_of(await http.post(SPEECH, json=lines)) == (502, "engine_failed")
        header = {"text": "header fail"}
        assert code_of(await http.post(SPEECH, json=header)) == (502, "engine_failed")
        answer = await http.post(OPENAI, json={"input": "fail", "model": "m", "voice": "v"})
        assert answer.status_code in (404, 502)
        assert server.live == 0


@pytest.mark.asyncio
async def test_requests_that_speak_count_as_connections(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=1) as server, server.http() as http:
        for _ in range(2):
            assert (await http.post(SPEECH, json={"text": "one"})).status_code == 200
        limits = server.service.ledger.limits
        slot = limits.connect("", NO_LIMITS)
        answer = await http.post(SPEECH, json={"text": "one"})
        assert code_of(answer) == (429, "connection_limit")
        assert int(answer.headers["retry-after"]) >= 1
        slot.release()
        assert (await http.post(SPEECH, json={"text": "one"})).status_code == 200
        assert code_of(await http.post(SPEECH, json={"text": "fail"})) == (502, "engine_failed")
        assert limits.connections == 0


@pytest.mark.asyncio
async def test_error_after_the_first_sound_cuts_the_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as server, server.http() as http:
        heard = bytearray()

        async def listen() -> None:
            async with http.stream("POST", SPEECH, json={"text": "one two fail"}) as answer:
                assert answer.status_code == 200
                async for piece in answer.aiter_bytes():
                    heard.extend(piece)

        with pytest.raises(httpx.RemoteProtocolError):
            await listen()
        assert heard == b"onetwo"
        assert server.service.ledger.counters.errors["engine_failed"] == 1


@pytest.mark.asyncio
async def test_bad_bodies_are_typed_errors_of_their_dialect(tmp_path: Path) -> None:
    async with running(tmp_path, max_body_bytes=2048) as server, server.http() as http:
        assert code_of(await http.post(SPEECH, content=b"{")) == (400, "invalid_message")
        assert code_of(await http.post(SPEECH, json={"text": "x", "a": 1})) == (
            400,
            "unknown_parameter",
        )
        assert code_of(await http.post(SPEECH, json={"text": "x", "voice": "nobody"})) == (
            404,
            "unknown_voice",
        )
        assert code_of(await http.post(SPEECH, json={"text": "x" * 4096})) == (413, "message_limit")

        async def unannounced() -> Any:
            for _ in range(1000):
                yield b"x" * 512

        assert code_of(await http.post(SPEECH, content=unannounced())) == (413, "message_limit")
        answer = await http.post(OPENAI, content=b"{")
        assert answer.status_code == 400
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert (await http.post(SPEECH, json={"text": "still here"})).status_code == 200


@pytest.mark.asyncio
async def test_wrong_methods_and_addresses_are_typed_errors_of_their_dialect(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.get(SPEECH)
        assert code_of(answer) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"
        assert code_of(await http.post("/v1/usage")) == (405, "method_not_allowed")
        assert code_of(await http.delete("/")) == (405, "method_not_allowed")
        assert code_of(await http.get("/v1/nothing")) == (404, "not_found")
        assert code_of(await http.get("/v1/voices/")) == (404, "not_found")
        for answer in (await http.get(OPENAI), await http.get("/openai/v1/nothing")):
            assert answer.status_code in (404, 405)
            assert answer.json()["error"]["type"] == "invalid_request_error"
            assert answer.headers["x-request-id"]


@pytest.mark.parametrize("text", ["forever", "hang"])
@pytest.mark.asyncio
async def test_client_that_goes_away_cancels_the_synthesis(tmp_path: Path, text: str) -> None:
    async with running(tmp_path) as server:
        body = json.dumps({"text": text}).encode()
        _, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
        head = f"POST {SPEECH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await eventually(lambda: server.live == 1)
        writer.transport.abort()
        await eventually(lambda: server.live == 0)
        await eventually(lambda: server.sessions.made[0].freed)
        assert server.service.ledger.counters.contexts["gone"] == 1


@pytest.mark.asyncio
async def test_body_that_does_not_come_is_given_up_with_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.server.bodies.BODY_S", 0.1)
    async with running(tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
        writer.write(f"POST {SPEECH} HTTP/1.1\r\nHost: localhost\r\n".encode())
        writer.write(b"Content-Length: 100\r\n\r\n{")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"\r\nconnection: close\r\n" in head
        assert json.loads(await reader.read())["error"]["code"] == "idle_timeout"
        writer.close()


@pytest.mark.parametrize("path", [SPEECH, OPENAI, "/v1/captions", MODELSTREAM])
@pytest.mark.asyncio
async def test_no_more_bodies_are_held_than_may_speak(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, max_connections=1) as server, server.http() as http:
        limits = server.service.ledger.limits
        _, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
        writer.write(head.encode() + b"{")
        await eventually(lambda: limits.connections == 1)
        for other in (path, SPEECH):
            answer = await http.post(other, content=b"x" * 100_000)
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
        writer.transport.abort()
        await eventually(lambda: limits.connections == 0)
        assert not server.sessions.made
        assert (await http.post(SPEECH, json={"text": "one"})).status_code == 200


@pytest.mark.asyncio
async def test_reader_that_stalls_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.server.transport.HTTP_STALL_S", 0.1)
    async with running(tmp_path) as server:
        body = b'{"text": "flood"}'
        reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port, limit=1024)
        head = f"POST {SPEECH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await eventually(lambda: server.live == 1)
        await eventually(lambda: server.live == 0)
        writer.transport.abort()
        del reader


@pytest.mark.asyncio
async def test_keys_scopes_and_limits_hold_for_http_too(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        key = server.keys.new("app", KeyLimits(requests_per_minute=2))
        reader = server.keys.new("reader", scopes=["usage"])
        assert code_of(await http.post(SPEECH, json={"text": "x"})) == (401, "unauthenticated")
        assert code_of(await http.get("/v1/voices")) == (401, "unauthenticated")
        assert (await http.get("/healthz")).status_code == 200
        headers = {"Authorization": f"Bearer {key}"}
        for _ in range(2):
            assert (await http.post(SPEECH, json={"text": "x"}, headers=headers)).status_code == 200
        answer = await http.post(SPEECH, json={"text": "x"}, headers=headers)
        assert code_of(answer) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) > 0
        assert code_of(await http.get("/metrics", headers=headers)) == (403, "scope_missing")
        answer = await http.post(SPEECH, json={"text": "x"}, headers={"X-API-Key": reader})
        assert answer.json()["error"]["param"] == "scope"
        assert (await http.get("/v1/usage", headers={"X-API-Key": reader})).status_code == 200


@pytest.mark.asyncio
async def test_every_request_of_a_key_counts(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        key = {"X-API-Key": server.keys.new("app", KeyLimits(requests_per_minute=3))}
        for path in ("/v1/voices", "/v1/models", "/v1/usage"):
            assert (await http.get(path, headers=key)).status_code == 200
            assert (await http.options(path, headers=key)).status_code == 204
        for path in ("/v1/voices", "/v1/models", "/v1/usage"):
            assert (await http.get(path, headers=key)).status_code == 429
        assert (await http.get("/healthz", headers=key)).status_code == 200


@pytest.mark.asyncio
async def test_budget_counts_what_is_in_work_and_what_jobs_will_take(tmp_path: Path) -> None:
    async with running(tmp_path, price_per_1000=1000.0) as server, server.http() as http:
        key = {"X-API-Key": server.keys.new("app", KeyLimits(budget=20.0))}
        ledger = server.service.ledger
        ledger.unbooked["other"] = ledger.unbooked[server.keys.list()[0].id] = 9
        assert (await http.post(SPEECH, json={"text": "x" * 11}, headers=key)).status_code == 200
        ledger.unbooked.clear()
        ledger.reserved = {server.keys.list()[0].id: 9}.__getitem__
        answer = await http.post(SPEECH, json={"text": "x"}, headers=key)
        assert code_of(answer) == (402, "budget_spent")
        ledger.reserved = lambda key: 8
        assert (await http.post(SPEECH, json={"text": "x"}, headers=key)).status_code == 200
        assert not ledger.unbooked


@pytest.mark.asyncio
async def test_cors_lets_allowed_pages_read_and_refuses_the_others(tmp_path: Path) -> None:
    page, evil = {"Origin": "http://localhost:5173"}, {"Origin": "https://evil.example"}
    async with running(tmp_path) as server, server.http() as http:
        server.keys.new("app")
        preflight = await http.options(SPEECH, headers=page)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == page["Origin"]
        assert "POST" in preflight.headers["access-control-allow-methods"]
        for name in ("authorization", "idempotency-key", "range"):
            assert name in preflight.headers["access-control-allow-headers"]
        for name in ("DELETE", "HEAD"):
            assert name in preflight.headers["access-control-allow-methods"]
        refused = await http.post(SPEECH, json={"text": "x"}, headers=page)
        assert code_of(refused) == (401, "unauthenticated")
        assert refused.headers["access-control-allow-origin"] == page["Origin"]
        assert "origin" in refused.headers["vary"].lower()
        for answer in (
            await http.options(SPEECH, headers=evil),
            await http.post(SPEECH, json={"text": "x"}, headers=evil),
            await http.get("/v1/usage", headers=evil),
        ):
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.asyncio
async def test_voices_and_models(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        voices = (await http.get("/v1/voices")).json()["voices"]
        assert [(voice["id"], voice["name"]) for voice in voices] == [("alba", "Alba")]
        models = (await http.get("/openai/v1/models")).json()
        assert [model["id"] for model in models["data"]] == ["scripted", "scripted/large", "tts-1"]
        for name in ("scripted", "scripted/large"):
            assert (await http.get(f"/v1/models/{name}")).json()["id"] == name
        assert (await http.get("/v1/models/x")).json()["error"]["param"] == "model"


@pytest.mark.asyncio
async def test_usage_is_by_key_and_day(tmp_path: Path) -> None:
    async with running(tmp_path, price_per_1000=10.0) as server, server.http() as http:
        mine = {"X-API-Key": server.keys.new("mine", KeyLimits(budget=1.0))}
        other = {"X-API-Key": server.keys.new("other")}
        await http.post(SPEECH, json={"text": "one two"}, headers=mine)
        await http.post(SPEECH, json={"text": "fail"}, headers=other)
        usage = (await http.get("/v1/usage", headers=mine)).json()
        (row,) = usage["usage"]
        assert row["key"] == server.keys.list()[0].id
        assert (row["characters"], row["contexts"], row["errors"]) == (7, 1, 0)
        assert row["audio_seconds"] == 0.04
        assert (row["cost"], usage["spent"], usage["budget"]) == (0.07, 0.07, 1.0)
        (row,) = (await http.get("/v1/usage", headers=other)).json()["usage"]
        assert row["errors"] == 1


@pytest.mark.asyncio
async def test_metrics_show_what_happened(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        await http.post(SPEECH, json={"text": "one two"})
        await http.post(SPEECH, json={"text": "fail"})
        await http.post(SPEECH, json={"text": "header"})  # bytes without sound are no first audio
        answer = await http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        for line in (
            "streamer_characters_total 17.0",
            'streamer_errors_total{code="engine_failed"} 1.0',
            'streamer_contexts_total{outcome="end"} 2.0',
            "streamer_first_audio_seconds_count 1.0",
            "streamer_active_contexts 0.0",
        ):
            assert line in answer.text.splitlines()


@pytest.mark.asyncio
async def test_health_needs_no_key(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        server.keys.new("app")
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.get("/readyz")).json() == {"status": "ready"}
        assert (await http.head("/healthz")).status_code == 200


@pytest.mark.asyncio
async def test_an_engine_that_never_speaks_again_is_not_ready(tmp_path: Path) -> None:
    class Engine:
        broken = ""

    async with running(tmp_path) as server, server.http() as http:
        engine = server.service.engine_counts.breakable["qwen3"] = Engine()
        assert (await http.get("/readyz")).status_code == 200
        engine.broken = "the device is lost"
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "broken", "engines": {"qwen3": "the device is lost"}}
        assert (await http.get("/healthz")).status_code == 200


@pytest.mark.asyncio
async def test_name_that_was_made_to_resolve_here_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.get("/v1/usage", headers={"Host": "evil.example"})
        assert code_of(answer) == (403, "origin_not_allowed")


@pytest.mark.asyncio
async def test_own_origin_behind_a_proxy_is_what_the_browser_sees(tmp_path: Path) -> None:
    proxied = {"Host": "tts.example.org", "X-Forwarded-Proto": "https"}
    page = {"Origin": "https://tts.example.org"}
    async with running(tmp_path) as server, server.http() as http:
        key = {"X-API-Key": server.keys.new("app")}
        answer = await http.get("/v1/voices", headers=proxied | page | key)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == page["Origin"]
        assert (await http.get("/v1/stream", headers=proxied | page | key)).status_code == 200
        plain = {"Host": "tts.example.org"}
        assert (await http.get("/v1/voices", headers=plain | page | key)).status_code == 403
