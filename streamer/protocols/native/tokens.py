"""Tokens on the wire, both roles: what is asked of `POST /v1/tokens`, and its answer. Knows no web
framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from streamer.protocols.native import messages as wire
from streamer.protocols.native.fields import read
from streamer.protocols.native.times import format_time
from streamer.protocols.strict import Schema

MAX_VOICES = MAX_CHANNELS = 32

_Scope = Annotated[str, Meta(min_length=1, max_length=32)]


class _Token(wire.Strict, kw_only=True):
    ttl_s: Annotated[float, Meta(ge=1, le=1e9)] | None = None
    scopes: Annotated[tuple[_Scope, ...], Meta(min_length=1, max_length=16)] | None = None
    origin: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    voices: Annotated[tuple[wire.Name, ...], Meta(min_length=1, max_length=MAX_VOICES)] | None = (
        None
    )
    channels: (
        Annotated[tuple[wire.ChannelName, ...], Meta(min_length=1, max_length=MAX_CHANNELS)] | None
    ) = None


_TOKEN: Schema[_Token] = Schema(_Token)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token wished for. `voices` are ids, names or aliases. None is the server's default: its time, any
    origin, any voice, any channel."""

    ttl_s: float | None = None
    scopes: Sequence[str] = ("speak",)
    origin: str | None = None
    voices: Sequence[str] | None = None
    channels: Sequence[str] | None = None


def decode_token_request(body: bytes) -> TokenRequest:
    """Raises `InvalidMessage`, `UnknownParameter` or `InvalidParameter`."""
    message = _TOKEN.decode(body)
    return TokenRequest(
        message.ttl_s,
        message.scopes or ("speak",),
        message.origin,
        message.voices,
        message.channels,
    )


def encode_token_request(request: TokenRequest) -> bytes:
    """The body that asks for it."""
    message = _Token(
        ttl_s=request.ttl_s,
        scopes=tuple(request.scopes),
        origin=request.origin,
        voices=None if request.voices is None else tuple(request.voices),
        channels=None if request.channels is None else tuple(request.channels),
    )
    return msgspec.json.encode(message)


class TokenAnswer(Struct, kw_only=True, frozen=True):
    """A token, and what it is good for. `expires_at` is ISO 8601, UTC; `voices` are ids; None: any."""

    token: str
    expires_at: str
    scopes: tuple[str, ...]
    origin: str | None = None
    voices: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None


def encode_token(
    token: str,
    expires: float,
    scopes: Sequence[str],
    origin: str | None = None,
    voices: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
) -> bytes:
    """The answer. `expires`: Unix time."""
    answer = TokenAnswer(
        token=token,
        expires_at=format_time(expires),
        scopes=tuple(scopes),
        origin=origin,
        voices=None if voices is None else tuple(voices),
        channels=None if channels is None else tuple(channels),
    )
    return msgspec.json.encode(answer)


def decode_token(body: bytes) -> TokenAnswer:
    """Raises `RemoteProtocolError` for what is no such answer."""
    return read(body, TokenAnswer, "a token")
