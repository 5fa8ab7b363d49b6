import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import RequestError
from streamer.protocols.base import RemoteProtocolError
from streamer.protocols.native.webhooks import (
    decode_deliveries,
    decode_delivery,
    decode_endpoint,
    decode_endpoint_state,
    decode_endpoints,
    decode_secret,
    delivery_answer,
    encode_deliveries,
    encode_delivery,
    encode_endpoint,
    encode_endpoint_state,
    encode_endpoints,
    encode_secret,
    endpoint_answer,
)
from streamer.resources import Delivery, Endpoint, WebhookTarget
from tests.protocols import strategies as made
from tests.protocols.native.test_jobs import seconds, urls

targets = st.builds(WebhookTarget, urls, made.maybe(st.text(min_size=1, max_size=40)))
endpoints = st.builds(
    Endpoint,
    id=made.names,
    key=made.names,
    url=urls,
    secret=made.names,
    created=seconds,
    disabled=made.names,
)
deliveries = st.builds(
    Delivery,
    id=made.names,
    key=made.names,
    job=made.names,
    event=made.names,
    url=urls,
    state=st.sampled_from(["pending", "delivered", "failed", "disabled"]),
    attempts=st.integers(0, 99),
    created=seconds,
    next_at=made.maybe(seconds),
    last_status=made.maybe(st.integers(100, 599)),
    last_error=made.texts,
)


@given(targets)
def test_an_endpoint_that_is_asked_for_is_read_back(target: WebhookTarget) -> None:
    assert decode_endpoint(encode_endpoint(target)) == target


@given(endpoints)
def test_an_endpoint_is_read_back_as_it_was_told(endpoint: Endpoint) -> None:
    told = endpoint_answer(endpoint)

    assert decode_endpoint_state(encode_endpoint_state(endpoint)) == told
    assert decode_endpoints(encode_endpoints([endpoint])) == (told,)


@given(deliveries)
def test_a_delivery_is_read_back_as_it_was_told(delivery: Delivery) -> None:
    told = delivery_answer(delivery)

    assert decode_delivery(encode_delivery(delivery)) == told
    assert decode_deliveries(encode_deliveries([delivery], "n")) == ((told,), "n")


def test_an_endpoints_secret_is_not_told() -> None:
    endpoint = Endpoint("ep_1", "key_1", "https://a", "whsec_hush", 0.0)

    assert json.loads(encode_endpoint_state(endpoint)) == {
        "id": "ep_1",
        "url": "https://a",
        "created_at": "1970-01-01T00:00:00.000Z",
        "disabled": "",
    }


def test_a_secret_is_read_back() -> None:
    assert decode_secret(encode_secret("whsec_a")) == "whsec_a"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{}", "invalid_parameter", "url"),
        (b'{"url":""}', "invalid_parameter", "url"),
        (b'{"url":"https://a","secret":""}', "invalid_parameter", "secret"),
        (b'{"url":"https://a","events":[]}', "unknown_parameter", "events"),
    ],
)
def test_a_bad_endpoint_names_the_parameter(body: bytes, code: str, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        decode_endpoint(body)

    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"secret":5}', b'{"endpoints":5}'])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    for decode in (decode_secret, decode_endpoints, decode_delivery, decode_deliveries):
        with pytest.raises(RemoteProtocolError):
            decode(body)
