"""Keys: a file of hashes and limits that the command line writes and the server reads live.

Only SHA-256 of a key is kept: keys are 32 random bytes, so a slow hash would protect nothing more.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import msgspec

from streamer.errors import (
    InvalidParameter,
    KeyRevoked,
    NotFound,
    ScopeMissing,
    Unauthenticated,
)
from streamer.server.directory import make_directory, private
from streamer.server.limits import NO_LIMITS, KeyLimits

PREFIX = "sk-streamer-"
"""Lets secret scanners and people recognise a key."""
SCOPES = ("speak", "publish", "listen", "manage", "usage", "tokens", "metrics")
"""What a key may be for: speech; speech on its channels; listening to these; its own voices, jobs, files and
webhooks; its own usage; tokens of it; the server's metrics."""
DEFAULT_SCOPES = ("speak", "publish", "listen", "manage", "usage", "tokens")
GENERATION = 2
"""In the first there were no `manage` and `tokens`, and `speak` stood for what they are now."""


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key: all but the key itself. Times are ISO 8601, UTC."""

    id: str
    name: str
    sha256: str
    limits: KeyLimits = NO_LIMITS
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    created: str = ""
    revoked: str | None = None
    generation: int = 1
    """Of the scopes."""
    rotations: int = 0
    """How often its secret has been replaced: what an earlier one has opened or lent is good no more."""

    KIND: ClassVar[str] = "key"

    @property
    def voices(self) -> frozenset[str] | None:
        """Ids of those that it may speak with, where it may not with all."""
        return None

    @property
    def only_listens(self) -> bool:
        """Whether it is for listening to channels, and for nothing else."""
        return {*self.scopes} == {"listen"}

    def allow(self, *scopes: str) -> None:
        """Raise `ScopeMissing` if it is for none of these."""
        if not any(scope in self.scopes for scope in scopes):
            names = " or ".join(map(repr, scopes))
            raise ScopeMissing(f"this {self.KIND} has no scope {names}", param="scope")

    def allow_voice(self, id: str) -> None:
        """Raise `ScopeMissing` if it is not for this voice."""

    def allow_channel(self, name: str) -> None:
        """Raise `ScopeMissing` if it is not for this channel."""

    def allow_speaking(self, channel: str | None) -> None:
        """On this channel, or on none. Raises `ScopeMissing`."""
        if channel is None:
            self.allow("speak")
        else:
            self.allow("publish")
            self.allow_channel(channel)

    def allow_listening(self, channel: str) -> None:
        """Raises `ScopeMissing`."""
        self.allow("listen")
        self.allow_channel(channel)

    def check_time(self) -> None:
        """Raise `TokenExpired` if its time is up; a key's never is."""


_KEYS = msgspec.json.Decoder(tuple[Key, ...])

ANONYMOUS = Key(id="", name="", sha256="", scopes=SCOPES)
"""Who asks a server that has no keys."""


def _secret() -> str:
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode("ascii")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class KeyStore:
    """`keys.json` in a directory. Reading makes nothing; the first write makes the directory (0700)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "keys.json"
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[Key, ...] = ()

    def list(self) -> tuple[Key, ...]:
        """All keys, also revoked ones, as the file has them now.

        Raises `InvalidParameter` if the file can't be understood: a server that lost its keys must not
        open itself.
        """
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, ()
            return ()
        except OSError as error:
            raise InvalidParameter(f"{self._path}: {error.strerror}", param="data_dir") from None
        seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if seen != self._seen:
            try:
                keys = _KEYS.decode(self._path.read_bytes())
            except (OSError, msgspec.DecodeError) as error:
                raise InvalidParameter(f"{self._path}: {error}", param="data_dir") from None
            self._keys = tuple(map(_of_today, keys))
            self._seen = seen
        return self._keys

    def find(self, secret: str) -> Key:
        """The key a secret stands for. Raises `Unauthenticated` or `KeyRevoked`."""
        digest = _digest(secret)
        found: Key | None = None
        for key in self.list():  # all of them, so that the time taken tells nothing
            if hmac.compare_digest(key.sha256, digest):
                found = key
        if found is None:
            raise Unauthenticated("not a valid key")
        if found.revoked is not None:
            raise KeyRevoked("this key has been revoked")
        return found

    def new(
        self,
        name: str,
        limits: KeyLimits = NO_LIMITS,
        scopes: Sequence[str] = DEFAULT_SCOPES,
    ) -> str:
        """Make a key and return it: the only time it can be seen."""
        if not name:
            raise InvalidParameter("a key needs a name", param="name")
        if unknown := sorted(set(scopes) - set(SCOPES)):
            raise InvalidParameter(f"no scope {unknown[0]!r}; there are {SCOPES}", param="scopes")
        _check(limits)
        secret = _secret()
        with self._writing() as keys:
            taken = {key.id for key in keys}
            if any(key.name == name and key.revoked is None for key in keys):
                raise InvalidParameter(f"there is a key named {name!r}", param="name")
            id = next(id for id in _ids() if id not in taken)
            keys.append(
                Key(
                    id=id,
                    name=name,
                    sha256=_digest(secret),
                    limits=limits,
                    scopes=tuple(scopes),
                    created=_now(),
                    generation=GENERATION,
                )
            )
        return secret

    def get(self, which: str) -> Key:
        """The live key of that id or name. Raises `NotFound`."""
        return _named(which, self.list())

    def revoke(self, which: str) -> Key:
        """Revoke the live key of that id or name. Raises `NotFound`."""
        with self._writing() as keys:
            key = _named(which, keys)
            revoked: Key = msgspec.structs.replace(key, revoked=_now())
            keys[keys.index(key)] = revoked
        return revoked

    def rotate(self, which: str) -> str:
        """Give the live key of that id or name another secret, and return it: the only time it can be seen.

        The one that it had is good no more. Raises `NotFound`.
        """
        secret = _secret()
        with self._writing() as keys:
            key = _named(which, keys)
            keys[keys.index(key)] = msgspec.structs.replace(
                key, sha256=_digest(secret), rotations=key.rotations + 1
            )
        return secret

    @contextmanager
    def _writing(self) -> Iterator[MutableSequence[Key]]:
        """The keys, to be changed: read and replaced under a lock, so that no writer loses another's."""
        make_directory(self._directory)
        with open(self._directory / "keys.lock", "w", opener=private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._seen = None
            before = self.list()
            keys = [*before]
            yield keys
            if tuple(keys) != before:
                self._replace(keys)

    def _replace(self, keys: Sequence[Key]) -> None:
        temporary = self._path.with_suffix(".tmp")
        with open(temporary, "wb", opener=private) as file:
            file.write(msgspec.json.format(msgspec.json.encode(keys)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)
        self._seen = None


def _named(which: str, keys: Sequence[Key]) -> Key:
    for key in keys:
        if key.revoked is None and which in (key.id, key.name):
            return key
    raise NotFound(f"no live key {which!r}", param="key")


def _of_today(key: Key) -> Key:
    """A key made before there were `manage` and `tokens` may do what it could. Tokens, too: with one it
    gives away nothing but parts of what it has. What came later was new, so no key has it that was not
    made for it."""
    if key.generation >= GENERATION:
        return key
    scopes = key.scopes
    if "speak" in scopes:
        scopes += tuple(scope for scope in ("manage", "tokens") if scope not in scopes)
    upgraded: Key = msgspec.structs.replace(key, scopes=scopes, generation=GENERATION)
    return upgraded


def _check(limits: KeyLimits) -> None:
    for name in ("contexts", "connections", "requests_per_minute", "chars_per_minute"):
        value = getattr(limits, name)
        if value is not None and value < 1:
            raise InvalidParameter(f"{name} must be at least 1", param=name)
    if limits.budget is not None and not limits.budget >= 0:
        raise InvalidParameter("budget must be at least 0", param="budget")


def _ids() -> Iterator[str]:
    while True:
        yield "key_" + secrets.token_hex(4)
