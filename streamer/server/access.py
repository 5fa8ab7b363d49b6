"""Who may ask: the one allow-list of origins and the rule of when a key is due. No sockets here."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from streamer.config import Settings
from streamer.errors import (
    InternalError,
    InvalidParameter,
    KeyRevoked,
    OriginNotAllowed,
    ScopeMissing,
    Unauthenticated,
)
from streamer.server.auth import ANONYMOUS, Key, KeyStore
from streamer.server.tokens import Grant, Tokens, is_token

log = logging.getLogger(__name__)

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,31})://"
    r"(?P<host>[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]{2,45}\])(:(?P<port>[1-9][0-9]{0,4}))?"
)
_IMPLIED = {"http": "80", "https": "443"}


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_origin_form(text: str) -> str:
    """An origin as browsers send it (RFC 6454, 6.2), in lower case. Raises `InvalidParameter`."""
    origin = text.lower()
    found = _ORIGIN.fullmatch(origin)
    if found is None or not text.isascii() or len(text) > 300 or int(found["port"] or 1) > 65535:
        raise InvalidParameter(
            "an origin is scheme://host or scheme://host:port and nothing behind it", param="origin"
        )
    if found["port"] is not None and _IMPLIED.get(found["scheme"]) == found["port"]:
        raise InvalidParameter(f"browsers leave out the port {found['port']}", param="origin")
    return origin


def _host_of(authority: str) -> str:
    try:
        return urlsplit("//" + authority).hostname or ""
    except ValueError:
        return ""


class Access:
    """The rule of who may ask this server, from its settings, its keys and their tokens."""

    def __init__(self, settings: Settings, keys: KeyStore, tokens: Tokens) -> None:
        self.keys = keys
        self._tokens = tokens
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
        own = f"{scheme}://{host}".lower()
        if origin is None:
            # Browsers leave it out where a page only reads from its own server.
            return own if headers.get("sec-fetch-site") == "same-origin" else None
        if origin.lower() in self._origins:
            return origin
        if origin.lower() == own:
            return origin
        if self._local and self._is_local_page(origin):
            return origin
        raise OriginNotAllowed(f"origin {origin[:200]!r} is not allowed", param="origin")

    def check_key(self, secret: str | None, origin: str | None) -> Key:
        """Whose key or token it is; `ANONYMOUS` where there are no keys. `origin` as `check_origin` has
        it.

        Raises `Unauthenticated`, `KeyRevoked`; of tokens also `TokenExpired`, `OriginNotAllowed`.
        """
        if secret and is_token(secret):
            return self._lent(self._tokens.read(secret), origin)
        if not self.keyed:
            return ANONYMOUS
        if not secret:
            raise Unauthenticated("a key is needed: Authorization: Bearer, or X-API-Key")
        return self.keys.find(secret)

    def check_listener(self, token: str, origin: str | None) -> Key:
        """Whose token it is that came in a URL, where others than its owner may see it: one to listen, and
        for nothing else. Raises as `check_key`, and `ScopeMissing`."""
        if not is_token(token):
            raise Unauthenticated("a URL takes tokens only, never a key")
        grant = self._tokens.read(token)
        if {*grant.scopes} != {"listen"}:
            raise ScopeMissing(
                "a token in a URL has to have the scope 'listen' alone", param="token"
            )
        return self._lent(grant, origin)

    def live(self, key: Key) -> bool:
        """Whether this key or token is not revoked, nor its secret replaced since; `ANONYMOUS` is valid
        while there are no keys."""
        return any(
            now.id == key.id and now.revoked is None and now.rotations == key.rotations
            for now in self._all()
        ) or (not key.id and not self.keyed)

    def revoked(self) -> set[str]:
        """Ids of the keys that were valid and are no more."""
        return {key.id for key in self._all() if key.revoked is not None}

    def _lent(self, grant: Grant, origin: str | None) -> Key:
        return self._tokens.lend(self._lender(grant), grant, origin)

    def _lender(self, grant: Grant) -> Key:
        """The key that a token was made with. Raises `Unauthenticated`, `KeyRevoked`."""
        if not grant.key and not self.keyed:
            return ANONYMOUS
        for key in self._all():
            if key.id == grant.key:
                if key.revoked is not None:
                    raise KeyRevoked("the key of this token has been revoked")
                if key.rotations != grant.rotations:
                    raise KeyRevoked("the secret of this token's key has been replaced")
                return key
        raise Unauthenticated("the key of this token is none any more")

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
