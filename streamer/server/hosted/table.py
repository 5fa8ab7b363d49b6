"""Which hosted APIs there are: prefix, dialect and routes, one row each. Loads none of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from streamer.errors import StreamerError
from streamer.resources import Job, StoredFile

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from streamer.server.service import Service


class Dialect(Protocol):
    """What the server needs of a dialect's module besides what its own endpoints do."""

    def encode_error(
        self, error: StreamerError, request_id: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """The HTTP answer to an error: status, body, headers."""
        ...

    def encode_callbacks(
        self, job: Job, link: Callable[[StoredFile], str]
    ) -> Sequence[Mapping[str, Any]]:
        """What the job's own target is told once it has ended, a webhook each. Only of APIs whose
        clients can name one."""
        ...


@dataclass(frozen=True, slots=True)
class HostedApi:
    """One row. `module` is a `Dialect`, `endpoints` a function from the service and the prefix to routes."""

    name: str
    module: str
    endpoints: str

    @property
    def prefix(self) -> str:
        return f"/{self.name}"

    @property
    def dialect(self) -> Dialect:
        return cast(Dialect, importlib.import_module(self.module))

    def routes(self, service: Service) -> list[BaseRoute]:
        module, _, name = self.endpoints.partition(":")
        made: list[BaseRoute] = getattr(importlib.import_module(module), name)(service, self.prefix)
        return made


def _row(name: str) -> HostedApi:
    return HostedApi(name, f"streamer.protocols.{name}", f"streamer.server.hosted.{name}:routes")


_NAMES: tuple[str, ...] = ("crun", "modelstream", "aimlapi", "evolink", "runware")
APIS: Mapping[str, HostedApi] = {name: _row(name) for name in _NAMES}
"""By the name that is also `JobRequest.dialect`."""


def api_of(path: str) -> HostedApi | None:
    """Whose address it is, or would be."""
    return APIS.get(path.removeprefix("/").partition("/")[0])
