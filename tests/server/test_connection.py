"""Contexts over a real socket: each begins, speaks and ends by exactly one message."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from streamer.engines.tone import Tone
from streamer.server.limits import KeyLimits
from streamer.server.run import sessions
from streamer.voices import Catalogue
from tests.server.running import eventually, hear, hear_until, running, say, settings_for

ENDINGS = {"done", "interrupted", "error"}


async def silence(socket: Any, seconds: float = 0.05) -> None:
    """Nothing comes for a while, in which a context that still spoke would have sent dozens."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            raise AssertionError(await socket.recv())


@pytest.mark.asyncio
async def test_context_goes_from_started_to_done(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="start", context="a", voice="alba")
        await say(socket, type="text", context="a", text="one two ")
        await say(socket, type="flush", context="a")
        await say(socket, type="text", context="a", text="three")
        await say(socket, type="end", context="a")
        heard = await hear_until(socket, "done")
        assert [m["type"] for m in heard] == ["started"] + ["binary"] * 3 + ["done"]
        assert [m["data"] for m in heard[1:4]] == ["one", "two", "three"]
        assert heard[-1]["reason"] == "end"
        assert server.sessions.made[0].flushes == 1
        assert server.sessions.made[0].paced


@pytest.mark.asyncio
async def test_first_text_of_an_unknown_context_starts_it(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="hello")
        await say(socket, type="end", context="a")
        assert (await hear_until(socket, "done"))[1]["data"] == "hello"


@pytest.mark.asyncio
async def test_id_is_free_again_after_the_ending(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        for _ in range(3):
            await say(socket, type="text", context="a", text="hello")
            await say(socket, type="end", context="a")
            heard = await hear_until(socket, *ENDINGS)
            assert heard[0]["type"] == "started"
            assert heard[-1]["type"] == "done"
        assert len(server.sessions.made) == 3


@pytest.mark.asyncio
async def test_interrupt_is_acknowledged_and_then_there_is_silence(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="forever ")
        await hear_until(socket, "binary")
        await say(socket, type="interrupt", context="a", played_ms=20)
        heard = await hear_until(socket, *ENDINGS)
        assert heard[-1]["type"] == "interrupted"
        assert (heard[-1]["played_ms"], heard[-1]["clock"]) == (20, "client")
        await silence(socket)
        assert server.live == 0
        assert server.sessions.made[0].freed


@pytest.mark.asyncio
async def test_cancel_without_context_ends_all_of_them(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        for name in ("a", "b", "c"):
            await say(socket, type="text", context=name, text="forever ")
        await hear_until(socket, "binary")
        await eventually(lambda: server.live == 3)
        await say(socket, type="cancel")
        ended = [(await hear_until(socket, "done"))[-1] for _ in range(3)]
        assert [(m["context"], m["reason"]) for m in ended] == [
            (name, "cancelled") for name in ("a", "b", "c")
        ]
        await silence(socket)


@pytest.mark.asyncio
async def test_interrupt_of_one_context_leaves_the_other_speaking(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="forever ")
        await say(socket, type="text", context="b", text="forever ")
        await eventually(lambda: server.live == 2)
        await say(socket, type="interrupt", context="a")
        heard = await hear_until(socket, "interrupted")
        assert heard[-1]["context"] == "a"
        assert (await hear_until(socket, "binary"))[-1]["data"] == "forever"
        await say(socket, type="cancel", context="b")
        await hear_until(socket, "done")


@pytest.mark.asyncio
async def test_hundred_quick_interrupts_leave_nothing_behind(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        tasks = len(asyncio.all_tasks())
        for i in range(100):
            await say(socket, type="text", context=f"c{i}", text="forever ")
            await say(socket, type="interrupt", context=f"c{i}")
        for _ in range(100):
            await hear_until(socket, "interrupted")
        assert server.live == 0
        assert len(asyncio.all_tasks()) <= tasks
        assert all(session.freed for session in server.sessions.made if session.packets)


@pytest.mark.parametrize("kind", ["flush", "end", "interrupt", "cancel"])
@pytest.mark.asyncio
async def test_unknown_context_is_an_error_and_the_connection_stays(
    tmp_path: Path, kind: str
) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type=kind, context="nobody")
        error = await hear(socket)
        assert (error["type"], error["code"], error["context"]) == (
            "error",
            "unknown_context",
            "nobody",
        )
        await say(socket, type="text", context="a", text="hello")
        await hear_until(socket, "binary")


@pytest.mark.asyncio
async def test_late_played_is_no_error(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="played", context="gone", played_ms=10)
        await say(socket, type="flush", context="marker")
        assert (await hear(socket))["context"] == "marker"


@pytest.mark.asyncio
async def test_a_context_is_reported_on_once_and_after_its_end(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        counters = server.service.ledger.counters

        async def report(context: str) -> int:
            figures = {"underruns": 2, "first_sound_ms": 80, "network_ms": 20, "drift_ppm": -30}
            await say(socket, type="report", context=context, **figures)
            await say(socket, type="flush", context="marker")
            await hear_until(socket, "error")
            return counters.listener_underruns

        assert await report("gone") == 0
        await say(socket, type="text", context="a", text="one")
        await hear_until(socket, "binary")
        assert await report("a") == 0
        await say(socket, type="end", context="a")
        await hear_until(socket, "done")
        assert await report("a") == 2
        assert await report("a") == 2
        assert counters.first_sound.total == pytest.approx(0.08)
        assert counters.network.total == pytest.approx(0.02)
        assert counters.drift.total == 30


@pytest.mark.asyncio
async def test_errors_of_the_session_end_their_context_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="start", context="a", voice="nobody")
        error = await hear(socket)
        assert (error["code"], error["param"]) == ("unknown_voice", "voice")
        await say(socket, type="text", context="b", text="forever ")
        await say(socket, type="text", context="b", text="x" * 3000)
        assert (await hear_until(socket, *ENDINGS))[-1]["code"] == "text_limit"
        await silence(socket)
        await say(socket, type="text", context="c", text="fail")
        assert (await hear_until(socket, *ENDINGS))[-1]["code"] == "engine_failed"
        assert server.live == 0


@pytest.mark.asyncio
async def test_second_start_of_a_live_context_is_a_conflict_that_ends_it(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="forever ")
        await say(socket, type="start", context="a")
        assert (await hear_until(socket, *ENDINGS))[-1]["code"] == "context_conflict"
        await silence(socket)


@pytest.mark.asyncio
async def test_fault_in_a_session_is_logged_and_told_without_its_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "streamer.server"):
        async with running(tmp_path) as server, server.socket() as socket:
            ready = await hear(socket)
            await say(socket, type="text", context="a", text="crash")
            error = (await hear_until(socket, *ENDINGS))[-1]
            assert error["code"] == "internal_error"
            assert "the text was" not in error["message"]
            await say(socket, type="text", context="b", text="hello")
            await hear_until(socket, "binary")
    (fault,) = [record for record in caplog.records if record.getMessage() == "fault"]
    assert vars(fault)["request_id"] == ready["request_id"]
    assert fault.exc_info is not None


@pytest.mark.asyncio
async def test_after_a_pause_nothing_comes_until_continue_and_then_what_was_not_heard(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="one two three ")
        for _ in range(4):
            await hear(socket)
        await say(socket, type="pause", context="a", played_ms=25)
        paused = await hear(socket)
        assert (paused["type"], paused["sequence"], paused["played_ms"]) == ("paused", 4, 25)
        assert (paused["heard_text"], paused["unspoken_text"]) == ("one ", "two three ")
        await say(socket, type="text", context="a", text="four")
        await say(socket, type="end", context="a")
        await silence(socket)
        await say(socket, type="pause", context="a", played_ms=60)
        again = await hear(socket)
        assert again == paused | {"sequence": 5}
        await say(socket, type="continue", context="a")
        heard = await hear_until(socket, "done")
        assert [m["type"] for m in heard] == ["continued"] + ["binary"] * 3 + ["done"]
        assert (heard[0]["at_ms"], heard[0]["offset"], heard[0]["sequence"]) == (60, 4, 6)
        assert [m["data"] for m in heard[1:4]] == ["two", "three", "four"]


@pytest.mark.asyncio
async def test_nothing_stale_comes_after_paused(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="forever ")
        for _ in range(20):
            await say(socket, type="pause", context="a", played_ms=1e9)
            await hear_until(socket, "paused")
            await silence(socket, 0.005)
            await say(socket, type="continue", context="a")
            assert (await hear(socket))["type"] == "continued"
            await hear(socket)
        await say(socket, type="interrupt", context="a")
        await hear_until(socket, "interrupted")


@pytest.mark.asyncio
async def test_interrupt_of_what_is_paused_says_what_paused_said(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="one two ")
        for _ in range(3):
            await hear(socket)
        await say(socket, type="pause", context="a", played_ms=30)
        paused = await hear(socket)
        await say(socket, type="interrupt", context="a")
        interrupted = await hear(socket)
        assert interrupted["type"] == "interrupted"
        assert interrupted["played_ms"] == paused["played_ms"]
        assert server.sessions.made[0].freed


@pytest.mark.parametrize("kind", ["pause", "continue"])
@pytest.mark.asyncio
async def test_pause_and_continue_of_an_unknown_context_are_errors(
    tmp_path: Path, kind: str
) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type=kind, context="a")
        assert (await hear(socket))["code"] == "unknown_context"


@pytest.mark.parametrize(
    "message",
    ["{", "[]", '"text"', '{"type": 1}', '{"type": "sing"}', '{"type":"text","text":"x"}', b"\0"],
)
@pytest.mark.asyncio
async def test_message_that_names_no_context_is_told_and_closes(
    tmp_path: Path, message: str | bytes
) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await socket.send(message)
        error = await hear(socket)
        assert error["type"] == "error"
        assert "context" not in error
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code not in (1000, 1006, 1011)


@pytest.mark.asyncio
async def test_bad_message_that_names_a_context_ends_only_that(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="forever ")
        await say(socket, type="text", context="b", text="hi", colour="red")
        errors = [m for m in await hear_until(socket, "error") if m["type"] == "error"]
        assert (errors[0]["context"], errors[0]["code"]) == ("b", "unknown_parameter")
        assert server.live == 1
        await say(socket, type="cancel")
        await hear_until(socket, "done")


@pytest.mark.asyncio
async def test_contexts_of_a_connection_and_of_a_key_are_bounded(tmp_path: Path) -> None:
    async with running(tmp_path, max_contexts=2) as server:
        key = server.keys.new("app", KeyLimits(contexts=3))
        async with server.socket(key=key) as one, server.socket(key=key) as two:
            for socket in (one, two):
                await hear(socket)
            for name in ("a", "b", "c"):
                await say(one, type="text", context=name, text="hang")
            error = (await hear_until(one, "error"))[-1]
            assert (error["code"], error["limit"], error["context"]) == ("context_limit", 2, "c")
            for name in ("a", "b"):
                await say(two, type="text", context=name, text="hang")
            error = (await hear_until(two, "error"))[-1]
            assert (error["code"], error["limit"], error["context"]) == ("context_limit", 3, "b")
            await say(one, type="cancel", context="a")
            await hear_until(one, "done")
            await say(two, type="text", context="b", text="hello")
            assert (await hear_until(two, "binary"))[-1]["data"] == "hello"


@pytest.mark.asyncio
async def test_rates_and_budget_of_a_key_are_bounded(tmp_path: Path) -> None:
    async with running(tmp_path, price_per_1000=1000.0) as server:
        slow = server.keys.new("slow", KeyLimits(chars_per_minute=10))
        few = server.keys.new("few", KeyLimits(requests_per_minute=1))
        poor = server.keys.new("poor", KeyLimits(budget=8.0))
        for key, code in ((slow, "rate_limited"), (few, "rate_limited"), (poor, "budget_spent")):
            async with server.socket(key=key) as socket:
                await hear(socket)
                for name in ("a", "b"):
                    await say(socket, type="text", context=name, text="sixsix")
                    await say(socket, type="end", context=name)
                    heard = await hear_until(socket, *ENDINGS)
                assert heard[-1]["code"] == code
                assert heard[-1]["retryable"] is (code == "rate_limited")


@pytest.mark.asyncio
@pytest.mark.parametrize("names", ["a", "ab"])
async def test_stalled_reader_is_cut_with_4001_and_counted_once(tmp_path: Path, names: str) -> None:
    async with running(tmp_path, send_timeout_s=0.2) as server:
        async with server.socket(max_queue=1) as socket:
            await hear(socket)
            for name in names:
                await say(socket, type="text", context=name, text="flood")
            await eventually(lambda: server.live == len(names))
            await eventually(lambda: server.live == 0)
            assert server.service.ledger.counters.errors["stalled_reader"] == 1
            with pytest.raises(ConnectionClosed):
                await hear_until(socket, "never")
            assert socket.close_code == 4001
        await eventually(lambda: not server.service.connections)


@pytest.mark.asyncio
async def test_stalled_reader_is_counted_though_its_session_takes_a_while_to_end(
    tmp_path: Path,
) -> None:
    catalogue = Catalogue({"tone": Tone()})
    real = sessions(settings_for(tmp_path), catalogue)
    async with (
        running(tmp_path, catalogue=catalogue, sessions=real, send_timeout_s=0.2) as server,
        server.socket(max_queue=1) as socket,
    ):
        await hear(socket)
        audio = {"codec": "pcm_f32le", "sample_rate": 48000, "channels": 2}
        await say(socket, type="start", context="a", audio=audio, pacing={"lead_ms": 60000})
        await say(socket, type="text", context="a", text="More and more of it. " * 50)
        await eventually(lambda: server.service.ledger.counters.contexts["gone"])
        await eventually(lambda: not server.service.connections)
        socket.transport.abort()
        assert server.service.ledger.counters.errors["stalled_reader"] == 1


@pytest.mark.asyncio
async def test_unused_connection_is_closed_with_4002(tmp_path: Path) -> None:
    async with running(tmp_path, connection_idle_s=0.1) as server, server.socket() as socket:
        await hear(socket)
        error = await hear(socket)
        assert error["code"] == "idle_timeout"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4002


@pytest.mark.asyncio
async def test_connection_with_a_live_context_is_not_idle(tmp_path: Path) -> None:
    async with running(tmp_path, connection_idle_s=1.0) as server, server.socket() as socket:
        await hear(socket)
        await say(socket, type="text", context="a", text="hang")
        assert (await hear(socket))["type"] == "started"
        await silence(socket, 1.6)
        await say(socket, type="cancel")
        assert (await hear(socket))["type"] == "done"


@pytest.mark.asyncio
async def test_revoked_key_closes_its_live_connections_only(tmp_path: Path) -> None:
    async with running(tmp_path, keys_recheck_s=0.02) as server:
        doomed, other = server.keys.new("doomed"), server.keys.new("other")
        async with server.socket(key=doomed) as first, server.socket(key=other) as second:
            await hear(first)
            await hear(second)
            await say(first, type="text", context="a", text="forever ")
            await hear_until(first, "binary")
            server.keys.revoke("doomed")
            error = (await hear_until(first, "error"))[-1]
            assert error["code"] == "key_revoked"
            assert "context" not in error
            with pytest.raises(ConnectionClosed):
                await first.recv()
            assert first.close_code == 1008
            await say(second, type="text", context="a", text="hello")
            await hear_until(second, "binary")


@pytest.mark.asyncio
async def test_sequence_numbers_have_no_hole_under_interrupts(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.socket() as socket:
        await hear(socket)
        for name in ("a", "b"):
            await say(socket, type="text", context=name, text="forever ")
        await eventually(lambda: server.live == 2)
        await asyncio.sleep(0.02)
        await say(socket, type="interrupt")
        seen: dict[str, list[int]] = {}
        streams: dict[int, str] = {}
        endings = 0
        while endings < 2:
            message = await socket.recv()
            if isinstance(message, bytes):
                context = streams[int.from_bytes(message[2:4], "big")]
                seen[context].append(int.from_bytes(message[4:8], "big"))
                continue
            decoded = json.loads(message)
            if decoded["type"] == "started":
                streams[decoded["stream"]] = decoded["context"]
            seen.setdefault(decoded["context"], []).append(decoded["sequence"])
            endings += decoded["type"] == "interrupted"
        for numbers in seen.values():
            assert numbers == list(range(len(numbers)))
            assert len(numbers) > 2
