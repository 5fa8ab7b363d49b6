"""The page and the browser's client: files that come with the package, read once, at fixed addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from streamer.server.links import AUTHORITY
from streamer.server.meter import Meter

STATIC = Path(__file__).parent / "static"
CHECKOUT = Path(__file__).parents[2] / "clients" / "js" / "src"
"""Where the client's sources are; a wheel has them as `static/client`."""
CLIENT = "/client/"
PAGE = "/"

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""By ending; other files have no address."""
INDEX = "index.html"

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "worker-src": "'self'",
    "img-src": "'self' data:",
    "media-src": "'self' blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
_ALWAYS = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}
_OF_CLIENT = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
_OF_PAGE = {"cross-origin-resource-policy": "same-origin", "referrer-policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is answered. `bound`: by the page's policy, which names who asks."""

    body: bytes
    content_type: str
    headers: Mapping[str, str]
    bound: bool = False

    @property
    def etag(self) -> str:
        return self.headers["etag"]

    async def show(self, request: Request, meter: Meter) -> Response:
        """The file, or that it is what the client has."""
        headers = dict(self.headers)
        if self.bound:
            headers["content-security-policy"] = _policy(request.headers.get("host", ""))
        if _has(request.headers.getlist("if-none-match"), self.etag):
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers | {"content-type": self.content_type})


def assets(*, static: Path = STATIC, checkout: Path = CHECKOUT) -> dict[str, Asset]:
    """By address: what a client can ask for, and nothing else."""
    found = dict(_under(static, PAGE))
    if not (static / "client").is_dir():
        found |= _under(checkout, CLIENT)
    found[PAGE] = found.pop(PAGE + INDEX)
    return found


def _under(directory: Path, prefix: str) -> Iterator[tuple[str, Asset]]:
    for path in sorted(directory.rglob("*")):
        if path.suffix in TYPES and path.is_file():
            address = prefix + path.relative_to(directory).as_posix()
            own = _OF_CLIENT if address.startswith(CLIENT) else _OF_PAGE
            body = path.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            headers = {**_ALWAYS, **own, "etag": etag}
            yield address, Asset(body, TYPES[path.suffix], headers, path.suffix == ".html")


def _has(lines: list[str], etag: str) -> bool:
    """Whether If-None-Match names it (RFC 9110, 13.1.2: compared weakly)."""
    named = [one.strip().removeprefix("W/") for line in lines for one in line.split(",")]
    return etag in named or "*" in named


def _policy(host: str) -> str:
    """`'self'` is no WebSocket in Safari before 15.4, so they are named."""
    sockets = f" ws://{host} wss://{host}" if AUTHORITY.fullmatch(host) else ""
    policy = {**_POLICY, "connect-src": "'self'" + sockets}
    return "; ".join(f"{name} {value}" for name, value in policy.items())
