"""Engines behind a hosted API: another's voices, as if they were here.

One engine per row of `CLIENTS`, reached as the setting `providers` says. The client's half of an API
(`streamer.protocols`) words requests and reads answers, `streamer.fetch` carries them, this package does
the rest: texts over the API's limit are cut, the next segment is asked for while one plays, tasks are
polled, sound is decoded as it comes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

from streamer.errors import InvalidParameter
from streamer.protocols.hosted import HostedClient

if TYPE_CHECKING:
    from streamer.config import Settings
    from streamer.engines.hosted.engine import Hosted

CLIENTS: Mapping[str, str] = {
    "crun": "streamer.protocols.crun:Client",
    "runware": "streamer.protocols.runware:Client",
    "aimlapi": "streamer.protocols.aimlapi:Client",
    "evolink": "streamer.protocols.evolink:Client",
    "modelstream": "streamer.protocols.modelstream:Client",
    "openai": "streamer.protocols.openai.client:Client",
}
"""The client's half of each API, as an import string."""


def client_of(name: str) -> HostedClient:
    """The client's half of that API."""
    module, _, attribute = CLIENTS[name].partition(":")
    client = cast(Callable[[], HostedClient], getattr(importlib.import_module(module), attribute))
    return client()


def open_provider(name: str, settings: Settings) -> Hosted:
    """The engine of that provider. No request is made. Raises `InvalidParameter` where the settings have
    no such provider."""
    from streamer.engines.hosted.engine import Hosted

    provider = settings.providers.get(name)
    if provider is None:
        raise InvalidParameter(
            f"the setting providers has no table {name!r} yet", param=f"providers.{name}"
        )
    return Hosted(name, client_of(name), provider, settings)


open_crun = partial(open_provider, "crun")
open_runware = partial(open_provider, "runware")
open_aimlapi = partial(open_provider, "aimlapi")
open_evolink = partial(open_provider, "evolink")
open_modelstream = partial(open_provider, "modelstream")
open_openai = partial(open_provider, "openai")
