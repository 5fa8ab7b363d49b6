"""Answers read as they come: trusted and foreign addresses, kept connections, deadlines, redirects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streamer.errors import FetchFailed, UrlNotAllowed
from streamer.fetch import Fetcher, Patience, same_origin, streams
from tests.foreign import PUBLIC, Detour, Foreign, Names, Request, answer, foreign, moved, ok
from tests.listening import listening

pytestmark = pytest.mark.asyncio
PATIENCE = Patience(5.0, 5.0)
KEY = {"authorization": "Bearer secret"}


@asynccontextmanager
async def fetching(public: Foreign | None = None) -> AsyncIterator[Fetcher]:
    """`public` is what the name public.example leads to."""
    names = Names({"public.example": [[PUBLIC]], "inside.example": [["10.0.0.1"]]})
    detour = None if public is None else Detour({PUBLIC: public.port, "127.0.0.1": 0})
    fetcher = Fetcher(resolve=names, connect=detour)
    try:
        yield fetcher
    finally:
        await fetcher.aclose()


async def read(
    fetcher: Fetcher,
    url: str,
    *,
    method: str = "GET",
    trusted: bool = True,
    max_bytes: int = 1000,
    patience: Patience = PATIENCE,
    body: bytes = b"",
) -> tuple[int, bytes]:
    async with fetcher.open(
        method,
        url,
        headers=KEY,
        body=body,
        trusted=trusted,
        max_bytes=max_bytes,
        patience=patience,
    ) as stream:
        return stream.status, await stream.read()


def at(server: Foreign, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


async def test_only_a_trusted_address_may_be_private() -> None:
    async with foreign(ok()) as server, fetching() as fetcher:
        assert await read(fetcher, at(server)) == (200, b"sound")
        with pytest.raises(UrlNotAllowed):
            await read(fetcher, at(server), trusted=False)
    assert server.accepted == 1


async def test_any_status_is_an_answer() -> None:
    async with foreign(answer(503, b"later", retry_after="3")) as server, fetching() as fetcher:
        assert await read(fetcher, at(server)) == (503, b"later")


async def test_the_body_comes_as_it_is_sent() -> None:
    more = asyncio.Event()

    async def slowly(_: Foreign, __: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhead")
        await more.wait()
        writer.write(b"tail")

    async with (
        foreign(slowly) as server,
        fetching() as fetcher,
        fetcher.open("GET", at(server), trusted=True, max_bytes=100, patience=PATIENCE) as stream,
    ):
        chunks = stream.chunks()
        assert await anext(chunks) == b"head"
        assert not stream.whole
        more.set()
        assert await anext(chunks) == b"tail"
        assert await anext(chunks, None) is None
        assert stream.whole


async def test_leaving_the_block_ends_the_connection() -> None:
    async def forever(_: Foreign, __: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 1000)
            await writer.drain()
            await asyncio.sleep(0)

    async with foreign(forever) as server, fetching() as fetcher:
        async with fetcher.open(
            "GET", at(server), trusted=True, max_bytes=10**9, patience=PATIENCE
        ) as stream:
            await anext(stream.chunks())
        async with asyncio.timeout(5):
            await server.ended.wait()


@pytest.mark.parametrize(
    ("patience", "reason"), [(Patience(0.1, 5), "first"), (Patience(5, 0.1), "gap")]
)
async def test_a_deadline_is_kept_for_the_first_byte_and_for_each_gap(
    patience: Patience, reason: str
) -> None:
    async def hang(_: Foreign, __: Request, writer: asyncio.StreamWriter) -> None:
        if reason == "gap":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhead")
        await asyncio.Event().wait()

    async with foreign(hang) as server, fetching() as fetcher:
        with pytest.raises(FetchFailed) as caught:
            await read(fetcher, at(server), patience=patience)
        assert caught.value.details["reason"] == "timeout"
        async with asyncio.timeout(5):
            await server.ended.wait()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 900,
    ],
    ids=["told", "untold", "crumbs"],
)
async def test_more_than_may_be_is_not_read(raw: bytes) -> None:
    async with foreign(raw) as server, fetching() as fetcher:
        with pytest.raises(FetchFailed) as caught:
            await read(fetcher, at(server))
        assert caught.value.details["reason"] == "too_large"


async def test_half_a_body_is_a_lost_answer() -> None:
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"
    async with foreign(half) as server, fetching() as fetcher:
        with pytest.raises(FetchFailed) as caught:
            await read(fetcher, at(server))
        assert caught.value.details["reason"] in ("protocol", "connection")


# Redirects


async def test_a_redirect_elsewhere_is_checked_and_gets_no_key() -> None:
    async with foreign(ok()) as files, foreign(b"") as api:
        api.answer = moved("http://public.example/file")
        detour = Detour({PUBLIC: files.port, "127.0.0.1": api.port})
        fetcher = Fetcher(resolve=Names({"public.example": [[PUBLIC]]}), connect=detour)
        async with fetcher.open(
            "POST",
            "http://127.0.0.1/speech",
            headers=KEY,
            body=b"text",
            trusted=True,
            max_bytes=100,
            patience=PATIENCE,
        ) as stream:
            assert (stream.status, stream.redirected) == (200, True)
            assert stream.url == "http://public.example/file"
            assert await stream.read() == b"sound"
        await fetcher.aclose()
    (asked,) = files.requests
    assert asked.line == "GET /file HTTP/1.1"
    assert "authorization" not in asked.headers
    assert asked.body == b""


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/x",
        "http://10.0.0.1/",
        "http://inside.example/",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_inside_is_refused(location: str) -> None:
    async with foreign(moved(location)) as server, fetching() as fetcher:
        with pytest.raises(UrlNotAllowed):
            await read(fetcher, at(server))
    assert server.accepted == 1


async def test_a_redirect_within_its_origin_keeps_trust_and_key() -> None:
    async with foreign({"/": moved("/there"), "/there": ok()}) as server, fetching() as fetcher:
        assert await read(fetcher, at(server), method="POST", body=b"x") == (200, b"sound")
    first, second = server.requests
    assert first.line.startswith("POST")
    assert second.line.startswith("GET")
    assert second.headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("status", [307, 308])
async def test_what_was_posted_is_posted_again_within_its_origin(status: int) -> None:
    answers = {"/": moved("/there", status), "/there": ok()}
    async with (
        foreign(answers) as server,
        fetching() as fetcher,
        fetcher.open(
            *("POST", at(server)),
            headers=KEY,
            body=b"text",
            trusted=True,
            max_bytes=100,
            patience=PATIENCE,
        ) as stream,
    ):
        assert not stream.redirected  # it is the answer to what was asked
        assert await stream.read() == b"sound"
    assert [request.line.split()[0] for request in server.requests] == ["POST", "POST"]
    assert [request.body for request in server.requests] == [b"text", b"text"]


async def test_what_was_posted_is_not_sent_elsewhere() -> None:
    async with foreign(moved("http://public.example/", 307)) as server, fetching() as fetcher:
        with pytest.raises(FetchFailed) as caught:
            await read(fetcher, at(server), method="POST", body=b"x")
    assert caught.value.details["reason"] == "redirects"


async def test_redirects_without_end_are_left() -> None:
    async with foreign(moved("/")) as server, fetching() as fetcher:
        with pytest.raises(FetchFailed) as caught:
            await read(fetcher, at(server))
    assert caught.value.details["reason"] == "redirects"
    assert server.accepted == 6


async def test_redirects_share_one_deadline() -> None:
    async def slowly(_: Foreign, __: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2.0)
        writer.write(moved("/"))

    async with foreign(slowly) as server, fetching() as fetcher:
        with pytest.raises(FetchFailed) as caught:
            await read(fetcher, at(server), patience=Patience(3.0, 5))
    assert caught.value.details["reason"] == "timeout"
    assert server.accepted == 2


# Kept connections


class Keeping:
    """A server that keeps its connections, for `limit` requests each; it reads one more, and ends after
    `works_s` without an answer, if that is not 0."""

    def __init__(self, limit: int = 1000, works_s: float = 0.0) -> None:
        self.limit = limit
        self.works_s = works_s
        self.port = 0
        self.accepted = 0
        self.asked = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open += 1
        try:
            for _ in range(self.limit):
                await self._request(reader)
                writer.write(ok())
            if self.works_s:
                await self._request(reader)
                await asyncio.sleep(self.works_s)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        self.asked += 1


@asynccontextmanager
async def keeping(limit: int = 1000, works_s: float = 0.0) -> AsyncIterator[Keeping]:
    server = Keeping(limit, works_s)
    async with listening(server.serve) as server.port:
        yield server


async def test_a_trusted_connection_serves_again_and_is_closed_at_the_end() -> None:
    async with keeping() as server:
        async with fetching() as fetcher:
            for method in ("GET", "POST") * 5:
                url = f"http://127.0.0.1:{server.port}/"
                assert await read(fetcher, url, method=method) == (200, b"sound")
            assert (server.accepted, server.open) == (1, 1)
        async with asyncio.timeout(5):
            while server.open:
                await asyncio.sleep(0.001)


async def test_idle_connections_are_few() -> None:
    async with keeping() as server, fetching() as fetcher:
        url = f"http://127.0.0.1:{server.port}/"
        await asyncio.gather(*(read(fetcher, url) for _ in range(12)))
        async with asyncio.timeout(5):
            while server.open > 4:
                await asyncio.sleep(0.001)
        assert server.open == 4


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async with keeping(limit=1) as server, fetching() as fetcher:
        for number in range(1, 6):
            assert await read(fetcher, f"http://127.0.0.1:{server.port}/") == (200, b"sound")
            assert server.accepted == number


@pytest.mark.parametrize(
    ("method", "crossing_s", "asked"), [("POST", 0.05, 2), ("GET", 0.05, 3), ("POST", 5.0, 3)]
)
async def test_what_may_have_been_done_already_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, method: str, crossing_s: float, asked: int
) -> None:
    monkeypatch.setattr(streams, "CROSSING_S", crossing_s)
    async with keeping(limit=1, works_s=0.2) as server, fetching() as fetcher:
        url = f"http://127.0.0.1:{server.port}/"
        await read(fetcher, url)
        if asked == 2:
            with pytest.raises(FetchFailed) as caught:
                await read(fetcher, url, method=method)
            assert caught.value.details["reason"] in ("protocol", "connection")
        else:
            assert await read(fetcher, url, method=method) == (200, b"sound")
        assert server.asked == asked


async def test_a_foreign_connection_is_never_kept() -> None:
    async with keeping() as server:
        detour = Detour({PUBLIC: server.port})
        fetcher = Fetcher(resolve=Names({"public.example": [[PUBLIC]]}), connect=detour)
        for _ in range(3):
            assert await read(fetcher, "http://public.example/", trusted=False) == (200, b"sound")
        await fetcher.aclose()
        assert server.accepted == 3


async def test_an_origin_is_scheme_host_and_port() -> None:
    assert same_origin("http://a.example/x", "http://A.example:80/y?z")
    assert not same_origin("http://a.example", "https://a.example")
    assert not same_origin("http://a.example:8080", "http://a.example")
    assert not same_origin("http://a.example@b.example/", "http://a.example/")
    assert not same_origin("nonsense", "nonsense")
