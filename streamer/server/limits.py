"""Bounds on what one key may use at once and per minute. Pure: the clock is passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streamer.config import Settings
from streamer.errors import ConnectionLimit, ContextLimit, RateLimited, TextLimit

RETRY_S = 5
"""When to come back who found no place."""

Clock = Callable[[], float]
"""Seconds, from any origin, never backwards."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """A key's own limits; None leaves the server's setting. `budget` is in the unit of
    `price_per_1000`, over the life of the key."""

    contexts: int | None = None
    connections: int | None = None
    requests_per_minute: int | None = None
    chars_per_minute: int | None = None
    budget: float | None = None


NO_LIMITS = KeyLimits()
"""The server's settings alone."""


class Bucket:
    """A token bucket that holds one minute's worth and fills steadily."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._at = clock()

    def take(self, amount: int, what: str) -> None:
        """Take so much, or raise `RateLimited` and take nothing; `TextLimit` for more than a whole
        minute's worth, which no waiting would let through."""
        if amount > self.per_minute:
            raise TextLimit(
                f"more than {self.per_minute} {what} at once", param="text", limit=self.per_minute
            )
        now = self._clock()
        filled = self._level + (now - self._at) * self.per_minute / 60
        self._level, self._at = min(float(self.per_minute), filled), now
        if amount > self._level:
            wait = (amount - self._level) * 60 / self.per_minute
            raise RateLimited(
                f"more than {self.per_minute} {what} in a minute",
                retry_after_s=round(max(wait, 0.001), 3),
                limit=self.per_minute,
            )
        self._level -= amount


class Slot:
    """A place that was taken; `release` gives it back, once however often it is called."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        if self._release is not None:
            release, self._release = self._release, None
            release()


@dataclass(slots=True)
class _Use:
    """What one key uses now."""

    requests: Bucket
    characters: Bucket
    contexts: int = 0
    connections: int = 0
    listeners: int = 0


class Limits:
    """What is in use, by the server and by each key. Without keys only the server's bounds hold: who
    may reach it then is the operator."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._uses: dict[str, _Use] = {}
        self.connections = 0
        self.listeners = 0

    def resolved(self, own: KeyLimits) -> KeyLimits:
        """A key's limits with the server's settings filled in."""
        settings = self._settings

        def pick(value: int | None, default: int) -> int:
            return default if value is None else value

        return KeyLimits(
            pick(own.contexts, settings.key_contexts),
            pick(own.connections, settings.key_connections),
            pick(own.requests_per_minute, settings.key_requests_per_minute),
            pick(own.chars_per_minute, settings.key_chars_per_minute),
            own.budget,
        )

    def connect(self, key: str, own: KeyLimits) -> Slot:
        """A place for one more connection. Raises `ConnectionLimit`. `key` "" is no key."""
        use = self._use(key, own)
        _check_room(self.connections, self._settings.max_connections, "connections are open")
        if key:
            bound = self.resolved(own).connections
            _check_room(use.connections, bound, "connections of this key are open")
        self.connections += 1
        use.connections += 1

        def release() -> None:
            self.connections -= 1
            use.connections -= 1

        return Slot(release)

    def listen(self, key: str, own: KeyLimits) -> Slot:
        """A place for one more connection that only listens: none of those of `connect`. Raises
        `ConnectionLimit`."""
        use = self._use(key, own)
        _check_room(self.listeners, self._settings.max_listeners, "listen")
        if key:
            _check_room(
                use.listeners, self._settings.key_listeners, "listen to this key's channels"
            )
        self.listeners += 1
        use.listeners += 1

        def release() -> None:
            self.listeners -= 1
            use.listeners -= 1

        return Slot(release)

    def request(self, key: str, own: KeyLimits) -> None:
        """One more request. Raises `RateLimited`."""
        if key:
            self._use(key, own).requests.take(1, "requests")

    def start(self, key: str, own: KeyLimits, *, counted: bool = False) -> Slot:
        """A place for one more context, which is a request too, unless that was `counted` already.
        Raises `ContextLimit` or `RateLimited`."""
        use = self._use(key, own)
        bound = self.resolved(own).contexts
        if key and bound is not None and use.contexts >= bound:
            raise ContextLimit(
                f"{bound} contexts of this key are live", limit=bound, retry_after_s=RETRY_S
            )
        if not counted:
            self.request(key, own)
        use.contexts += 1

        def release() -> None:
            use.contexts -= 1

        return Slot(release)

    def characters(self, key: str, own: KeyLimits, count: int) -> None:
        """So many characters come in. Raises `RateLimited`."""
        if key:
            self._use(key, own).characters.take(count, "characters")

    def told(self, own: KeyLimits, *, keyed: bool) -> Mapping[str, int | float]:
        """The bounds as `ready` tells them."""
        settings = self._settings
        bounds: dict[str, int | float] = {
            "max_message_bytes": settings.max_message_bytes,
            "max_pending_chars": settings.max_pending_chars,
            "max_contexts": settings.max_contexts,
            "idle_s": settings.idle_s,
            "connection_idle_s": settings.connection_idle_s,
        }
        if keyed:
            limits = self.resolved(own)
            for name in ("contexts", "connections", "requests_per_minute", "chars_per_minute"):
                bounds[f"key_{name}"] = getattr(limits, name)
            bounds["key_listeners"] = settings.key_listeners
            if limits.budget is not None:
                bounds["key_budget"] = limits.budget
        return bounds

    def _use(self, key: str, own: KeyLimits) -> _Use:
        limits = self.resolved(own)
        assert limits.requests_per_minute is not None
        assert limits.chars_per_minute is not None
        use = self._uses.get(key)
        if use is None:
            use = self._uses[key] = _Use(
                Bucket(limits.requests_per_minute, self._clock),
                Bucket(limits.chars_per_minute, self._clock),
            )
        # A key's limits may be changed in the file while it is in use.
        use.requests.per_minute = limits.requests_per_minute
        use.characters.per_minute = limits.chars_per_minute
        return use


def _check_room(taken: int, bound: int | None, what: str) -> None:
    """Raises `ConnectionLimit` where that many are taken."""
    if bound is not None and taken >= bound:
        raise ConnectionLimit(f"{bound} {what}", limit=bound, retry_after_s=RETRY_S)
