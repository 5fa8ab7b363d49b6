"""Signatures, checked by a receiver that is not ours."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from streamer.errors import InvalidParameter
from streamer.webhooks.signature import check_secret, new_secret, sign

BODY = '{"type":"job.completed","data":{"name":"Zoë"}}'.encode()


def headers(
    *secrets: str, id: str = "msg_1", at: int | None = None, body: bytes = BODY
) -> dict[str, str]:
    at = int(time.time()) if at is None else at
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(secrets, id, at, body),
    }


def secret_of(count: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(count))).decode()


def test_a_receiver_verifies_what_we_sign() -> None:
    secret = new_secret()
    assert Webhook(secret).verify(BODY, headers(secret))["type"] == "job.completed"


def test_the_example_of_the_reference_library_has_its_signature() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_changed_header_is_refused(changed: str) -> None:
    secret = new_secret()
    sent = headers(secret)
    sent[changed] = {
        "webhook-id": "msg_2",
        "webhook-timestamp": str(int(sent["webhook-timestamp"]) + 1),
        "webhook-signature": "v1," + base64.b64encode(bytes(32)).decode(),
    }[changed]
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, sent)


@given(place=st.integers(0, len(BODY) - 1), bit=st.integers(0, 6))
def test_a_changed_bit_of_the_body_is_refused(place: int, bit: int) -> None:
    secret = secret_of(32)
    body = bytearray(BODY)
    body[place] ^= 1 << bit
    with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
        Webhook(secret).verify(bytes(body), headers(secret))


def test_another_secret_is_refused() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers(new_secret()))


def test_several_secrets_sign_side_by_side() -> None:
    former, secret = new_secret(), new_secret()
    sent = headers(secret, former)
    for known in (former, secret):
        Webhook(known).verify(BODY, sent)
    assert len(sent["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize("count", [24, 32, 64])
def test_a_secret_of_24_to_64_bytes_is_taken(count: int) -> None:
    check_secret(secret_of(count))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "hunter2",
        secret_of(23),
        secret_of(65),
        secret_of(32).removeprefix("whsec_"),
        secret_of(32) + "!",
        secret_of(32)[:-1],
        "whsec_" + "é" * 32,
        "whsec_ " + secret_of(32)[6:],
    ],
)
def test_any_other_secret_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_secret(secret, param="webhook.secret")
    assert caught.value.param == "webhook.secret"
    assert len(secret) < 7 or secret not in caught.value.message


def test_new_secrets_differ() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
