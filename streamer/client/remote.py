"""A running server, asked over HTTP, with typed answers and errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import parse_qs, quote

from streamer.client.dialing import STREAM_PATH, check_header
from streamer.client.trust import refusal
from streamer.errors import InvalidParameter
from streamer.protocols.base import RemoteProtocolError
from streamer.protocols.native import decode_error

if TYPE_CHECKING:  # loaded when a server is asked: 35 ms, and who only speaks asks for nothing
    import httpx

T = TypeVar("T")

TIMEOUT_S = 60.0
"""No byte of an answer for so long: the server is as good as gone."""
PAGE = 100
"""Most rows asked for at once."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Remote:
    """Raises what the server's errors say, typed; `OSError`, naming the server, where none answers. `ssl`: by
    what it is known; else by the usual authorities."""

    def __init__(self, url: str, key: str | None, ssl: SSLContext | None = None) -> None:
        import httpx

        self._place, _, fragment = url.partition("#")
        key = key or parse_qs(fragment).get("key", [None])[0]
        check_header(key, "key")
        address = _address(self._place)
        self._http = httpx.AsyncClient(
            base_url=address,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=TIMEOUT_S,
            verify=True if ssl is None else ssl,
            follow_redirects=True,  # sound may lie in another store
            trust_env=address.host not in LOOPBACK,  # a proxy's own loopback is another machine's
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections; what is under way fails."""
        await self._http.aclose()

    async def ask(
        self,
        read: Callable[[bytes], T],
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> T:
        """What `read` makes of the body of the answer; parameters that are None are left out."""
        wanted = {name: value for name, value in (params or {}).items() if value is not None}
        sent = dict(headers or {})
        check_header(sent.get("idempotency-key"), "idempotency_key")
        request = self._http.build_request(
            method, path, params=wanted, content=body, headers=sent, timeout=timeout_s
        )
        async with self._sent(request) as answer:
            data = await answer.aread()
        try:
            return read(data)
        except RemoteProtocolError:
            raise OSError(f"{self._place} does not answer as a Streamer does") from None

    async def rows(
        self,
        read: Callable[[bytes], tuple[Sequence[T], str | None]],
        path: str,
        limit: int,
        filters: Mapping[str, str | None],
    ) -> list[T]:
        """A list, page after page, until there are so many rows or no more."""
        rows: list[T] = []
        after: str | None = None
        while len(rows) < limit:
            params = {**filters, "limit": min(PAGE, limit - len(rows)), "after": after}
            page, after = await self.ask(read, "GET", path, params=params)
            rows += page
            if after is None:
                break
        return rows

    async def download(
        self, path: str, params: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The body of an answer, as it arrives."""
        async with aclosing(self.stream("GET", path, params=params)) as pieces:
            async for piece in pieces:
                yield piece

    async def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The body of any answer, as it arrives."""
        request = self._http.build_request(
            method, path, params=params, content=body, headers=dict(headers or {})
        )
        async with self._sent(request) as answer:
            async for piece in answer.aiter_bytes():
                yield piece

    @asynccontextmanager
    async def _sent(self, request: httpx.Request) -> AsyncGenerator[httpx.Response, None]:
        import httpx

        if self._http.is_closed:
            raise ConnectionError("the connection is closed")
        try:
            answer = await self._http.send(request, stream=True)
            try:
                if not answer.is_success:
                    raise decode_error(answer.status_code, await answer.aread())
                yield answer
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            if (refused := refusal(error)) is not None:
                raise refused from None
            reason = str(error) or type(error).__name__
            raise OSError(f"can't reach {self._place}: {reason}") from None


def part(id: str) -> str:
    """An id as a part of a path, whatever was typed."""
    return quote(id, safe="")


def _address(url: str) -> httpx.URL:
    """Of what `streamer.connect` takes, too: ws:// and wss://, and the path of the WebSocket."""
    import httpx

    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidParameter(f"url: {error}", param="url") from None
    scheme = {"ws": "http", "wss": "https"}.get(address.scheme, address.scheme)
    if (address.port or 0) > 65535:
        raise InvalidParameter("url: port out of range", param="url")
    if scheme not in ("http", "https") or not address.host:
        raise InvalidParameter("url is http:// or https:// and a host", param="url")
    path = address.path.removesuffix(STREAM_PATH)
    return address.copy_with(scheme=scheme, path=path or "/", query=None)
