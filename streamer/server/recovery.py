"""What becomes of each context when its client comes back, by what the client says that it has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from streamer.server.ring import Ended, Ring
from streamer.types import Recovered


class Held(Protocol):
    """A context that is live."""

    @property
    def ring(self) -> Ring | None: ...

    @property
    def received(self) -> int:
        """Code points of its input so far."""
        ...


@dataclass(slots=True)
class Recovery:
    """`states` are for the client; `missed` are rings and from which sequence number on; `lost` are live
    contexts that can't be recovered, by name."""

    states: dict[str, Recovered] = field(default_factory=dict)
    missed: list[tuple[Ring, int]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def recover(
    received: Mapping[str, int], lives: Mapping[str, Held], ended: Mapping[str, Ended]
) -> Recovery:
    """All that the client names, and all that it does not and that is here from its beginning on."""
    recovery = Recovery()
    for name in dict.fromkeys([*received, *lives, *ended]):
        first = received[name] + 1 if name in received else 0
        meant = _meant(lives.get(name), ended.get(name), known=first > 0)
        ring = None if meant is None else meant.ring
        if meant is not None and ring is not None and ring.covers(first):
            recovery.states[name] = Recovered(True, meant.received)
            recovery.missed.append((ring, first))
            continue
        if meant is not None and meant is lives.get(name):
            recovery.lost.append(name)
        elif not first:
            continue  # it has ended, and said so much that its beginning is gone: the client knows
        recovery.states[name] = Recovered(False)
    return recovery


def _meant(live: Held | None, old: Ended | None, *, known: bool) -> Held | Ended | None:
    """Which context of a name the client means: the newest, but for one that has said nothing yet where
    messages are `known` to it."""
    silent = live is not None and live.ring is not None and not live.ring.next
    return old if live is None or (known and silent and old is not None) else live
