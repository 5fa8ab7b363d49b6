"""Tokens: short-lived words for what a key may do, or for less of it, signed and kept nowhere.

A token says whose key it stands for, until when, for what, for which page, which voices and which channels;
whoever has it can read that. It is checked against a secret in the database, so that it outlives a restart.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Callable
from typing import ClassVar

import msgspec

from streamer.database import Database
from streamer.errors import OriginNotAllowed, ScopeMissing, TokenExpired, Unauthenticated
from streamer.server.auth import Key

PREFIX = "st-streamer-"
"""Lets secret scanners, people and this server recognise a token."""


class Grant(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a token says. `expires_ms` since 1970, UTC; `origin`, `voices` (ids) and `channels` None: any."""

    key: str
    expires_ms: int
    scopes: tuple[str, ...]
    origin: str | None = None
    voices: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    rotations: int = 0
    """Of the key, when its secret asked for the token."""


class Lent(Key, frozen=True, kw_only=True):
    """A key as a token lends it."""

    KIND: ClassVar[str] = "token"
    only: frozenset[str] | None
    tuned: frozenset[str] | None
    """Channels that it is for, where not for all."""
    expires: float
    clock: Callable[[], float]

    @property
    def voices(self) -> frozenset[str] | None:
        return self.only

    def check_time(self) -> None:
        """Raise `TokenExpired` if the token's time is up."""
        if self.clock() >= self.expires:
            raise _expired()

    def allow_voice(self, id: str) -> None:
        """Raise `ScopeMissing` if the token is not for this voice."""
        if self.only is not None and id not in self.only:
            raise ScopeMissing(f"this token is not for voice {id!r}", param="voice")

    def allow_channel(self, name: str) -> None:
        """Raise `ScopeMissing` if the token is not for this channel."""
        if self.tuned is not None and name not in self.tuned:
            raise ScopeMissing(f"this token is not for channel {name!r}", param="channel")


_GRANT = msgspec.json.Decoder(Grant)


def sign(secret: bytes, grant: Grant) -> str:
    """The token that says this."""
    said = _text(msgspec.json.encode(grant))
    return f"{PREFIX}{said}.{_signature(secret, said)}"


def read(secret: bytes, token: str) -> Grant:
    """What a token says. Raises `Unauthenticated` for what was not signed with this secret."""
    said, _, signature = token.removeprefix(PREFIX).partition(".")
    # Texts are compared, not what they decode to: other texts could stand for the same bytes.
    ours = PREFIX + said + "." + _signature(secret, said)
    if not hmac.compare_digest(_bytes(ours), _bytes(token)) or not signature:
        raise Unauthenticated("not a valid token")
    try:
        return _GRANT.decode(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))
    except (ValueError, msgspec.DecodeError):  # signed by another release of this server
        raise Unauthenticated("not a token of this version") from None


def is_token(secret: str) -> bool:
    """Whether it is meant to be one."""
    return secret.startswith(PREFIX)


class Tokens:
    """Makes and reads the tokens of one data directory. `start` before it is asked.

    `clock`: Unix time, since a token's end is told to clients and outlives this process, and such a one
    that no correction of the system's clock cuts short or draws out.
    """

    SCHEMA = """
CREATE TABLE IF NOT EXISTS token_secret (one INTEGER PRIMARY KEY CHECK (one = 1), secret BLOB NOT NULL);
"""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._secret = b""

    async def start(self) -> None:
        """Load the secret, made at the first start. Raises `StorageUnavailable` or `StorageFull`."""
        self._secret = await self._database.write(_kept_secret)

    def make(
        self,
        key: Key,
        ttl_s: float,
        scopes: tuple[str, ...],
        origin: str | None = None,
        voices: tuple[str, ...] | None = None,
        channels: tuple[str, ...] | None = None,
    ) -> tuple[str, float]:
        """A token of this key, and when it expires (Unix time)."""
        expires_ms = round((self._clock() + ttl_s) * 1000)
        grant = Grant(
            key=key.id,
            expires_ms=expires_ms,
            scopes=scopes,
            origin=origin,
            voices=voices,
            channels=channels,
            rotations=key.rotations,
        )
        return sign(self._ready(), grant), expires_ms / 1000

    def read(self, token: str) -> Grant:
        """What it says. Raises `Unauthenticated`, or `TokenExpired`."""
        grant = read(self._ready(), token)
        if self._clock() >= grant.expires_ms / 1000:
            raise _expired()
        return grant

    def lend(self, key: Key, grant: Grant, origin: str | None) -> Lent:
        """The key, as far as the token goes that came with this origin. Raises `OriginNotAllowed`."""
        if grant.origin is not None and grant.origin != (origin or "").lower():
            raise OriginNotAllowed("this token is for pages of another origin", param="origin")
        return Lent(
            id=key.id,
            name=key.name,
            sha256="",
            limits=key.limits,
            scopes=tuple(scope for scope in grant.scopes if scope in key.scopes),
            created=key.created,
            rotations=key.rotations,
            only=None if grant.voices is None else frozenset(grant.voices),
            tuned=None if grant.channels is None else frozenset(grant.channels),
            expires=grant.expires_ms / 1000,
            clock=self._clock,
        )

    def _ready(self) -> bytes:
        if not self._secret:
            raise RuntimeError("not started: no secret yet")
        return self._secret


def _expired() -> TokenExpired:
    return TokenExpired("this token has expired: ask for another")


def _signature(secret: bytes, said: str) -> str:
    return _text(hmac.new(secret, _bytes(PREFIX + said), hashlib.sha256).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _kept_secret(connection: sqlite3.Connection) -> bytes:
    query = "INSERT OR IGNORE INTO token_secret VALUES (1, ?)"
    connection.execute(query, (secrets.token_bytes(32),))
    (kept,) = connection.execute("SELECT secret FROM token_secret").fetchone()
    return bytes(kept)
