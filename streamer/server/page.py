"""The page that speaks: allowed to run its own script, to show its own style, to reach only us."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from streamer.server.meter import Meter


class Page:
    """The page and the headers that bind it."""

    def __init__(self) -> None:
        self._html = files("streamer.server").joinpath("static/index.html").read_text("utf-8")
        policy = {
            "default-src": "'none'",
            "connect-src": "'self'",
            "img-src": "data:",
            "script-src": _hash_of(self._html, "script"),
            "style-src": _hash_of(self._html, "style"),
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        self._headers = {
            "content-security-policy": "; ".join(f"{n} {v}" for n, v in policy.items()),
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "cache-control": "no-cache",
        }

    async def show(self, request: Request, meter: Meter) -> Response:
        return Response(self._html, headers=self._headers, media_type="text/html")


def _hash_of(html: str, tag: str) -> str:
    """The CSP source of the one inline element of that name."""
    found = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert found is not None, tag
    digest = hashlib.sha256(found[1].encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
