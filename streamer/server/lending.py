"""`POST /v1/tokens`: a key lends a part of what it may do, for a while."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from streamer.errors import InvalidParameter, UnknownVoice
from streamer.protocols.native import tokens as wire
from streamer.server.access import check_origin_form
from streamer.server.auth import SCOPES, Key
from streamer.server.bodies import read_body
from streamer.server.endpoint import NO_QUERY, json_answer, query_of
from streamer.server.meter import Meter
from streamer.server.service import Service

DEFAULT_TTL_S = 300.0


class TokenEndpoint:
    """Makes tokens. Nothing is kept of them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tokens = service.resources.tokens
        self._longest = service.settings.token_max_s
        self._limit = service.settings.max_body_bytes

    async def create(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        wanted = wire.decode_token_request(await read_body(request, self._limit))
        ttl_s = min(DEFAULT_TTL_S, self._longest) if wanted.ttl_s is None else wanted.ttl_s
        if ttl_s > self._longest:
            raise InvalidParameter(
                f"ttl_s must be at most {self._longest:g}", param="ttl_s", limit=self._longest
            )
        scopes = _scopes(meter.key, wanted.scopes)
        origin = None if wanted.origin is None else check_origin_form(wanted.origin)
        voices = None if wanted.voices is None else self._ids(meter.key, wanted.voices)
        if voices is not None and "manage" in scopes:
            raise InvalidParameter(
                "a token with the scope 'manage' is for all voices", param="voices"
            )
        channels = None if wanted.channels is None else tuple(dict.fromkeys(wanted.channels))
        if channels is not None and not {"publish", "listen"} & {*scopes}:
            raise InvalidParameter(
                "channels are for the scopes 'publish' and 'listen'", param="channels"
            )
        token, expires = self._tokens.make(meter.key, ttl_s, scopes, origin, voices, channels)
        meter.log.info("token made", extra={"scopes": scopes, "seconds": round(ttl_s, 3)})
        body = wire.encode_token(token, expires, scopes, origin, voices, channels)
        return json_answer(body, 201, {"cache-control": "no-store"})

    def _ids(self, key: Key, names: Sequence[str]) -> tuple[str, ...]:
        """Of the voices of these ids, names or aliases. Raises `UnknownVoice`."""
        catalogue = self._service.catalogue_of(key.id)
        found: dict[str, None] = {}
        for name in names:
            voice = catalogue.preset(name) or self._service.resources.voices.find(key.id, name)
            if voice is None:
                known = [voice.id for voice in catalogue.voices]
                raise UnknownVoice(f"no voice {name!r}", param="voices", candidates=known)
            found[voice.id] = None
        return tuple(found)


def _scopes(key: Key, wanted: Sequence[str]) -> tuple[str, ...]:
    """What the token is to be for. Raises `InvalidParameter`; `ScopeMissing` for what the key is not."""
    for scope in wanted:
        if scope not in SCOPES:
            raise InvalidParameter(f"no scope {scope!r}", param="scopes", candidates=list(SCOPES))
        if scope == "tokens":
            raise InvalidParameter("a token can't make tokens", param="scopes")
        key.allow(scope)
    return tuple(dict.fromkeys(wanted))
