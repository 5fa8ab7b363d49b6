"""Connections whose clients may come back over another socket: how they are found, for how long."""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from streamer.server.auth import Key
from streamer.server.limits import Slot
from streamer.server.metrics import Counters
from streamer.types import Resume

LENT_S = 10.0
"""How long a socket above the limits may take to say whose place it has."""


class Returning(Protocol):
    """A connection that may be waited for."""

    @property
    def key(self) -> Key:
        """The key or token it came with. Where that only listens, its place is one of listeners."""
        ...

    def give_up(self) -> bool:
        """End, if it is waited for; whether it was."""
        ...


C = TypeVar("C", bound=Returning)


@dataclass(frozen=True, slots=True)
class _Session(Generic[C]):
    token: bytes
    connection: C


class Resuming(Generic[C]):
    """The sessions of one server whose clients hold a token, with a socket or without."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._sessions: dict[str, _Session[C]] = {}
        self._lent: Counter[tuple[str, bool]] = Counter()

    def enter(self, session: str, token: str, connection: C) -> None:
        """The client has been told how to come back."""
        self._sessions[session] = _Session(token.encode(), connection)

    def leave(self, session: str) -> None:
        """It has ended. Nothing happens if it was never here."""
        self._sessions.pop(session, None)

    def find(self, resume: Resume, by: C) -> C | None:
        """The connection that goes on, if it is here, and the token and the key are its own. One whose place
        is a listener's goes on for a listener alone."""
        found = self._sessions.get(resume.session)
        if found is None:
            self._counters.resumes["lost"] += 1
            return None
        known = hmac.compare_digest(found.token, resume.token.encode())
        if not known or _kind(found.connection.key) != _kind(by.key):
            self._counters.resumes["denied"] += 1
            return None
        self._counters.resumes["resumed"] += 1
        return found.connection

    def lend(self, key: Key) -> Slot | None:
        """The place of a session of this key, for a socket that comes to take it over and finds no place of
        its own; one for each."""
        kind = _kind(key)
        held = sum(_kind(session.connection.key) == kind for session in self._sessions.values())
        if self._lent[kind] >= held:
            return None
        self._lent[kind] += 1

        def release() -> None:
            self._lent[kind] -= 1
            if not self._lent[kind]:
                del self._lent[kind]

        return Slot(release)

    def give_up(self) -> None:
        """End all that are waited for."""
        for session in list(self._sessions.values()):
            session.connection.give_up()


def _kind(key: Key) -> tuple[str, bool]:
    return key.id, key.only_listens


class Waiting:
    """One connection is without a socket and is waited for: for `seconds`, then it is given up."""

    def __init__(
        self, seconds: float, counters: Counters, give_up: Callable[[str], object]
    ) -> None:
        self._seconds = seconds
        self._counters = counters
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        return self._timer is not None

    def begin(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._seconds, self._give_up, "expired")
            self._counters.detached += 1

    def end(self, outcome: str = "") -> None:
        """It is waited for no more, with this outcome if nobody came."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._counters.detached -= 1
            if outcome:
                self._counters.resumes[outcome] += 1
