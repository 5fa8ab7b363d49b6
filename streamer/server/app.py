"""The application: which address is answered by what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp

from streamer.protocols import native, openai
from streamer.protocols.base import PROTOCOLS
from streamer.server.endpoint import Endpoint, unknown_address
from streamer.server.http import Speaks, Tells
from streamer.server.page import Page
from streamer.server.requests import EncodeError
from streamer.server.service import Service
from streamer.server.websocket import StreamEndpoint

_OPENAI_PATHS = ("/openai/", "/v1/audio/", "/v1/models")


def create_app(service: Service) -> ASGIApp:
    """The ASGI application of a service. Its lifespan writes usage and watches keys."""
    routes = [*_sockets(service), *_native(service), *_openai(service), *_common(service)]

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(service.ledger.usage.run()),
            asyncio.create_task(service.watch_keys()),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await service.catalogue.aclose()
            await asyncio.to_thread(service.ledger.usage.flush)

    return Router(
        routes, redirect_slashes=False, default=unknown_address(_encoder_of), lifespan=lifespan
    )


def _sockets(service: Service) -> list[BaseRoute]:
    """Every dialect's WebSocket under its prefix, and at the root where it may be."""
    routes: list[BaseRoute] = []
    for row in PROTOCOLS.values():
        if row.websocket is None:
            continue
        endpoint: Any = StreamEndpoint(service, row)
        for path in _mounts(row.websocket, row.prefix, at_root=row.at_root):
            routes.append(WebSocketRoute(path, endpoint))
            routes.append(Route(path, endpoint, methods=None))
    return routes


def _native(service: Service) -> list[BaseRoute]:
    speaks, tells = Speaks(service), Tells(service)
    endpoints = {
        "/v1/speech": Endpoint(service, post=speaks.native),
        "/v1/voices": Endpoint(service, get=tells.voices),
        "/v1/usage": Endpoint(service, get=tells.usage, scope="usage"),
    }
    return _routes(endpoints, "/native")


def _openai(service: Service) -> list[BaseRoute]:
    speaks, tells = Speaks(service), Tells(service)
    words: EncodeError = openai.encode_error
    endpoints = {
        "/v1/audio/speech": Endpoint(service, post=speaks.openai, encode_error=words),
        "/v1/models": Endpoint(service, get=tells.models, encode_error=words),
        "/v1/models/{name:path}": Endpoint(service, get=tells.model, encode_error=words),
    }
    return _routes(endpoints, "/openai")


def _common(service: Service) -> list[BaseRoute]:
    tells = Tells(service)
    endpoints = {
        "/": Endpoint(service, get=Page().show, scope=None),
        "/healthz": Endpoint(service, get=tells.health, scope=None),
        "/readyz": Endpoint(service, get=tells.ready, scope=None),
        "/metrics": Endpoint(service, get=tells.metrics, scope="metrics"),
    }
    return _routes(endpoints)


def _routes(endpoints: dict[str, Endpoint], prefix: str | None = None) -> list[BaseRoute]:
    return [
        Route(mounted, endpoint, methods=None)
        for path, endpoint in endpoints.items()
        for mounted in ([path] if prefix is None else _mounts(path, prefix))
    ]


def _mounts(path: str, prefix: str, *, at_root: bool = True) -> list[str]:
    return [path, prefix + path] if at_root else [prefix + path]


def _encoder_of(path: str) -> EncodeError:
    return openai.encode_error if path.startswith(_OPENAI_PATHS) else native.encode_error
