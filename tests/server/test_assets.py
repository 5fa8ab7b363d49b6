"""The page and the browser's client as any page may load them: types, origins, freshness, policy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from streamer.server.assets import assets
from tests.server.running import Running, running

ELSEWHERE = {"origin": "https://elsewhere.example"}


@asynccontextmanager
async def asked(directory: Path) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    """A server that has keys: none of this may need one."""
    async with running(directory) as server, server.http() as http:
        server.keys.new("app")
        yield server, http


def tree(directory: Path, *names: str) -> Path:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return directory


def test_the_client_comes_from_the_checkout_or_from_the_package(tmp_path: Path) -> None:
    static = tree(tmp_path / "static", "index.html", "page.css", "page/app.js")
    checkout = tree(tmp_path / "src", "streamer.js", "README.md", "parts/x.js")
    page = {"/", "/page.css", "/page/app.js"}
    assert assets(static=static, checkout=checkout).keys() == {
        *page,
        "/client/streamer.js",
        "/client/parts/x.js",
    }
    tree(static, "client/packed.js")
    assert assets(static=static, checkout=checkout).keys() == {*page, "/client/packed.js"}


@pytest.mark.asyncio
async def test_page_may_run_its_own_files_and_nothing_else(tmp_path: Path) -> None:
    async with asked(tmp_path) as (server, http):
        answer = await http.get("/")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"].split("; ")
        host = f"127.0.0.1:{server.server.port}"
        assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= {*policy}
        assert f"connect-src 'self' ws://{host} wss://{host}" in policy
        assert "unsafe" not in " ".join(policy)
        assert not re.search(r"<style|style=|<script(?![^>]* src=)|\bon\w+=", answer.text)
        for file in re.findall(r'(?:src|href)="([^"#]+\.(?:js|css))"', answer.text):
            part = await http.get(f"/{file}")
            assert part.status_code == 200
            assert part.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["a;b", "x y", "h'self'", "*"])
@pytest.mark.asyncio
async def test_a_host_that_is_none_is_not_in_the_policy(tmp_path: Path, host: str) -> None:
    async with asked(tmp_path) as (_, http):
        answer = await http.get("/", headers={"host": host})
        if answer.status_code == 200:  # else the HTTP parser has refused it
            assert "connect-src 'self';" in answer.headers["content-security-policy"] + ";"


@pytest.mark.asyncio
async def test_any_page_may_import_the_client(tmp_path: Path) -> None:
    paths = [path for path in assets() if path.startswith("/client/")]
    async with asked(tmp_path) as (_, http):
        for path in paths:
            answer = await http.get(path, headers=ELSEWHERE)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
            assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.asyncio
async def test_the_pages_own_files_are_nobody_elses(tmp_path: Path) -> None:
    async with asked(tmp_path) as (_, http):
        answer = await http.get("/", headers=ELSEWHERE)
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.asyncio
async def test_what_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    async with asked(tmp_path) as (_, http):
        first = await http.get("/")
        etag = first.headers["etag"]
        assert first.headers["cache-control"] == "no-cache"
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = await http.get("/", headers={"if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == etag
            assert again.headers["cache-control"] == "no-cache"
            assert "content-security-policy" in again.headers
        for other in ('"other"', etag.strip('"'), ""):
            assert (await http.get("/", headers={"if-none-match": other})).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/client/",
        "/client/none.js",
        "/client/../server/app.py",
        "/client/%2e%2e/app.py",
        "/client/..%2f..%2fapp.py",
        "/client/%2fetc/passwd",
        "/client//etc/passwd",
        "/page.js%00",
        "/static/index.html",
    ],
)
@pytest.mark.asyncio
async def test_other_names_have_nothing_behind_them(tmp_path: Path, path: str) -> None:
    async with asked(tmp_path) as (server, _):
        request = httpx.Request("GET", server.url)
        request.url = request.url.copy_with(raw_path=path.encode())
        async with httpx.AsyncClient() as bare:
            answer = await bare.send(request)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.asyncio
async def test_assets_are_read_only(tmp_path: Path) -> None:
    async with asked(tmp_path) as (_, http):
        assert (await http.head("/")).status_code == 200
        refused = await http.post("/", content=b"")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
