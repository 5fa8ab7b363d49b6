"""Signatures of Standard Webhooks 1.0.0 (symmetric, v1): HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as random_bytes
from collections.abc import Sequence

from streamer.errors import InvalidParameter

PREFIX = "whsec_"
LEAST, MOST = 24, 64
"""Bytes of a secret, by the specification."""


def new_secret() -> str:
    """`whsec_` and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(random_bytes.token_bytes(32)).decode()


def check_secret(secret: str, *, param: str = "secret") -> None:
    """Raises `InvalidParameter` unless it is `whsec_` and the base64 of 24 to 64 bytes."""
    if _key(secret) is None:
        raise InvalidParameter(
            f"a secret is {PREFIX!r} and the base64 of {LEAST} to {MOST} bytes", param=param
        )


def sign(secrets: Sequence[str], id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each secret, the newest first.

    `timestamp` in whole Unix seconds, as in `webhook-timestamp`. Raises `InvalidParameter`.
    """
    signed = b"%s.%d.%s" % (id.encode(), timestamp, body)
    return " ".join(f"v1,{_mac(secret, signed)}" for secret in secrets)


def _mac(secret: str, signed: bytes) -> str:
    key = _key(secret)
    if key is None:
        raise InvalidParameter("not a webhook secret", param="secret")
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes | None:
    if not secret.startswith(PREFIX):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error):
        return None
    return key if LEAST <= len(key) <= MOST else None
