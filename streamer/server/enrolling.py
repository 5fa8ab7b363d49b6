"""Voices made for clients, whichever way they ask: in turns, charged, ended when the client goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamer.errors import StreamerError
from streamer.prices import Choice, Prices
from streamer.resources import OwnVoice, VoiceKind
from streamer.server.meter import Meter
from streamer.server.places import Places
from streamer.server.service import Service
from streamer.types import Description, Reference
from streamer.voices import Wish
from streamer.voices.files import new_id

AT_ONCE = 2
"""Voices that are made at once: engines have listeners to serve."""
OF_KEY = 1
WAIT_S = 60.0
"""How long a turn is waited for."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What is booked: a designed voice has spoken its preview."""

    characters: int
    cost: float
    seconds: float = 0.0
    underruns: int = 0


class Enrolling:
    """Of one service."""

    def __init__(self, service: Service) -> None:
        self._enroller = service.enroller
        self._prices = Prices(service.settings.price_per_1000)
        self._places = Places(AT_ONCE, OF_KEY, WAIT_S, what="voices being made")

    async def make(
        self,
        meter: Meter,
        source: Reference | Description,
        wish: Wish,
        new_id: Callable[[], str] = new_id,
    ) -> OwnVoice:
        """A new voice of the meter's key. Cancelled, it leaves nothing. Raises as `Enroller.make`, and
        what limits have against it."""
        kind: VoiceKind = "clone" if isinstance(source, Reference) else "design"
        characters = len(source.preview_text) if isinstance(source, Description) else 0
        engine = self._enroller.engine_for(kind, wish.model)
        cost = self._prices.at_most(Choice(engine.capabilities)) * characters / 1000
        charge = meter.start(kind, counted=True)
        made, outcome = None, "gone"
        try:
            charge.take(characters, cost)
            async with self._places.place(meter.key.id):
                voice = await self._enroller.make(meter.key.id, source, wish, new_id)
            made, outcome = _Made(characters, cost), "end"
            return voice
        except StreamerError:
            outcome = "failed"
            raise
        finally:
            charge.close(made, outcome)
