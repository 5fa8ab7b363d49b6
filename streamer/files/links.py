"""URLs that open one file without a key, until a time: signed, so that nothing in them can be altered."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re

from streamer.errors import Unauthenticated
from streamer.files.rows import ID

_EXPIRES = re.compile(r"[1-9][0-9]{0,11}")


def sign(secret: bytes, id: str, until: float) -> str:
    """The query of such a URL: `expires=…&signature=…`, in whole seconds: not before `until`."""
    expires = str(max(1, math.ceil(until)))
    return f"expires={expires}&signature={_signature(secret, id, expires)}"


def check(secret: bytes, id: str, expires: str, signature: str) -> int:
    """When it expires. Raises `Unauthenticated` where a letter of it is not ours."""
    if ID.fullmatch(id) and _EXPIRES.fullmatch(expires):
        ours = _signature(secret, id, expires).encode()
        if hmac.compare_digest(ours, signature.encode("utf-8", "replace")):
            return int(expires)
    raise Unauthenticated("not a valid signature", param="signature")


def _signature(secret: bytes, id: str, expires: str) -> str:
    if not secret:
        raise RuntimeError("not started: no secret yet")
    content = f"streamer.file.1\n{id}\n{expires}".encode()
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
