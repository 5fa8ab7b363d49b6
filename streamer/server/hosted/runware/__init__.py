"""Runware as this server is it: `/runware/v1`, over HTTP and as a WebSocket."""

from __future__ import annotations

from typing import Any

from starlette.routing import BaseRoute, Route, WebSocketRoute

from streamer.server.hosted.runware.http import RunwareHttp
from streamer.server.hosted.runware.performer import Performer
from streamer.server.hosted.runware.websocket import RunwareSocket
from streamer.server.service import Service

PATH = "/v1"


def routes(service: Service, prefix: str) -> list[BaseRoute]:
    """Both have one address: what answers depends on how it is opened."""
    performer = Performer(service)
    socket: Any = RunwareSocket(service, performer)
    return [
        WebSocketRoute(prefix + PATH, socket),
        Route(prefix + PATH, RunwareHttp(service, performer), methods=None),
    ]
