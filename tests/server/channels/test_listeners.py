"""Those who listen over WebSockets: what each of them gets."""

from __future__ import annotations

import socket
from itertools import pairwise
from pathlib import Path

import pytest

from streamer.audio.encoder import Encoder
from streamer.types import Packet, Samples
from tests.server.channels.hall import Heard, hall, seated
from tests.server.returning import PATH
from tests.server.running import eventually, say

TEXT = "One two three four. Five six seven. "


def contiguous(heard: Heard) -> bool:
    return all(a.pts + a.duration == b.pts for a, b in pairwise(heard.packets))


@pytest.mark.asyncio
async def test_all_listeners_get_the_same_packets_and_words(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat, seated(server) as other:
        await seat.publish("a", TEXT)
        await seat.listen("ear")
        await other.listen("ear")
        await seat.say(type="end", context="a")
        await seat.over("a", "ear")
        await other.over("ear")
        one, two = seat.heard["ear"], other.heard["ear"]
        shared = one.by_pts.keys() & two.by_pts.keys()
        assert len(shared) > 100
        assert all(one.by_pts[pts] == two.by_pts[pts] for pts in shared)
        assert contiguous(one)
        assert contiguous(two)
        assert one.words == two.words
        assert [word[0] for word in one.words] == TEXT.replace(".", "").split()
        assert [word[3] for word in one.words] == [word[3] for word in seat.heard["a"].words]
        assert one.told[-1]["reason"] == "end"
        assert one.told[-1]["characters"] == 0
        # As the publisher heard them, on a clock that began a little earlier.
        by = {b[1] - a[1] for a, b in zip(seat.heard["a"].words, one.words, strict=True)}
        assert len({round(ms) for ms in by}) == 1


@pytest.mark.asyncio
async def test_words_lie_where_their_sound_is(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat:
        await seat.publish("a", TEXT)
        await seat.listen("ear", audio={"codec": "pcm_s16le"})
        await seat.say(type="end", context="a")
        await seat.over("ear")
        heard = seat.heard["ear"]
        sound = b"".join(packet.data for packet in heard.packets)
        begin = heard.packets[0].pts
        assert len(heard.words) == 7
        for _, start_ms, end_ms, _ in heard.words:
            at, end = (round(24 * ms) - begin for ms in (start_ms, end_ms))
            word, gap = sound[2 * at : 2 * end], sound[2 * end + 20 : 2 * end + 400]
            assert max(word) > 0
            assert len(word) == 2 * 24 * 240
            assert not any(gap)


@pytest.mark.asyncio
async def test_late_joiners_get_what_the_first_got_and_what_was_said_of_it(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat, seated(server) as late:
        await seat.publish("a", TEXT)
        await seat.listen("ear")
        await seat.words("ear", 5)
        await late.listen("far", back_ms=30000)
        await late.listen("near", back_ms=700)
        await seat.say(type="end", context="a")
        await seat.over("a", "ear")
        await late.over("far", "near")
        first = seat.heard["ear"]
        for name in ("far", "near"):
            heard = late.heard[name]
            assert contiguous(heard)
            assert {
                p: d for p, d in first.by_pts.items() if p >= heard.packets[0].pts
            } == heard.by_pts
            begin_ms = heard.packets[0].pts / 24
            assert heard.words == [word for word in first.words if word[2] >= begin_ms]
            kinds = [message["type"] for message in heard.told]
            assert kinds[:3] == ["started", "segment", "words"]
        far, near = (late.heard[name] for name in ("far", "near"))
        assert far.packets[0].pts == -far.told[0]["lead_in"] < 0
        assert near.told[0]["lead_in"] == 0
        assert near.packets[0].pts > 0
        assert far.told[0]["header"] == near.told[0]["header"] == first.told[0]["header"]


@pytest.mark.asyncio
async def test_timestamps_are_each_listeners_own(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat:
        await seat.publish("a", "One two. ", timestamps="segment")
        for kind in ("none", "word", "char"):
            await seat.listen(kind, timestamps=kind)
        await seat.say(type="end", context="a")
        await seat.over("a", "none", "word", "char")
        assert not seat.heard["a"].words
        assert not seat.heard["none"].words
        assert [word[0] for word in seat.heard["word"].words] == ["One", "two"]
        assert [word[0] for word in seat.heard["char"].words] == list("Onetwo")


@pytest.mark.asyncio
async def test_a_listener_takes_nothing_and_can_leave(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat:
        await seat.publish("a", TEXT)
        for message in (
            {"type": "text", "text": "x"},
            {"type": "flush"},
            {"type": "end"},
            {"type": "pause"},
            {"type": "continue"},
        ):
            await seat.listen("ear")
            await seat.say(context="ear", **message)
            error = (await seat.until("ear", "error")).told[-1]
            assert (error["code"], error["param"]) == ("not_available", "type"), message
        await seat.say(type="pause", context="a")
        error = (await seat.until("a", "error")).told[-1]
        assert (error["code"], error["param"]) == ("not_available", "type")
        await seat.listen("ear")
        await seat.say(type="played", context="ear", played_ms=1)
        await seat.say(type="interrupt", context="ear", played_ms=10)
        told = (await seat.until("ear", "interrupted")).told[-1]
        assert (told["heard_text"], told["unspoken_text"], told["clock"]) == ("", "", "client")
        await seat.listen("ear")
        await seat.say(type="cancel", context="ear")
        assert (await seat.until("ear", "done")).told[-1]["reason"] == "cancelled"
        assert server.service.ledger.counters.channel_listeners == 0


@pytest.mark.asyncio
async def test_an_encoder_that_fails_takes_nobody_else_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushes, push = 0, Encoder.push

    def failing(encoder: Encoder, samples: Samples) -> list[Packet]:
        nonlocal pushes
        if encoder.format.codec == "flac":
            pushes += 1
            if pushes == 5:
                raise ZeroDivisionError
        return push(encoder, samples)

    monkeypatch.setattr(Encoder, "push", failing)
    async with hall(tmp_path) as server, seated(server) as seat:
        await seat.publish("a", TEXT)
        await seat.listen("ear")
        await seat.say(type="subscribe", context="bad", channel="hall", audio={"codec": "flac"})
        await seat.until("bad", "error")
        assert seat.heard["bad"].told[-1]["code"] == "internal_error"
        await seat.listen("good", audio={"codec": "flac"})
        await seat.say(type="end", context="a")
        await seat.over("a", "ear", "good")
        assert seat.heard["a"].told[-1]["reason"] == "end"
        assert len(seat.heard["ear"].words) == len(seat.heard["good"].words) == 7


@pytest.mark.asyncio
async def test_a_listener_whose_socket_is_lost_misses_nothing(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, seated(server) as seat:
        await seat.publish("a", TEXT)
        await seat.listen("ear")
        async with seated(server, path=PATH) as lost:
            await lost.listen("far", back_ms=30000)
            ready = lost.heard[""].told[0]
            while len(lost.heard["far"].packets) < 30:
                await lost.next()
            lost.socket.transport.abort()
        counters = server.service.ledger.counters
        await eventually(lambda: counters.detached)
        assert counters.channel_listeners == 2
        await seat.words("ear", 5)
        async with seated(server, path=PATH) as back:
            session = {name: ready[name] for name in ("session", "token")}
            await back.say(type="resume", **session, received={})
            await seat.say(type="end", context="a")
            await back.over("far")
            await seat.over("ear")
        far, first = back.heard["far"], seat.heard["ear"]
        assert contiguous(far)
        assert far.words == first.words
        assert (
            far.by_pts.items()
            >= {p: d for p, d in first.by_pts.items() if p >= far.packets[0].pts}.items()
        )
        assert counters.channel_listeners_cut == 0


@pytest.mark.asyncio
async def test_a_socket_that_reads_nothing_is_cut_and_counted(tmp_path: Path) -> None:
    async with hall(tmp_path, send_timeout_s=0.3) as server, seated(server) as seat:
        await seat.publish("a", TEXT)
        await seat.listen("ear")
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
        narrow.connect(("127.0.0.1", server.server.port))
        async with server.socket(sock=narrow, close_timeout=0.1) as stuck:
            much = {"codec": "pcm_f32le", "sample_rate": 48000, "channels": 2}
            await say(stuck, type="subscribe", context="x", channel="hall", audio=much)
            stuck.transport.pause_reading()
            counters = server.service.ledger.counters
            await eventually(lambda: counters.channel_listeners_cut)
        await eventually(lambda: counters.channel_listeners == 1)
        assert counters.channel_listeners_cut == 1
        await seat.say(type="end", context="a")
        await seat.over("ear")
        assert [word[0] for word in seat.heard["ear"].words] == TEXT.replace(".", "").split()
        assert contiguous(seat.heard["ear"])
