"""What every request of ours has in common: its headers, its certificates, how its failures are told."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore

from streamer import __version__
from streamer.errors import FetchFailed
from streamer.fetch.urls import port_of

if TYPE_CHECKING:
    import httpx

FREE_CHUNKS = 256
CHUNK_BYTES = 64
"""A body in smaller chunks than these, but for so many, costs more to read than it is worth."""


def request_of(
    method: str,
    url: httpx.URL,
    headers: Mapping[str, str] | None,
    body: bytes,
    *,
    keep: bool,
    leaves: Callable[[], None] | None = None,
) -> httpcore.Request:
    """`keep`: the connection may serve another request. `leaves` is called before the first byte."""
    told = {name.lower(): value for name, value in (headers or {}).items()}
    told |= {
        "host": url.netloc.decode("ascii"),
        "user-agent": f"Streamer/{__version__}",
        "accept-encoding": "identity",
    }
    if not keep:
        told["connection"] = "close"
    told.setdefault("accept", "*/*")
    if body or method == "POST":
        told["content-length"] = str(len(body))
    target = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=port_of(url), target=url.raw_path
    )
    extensions = {} if leaves is None else {"trace": _telling(leaves)}
    return httpcore.Request(
        method, target, headers=list(told.items()), content=body, extensions=extensions
    )


def _telling(leaves: Callable[[], None]) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    async def trace(name: str, _: Mapping[str, Any]) -> None:
        if name.endswith(".send_request_headers.started"):
            leaves()

    return trace


def headers_of(response: httpcore.Response) -> dict[str, str]:
    """By their names in lower case."""
    found: dict[str, str] = {}
    for raw, value in response.headers:
        name = raw.decode("latin-1").lower()
        text = value.decode("utf-8", "replace")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def trusted_certificates() -> ssl.SSLContext:
    import httpx

    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()  # a private authority's, of an allowed host
    return context


@contextmanager
def typed_errors(param: str) -> Iterator[None]:
    """What goes wrong on the way, as `FetchFailed`."""
    try:
        yield
    except (TimeoutError, httpcore.TimeoutException):
        raise FetchFailed("no whole answer in time", param=param, reason="timeout") from None
    except httpcore.ProtocolError:
        raise FetchFailed("no answer in HTTP", param=param, reason="protocol") from None
    except (httpcore.NetworkError, OSError):
        raise FetchFailed("the connection was lost", param=param, reason="connection") from None
