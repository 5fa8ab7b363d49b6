"""A channel over HTTP: bytes that a player understands, and captions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from streamer.server.auth import ANONYMOUS, KeyStore
from streamer.server.channels import Place
from streamer.server.channels.formats import FORMATS as FORMATS_OF
from streamer.server.channels.http import Listening
from streamer.server.logs import CutShort
from tests.server.channels.hall import Seat, decoded, hall, seated
from tests.server.running import Running, eventually

TEXT = "One two three four. Five six seven. "
FORMATS = {"mp3": "audio/mpeg", "ogg": "audio/ogg; codecs=opus", "aac": "audio/aac"}


class Player:
    """Reads one address to its end, in the background."""

    def __init__(self, http: httpx.AsyncClient, path: str) -> None:
        self.data = b""
        self.headers = httpx.Headers()
        self.cut = False
        self._begun = asyncio.Event()
        self.task = asyncio.create_task(self._play(http, path))

    async def _play(self, http: httpx.AsyncClient, path: str) -> None:
        async with http.stream("GET", path) as answer:
            assert answer.status_code == 200, await answer.aread()
            self.headers = answer.headers
            self._begun.set()
            try:
                async for piece in answer.aiter_raw():
                    self.data += piece
            except httpx.RemoteProtocolError:
                self.cut = True

    async def begun(self) -> Player:
        async with asyncio.timeout(15):
            await self._begun.wait()
        return self


@asynccontextmanager
async def speaking(server: Running) -> AsyncIterator[Seat]:
    """Who speaks TEXT on the channel, and ends."""
    async with seated(server) as seat:
        await seat.publish("a", TEXT)
        await seat.until("a", "started")
        yield seat


@pytest.mark.asyncio
async def test_players_get_whole_streams_and_late_ones_the_rest_of_them(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, server.http() as http, speaking(server) as seat:
        first = {k: await Player(http, f"/v1/listen/hall.{k}").begun() for k in FORMATS}
        native = await Player(http, "/native/v1/listen/hall.mp3?back_ms=30000").begun()
        await seat.words("a", 5)
        late = {k: await Player(http, f"/v1/listen/hall.{k}?back_ms=200").begun() for k in FORMATS}
        counters = server.service.ledger.counters
        assert (counters.channel_encoders, counters.channel_listeners) == (3, 7)
        assert counters.active_contexts == 1
        await seat.say(type="end", context="a")
        for kind, mime in FORMATS.items():
            one, two = first[kind], late[kind]
            await asyncio.gather(one.task, two.task)
            assert one.headers["content-type"] == mime
            assert one.headers["cache-control"] == "no-store"
            head = 0
            if kind == "ogg":  # the pages with the headers are everyone's own
                head = [found.start() for found in re.finditer(b"OggS", one.data)][2]
            assert two.data[:head] == one.data[:head]
            assert one.data.endswith(two.data[head:])
            assert head < len(two.data) < len(one.data)
            samples, rate = decoded(one.data, kind)
            assert abs(samples / rate - 2.85) < 1.0
            fewer, _ = decoded(two.data, kind)
            begin_s = (float(two.headers["x-streamer-start-ms"])) / 1000
            assert abs(fewer - (samples - begin_s * rate)) < 0.1 * rate
        await native.task
        assert native.data == first["mp3"].data


@pytest.mark.asyncio
async def test_captions_come_with_the_channel(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, server.http() as http, speaking(server) as seat:
        captions = await Player(http, "/v1/listen/hall.vtt").begun()
        assert captions.headers["content-type"] == "text/vtt; charset=utf-8"
        await seat.listen("ear", captions=True)
        await seat.until("ear", "caption")
        late = await Player(http, "/v1/listen/hall.vtt?back_ms=30000").begun()
        await eventually(lambda: "One" in captions.data.decode())
        await seat.say(type="end", context="a")
        await seat.over("ear")
        await asyncio.gather(captions.task, late.task)
        told = captions.data.decode()
        assert told.startswith("WEBVTT\n\n")
        assert [
            re.sub("<.*?>", "", line) for line in told.split("\n") if "." in line and ">" in line
        ][1::2] == ["One two three four.", "Five six seven."]
        start = seat.heard["ear"].of("caption")[0]["start_ms"] / 1000
        assert f"00:00:0{start:.3f} --> " in told
        assert late.data == captions.data


@pytest.mark.asyncio
async def test_a_start_on_the_channels_clock_is_kept(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, server.http() as http, speaking(server) as seat:
        await seat.words("a", 5)
        captions = await Player(http, "/v1/listen/hall.vtt?back_ms=300").begun()
        at = captions.headers["x-streamer-start-ms"]
        player = await Player(http, f"/v1/listen/hall.ogg?start_ms={at}").begun()
        begins = float(player.headers["x-streamer-start-ms"])
        assert float(at) - 20 <= begins <= float(at)
        await seat.say(type="end", context="a")
        await asyncio.gather(captions.task, player.task)


@pytest.mark.asyncio
async def test_head_tells_what_get_would(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, server.http() as http, speaking(server) as seat:
        for kind, mime in (*FORMATS.items(), ("vtt", "text/vtt; charset=utf-8")):
            answer = await http.head(f"/v1/listen/hall.{kind}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, mime)
            assert answer.headers["cache-control"] == "no-store"
            assert "content-length" not in answer.headers
        assert (await http.head("/v1/listen/other.mp3")).status_code == 404
        assert server.service.ledger.counters.channel_encoders == 0
        await seat.say(type="cancel")


@pytest.mark.asyncio
async def test_what_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    async with (
        hall(tmp_path, channel_listeners=2) as server,
        server.http() as http,
        speaking(server) as seat,
    ):

        async def refused(path: str) -> tuple[int, str, str]:
            answer = await http.get(f"/v1/listen/{path}")
            error = answer.json()["error"]
            assert ("retry-after" in answer.headers) == (answer.status_code == 429)
            return answer.status_code, error["code"], error["param"]

        assert await refused("other.mp3") == (404, "not_found", "channel")
        assert await refused("hall.flac") == (404, "not_found", "channel")
        assert await refused("hall") == (404, "not_found", "channel")
        assert await refused("hall.mp3?back_ms=x") == (400, "invalid_parameter", "back_ms")
        assert await refused("hall.mp3?back_ms=-1") == (400, "invalid_parameter", "back_ms")
        assert await refused("hall.mp3?bitrate=1") == (400, "unknown_parameter", "bitrate")
        players = [await Player(http, "/v1/listen/hall.ogg").begun()]
        players.append(await Player(http, "/v1/listen/hall.vtt").begun())
        assert await refused("hall.ogg") == (429, "channel_limit", "channel")
        limits = server.service.ledger.limits
        assert (limits.connections, limits.listeners) == (1, 2)
        await seat.say(type="cancel")
        await asyncio.gather(*(player.task for player in players))


@pytest.mark.asyncio
async def test_a_name_may_have_dots(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, server.http() as http, seated(server) as seat:
        await seat.say(type="start", context="a", channel="hall.1-b_c")
        await seat.until("a", "started")
        player = await Player(http, "/v1/listen/hall.1-b_c.mp3").begun()
        await seat.say(type="cancel")
        await player.task


@pytest.mark.asyncio
async def test_a_listener_that_reads_nothing_is_cut_and_nobody_notices(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, server.http() as http, speaking(server) as seat:
        service, counters = server.service, server.service.ledger.counters
        player = await Player(http, "/v1/listen/hall.ogg").begun()
        meter = service.meter(ANONYMOUS, "r")
        place = Place(service.channels.find("", "hall"), FORMATS_OF["ogg"], 0)
        stuck = Listening(place, meter, meter.connect(), 0.1, service.connections)
        sent, aborted = 0, []

        async def send(message: Message) -> None:
            nonlocal sent
            sent += 1
            if sent == 3:
                await asyncio.Event().wait()

        async def receive() -> Message:
            await asyncio.Event().wait()
            return {}

        scope = {"extensions": {"streamer.abort": lambda: aborted.append(True)}}
        with pytest.raises(CutShort):
            await stuck(scope, receive, send)
        assert (sent, aborted, counters.channel_listeners_cut) == (3, [True], 1)
        assert (counters.channel_listeners, service.ledger.limits.listeners) == (1, 1)
        assert counters.errors["stalled_reader"] == 1
        await seat.say(type="end", context="a")
        await player.task
        assert decoded(player.data, "ogg")[0] > 2 * 48000


@pytest.mark.asyncio
async def test_a_listener_that_goes_leaves_nothing(tmp_path: Path) -> None:
    async with hall(tmp_path) as server, server.http() as http, speaking(server) as seat:
        counters = server.service.ledger.counters
        for kind in (*FORMATS, "vtt"):
            player = await Player(http, f"/v1/listen/hall.{kind}").begun()
            assert counters.channel_listeners == 1
            player.task.cancel()
            await eventually(lambda: counters.channel_listeners == 0)
        assert counters.channel_listeners_cut == 0
        assert len(server.service.connections) == 1
        await seat.say(type="cancel")


@pytest.mark.asyncio
@pytest.mark.parametrize("end", [KeyStore.revoke, KeyStore.rotate])
async def test_who_may_not_listen_any_more_is_cut(
    tmp_path: Path, end: Callable[[KeyStore, str], object]
) -> None:
    async with hall(tmp_path, keys_recheck_s=0.02) as server:
        key = server.keys.new("one")
        bearer = {"authorization": f"Bearer {key}"}
        async with server.http(headers=bearer) as http, seated(server, key=key) as seat:
            await seat.publish("a", TEXT)
            await seat.until("a", "started")
            wish = {"scopes": ["listen"], "channels": ["hall"]}
            token = (await http.post("/v1/tokens", json=wish)).json()["token"]
            async with server.http() as bare:
                linked = await Player(bare, f"/v1/listen/hall.vtt?token={token}").begun()
                other = await bare.get(f"/v1/listen/other.mp3?token={token}")
                assert (other.status_code, other.json()["error"]["code"]) == (403, "scope_missing")
                assert (await bare.get("/v1/listen/hall.mp3")).status_code == 401
                keyed = await Player(http, "/v1/listen/hall.mp3").begun()
                end(server.keys, "one")
                await asyncio.gather(linked.task, keyed.task)
                assert linked.cut
                assert keyed.cut


@pytest.mark.asyncio
async def test_a_server_that_drains_ends_who_listens_to_nobody(tmp_path: Path) -> None:
    async with hall(tmp_path, channel_linger_s=60.0, drain_s=20.0) as server, server.http() as http:
        async with speaking(server) as seat:
            players = [
                await Player(http, f"/v1/listen/hall.{k}").begun() for k in (*FORMATS, "vtt")
            ]
            await seat.say(type="cancel")
            await seat.until("a", "done")
        server.server.should_exit = True
        async with asyncio.timeout(15):
            await asyncio.gather(*(player.task for player in players))
            await server.task
        assert not any(player.cut for player in players)


@pytest.mark.asyncio
async def test_a_server_that_has_waited_long_enough_ends_all(tmp_path: Path) -> None:
    async with hall(tmp_path, drain_s=0.3) as server, server.http() as http:
        async with speaking(server):
            player = await Player(http, "/v1/listen/hall.mp3").begun()
            server.server.should_exit = True
            async with asyncio.timeout(15):
                await player.task
                await server.task
        assert not player.cut
