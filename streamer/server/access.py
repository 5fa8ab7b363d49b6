"""Who may ask: the one allow-list of origins and the rule of when a key is due. No sockets here."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from streamer.config import Settings
from streamer.errors import InternalError, InvalidParameter, OriginNotAllowed, Unauthenticated
from streamer.server.auth import ANONYMOUS, Key, KeyStore

log = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host_of(authority: str) -> str:
    try:
        return urlsplit("//" + authority).hostname or ""
    except ValueError:
        return ""


class Access:
    """The rule of who may ask this server, from its settings and its keys."""

    def __init__(self, settings: Settings, keys: KeyStore) -> None:
        self.keys = keys
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.origins)
        self._local = is_loopback(settings.host)

    @property
    def keyed(self) -> bool:
        """Whether a key is due. Also when all of them are revoked: that must not open the server."""
        return bool(self._all())

    def check_origin(self, headers: Mapping[str, str], scheme: str) -> str | None:
        """The page's origin, None if it isn't a page that asks. Raises `OriginNotAllowed`.

        `headers` in lower case; `scheme` as the client sees it (http or https).
        """
        origin = headers.get("origin")
        host = headers.get("host", "")
        if self._local and not self.keyed and not is_loopback(_host_of(host)):
            # A page whose name was made to resolve to 127.0.0.1 gets its own name as our Host.
            raise OriginNotAllowed("without keys this server answers to loopback names only")
        if origin is None:
            return None
        if origin.lower() in self._origins:
            return origin
        own = f"{scheme}://{host}".lower()
        if origin.lower() == own:
            return origin
        if self._local and self._is_local_page(origin):
            return origin
        raise OriginNotAllowed(f"origin {origin[:200]!r} is not allowed", param="origin")

    def check_key(self, secret: str | None) -> Key:
        """Whose key it is; `ANONYMOUS` where there are no keys. Raises `Unauthenticated`,
        `KeyRevoked`."""
        if not self.keyed:
            return ANONYMOUS
        if not secret:
            raise Unauthenticated("a key is needed: Authorization: Bearer, or X-API-Key")
        return self.keys.find(secret)

    def live(self, id: str) -> bool:
        """Whether the key of that id is still valid; "" is none and always is while there are none."""
        return any(key.id == id and key.revoked is None for key in self._all()) or (
            not id and not self.keyed
        )

    def _all(self) -> tuple[Key, ...]:
        try:
            return self.keys.list()
        except InvalidParameter as error:
            # Which file, and what is wrong in it, is the operator's business alone.
            log.error("keys not readable", extra={"error": error.message})
            raise InternalError("keys can't be checked") from None

    @staticmethod
    def _is_local_page(origin: str) -> bool:
        try:
            parts = urlsplit(origin)
            return parts.scheme in ("http", "https") and is_loopback(parts.hostname or "")
        except ValueError:
            return False
