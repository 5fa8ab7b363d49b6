"""Voices made for clients, whichever way they ask: in turns, charged, ended when the client goes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import msgspec

from streamer.errors import StreamerError
from streamer.prices import Choice, Prices
from streamer.resources import OwnVoice, VoiceKind
from streamer.server.meter import Meter
from streamer.server.places import Places
from streamer.tasks import settled
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


@dataclass(slots=True)
class _Asked:
    """For one passing voice: how many `tasks` are to be accepted, and what was `made` for them, None once
    one of them was."""

    tasks: int = 0
    made: OwnVoice | None = None


class Enrolling:
    """Of one server."""

    def __init__(self, enroller: Enroller, store: VoiceStore, in_use: InUse, price: float) -> None:
        self._enroller = enroller
        self._store = store
        self._in_use = in_use
        self._prices = Prices(price)
        self._places = Places(AT_ONCE, OF_KEY, WAIT_S, what="voices being made")
        self._asked: dict[tuple[str, str], _Asked] = {}
        """By key and by what the voice is made of."""

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

    @asynccontextmanager
    async def passing(
        self, meter: Meter, source: Reference | Description
    ) -> AsyncGenerator[OwnVoice]:
        """A voice for a task that brings with it what it is made of, and which pays for it: the same one
        for the same source, as long as it is asked for. Raises as `make`.

        The task is accepted within; where that fails, the voice goes again, if it was made for this task
        and no other has come for it.
        """
        key, digest = meter.key.id, await asyncio.to_thread(_digest, source)
        # Begins with a blank, as no idempotency key of a client does.
        wish = Wish(passing=True, idempotency_key=" " + digest, fingerprint=digest)
        asked = self._asked.setdefault((key, digest), _Asked())
        asked.tasks += 1

        async def make() -> OwnVoice:
            await self._store.make_room(key, self._in_use)
            asked.made = await self.make(meter, source, wish, charged=False)
            return asked.made

        try:
            voice, _ = await self._enroller.once(key, wish, make)
            yield voice
            asked.made = None
        finally:
            asked.tasks -= 1
            if not asked.tasks:
                del self._asked[key, digest]
                if asked.made is not None:
                    undo = self._take_back(asked.made, digest)
                    await settled(asyncio.create_task(undo))

    async def _take_back(self, voice: OwnVoice, digest: str) -> None:
        """Delete it, unless somebody has come for it by now. Where it can't be, the sweep does later."""
        with suppress(StreamerError):
            # Also a task whose asker has gone may have been accepted.
            needed = await self._in_use()
            if voice.id not in needed and (voice.key, digest) not in self._asked:
                await self._store.delete(voice.key, voice.id)


def _digest(source: Reference | Description) -> str:
    """What the source is, as a name."""
    if isinstance(source, Reference):
        said = msgspec.msgpack.encode(("clone", source.sample_rate, source.transcript))
        return hashlib.sha256(said + source.samples.tobytes()).hexdigest()
    return hashlib.sha256(msgspec.msgpack.encode(("design", source))).hexdigest()
