"""Files over HTTP: given as bytes, as a data URI or by a URL; read whole, in part or by a signed link."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from streamer.errors import FetchFailed
from streamer.fetch import Answer
from streamer.server.limits import NO_LIMITS
from streamer.server.resources import Resources
from tests.server.running import Running, eventually, places_held, running

FILES = "/v1/files"
BYTES = bytes(range(256)) * 4


def code_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


async def given(http: httpx.AsyncClient, data: bytes = BYTES, **options: Any) -> dict[str, Any]:
    """A file of these bytes."""
    headers = {"content-type": "audio/x", **options.pop("headers", {})}
    answer = await http.post(FILES, content=data, headers=headers, **options)
    assert answer.status_code == 201, answer.text
    file: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{FILES}/{file['id']}"
    return file


def sound(seconds: float) -> bytes:
    """A WAV file of silence."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * round(8000 * seconds)))
    return buffer.getvalue()


@pytest.mark.asyncio
async def test_bytes_are_kept_and_told_of(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        file = await given(http, params={"name": "a/b.ogg", "ttl_s": "60"})
        assert file["id"].startswith("file_")
        assert (file["size"], file["purpose"], file["content_type"]) == (1024, "upload", "audio/x")
        assert file["expires_at"] > file["created_at"]
        assert (await http.get(f"{FILES}/{file['id']}")).json() == file
        assert (await http.get(f"/native{FILES}/{file['id']}")).json() == file
        assert (await http.get(FILES)).json() == {"files": [file], "next": None}
        assert (await http.get(f"{FILES}/{file['id']}/content")).content == BYTES


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "form", ["application/x-www-form-urlencoded", "Multipart/Form-Data; boundary=x"]
)
async def test_a_form_is_not_kept_as_if_it_were_the_file(tmp_path: Path, form: str) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.post(FILES, content=b'{"url": "x"}', headers={"content-type": form})
        assert code_of(answer) == (400, "unsupported_parameter", "content-type")
        assert (await http.get(FILES)).json() == {"files": [], "next": None}


@pytest.mark.asyncio
async def test_content_runs_nothing_and_has_a_safe_name(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        name = '../..\\etc/"evil": \u00fc.html'
        html = {"content-type": "text/html"}
        file = await given(http, b"<script>alert(1)</script>", params={"name": name}, headers=html)
        answer = await http.get(file["url"])
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-security-policy"].startswith("sandbox")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private"
        disposition = answer.headers["content-disposition"]
        assert disposition.startswith("attachment; ")
        assert disposition.endswith("''evil%20%C3%BC.html")


@pytest.mark.asyncio
async def test_sound_is_shown_in_place_and_named_by_its_id(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        file = await given(http, headers={"content-type": "audio/mpeg"})
        answer = await http.get(file["url"])
        assert answer.headers["content-disposition"] == f'inline; filename="{file["id"]}.mp3"'


@pytest.mark.asyncio
async def test_type_that_is_none_is_bytes_of_any_kind(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        for header in ("", "nonsense", "a/b; x", "a/" + "b" * 200):
            file = await given(http, headers={"content-type": header})
            assert file["content_type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("asked", "status", "told", "part"),
    [
        ("bytes=0-9", 206, "bytes 0-9/1024", BYTES[:10]),
        ("bytes=1000-", 206, "bytes 1000-1023/1024", BYTES[1000:]),
        ("bytes=-24", 206, "bytes 1000-1023/1024", BYTES[-24:]),
        ("bytes=1000-9999", 206, "bytes 1000-1023/1024", BYTES[1000:]),
        ("bytes=1024-", 416, "bytes */1024", b""),
        ("bytes=-0", 416, "bytes */1024", b""),
        ("bytes=9-2", 200, None, BYTES),
        ("bytes=x-2", 200, None, BYTES),
        ("lines=0-9", 200, None, BYTES),
        ("bytes=-", 200, None, BYTES),
        (f"bytes={'9' * 18}-", 416, "bytes */1024", b""),
        (f"bytes=0-{'9' * 18}", 206, "bytes 0-1023/1024", BYTES),
        (f"bytes={'9' * 19}-", 200, None, BYTES),
        (f"bytes={'9' * 5000}-", 200, None, BYTES),
        (f"bytes=0-{'9' * 5000}", 200, None, BYTES),
        (f"bytes=-{'9' * 5000}", 200, None, BYTES),
        (f"bytes={'0' * 5000}1-2", 200, None, BYTES),
    ],
)
@pytest.mark.asyncio
async def test_ranges(
    tmp_path: Path, asked: str, status: int, told: str | None, part: bytes
) -> None:
    async with running(tmp_path) as server, server.http() as http:
        file = await given(http)
        page = {"Origin": "http://localhost:5173"}
        answer = await http.get(f"{FILES}/{file['id']}/content", headers={"Range": asked} | page)
        assert (answer.status_code, answer.headers.get("content-range")) == (status, told)
        assert answer.content == part
        assert answer.headers["x-request-id"]
        assert answer.headers["access-control-allow-origin"] == page["Origin"]


@pytest.mark.asyncio
async def test_content_that_fails_before_it_begins_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise ValueError("of a library")

    async with running(tmp_path) as server, server.http() as http:
        file = await given(http)
        monkeypatch.setattr("starlette.responses.FileResponse.__call__", fail)
        answer = await http.get(file["url"])
        assert code_of(answer) == (500, "internal_error", None)
        assert answer.headers["x-request-id"]
        assert "library" not in answer.text


@pytest.mark.asyncio
async def test_several_ranges_and_a_range_of_another_version(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        url = (await given(http))["url"]
        answer = await http.get(url, headers={"Range": "bytes=0-1,1020-"})
        assert answer.status_code == 206
        assert answer.headers["content-type"].startswith("multipart/byteranges")
        etag = answer.headers["etag"]
        for tag, status in ((etag, 206), ('"other"', 200)):
            answer = await http.get(url, headers={"Range": "bytes=0-1", "If-Range": tag})
            assert answer.status_code == status


@pytest.mark.asyncio
async def test_head_is_get_without_its_body(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        file = await given(http)
        for headers in ({}, {"Range": "bytes=0-9"}):
            answer = await http.head(file["url"], headers=headers)
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["content-length"] == "1024"
            assert answer.headers["accept-ranges"] == "bytes"
        assert (await http.head(f"{FILES}/{file['id']}")).status_code == 200
        assert (await http.head(FILES)).status_code == 200


@pytest.mark.asyncio
async def test_signed_link_needs_no_key_and_can_not_be_altered(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        mine = {"X-API-Key": server.keys.new("mine")}
        file = await given(http, headers=mine)
        other = await given(http, headers=mine)
        assert (await http.get(file["url"])).content == BYTES
        assert (await http.get(file["url"].replace("/v1/", "/native/v1/"))).content == BYTES

        url = urlsplit(file["url"])
        query = dict(parse_qsl(url.query))
        altered = [
            {"expires": str(int(query["expires"]) + 1)},
            {"expires": "0" + query["expires"]},
            {"expires": ""},
            {"signature": query["signature"][:-1]},
            {"signature": query["signature"] + "A"},
            {"signature": ""},
            {"signature": "é"},
            *(
                {"signature": s[:i] + ("A" if s[i] != "A" else "B") + s[i + 1 :]}
                for s in [query["signature"]]
                for i in range(0, len(s) - 1, 7)
            ),
        ]
        for change in altered:
            answer = await http.get(f"{url.path}?{urlencode(query | change)}")
            assert code_of(answer)[:2] == (401, "unauthenticated"), change
        swapped = file["url"].replace(file["id"], other["id"])
        assert code_of(await http.get(swapped))[:2] == (401, "unauthenticated")
        answer = await http.get(file["url"] + "&download=1")
        assert code_of(answer) == (400, "unknown_parameter", "download")
        assert code_of(await http.get(f"{url.path}?expires=1", headers=mine))[2] == "expires"
        # A link opens what it leads to, and nothing else.
        assert (await http.get(f"{FILES}/{file['id']}?{url.query}")).status_code == 401
        assert (await http.delete(file["url"])).status_code == 405
        assert (await http.get(f"{FILES}?{url.query}")).status_code == 401


@pytest.mark.asyncio
async def test_another_keys_file_is_not_there(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        mine = {"X-API-Key": server.keys.new("mine")}
        other = {"X-API-Key": server.keys.new("other")}
        file = await given(http, headers=mine)
        path = f"{FILES}/{file['id']}"
        assert code_of(await http.get(path))[:2] == (401, "unauthenticated")
        for answer in (
            await http.get(path, headers=other),
            await http.get(path + "/content", headers=other),
            await http.delete(path, headers=other),
            await http.get(f"{FILES}/file_{'0' * 24}", headers=mine),
            await http.get(f"{FILES}/nonsense", headers=mine),
        ):
            assert code_of(answer)[:2] == (404, "not_found")
        assert (await http.get(FILES, headers=other)).json()["files"] == []
        assert (await http.get(path + "/content", headers=mine)).content == BYTES


@pytest.mark.asyncio
async def test_deleted_and_expired_files_are_gone(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        deleted = await given(http)
        short = await given(http, params={"ttl_s": "0.05"})
        path = f"{FILES}/{deleted['id']}"
        answer = await http.delete(path)
        assert (answer.status_code, answer.content) == (204, b"")
        await asyncio.sleep(0.1)
        for url in (path, path + "/content", deleted["url"], f"{FILES}/{short['id']}"):
            assert code_of(await http.get(url))[:2] == (410, "gone")
        assert code_of(await http.get(short["url"]))[:2] == (410, "gone")
        assert code_of(await http.delete(path))[:2] == (410, "gone")
        assert (await http.get(FILES)).json()["files"] == []


@pytest.mark.asyncio
async def test_list_goes_on_after_the_last_of_a_page(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        ids = [(await given(http, bytes([i])))["id"] for i in range(5)]
        seen: list[str] = []
        after: str | None = None
        for size in (2, 2, 1):
            query: dict[str, Any] = {"limit": 2} | ({"after": after} if after else {})
            page = (await http.get(FILES, params=query)).json()
            assert len(page["files"]) == size
            seen += [file["id"] for file in page["files"]]
            after = page["next"]
        assert after is None
        assert seen == ids[::-1]
        for bad, param in (
            ({"limit": "0"}, "limit"),
            ({"limit": "501"}, "limit"),
            ({"limit": "x"}, "limit"),
            ({"after": ""}, "after"),
        ):
            answer = await http.get(FILES, params=bad)
            assert code_of(answer) == (400, "invalid_parameter", param)
        answer = await http.get(FILES, params={"page": "2"})
        assert code_of(answer) == (400, "unknown_parameter", "page")


@pytest.mark.asyncio
async def test_data_uri_is_a_file(tmp_path: Path) -> None:
    async with running(tmp_path, max_file_bytes=300_000) as server, server.http() as http:
        data = bytes(300_000)
        uri = "data:audio/x;base64," + base64.b64encode(data).decode()
        answer = await http.post(FILES, json={"data": uri, "name": "a.bin", "ttl_s": 60})
        assert answer.status_code == 201
        file = answer.json()
        assert (file["size"], file["content_type"], file["name"]) == (300_000, "audio/x", "a.bin")
        assert (await http.get(file["url"])).content == data
        longer = "data:audio/x;base64," + base64.b64encode(data + b"x").decode()
        assert code_of(await http.post(FILES, json={"data": longer}))[:2] == (413, "message_limit")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", "invalid_message", None),
        (b"{}", "invalid_parameter", "data"),
        (b'{"data":"nonsense"}', "invalid_parameter", "data"),
        (b'{"url":"https://a","purpose":"result"}', "invalid_parameter", "purpose"),
        (b'{"url":"https://a","ttl_s":0}', "invalid_parameter", "ttl_s"),
        (b'{"url":"https://a","data":"data:;base64,"}', "invalid_parameter", "data"),
        (b'{"url":"https://a","mode":1}', "unknown_parameter", "mode"),
        (b'{"data":"data:;base64,","ttl_s":1e8}', "invalid_parameter", "ttl_s"),
        (b'{"url":"ftp://a/b"}', "url_not_allowed", "url"),
    ],
)
@pytest.mark.asyncio
async def test_bad_json_names_the_parameter(
    tmp_path: Path, body: bytes, code: str, param: str | None
) -> None:
    async with running(tmp_path) as server, server.http() as http:
        headers = {"content-type": "application/json; charset=utf-8"}
        answer = await http.post(FILES, content=body, headers=headers)
        assert code_of(answer) == (400, code, param)
        assert (await http.get(FILES)).json()["files"] == []


@pytest.mark.asyncio
async def test_bad_query_of_an_upload_names_the_parameter(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        for query, code, param in (
            ({"purpose": "result"}, "invalid_parameter", "purpose"),
            ({"ttl_s": "long"}, "invalid_parameter", "ttl_s"),
            ({"ttl_s": "1e8"}, "invalid_parameter", "ttl_s"),
            ({"name": "x" * 256}, "invalid_parameter", "name"),
            ({"name": "a\nb"}, "invalid_parameter", "name"),
            ({"key": "k"}, "unknown_parameter", "key"),
        ):
            answer = await http.post(FILES, content=b"x", params=query)
            assert code_of(answer) == (400, code, param)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.asyncio
async def test_upload_over_the_bound_is_refused_and_leaves_nothing(
    tmp_path: Path, announced: bool
) -> None:
    async with running(tmp_path, max_file_bytes=2048) as server, server.http() as http:

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 1024

        content: Any = b"x" * 102_400 if announced else pieces()
        answer = await http.post(FILES, content=content)
        assert code_of(answer)[:2] == (413, "message_limit")
        assert answer.headers["connection"] == "close"
        assert (await http.get(FILES)).json()["files"] == []
        assert (await http.post(FILES, content=b"x" * 2048)).status_code == 201
        assert server.service.ledger.limits.connections == 0
    assert len(list((tmp_path / "files").iterdir())) == 1


@pytest.mark.asyncio
async def test_quota_of_a_key_is_told(tmp_path: Path) -> None:
    async with running(tmp_path, key_file_bytes=2048) as server, server.http() as http:
        await given(http)
        await given(http)
        answer = await http.post(FILES, content=b"x")
        assert code_of(answer)[:2] == (413, "file_quota")
        assert answer.json()["error"]["limit"] == 2048


@pytest.mark.asyncio
async def test_upload_whose_client_goes_away_leaves_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        _, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
        head = f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\nx"
        writer.write(head.encode())
        limits = server.service.ledger.limits
        while limits.connections == 0:
            await asyncio.sleep(0.005)
        writer.transport.abort()
        while limits.connections:
            await asyncio.sleep(0.005)
        assert (await http.get(FILES)).json()["files"] == []
    assert not any((tmp_path / "files").glob("*"))


@pytest.mark.asyncio
async def test_upload_that_does_not_come_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.server.bodies.BODY_S", 0.1)
    async with running(tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
        head = f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\nx"
        writer.write(head.encode())
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")
        writer.close()


@pytest.mark.asyncio
async def test_draining_server_takes_no_uploads(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        file = await given(http)
        server.service.ledger.draining = True
        answer = await http.post(FILES, content=b"x")
        assert code_of(answer)[:2] == (503, "draining")
        assert answer.headers["retry-after"]
        assert (await http.get(file["url"])).content == BYTES


@pytest.mark.asyncio
async def test_uploads_count_as_connections(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=1) as server, server.http() as http:
        slot = server.service.ledger.limits.connect("", NO_LIMITS)
        assert code_of(await http.post(FILES, content=b"x"))[:2] == (429, "connection_limit")
        slot.release()
        await given(http)


class Canned:
    """A fetcher that has one answer, and remembers what it was asked."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, int]] = []

    async def get(self, url: str, *, max_bytes: int, param: str = "url") -> Answer:
        self.asked.append((url, max_bytes))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def aclose(self) -> None:
        pass


@pytest.mark.asyncio
async def test_file_of_a_url_is_fetched(tmp_path: Path) -> None:
    url = "https://files.example/a%20b.ogg?token=hush"
    headers: Mapping[str, str] = {"content-type": "audio/ogg"}
    canned: Any = Canned(Answer(200, headers, b"sound", url))

    def change(resources: Resources) -> Resources:
        return replace(resources, fetcher=canned)

    async with running(tmp_path, change=change) as server, server.http() as http:
        file = (await http.post(FILES, json={"url": url})).json()
        assert (file["name"], file["content_type"], file["size"]) == ("a b.ogg", "audio/ogg", 5)
        assert (await http.get(file["url"])).content == b"sound"
        assert canned.asked == [(url, server.service.settings.max_file_bytes)]
        canned.answer = FetchFailed("status 404", param="url")
        answer = await http.post(FILES, json={"url": url})
        assert code_of(answer) == (422, "fetch_failed", "url")


@pytest.mark.asyncio
async def test_file_of_a_private_url_is_fetched_where_that_is_allowed(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/x\r\nContent-Length: 5\r\n")
        writer.write(b"Connection: close\r\n\r\nsound")
        await writer.drain()
        writer.close()

    origin = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = origin.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/a.ogg"
    async with origin:
        (tmp_path / "open").mkdir()
        (tmp_path / "shut").mkdir()
        allowed: dict[str, Any] = {"fetch_allow": ["127.0.0.0/8"], "fetch_ports": [port]}
        async with running(tmp_path / "open", **allowed) as server, server.http() as http:
            file = (await http.post(FILES, json={"url": url})).json()
            assert (await http.get(file["url"])).content == b"sound"
        async with running(tmp_path / "shut", fetch_ports=[port]) as server, server.http() as http:
            answer = await http.post(FILES, json={"url": url})
            assert code_of(answer) == (400, "url_not_allowed", "url")


class Slow:
    """A fetcher of which some answers do not come until it is `over`."""

    def __init__(self) -> None:
        self.waiting = 0
        self.over = asyncio.Event()

    async def get(self, url: str, *, max_bytes: int, param: str = "url") -> Answer:
        if "slow" in url:
            self.waiting += 1
            try:
                await self.over.wait()
            finally:
                self.waiting -= 1
        return Answer(200, {"content-type": "audio/x"}, b"sound", url)

    async def aclose(self) -> None:
        pass


def placed(monkeypatch: pytest.MonkeyPatch, **values: float) -> None:
    for name, value in values.items():
        monkeypatch.setattr(f"streamer.server.files.{name}", value)


async def sent(server: Running, key: str, body: bytes, kind: str, query: str = "") -> Any:
    """A request whose answer may be long in coming."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
    head = (
        f"POST {FILES}{query} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: {kind}\r\n"
    )
    writer.write(f"{head}Content-Length: 1000\r\n\r\n".encode() + body)
    return reader, writer


@pytest.mark.asyncio
async def test_slow_urls_of_one_key_leave_places_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(monkeypatch, WIDE_WAIT_S=0.5)
    slow = Slow()

    def change(resources: Resources) -> Resources:
        return replace(resources, fetcher=slow)  # type: ignore[arg-type]

    async with running(tmp_path, change=change) as server, server.http() as http:
        mine = {"X-API-Key": server.keys.new("mine")}
        other = {"X-API-Key": server.keys.new("other")}
        url = {"url": "https://slow.example/"}
        stuck = [asyncio.create_task(http.post(FILES, json=url, headers=mine)) for _ in range(2)]
        await eventually(lambda: slow.waiting == 2)
        many = [http.post(FILES, json=url, headers=mine) for _ in range(10)]
        refused = [asyncio.create_task(post) for post in many]
        file = await http.post(FILES, json={"url": "https://quick.example/"}, headers=other)
        assert file.status_code == 201
        assert slow.waiting == 2
        for answer in await asyncio.gather(*refused):
            assert code_of(answer)[:2] == (429, "rate_limited")
            assert answer.json()["error"]["retry_after_s"] > 0
        given_as_bytes = await http.post(FILES, content=b"x", headers=mine)
        assert given_as_bytes.status_code == 201  # streams need no place
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        slow.over.set()
        await eventually(lambda: server.service.ledger.limits.connections == 0)


@pytest.mark.parametrize("how", ["reference", "json", "data"])
@pytest.mark.asyncio
async def test_uploads_that_are_held_whole_take_a_place_of_their_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    placed(monkeypatch, WIDE_WAIT_S=0.1)
    held = places_held(monkeypatch, "streamer.server.files")
    async with running(tmp_path) as server, server.http() as http:
        mine, other = server.keys.new("mine"), server.keys.new("other")
        slow = [await sent(server, mine, b"RIFF", "audio/wav", "?purpose=reference") for _ in "ab"]
        await eventually(lambda: held() == 2)
        uri = "data:audio/wav;base64," + base64.b64encode(sound(0.5)).decode()
        body = json.dumps({"data": uri}).encode()

        async def pieces() -> AsyncIterator[bytes]:
            yield body

        options: dict[str, dict[str, Any]] = {
            "reference": {"content": sound(0.5), "params": {"purpose": "reference"}},
            "json": {"content": pieces(), "headers": {"content-type": "application/json"}},
            "data": {"content": body, "headers": {"content-type": "application/json"}},
        }
        wanted = options[how]
        headers = wanted.pop("headers", {})
        answer = await http.post(FILES, **wanted, headers=headers | {"X-API-Key": mine})
        assert code_of(answer)[:2] == (429, "rate_limited")
        if how == "json":
            wanted["content"] = body
        answer = await http.post(FILES, **wanted, headers=headers | {"X-API-Key": other})
        assert answer.status_code == 201
        for _, writer in slow:
            writer.transport.abort()
        await eventually(lambda: server.service.ledger.limits.connections == 0)
        if how == "json":
            wanted["content"] = body
        answer = await http.post(FILES, **wanted, headers=headers | {"X-API-Key": mine})
        assert answer.status_code == 201


@pytest.mark.asyncio
async def test_reference_is_sound_of_a_minute_at_most(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        query = {"purpose": "reference"}
        file = await given(http, sound(1.5), params=query)
        assert file["purpose"] == "reference"
        assert file["duration_ms"] == pytest.approx(1500, abs=1)
        uri = "data:audio/wav;base64," + base64.b64encode(sound(0.5)).decode()
        answer = await http.post(FILES, json={"data": uri, "purpose": "reference"})
        assert answer.json()["duration_ms"] == pytest.approx(500, abs=1)
        for data in (b"", b"no sound", b"ffconcat version 1.0\nfile secret.wav\n", sound(61)):
            answer = await http.post(FILES, content=data, params=query)
            assert code_of(answer)[:2] == (422, "invalid_media")
        assert len((await http.get(FILES)).json()["files"]) == 2


@pytest.mark.asyncio
async def test_wrong_methods_say_the_right_ones(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        for method, path, allowed in (
            ("PUT", FILES, "GET, HEAD, POST"),
            ("POST", f"{FILES}/x", "GET, HEAD, DELETE"),
            ("DELETE", f"{FILES}/x/content", "GET, HEAD"),
        ):
            answer = await http.request(method, path)
            assert code_of(answer)[:2] == (405, "method_not_allowed")
            assert answer.headers["allow"] == allowed


@pytest.mark.asyncio
async def test_links_begin_as_the_client_reached_us_or_as_told(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        file = await given(http)
        assert file["url"].startswith(f"{server.url}{FILES}/{file['id']}/content?expires=")
        key = {"X-API-Key": server.keys.new("app")}
        proxied = {"Host": "tts.example.org", "X-Forwarded-Proto": "https"}
        file = await given(http, headers=key | proxied)
        assert file["url"].startswith("https://tts.example.org/v1/files/")
        for host in ("a b", "a/b", "user@a", "a:b", ""):
            answer = await http.post(FILES, content=b"x", headers=key | {"Host": host})
            assert code_of(answer) == (400, "invalid_parameter", "host")
    public = "https://tts.example/speech/"
    async with running(tmp_path, public_url=public) as server, server.http() as http:
        file = await given(http, headers=key)
        assert file["url"].startswith("https://tts.example/speech/v1/files/")


@pytest.mark.asyncio
async def test_neither_a_signature_nor_a_url_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "streamer")
    async with running(tmp_path) as server, server.http() as http:
        file = await given(http)
        await http.get(file["url"])
        await http.post(FILES, json={"url": "http://10.0.0.1/hush?token=hush"})
        told = json.dumps(
            [{**vars(record), "args": None} for record in caplog.records], default=str
        )
        assert "signature" not in told
        assert "hush" not in told
