"""Whether a provider is there and takes the key: one request that costs nothing, for `streamer doctor`.

Where an API has no such request it is only seen whether its host answers; the key is not tried then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from streamer.errors import FetchFailed, UrlNotAllowed
from streamer.fetch import Fetcher, Patience, Stream
from streamer.protocols.crun.client import BALANCE
from streamer.protocols.hosted import Call, HostedClient
from streamer.protocols.runware.client import PATH
from streamer.protocols.runware.errors import status_of_code
from streamer.protocols.runware.tasks import Authenticate, encode_tasks
from streamer.providers import Provider

PROBE_S = 5.0
_ANSWER_BYTES = 1 << 20
_ELSEWHERE = ("redirects", "status", "protocol", "too_large", "encoding")
"""Reasons of `FetchFailed` that an answer has led to."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of it, in words without the key."""

    ok: bool
    said: str


async def probe(
    name: str,
    client: HostedClient,
    provider: Provider,
    fetcher: Fetcher,
    *,
    timeout_s: float = PROBE_S,
) -> Probed:
    """Ask. Raises nothing but cancellation."""
    url = (provider.url or client.traits.url).rstrip("/")
    model = provider.model or client.traits.model
    call = _free(name, provider.key)
    headers = dict(call.headers) | dict(client.authorize(provider.key)) if call else {}
    try:
        async with (
            asyncio.timeout(timeout_s),
            fetcher.open(
                call.method if call else "GET",
                url + (call.path if call else "/"),
                headers=headers,
                body=call.body if call else b"",
                trusted=True,
                max_bytes=_ANSWER_BYTES,
                patience=Patience(timeout_s, timeout_s),
            ) as stream,
        ):
            if call is None:
                return Probed(True, "its host answers; the key can't be tried for nothing")
            return _told(name, stream.status, await _body(stream), provider.key, model)
    except TimeoutError:
        return Probed(False, f"no answer within {timeout_s:g} s")
    except UrlNotAllowed:
        return Probed(call is None, "its host answers, and leads elsewhere")
    except FetchFailed as error:
        if call is None and error.details.get("reason") in _ELSEWHERE:
            return Probed(True, "its host answers; the key can't be tried for nothing")
        said = error.message.replace(provider.key, "…") if provider.key else error.message
        return Probed(False, f"can't be heard: {said}")


def _free(name: str, key: str) -> Call | None:
    """The request that costs nothing; None: the API has none. Unlike other calls it may hold the key."""
    match name:
        case "crun":
            return Call("GET", BALANCE)
        case "openai":
            return Call("GET", "/models")
        case "runware" if key:
            body = encode_tasks([Authenticate(key)])
            return Call("POST", PATH, {"content-type": "application/json"}, body)
    return None


async def _body(stream: Stream) -> Mapping[str, Any]:
    """The answer's JSON object; empty where it is none."""
    async with aclosing(stream.chunks()) as chunks:
        data = b"".join([chunk async for chunk in chunks])
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _told(name: str, status: int, body: Mapping[str, Any], key: str, model: str) -> Probed:
    match _meant(status, body):
        case 401 | 403:
            return Probed(False, "the key is refused" if key else "it wants a key")
        case 402:
            return Probed(False, "the key is taken, and its credit is used up")
        case 404 | 405 | 501:
            return Probed(True, "it answers; the key can't be tried for nothing")
        case meant if 200 <= meant < 300:
            if not body:
                return Probed(False, "it answers, and not as this API does")
            taken = "the key is taken" if key else "it answers without a key"
            return Probed(True, taken + _more(name, body, model))
        case meant:
            return Probed(False, f"it answers with status {meant}")


def _meant(status: int, body: Mapping[str, Any]) -> int:
    """The status of an answer that may tell of its error in itself alone."""
    code = body.get("code")
    if status == 200 and isinstance(code, int) and 400 <= code < 600:
        return code
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if isinstance(first, dict) and isinstance(word := first.get("code"), str):
        known = status_of_code(word)
        return known[0] if known else max(status, 400)
    return status


def _more(name: str, body: Mapping[str, Any], model: str) -> str:
    """What else the answer tells."""
    match name, body.get("data"):
        case "crun", {"balance": int() | float() as balance}:
            return f", balance {balance:g}"
        case "openai", [*models] if models:
            ids = [found.get("id") for found in models if isinstance(found, dict)]
            return "" if model in ids else f", and no model {model!r} is in its list"
    return ""
