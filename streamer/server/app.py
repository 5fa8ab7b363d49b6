"""The application: which address is answered by what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp

from streamer.errors import StreamerError
from streamer.protocols import native, openai
from streamer.protocols.base import PROTOCOLS
from streamer.server.assets import assets
from streamer.server.captions import CaptionEndpoint
from streamer.server.endpoint import Endpoint, unknown_address
from streamer.server.files import FileEndpoints
from streamer.server.hosted.table import APIS, api_of
from streamer.server.http import Speaks, Tells
from streamer.server.jobs import JobEndpoints
from streamer.server.lending import TokenEndpoint
from streamer.server.listen import ListenEndpoint
from streamer.server.requests import EncodeError
from streamer.server.resources import stop
from streamer.server.service import Service
from streamer.server.voices import VoiceEndpoints
from streamer.server.webhooks import WebhookEndpoints
from streamer.server.websocket import StreamEndpoint

_OPENAI_PATHS = ("/openai/", "/v1/audio/", "/v1/models")


def create_app(service: Service) -> ASGIApp:
    """The ASGI application of a service. Its lifespan writes usage, watches keys, speaks jobs, delivers
    webhooks and takes away what has expired."""
    routes = [
        *_sockets(service),
        *_native(service),
        *_kept(service),
        *_openai(service),
        *(route for api in APIS.values() for route in api.routes(service)),
        *_common(service),
    ]

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        ledger, resources = service.ledger, service.resources
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, ledger.usage.save)
            stack.push_async_callback(resources.aclose)
            stack.push_async_callback(service.catalogue.aclose)
            stack.push_async_callback(service.aclose)
            try:
                await resources.start()
            except StreamerError as error:
                service.failure = error
                raise
            await service.revocations.look()  # before anything is spoken or sent for such a key
            looks = (service.watch_keys, service.revocations.run)
            for loop in (ledger.usage.run, *looks, resources.run):
                task = asyncio.create_task(loop())
                stack.push_async_callback(stop, task)
            yield

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
    captions = CaptionEndpoint(service, speaks, JobEndpoints(service))
    endpoints = {
        "/v1/speech": Endpoint(service, post=speaks.native),
        "/v1/captions": Endpoint(service, post=captions.create),
        "/v1/listen/{address}": Endpoint(
            service, get=ListenEndpoint(service).get, scope="listen", linked=True
        ),
        "/v1/usage": Endpoint(service, get=tells.usage, scope="usage"),
        "/v1/tokens": Endpoint(service, post=TokenEndpoint(service).create, scope="tokens"),
    }
    return _routes(endpoints, "/native")


def _kept(service: Service) -> list[BaseRoute]:
    """What has an address of its own: jobs, files, voices, webhooks. The first path that fits counts."""
    jobs, files = JobEndpoints(service), FileEndpoints(service)
    voices, webhooks = VoiceEndpoints(service), WebhookEndpoints(service)
    manage = partial(Endpoint, service, scope="manage")
    endpoints = {
        "/v1/jobs": manage(get=jobs.list, post=jobs.create),
        "/v1/jobs/{id}": manage(get=jobs.get, delete=jobs.cancel),
        "/v1/jobs/{id}/audio": manage(get=jobs.audio),
        "/v1/jobs/{id}/words": manage(get=jobs.words),
        "/v1/jobs/{id}/captions": manage(get=jobs.captions),
        "/v1/files": manage(get=files.list, post=files.create),
        "/v1/files/{id}": manage(get=files.get, delete=files.delete),
        "/v1/files/{id}/content": manage(get=files.content, signed=True),
        "/v1/voices": Endpoint(service, get=voices.list, post=voices.create, change="manage"),
        "/v1/voices/design": manage(post=voices.design),
        "/v1/voices/{id}": Endpoint(service, get=voices.get, delete=voices.delete, change="manage"),
        "/v1/voices/{id}/preview": Endpoint(service, get=voices.preview),
        "/v1/webhooks": manage(get=webhooks.list, post=webhooks.create),
        "/v1/webhooks/secret": manage(get=webhooks.secret, post=webhooks.rotate),
        "/v1/webhooks/deliveries": manage(get=webhooks.deliveries),
        "/v1/webhooks/deliveries/{id}/replay": manage(post=webhooks.replay),
        "/v1/webhooks/{id}": manage(delete=webhooks.delete),
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
        "/healthz": Endpoint(service, get=tells.health, scope=None),
        "/readyz": Endpoint(service, get=tells.ready, scope=None),
        "/metrics": Endpoint(service, get=tells.metrics, scope="metrics"),
    }
    for path, asset in assets().items():
        endpoints[path] = Endpoint(service, get=asset.show, scope=None)
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
    if (api := api_of(path)) is not None:
        return api.dialect.encode_error
    return openai.encode_error if path.startswith(_OPENAI_PATHS) else native.encode_error
