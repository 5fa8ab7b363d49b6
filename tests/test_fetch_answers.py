"""What foreign servers may answer with: bounded in time and size, and nothing stays open."""

from __future__ import annotations

import asyncio
import gc
import gzip
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import FetchFailed, UrlNotAllowed
from streamer.fetch import Answer, Fetcher
from streamer.fetch.connector import HEAD_BYTES
from streamer.server.tls import self_signed
from tests.foreign import PUBLIC, Detour, Foreign, Names, Request, answer, foreign, moved, ok

NAME = "public.example"
URL = f"http://{NAME}/"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"


@asynccontextmanager
async def visiting(
    server: Foreign, *, timeout_s: float = 10, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Fetcher, Detour]]:
    """A fetcher for which this server is the whole public net."""
    detour = Detour({PUBLIC: server.port})
    names = Names({NAME: [[PUBLIC]], "other.example": [[PUBLIC]]})
    fetcher = Fetcher(timeout_s=timeout_s, resolve=names, connect=detour, tls=tls)
    try:
        yield fetcher, detour
    finally:
        await fetcher.aclose()


def writing(
    piece: bytes, *, first: bytes = ENDLESS, pause_s: float = 0.0
) -> Callable[..., Awaitable[None]]:
    """A server that writes for ever."""

    async def write(server: Foreign, request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return write


async def failure(server: Foreign, *, max_bytes: int = 1000, timeout_s: float = 10) -> FetchFailed:
    """What getting from it is told to fail with; the server must have seen the connection end."""
    async with visiting(server, timeout_s=timeout_s) as (fetcher, _):
        with pytest.raises(FetchFailed) as told:
            await fetcher.get(URL, max_bytes=max_bytes, param="from")
        assert told.value.param == "from"
    await asyncio.wait_for(server.ended.wait(), 10)
    return told.value


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "script",
    [
        writing(b"x" * 10000),
        writing(b"2710\r\n" + b"x" * 10000 + b"\r\n", first=CHUNKED),
        writing(b"1\r\nx\r\n" * 100, first=CHUNKED),
        writing(b"1;" + b"e" * 5000 + b"\r\nx\r\n", first=CHUNKED),
    ],
    ids=["until-close", "chunked", "crumbs", "extensions"],
)
async def test_a_body_without_end_is_cut(script: Callable[..., Awaitable[None]]) -> None:
    async with foreign(script) as server:
        told = await failure(server, max_bytes=100_000)
        assert told.details["reason"] == "too_large"


@pytest.mark.asyncio
async def test_a_body_that_is_told_to_be_too_long_is_not_read() -> None:
    async with foreign(writing(b"", first=answer(200, content_length="1001"), pause_s=1)) as server:
        assert (await failure(server)).details == {"reason": "too_large", "limit": 1000}


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [0, 999, 1000])
async def test_a_body_may_be_as_long_as_the_cap(size: int) -> None:
    chunked = CHUNKED + (b"%x\r\n%s\r\n" % (size, b"x" * size) if size else b"") + b"0\r\n\r\n"
    for page in (ok(b"x" * size), chunked, ENDLESS + b"x" * size):
        async with foreign(page) as server, visiting(server) as (fetcher, _):
            found = await fetcher.get(URL, max_bytes=1000)
            assert (found.status, found.body, found.url) == (200, b"x" * size, URL)


@pytest.mark.asyncio
async def test_a_large_body_comes_whole() -> None:
    body = os.urandom(5_000_000)
    async with foreign(ok(body)) as server, visiting(server) as (fetcher, _):
        assert (await fetcher.get(URL, max_bytes=5_000_000)).body == body


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "script",
    [
        writing(b"x", pause_s=0.01),
        writing(b"HTTP/1.1 200 OK\r\n"[:1], first=b"", pause_s=0.01),
        writing(b"x: y\r\n", first=b"HTTP/1.1 200 OK\r\n", pause_s=0.01),
        writing(b"", first=b"", pause_s=0.01),
        writing(b"", first=answer(200, content_length="10"), pause_s=0.01),
        writing(b"HTTP/1.1 100 Continue\r\n\r\n", first=b"", pause_s=0.01),
    ],
    ids=["body", "status", "headers", "silence", "promise", "interim"],
)
async def test_a_drip_ends_at_the_deadline(script: Callable[..., Awaitable[None]]) -> None:
    async with foreign(script) as server:
        assert (await failure(server, timeout_s=1.0)).details == {"reason": "timeout"}


@pytest.mark.asyncio
async def test_redirects_share_one_deadline() -> None:
    async def slow(server: Foreign, request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(moved("/on"))

    async with foreign(slow) as server:
        assert (await failure(server, timeout_s=1.0)).details == {"reason": "timeout"}
        assert server.accepted < 5


@pytest.mark.asyncio
@pytest.mark.parametrize("stuck", ["resolver", "connector"])
async def test_the_deadline_is_over_names_and_connections_too(stuck: str) -> None:
    class Stuck(Names, Detour):
        async def __call__(self, host: str, port: int) -> list[str]:
            return await asyncio.sleep(3600, [])

        async def connect_tcp(
            self, *args: object, **options: object
        ) -> httpcore.AsyncNetworkStream:
            await asyncio.sleep(3600)
            raise AssertionError

    names = Names({NAME: [[PUBLIC]]})
    fetcher = Fetcher(
        resolve=Stuck() if stuck == "resolver" else names, connect=Stuck(), timeout_s=0.05
    )
    with pytest.raises(FetchFailed) as told:
        await fetcher.post(URL, b"{}", {})
    assert told.value.details == {"reason": "timeout"}
    with pytest.raises(FetchFailed):
        await fetcher.get(URL, max_bytes=9, timeout_s=0.01)
    await fetcher.aclose()


@pytest.mark.asyncio
async def test_an_address_that_swallows_packets_leaves_time_for_the_next() -> None:
    class Half(Detour):
        async def connect_tcp(
            self, host: str, port: int, timeout: float | None = None, *rest: object, **more: object
        ) -> httpcore.AsyncNetworkStream:
            if host != PUBLIC:
                async with asyncio.timeout(timeout):
                    await asyncio.sleep(3600)
            return await super().connect_tcp(host, port, timeout)

    async with foreign(ok()) as server:
        names = Names({NAME: [["8.8.8.8", PUBLIC]]})
        fetcher = Fetcher(resolve=names, connect=Half({PUBLIC: server.port}), timeout_s=2)
        assert (await fetcher.get(URL, max_bytes=9)).body == b"sound"
        await fetcher.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, identity"])
async def test_a_compressed_answer_is_refused_and_never_grows(encoding: str) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    async with foreign(ok(bomb, content_encoding=encoding)) as server:
        assert (await failure(server, max_bytes=1 << 20)).details == {"reason": "encoding"}
        async with visiting(server) as (fetcher, _):
            assert (await fetcher.post(URL, b"", {}, max_bytes=1 << 20)).body == bomb


@pytest.mark.asyncio
async def test_an_answer_that_says_identity_is_read() -> None:
    async with foreign(ok(content_encoding="identity")) as server, visiting(server) as (fetcher, _):
        assert (await fetcher.get(URL, max_bytes=9)).body == b"sound"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"\r\n",
        b"junk",
        b"\0" * 1000,
        b"\xff" * 1000,
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"220 mail.example ESMTP\r\n",
        b"-ERR unknown command\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"5\r\nab",
        CHUNKED + b"-1\r\nab",
        CHUNKED + b"f" * 30 + b"\r\nab",
        answer(200, content_length="10") + b"short",
        b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n\x81\x05hello",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000 + b"\r\n",
        b"HTTP/1.1 200 OK" + b"!" * 200_000,
        b"HTTP/1.1 100 \r\n\r\n" * 50_000 + ok(),
        moved("http://" + NAME + "/" + "x" * 50_000),
        moved("/\xff\x00"),
    ],
    ids=lambda page: ascii(page)[:50],
)
async def test_junk_is_a_typed_failure(page: bytes) -> None:
    async with foreign(page) as server, visiting(server) as (fetcher, _):
        for _ in range(2):
            with pytest.raises((FetchFailed, UrlNotAllowed)) as told:
                await fetcher.get(URL, max_bytes=1000, param="from")
            assert told.value.param == "from"


@pytest.mark.asyncio
async def test_interim_answers_have_an_end() -> None:
    async with foreign(writing(b"HTTP/1.1 100 \r\n\r\n" * 500, first=b"")) as server:
        assert (await failure(server)).details == {"reason": "too_large"}
        assert HEAD_BYTES < 1 << 20


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_answers_are_an_answer_or_a_typed_failure(data: st.DataObject) -> None:
    pages = [
        ok(),
        CHUNKED + b"5\r\nsound\r\n0\r\n\r\n",
        ENDLESS + b"sound",
        moved("/a"),
        answer(404),
    ]
    page = bytearray(data.draw(st.sampled_from(pages)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(page) - 1))
        page[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        page = page or bytearray(b"x")

    async def get() -> None:
        backend = httpcore.AsyncMockBackend([bytes(page)])
        fetcher = Fetcher(resolve=Names({NAME: [[PUBLIC]]}), connect=backend, timeout_s=5)
        with suppress(FetchFailed, UrlNotAllowed):
            assert len((await fetcher.get(URL, max_bytes=5)).body) <= 5
        await fetcher.aclose()

    asyncio.run(get())


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [199, 300, 304, 400, 401, 404, 410, 429, 500, 503, 599, 999])
async def test_a_status_that_is_no_success_fails_a_get_and_is_told(status: int) -> None:
    page = answer(status) if status >= 200 else answer(status) + answer(500)
    async with foreign(page) as server:
        told = await failure(server)
    expected = status if status >= 200 else 500
    assert told.details == {"reason": "status", "status": expected}
    assert (told.code, told.status) == ("fetch_failed", 422)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 204, 302, 400, 410, 429, 500, 503])
async def test_any_status_answers_a_post(status: int) -> None:
    async with foreign(answer(status, retry_after="120")) as server:
        async with visiting(server) as (fetcher, _):
            found = await fetcher.post(URL, b'{"a":1}', {"content-type": "application/json"})
        assert (found.status, found.headers["retry-after"], found.body) == (status, "120", b"")
        assert server.requests[0].body == b'{"a":1}'


@pytest.mark.asyncio
@pytest.mark.parametrize("first", [ENDLESS, CHUNKED])
async def test_a_posts_long_answer_is_cut_and_still_an_answer(first: bytes) -> None:
    piece = b"x" * 1000 if first is ENDLESS else b"1\r\nx\r\n" * 100
    async with foreign(writing(piece, first=first)) as server:
        async with visiting(server) as (fetcher, _):
            found = await fetcher.post(URL, b"{}", {}, max_bytes=100)
        assert (found.status, found.body) == (200, b"x" * 100)
        await asyncio.wait_for(server.ended.wait(), 10)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 410])
@pytest.mark.parametrize(
    ("rest", "came"),
    [
        (b"content-length: 9\r\n\r\nhal", b"hal"),
        (b"transfer-encoding: chunked\r\n\r\n3\r\nhal\r\n", b"hal"),
        (b"transfer-encoding: chunked\r\n\r\n3\r\nhal\r\nnonsense", b"hal"),
    ],
)
async def test_a_posts_answer_whose_body_breaks_off_is_still_an_answer(
    status: int, rest: bytes, came: bytes
) -> None:
    async with foreign(f"HTTP/1.1 {status} X\r\n".encode() + rest) as server:
        async with visiting(server) as (fetcher, _):
            found = await fetcher.post(URL, b"{}", {})
        assert (found.status, found.body) == (status, came)


@pytest.mark.asyncio
@pytest.mark.parametrize("patience_s", [0.5, 60.0])
@pytest.mark.parametrize("pause_s", [0.01, 60.0])
async def test_a_posts_slow_answer_is_as_much_as_came_in_time(
    monkeypatch: pytest.MonkeyPatch, pause_s: float, patience_s: float
) -> None:
    if patience_s > 1:
        monkeypatch.setattr("streamer.fetch.bodies.BODY_S", 0.3)
    async with foreign(writing(b"x", pause_s=pause_s)) as server:
        async with visiting(server, timeout_s=patience_s) as (fetcher, _):
            found = await asyncio.wait_for(fetcher.post(URL, b"{}", {}), 10)
        assert (found.status, found.body[:1]) == (200, b"x")
        await asyncio.wait_for(server.ended.wait(), 10)


@pytest.mark.asyncio
async def test_a_posts_answer_framed_without_end_is_still_an_answer() -> None:
    framing = b"1;" + b"e" * 5000 + b"\r\nx\r\n"
    async with foreign(writing(framing, first=CHUNKED)) as server:
        async with visiting(server) as (fetcher, _):
            assert (await fetcher.post(URL, b"{}", {}, max_bytes=100)).status == 200
        await asyncio.wait_for(server.ended.wait(), 10)


@pytest.mark.asyncio
async def test_headers_told_twice_are_joined() -> None:
    page = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nX-B: \xc3\xbc\xff\r\ncontent-length: 0\r\n\r\n"
    async with foreign(page) as server, visiting(server) as (fetcher, _):
        headers = (await fetcher.get(URL, max_bytes=9)).headers
    assert (headers["x-a"], headers["x-b"]) == ("1, 2", "ü\ufffd")


def authority(directory: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side for this name, and a client's that trusts it."""
    certificate, key, _ = self_signed(name)
    (directory / "cert.pem").write_bytes(certificate)
    (directory / "key.pem").write_bytes(key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return serving, ssl.create_default_context(cafile=str(directory / "cert.pem"))


@pytest.mark.asyncio
async def test_tls_is_verified_for_the_name_that_was_asked_for(tmp_path: Path) -> None:
    serving, trusting = authority(tmp_path, NAME)
    async with foreign(ok(), serving) as server:
        async with visiting(server, tls=trusting) as (fetcher, detour):
            found = await fetcher.get(f"https://{NAME}/", max_bytes=9)
            assert found.body == b"sound"
            assert detour.sent == [(PUBLIC, 443)]
            assert (server.sni, server.requests[0].headers["host"]) == (NAME, NAME)
            with pytest.raises(FetchFailed) as told:
                await fetcher.get("https://other.example/", max_bytes=9, param="from")
            assert (told.value.details, told.value.param) == ({"reason": "tls"}, "from")
        async with visiting(server) as (fetcher, _):
            with pytest.raises(FetchFailed) as told:
                await fetcher.post(f"https://{NAME}/", b"", {})
            assert told.value.details == {"reason": "tls"}
        assert len(server.requests) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad\r\n\r\n", b"\x16\x03\x01" * 2000])
async def test_https_from_what_speaks_no_tls_fails_typed(greeting: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as listener:
        detour = Detour({PUBLIC: listener.sockets[0].getsockname()[1]})
        fetcher = Fetcher(resolve=Names({NAME: [[PUBLIC]]}), connect=detour)
        with pytest.raises(FetchFailed) as told:
            await fetcher.get(f"https://{NAME}/", max_bytes=9)
        await fetcher.aclose()
        assert told.value.details == {"reason": "tls"}


@pytest.mark.asyncio
async def test_a_handshake_that_hangs_ends_at_the_deadline() -> None:
    async with foreign(ok()) as server:
        async with visiting(server, timeout_s=1.0) as (fetcher, _):
            with pytest.raises(FetchFailed) as told:
                await fetcher.get(f"https://{NAME}/", max_bytes=9)
        assert told.value.details == {"reason": "timeout"}
        await asyncio.wait_for(server.ended.wait(), 10)


@pytest.mark.asyncio
async def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    serving, trusting = authority(tmp_path, NAME)
    pages = {"/": moved(URL), "/up": moved(f"https://{NAME}/fine"), "/fine": ok()}
    async with (
        foreign(pages, serving) as server,
        visiting(server, tls=trusting) as (fetcher, detour),
    ):
        with pytest.raises(UrlNotAllowed):
            await fetcher.get(f"https://{NAME}/", max_bytes=9)
        assert (await fetcher.get(f"https://{NAME}/up", max_bytes=9)).body == b"sound"
        assert {port for _, port in detour.sent} == {443}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.asyncio
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("verb", ["get", "post"])
async def test_cancelling_at_any_moment_leaves_nothing_open(
    tmp_path: Path, secure: bool, verb: str
) -> None:
    serving, trusting = authority(tmp_path, NAME)

    async def slow(server: Foreign, request: Request, writer: asyncio.StreamWriter) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\n", b"\r\n", *[b"x"] * 100):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    async with (
        foreign(slow, serving if secure else None) as server,
        visiting(server, tls=trusting) as (fetcher, detour),
    ):
        url = URL.replace("http:", "https:") if secure else URL

        async def once() -> Answer:
            if verb == "get":
                return await fetcher.get(url, max_bytes=1000)
            return await fetcher.post(url, b"{}", {})

        await once()
        gc.collect()
        before, running = descriptors(), asyncio.all_tasks()
        ends = set()
        for turns in [*range(60), *range(60, 400, 20)]:
            detour.opened.clear()
            task = asyncio.ensure_future(once())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            ends.add((task.cancelled(), bool(detour.opened)))
            assert {each.get_extra_info("socket").fileno() for each in detour.opened} <= {-1}
        assert ends >= {(True, False), (True, True)}
        for _ in range(1000):
            if descriptors() <= before and asyncio.all_tasks() <= running:
                break
            await asyncio.sleep(0.01)
        assert descriptors() <= before
        assert asyncio.all_tasks() <= running


@pytest.mark.asyncio
async def test_whatever_happens_the_connection_ends_with_the_request() -> None:
    pages = [
        ok(),
        answer(500),
        moved("/x"),
        b"junk",
        ok(b"x" * 5000),
        CHUNKED + b"1\r\nx\r\n" * 5000,
    ]
    for page in pages:
        async with foreign(page) as server, visiting(server) as (fetcher, detour):
            with suppress(FetchFailed):
                await fetcher.get(URL, max_bytes=100)
            assert {each.get_extra_info("socket").fileno() for each in detour.opened} == {-1}


@pytest.mark.asyncio
async def test_many_at_once_do_not_wait_for_one_another() -> None:
    async with foreign(writing(b"", first=b"", pause_s=1)) as hanging, foreign(ok()) as server:
        names = Names({NAME: [[PUBLIC]], "slow.example": [["8.8.8.8"]]})
        detour = Detour({PUBLIC: server.port, "8.8.8.8": hanging.port})
        fetcher = Fetcher(resolve=names, connect=detour)
        slow = [
            asyncio.ensure_future(fetcher.post("http://slow.example/", b"", {})) for _ in range(100)
        ]
        await asyncio.sleep(0)
        assert (await fetcher.get(URL, max_bytes=9)).body == b"sound"
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        await fetcher.aclose()
