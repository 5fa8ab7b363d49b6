"""Contexts that are published: what becomes of their channel as they come and go."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streamer.protocols import native
from streamer.server.auth import ANONYMOUS
from streamer.server.contexts import Contexts
from streamer.server.writer import Writer
from streamer.types import Start, Subscribe
from tests.server.channels.hall import Heard, hall, seated
from tests.server.returning import PATH
from tests.server.running import eventually

TEXT = "One two three four. Five six seven. "


def contiguous(heard: Heard) -> bool:
    return all(a.pts + a.duration == b.pts for a, b in pairwise(heard.packets))


@pytest.mark.asyncio
async def test_the_clock_goes_on_from_context_to_context(tmp_path: Path) -> None:
    async with hall(tmp_path, channel_linger_s=1.5) as server, seated(server) as seat:
        await seat.publish("a", "One two. ")
        await seat.listen("ear", captions=True)
        await seat.say(type="end", context="a")
        await seat.until("a", "done")
        await seat.publish("b", "Three. ", timestamps="none")
        await seat.say(type="end", context="b")
        await seat.over("b", "ear")
        heard = seat.heard["ear"]
        assert contiguous(heard)
        assert [word[0] for word in heard.words] == ["One", "two", "Three"]
        assert [word[3] for word in heard.words] == [0, 4, 10]
        assert [(m["index"], m["offset"]) for m in heard.of("segment")] == [(0, 0), (1, 10)]
        assert [(m["index"], m["text"]) for m in heard.of("caption")] == [
            (0, "One two."),
            (1, "Three."),
        ]
        assert all(a[2] <= b[1] for a, b in pairwise(heard.words))
        assert seat.heard["b"].words == []
        assert not seat.heard["a"].of("caption")
        firsts = [packet.pts for packet in heard.packets if packet.flags & 1]
        starts = [24 * message["start_ms"] for message in heard.of("segment")]
        assert [0 <= start - pts < 480 for start, pts in zip(starts, firsts, strict=True)] == [
            True
        ] * 2
        assert [packet.flags & 2 for packet in heard.packets][-1] == 2


@pytest.mark.asyncio
async def test_who_does_not_want_its_own_sound_is_told_all_but_that(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat, seated(server) as other:
        await seat.publish("a", TEXT, audio={"transport": "none"})
        await seat.until("a", "started")
        await other.listen("ear", back_ms=30000)
        await seat.say(type="end", context="a")
        await seat.over("a")
        await other.over("ear")
        own, heard = seat.heard["a"], other.heard["ear"]
        assert not own.packets
        assert own.told[0]["audio"]["transport"] == "none"
        assert [word[0] for word in own.words] == TEXT.replace(".", "").split()
        assert [word[0] for word in heard.words] == [word[0] for word in own.words]
        assert [message["sequence"] for message in own.told] == [*range(len(own.told))]
        done = own.told[-1]
        assert (done["reason"], done["samples"] > 24000) == ("end", True)
        assert contiguous(heard)
        assert len(heard.packets) > 50


@pytest.mark.asyncio
async def test_a_context_that_nobody_else_hears_wants_its_sound(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat:
        await seat.publish("a")
        for context, message in (
            ("b", {"type": "start"}),
            ("ear", {"type": "subscribe", "channel": "hall"}),
        ):
            await seat.say(context=context, audio={"transport": "none"}, **message)
            error = (await seat.until(context, "error")).told[-1]
            assert (error["code"], error["param"]) == ("invalid_parameter", "audio.transport")


@pytest.mark.asyncio
async def test_one_speaks_at_a_time_and_the_name_is_free_after(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat, seated(server) as other:
        await seat.publish("a")
        await seat.until("a", "started")
        await other.publish("b")
        error = (await other.until("b", "error")).told[-1]
        assert (error["code"], error["param"]) == ("context_conflict", "channel")
        await seat.say(type="cancel", context="a")
        await seat.until("a", "done")
        await other.publish("b")
        await other.until("b", "started")
        assert server.service.ledger.counters.channels == 1


@pytest.mark.asyncio
async def test_a_context_that_ends_before_it_began_leaves_its_channel(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as other:
        async with seated(server) as seat:
            await seat.publish("a")
            await seat.say(type="cancel")
            await seat.until("a", "done")
            await seat.publish("b")
            await eventually(lambda: server.live)
            seat.socket.transport.abort()
        await eventually(lambda: len(server.service.connections) == 1)
        await other.publish("c")
        await other.until("c", "started")
        sessions = server.service.channels
        key, start = ANONYMOUS, Start("d", channel="other")
        contexts = Contexts(
            lambda start: server.service.open_session(start, key, paced=True),
            server.service.meter(key, "r"),
            Writer(native.Server(), 1.0),
            bound=2,
            on_lost=lambda: None,
        )
        contexts.start(start)
        assert contexts.start(Subscribe("e", "other"))
        contexts.abandon()
        await contexts.wait()
        assert sessions.find("", "other").publication is None
        assert server.service.ledger.counters.channel_listeners == 0


@pytest.mark.asyncio
async def test_a_channel_outlives_a_drop_and_goes_on_in_silence(tmp_path: Path) -> None:
    async with hall(tmp_path, channel_linger_s=5.0) as server, seated(server) as seat:
        async with seated(server) as lost:
            await lost.publish("a", TEXT)
            await lost.until("a", "started")
            await seat.listen("ear", audio={"codec": "pcm_s16le"})
            await seat.until("ear", "segment")
            lost.socket.transport.abort()
        await eventually(lambda: not server.service.ledger.counters.active_contexts)
        count = len(seat.heard["ear"].packets)
        while len(seat.heard["ear"].packets) < count + 80 or any(
            seat.heard["ear"].packets[-1].data
        ):
            await seat.next()
        await seat.publish("b", "Back again. ")
        await seat.words("ear", len(seat.heard["ear"].words) + 2)
        assert [word[0] for word in seat.heard["ear"].words[-2:]] == ["Back", "again"]
        assert contiguous(seat.heard["ear"])
        await seat.say(type="cancel", context="b")
        server.service.channels.drain()
        await seat.over("b", "ear")


@pytest.mark.asyncio
async def test_a_publisher_that_resumes_speaks_on(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat:
        async with seated(server, path=PATH) as lost:
            await lost.publish("a", TEXT)
            await lost.until("a", "started")
            await seat.listen("ear")
            await seat.until("ear", "segment")
            ready = lost.heard[""].told[0]
            lost.socket.transport.abort()
        await eventually(lambda: server.service.ledger.counters.detached)
        async with seated(server, path=PATH) as back:
            session = {name: ready[name] for name in ("session", "token")}
            await back.say(type="resume", **session, received={})
            await back.say(type="end", context="a")
            await back.over("a")
            await seat.over("ear")
        assert [word[0] for word in seat.heard["ear"].words] == TEXT.replace(".", "").split()
        assert contiguous(seat.heard["ear"])


@pytest.mark.asyncio
async def test_interrupting_what_is_published_stops_it_for_all(tmp_path: Path) -> None:
    async with hall(tmp_path, channel_linger_s=1.5) as server, seated(server) as seat:
        await seat.publish("a", TEXT * 5)
        await seat.listen("ear", audio={"codec": "pcm_s16le"})
        await seat.until("ear", "words")
        await seat.say(type="interrupt", context="a", played_ms=300)
        told = (await seat.until("a", "interrupted")).told[-1]
        assert told["heard_text"] == "One"
        await seat.over("ear")
        heard = seat.heard["ear"]
        assert len(heard.words) < 12
        assert contiguous(heard)
        assert not any(b"".join(packet.data for packet in heard.packets[-10:]))
        steps = b"".join(packet.data for packet in heard.packets)
        levels = memoryview(steps).cast("h")
        assert max(abs(a - b) for a, b in pairwise(levels)) < 3000, "it clicks"


@pytest.mark.asyncio
async def test_what_is_asked_for_has_to_be_there(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"key_channels": 1, "channel_listeners": 2, "channel_formats": 1}
    async with hall(tmp_path, **limits) as server, seated(server) as seat:

        async def refused(**message: Any) -> tuple[str, str, Any]:
            await seat.say(context="x", **message)
            error = (await seat.until("x", "error")).told[-1]
            assert ("retry_after_s" in error) == (error["code"] == "channel_limit")
            return error["code"], error["param"], error.get("limit")

        subscribe = {"type": "subscribe", "channel": "hall"}
        assert await refused(**subscribe) == ("not_found", "channel", None)
        await seat.publish("a")
        await seat.until("a", "started")
        assert await refused(type="start", channel="b") == ("channel_limit", "channel", 1)
        opus = {"codec": "opus", "sample_rate": 44100}
        assert (await refused(**subscribe, audio=opus))[:2] == (
            "unsupported_parameter",
            "audio.sample_rate",
        )
        await seat.listen("one", audio={"codec": "flac"})
        raw = {"codec": "pcm_s16le"}
        assert await refused(**subscribe, audio=raw) == ("channel_limit", "audio", 1)
        await seat.listen("two")
        assert await refused(**subscribe) == ("channel_limit", "channel", 2)
        assert server.service.ledger.counters.channel_encoders == 2


@pytest.mark.asyncio
async def test_a_key_hears_its_own_channels_alone(tmp_path: Path) -> None:
    async with hall(tmp_path, keys_recheck_s=0.02) as server:
        one, two = server.keys.new("one"), server.keys.new("two")
        async with seated(server, key=one) as seat, seated(server, key=two) as other:
            await seat.publish("a")
            await seat.until("a", "started")
            await other.say(type="subscribe", context="x", channel="hall")
            assert (await other.until("x", "error")).told[-1]["code"] == "not_found"
            await other.publish("b")
            await other.until("b", "started")
            assert server.service.ledger.counters.channels == 2
            await seat.listen("ear")
            server.keys.revoke("one")
            assert (await seat.until("", "error")).told[-1]["code"] == "key_revoked"
            await other.listen("ear")
        assert server.service.ledger.counters.active_contexts == 0


@pytest.mark.asyncio
async def test_a_server_that_drains_waits_for_who_speaks_but_not_for_who_listens(
    tmp_path: Path,
) -> None:
    async with hall(tmp_path, channel_linger_s=60.0, drain_s=20.0) as server:
        async with seated(server) as seat:
            await seat.publish("a", "One two three. ")
            await seat.say(type="start", context="b", channel="empty")
            await seat.say(type="cancel", context="b")
            await seat.listen("ear")
            await seat.say(type="subscribe", context="nobody", channel="empty")
            await seat.say(type="end", context="a")
            await seat.until("ear", "segment")
            server.server.should_exit = True
            await seat.over("a", "ear", "nobody")
        assert [seat.heard[name].told[-1]["reason"] for name in ("a", "ear", "nobody")] == [
            "end"
        ] * 3
        assert [word[0] for word in seat.heard["ear"].words] == ["One", "two", "three"]
        await server.task


@pytest.mark.asyncio
async def test_captions_are_published_on_their_own_clock(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat:
        await seat.publish("a", input="captions")
        await seat.listen("ear", captions=True)
        for number in range(4):
            start_ms = 800 + 900 * number
            cue = {"id": f"c{number}", "start_ms": start_ms, "end_ms": start_ms + 600}
            await seat.say(type="cue", context="a", text="One two.", **cue)
        await seat.say(type="end", context="a")
        await seat.over("a", "ear")
        own, heard = seat.heard["a"], seat.heard["ear"]
        assert [m["cue"] for m in heard.of("caption")] == ["c0", "c1", "c2", "c3"]
        assert [m["cue"] for m in heard.of("segment")] == [m["cue"] for m in own.of("segment")]
        assert not own.of("caption")
        assert contiguous(heard)
        by = [b[1] - a[1] for a, b in zip(own.words, heard.words, strict=True)]
        assert len(by) == 8
        assert by == sorted(by), "its clock goes back"
        assert by[-1] < 1000
        # What follows on it counts on.
        assert [word[3] for word in heard.words] == [word[3] for word in own.words]
