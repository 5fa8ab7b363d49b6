"""A context of one client that has begun, and how it ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from streamer.server.meter import Charge
from streamer.server.ring import Ring
from streamer.server.speaking import Speaking
from streamer.types import Done, Event, Failed, Interrupted


@dataclass(eq=False, slots=True)
class Live:
    """A context that has begun. `ring`: of a connection that can be resumed. `told`: something of it has
    been sent, or it is over. `over`: it has ended, or is being ended."""

    context: str
    session: Speaking
    charge: Charge
    ring: Ring | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    @property
    def received(self) -> int:
        """Code points of its input so far."""
        return self.session.received


def outcome_of(event: Event) -> str | None:
    """How a context ends by this event; None if it goes on."""
    match event:
        case Done(reason=reason):
            return reason
        case Interrupted():
            return "interrupted"
        case Failed():
            return "failed"
    return None
