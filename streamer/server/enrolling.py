"""Voices made for clients, whichever way they ask: in turns, charged, ended when the client goes."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

import msgspec

from streamer.errors import StreamerError
from streamer.prices import Choice, Prices
from streamer.resources import OwnVoice, VoiceKind
from streamer.server.meter import Meter
from streamer.server.places import Places
from streamer.types import Description, Reference
from streamer.voices import Enroller, VoiceStore, Wish
from streamer.voices.store import InUse

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
    """Of one server."""

    def __init__(self, enroller: Enroller, store: VoiceStore, in_use: InUse, price: float) -> None:
        self._enroller = enroller
        self._store = store
        self._in_use = in_use
        self._prices = Prices(price)
        self._places = Places(AT_ONCE, OF_KEY, WAIT_S, what="voices being made")

    async def make(
        self,
        meter: Meter,
        source: Reference | Description,
        wish: Wish,
        *,
        charged: bool = True,
    ) -> OwnVoice:
        """A new voice of the meter's key. Cancelled, it leaves nothing. Raises as `Enroller.make`, and
        what limits have against it. `charged`: a preview costs what other speech does."""
        kind: VoiceKind = "clone" if isinstance(source, Reference) else "design"
        engine = self._enroller.engine_for(kind, wish.model)
        spoken = source.preview_text if charged and isinstance(source, Description) else ""
        cost = self._prices.at_most(Choice(engine.capabilities)) * len(spoken) / 1000
        async with self._places.place(meter.key.id):
            charge = meter.start(kind, counted=True)
            made, outcome = None, "gone"
            try:
                charge.take(len(spoken), cost)
                voice = await self._enroller.make(meter.key.id, source, wish)
                made, outcome = _Made(len(spoken), cost), "end"
                return voice
            except StreamerError:
                outcome = "failed"
                raise
            finally:
                charge.close(made, outcome)

    async def passing(self, meter: Meter, source: Reference | Description) -> OwnVoice:
        """A voice for a task that brings with it what it is made of, and which pays for it: the same one
        for the same source, as long as it is asked for. Raises as `make`."""
        key, digest = meter.key.id, await asyncio.to_thread(_digest, source)
        # Begins with a blank, as no idempotency key of a client does.
        wish = Wish(passing=True, idempotency_key=" " + digest, fingerprint=digest)

        async def make() -> OwnVoice:
            await self._store.make_room(key, self._in_use)
            return await self.make(meter, source, wish, charged=False)

        voice, _ = await self._enroller.once(key, wish, make)
        return voice


def _digest(source: Reference | Description) -> str:
    """What the source is, as a name."""
    if isinstance(source, Reference):
        said = msgspec.msgpack.encode(("clone", source.sample_rate, source.transcript))
        return hashlib.sha256(said + source.samples.tobytes()).hexdigest()
    return hashlib.sha256(msgspec.msgpack.encode(("design", source))).hexdigest()
