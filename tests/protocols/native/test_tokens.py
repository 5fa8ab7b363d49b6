"""Tokens on the wire: both roles understand each other, and what is none is refused by name."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import RequestError
from streamer.protocols.base import RemoteProtocolError
from streamer.protocols.native.times import format_time
from streamer.protocols.native.tokens import (
    MAX_CHANNELS,
    MAX_VOICES,
    TokenRequest,
    decode_token,
    decode_token_request,
    encode_token,
    encode_token_request,
)
from tests.protocols import strategies as made
from tests.protocols.native.test_jobs import seconds

words = st.text(min_size=1, max_size=32)
requests = st.builds(
    TokenRequest,
    st.none() | st.floats(1, 1e9),
    st.lists(words, min_size=1, max_size=16).map(tuple),
    st.none() | words,
    st.none() | st.lists(words, min_size=1, max_size=MAX_VOICES).map(tuple),
    st.none() | st.lists(made.channels, min_size=1, max_size=MAX_CHANNELS).map(tuple),
)


@given(requests)
def test_what_is_asked_for_is_understood(request: TokenRequest) -> None:
    assert decode_token_request(encode_token_request(request)) == request


def test_what_is_not_said_is_the_servers_default() -> None:
    assert decode_token_request(b"{}") == TokenRequest(None, ("speak",), None, None, None)


@given(words, seconds, st.lists(words), st.none() | words, st.none() | st.lists(words))
def test_the_answer_is_understood(
    token: str, expires: float, scopes: list[str], origin: str | None, some: list[str] | None
) -> None:
    answer = decode_token(encode_token(token, expires, scopes, origin, some, some))
    assert (answer.token, answer.expires_at) == (token, format_time(expires))
    assert (answer.scopes, answer.origin) == (tuple(scopes), origin)
    assert answer.voices == answer.channels == (None if some is None else tuple(some))


@given(st.binary(max_size=200))
def test_anything_else_is_a_typed_error(body: bytes) -> None:
    with suppress(RequestError):
        decode_token_request(body)
    with pytest.raises(RemoteProtocolError):
        decode_token(body)
