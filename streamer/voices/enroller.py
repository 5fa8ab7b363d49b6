"""Makes voices: chooses the engine that can, has it listen or describe, and stores what it made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from streamer.engines.base import Engine, Enrolling
from streamer.errors import (
    EngineFailed,
    IdempotencyConflict,
    InternalError,
    InvalidMedia,
    InvalidParameter,
    LanguageNotSupported,
    NotAvailable,
    UnsupportedParameter,
)
from streamer.resources import OwnVoice, VoiceKind
from streamer.tasks import Turns
from streamer.types import Description, Reference, Voice
from streamer.voices import records
from streamer.voices.catalogue import Catalogue, model_of, speaks
from streamer.voices.files import ID, new_id
from streamer.voices.store import VoiceStore

log = logging.getLogger(__name__)

LEAST_S = 3.0
"""Less of a voice tells too little of it."""
MOST_S = 60.0
RATE = 24000
"""Hz of a reference as engines get it."""
TIMEOUT_S = 120.0
"""For one voice. A designed one is spoken first, at the engine's least leisure."""
_SILENT = 1e-3
"""Peak of a recording (-60 dBFS) below which nobody speaks in it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants of a voice. `language`: BCP 47 or "auto"; `model`: the engine to make it, None
    the first that can. `idempotency_key` and `fingerprint`, of what it is asked for with: "" are none."""

    name: str = ""
    language: str = "auto"
    model: str | None = None
    passing: bool = False
    idempotency_key: str = ""
    fingerprint: str = ""


class Enroller:
    """Of one server. `let_pass` waits while a listener does."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: VoiceStore,
        clock: Callable[[], float],
        let_pass: Callable[[], Awaitable[None]],
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._clock = clock
        self._let_pass = let_pass
        self._turns = Turns()

    def can(self, kind: VoiceKind) -> bool:
        """Whether an engine here makes such voices."""
        return any(_can(engine, kind) for engine in self._catalogue.engines.values())

    def engine_for(self, kind: VoiceKind, model: str | None = None) -> Engine:
        """Who would make it. Raises `NotAvailable` where nobody can, `UnknownVoice` or
        `UnsupportedParameter` for a model that can't."""
        if model is not None:
            _, engine = self._catalogue.engine_of(model)
            if model_of(model) or not _can(engine, kind):
                raise UnsupportedParameter(
                    f"{model[:100]!r} can't make such a voice", param="model"
                )
            return engine
        for engine in self._catalogue.engines.values():
            if _can(engine, kind):
                return engine
        raise NotAvailable(
            "no engine here can clone a voice"
            if kind == "clone"
            else "no engine here can make a voice after a description"
        )

    async def once(
        self, key: str, wish: Wish, make: Callable[[], Awaitable[OwnVoice]]
    ) -> tuple[OwnVoice, bool]:
        """What `make` makes, and whether it is new: asked again with the same idempotency key, it is the
        same voice for as long as that is there. Raises `IdempotencyConflict`."""
        if not wish.idempotency_key:
            return await make(), True
        async with self._turns.of((key, wish.idempotency_key)):
            known = self._store.known(key, wish.idempotency_key)
            if known is None:
                return await make(), True
            voice, fingerprint = known
            if fingerprint != wish.fingerprint:
                raise IdempotencyConflict(
                    "this key was used for another request", param="Idempotency-Key"
                )
            return voice, False

    async def make(self, key: str, source: Reference | Description, wish: Wish) -> OwnVoice:
        """A new voice, once it is on disk. Cancelled, it ends what the engine does and leaves nothing.

        Raises `NotAvailable`, `InvalidMedia`, `InvalidParameter`, `ContextConflict` for a name that is
        taken, `LanguageNotSupported`, `VoiceLimit`, what the engine fails with, and as `VoiceStore.keep`.
        """
        kind: VoiceKind = "clone" if isinstance(source, Reference) else "design"
        engine = self.engine_for(kind, wish.model)
        records.require()
        languages = _languages(engine.voices, wish.language)
        self._check_name(wish.name)
        if isinstance(source, Reference):
            check_reference(source)
        with self._store.place(key, wish.name, passing=wish.passing):
            await self._let_pass()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    data = await cast(Enrolling, engine).enroll(source)
            except TimeoutError:
                raise EngineFailed(f"engine {engine.name!r} made no voice in time") from None
            voice = OwnVoice(
                new_id(),
                key,
                engine.name,
                kind,
                languages,
                self._clock(),
                wish.name,
                source.text if isinstance(source, Description) else "",
                source.preview_text if isinstance(source, Description) else "",
                wish.passing,
            )
            try:
                await self._store.keep(voice, data, wish.idempotency_key, wish.fingerprint)
            except ValueError as fault:
                log.error("no voice", extra={"engine": engine.name, "kind": kind})
                raise InternalError("the engine made no voice") from fault
        log.info("voice made", extra={"voice": voice.id, "engine": engine.name, "kind": kind})
        return voice

    def _check_name(self, name: str) -> None:
        if name and (name != name.strip() or ID.fullmatch(name)):
            raise InvalidParameter(
                "a name has no blanks at its ends, and is no id of a voice", param="name"
            )
        if name and self._catalogue.preset(name) is not None:
            raise InvalidParameter(
                f"{name[:64]!r} is what a voice of this server is called", param="name"
            )


def check_reference(reference: Reference) -> None:
    """Raises `InvalidMedia` for a recording that can't be spoken like."""
    seconds = len(reference.samples) / reference.sample_rate
    if not LEAST_S <= seconds <= MOST_S:
        raise InvalidMedia(
            f"a recording has {LEAST_S:g} to {MOST_S:g} s of sound, not {seconds:.1f}",
            param="audio",
            limit=LEAST_S if seconds < LEAST_S else MOST_S,
        )
    if float(np.abs(reference.samples).max()) < _SILENT:
        raise InvalidMedia("nothing is to be heard in the recording", param="audio")


def _can(engine: Engine, kind: VoiceKind) -> bool:
    able = engine.capabilities.clone if kind == "clone" else engine.capabilities.design
    return able and hasattr(engine, "enroll")


def _languages(voices: Sequence[Voice], language: str) -> tuple[str, ...]:
    """What a new voice speaks: all that its engine does, the one that was asked for first. Raises
    `LanguageNotSupported`."""
    known = list(dict.fromkeys(spoken for voice in voices for spoken in voice.languages)) or ["mul"]
    if language == "auto":
        return tuple(known)
    if not any(speaks(voice, language) for voice in voices) and voices:
        raise LanguageNotSupported(f"no voice here speaks {language!r}", param="language")
    return (language, *(spoken for spoken in known if spoken.lower() != language.lower()))
