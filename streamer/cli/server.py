"""The server that a command asks: the flags that say which, how it is known, and with which key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from ssl import SSLContext
from typing import Annotated, Any, TypeVar

import typer

from streamer.cli.options import CLIENT_KEY, dressed, option, own_parameters
from streamer.cli.running import run_async
from streamer.client.remote import Remote
from streamer.client.trust import tls_context
from streamer.errors import InvalidParameter

Result = TypeVar("Result")
T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8090"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(min=1, help="Most rows.")]


@dataclass(frozen=True, slots=True)
class Server:
    """`ssl`: how it is known over TLS, None: as the system knows any."""

    url: str
    key: str | None
    ssl: SSLContext | None

    def remote(self) -> Remote:
        return Remote(self.url, self.key, self.ssl)


def takes_server(
    url: str | None = DEFAULT_URL,
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Give a command the flags that name a server, which its own parameter `server` gets. `url` is asked
    where none is named; None: then it gets None."""
    unnamed = "Server to ask, e.g. ws://127.0.0.1:8090; else spoken here."
    options = [
        option("url", str, "--url", help="The server to ask." if url else unnamed, default=url),
        option("key", str, "--key", envvar=CLIENT_KEY, help="The server's key."),
        option("cafile", Path, "--cafile", metavar="FILE", help="Who may vouch for it, in PEM."),
        option(
            *("fingerprint", str, "--fingerprint"),
            metavar="SHA256",
            help="Of its certificate, as `serve --tls self` prints it.",
        ),
    ]

    def decorate(command: Callable[..., Result]) -> Callable[..., Result]:
        @wraps(command)
        def called(**values: Any) -> Result:
            asked = [values.pop(parameter.name) for parameter in options]
            return command(server=_server(*asked), **values)

        return dressed(called, [*own_parameters(command, "server"), *options])

    return decorate


def _server(
    url: str | None, key: str | None, cafile: Path | None, fingerprint: str | None
) -> Server | None:
    if url is not None:
        return Server(url, key, tls_context(url, cafile, fingerprint))
    for name, given in (("cafile", cafile), ("fingerprint", fingerprint)):
        if given is not None:
            raise InvalidParameter(f"{name} is for --url", param=name)
    return None


def asked(server: Server, work: Callable[[Remote], Awaitable[T]]) -> T:
    """What `work` makes of the server."""

    async def run() -> T:
        async with server.remote() as remote:
            return await work(remote)

    return run_async(run())
