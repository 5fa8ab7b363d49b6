"""What a client asks for, and who and what that comes to: its engine, its voice, its options."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace

from streamer.audio.encoder import Encoder
from streamer.engines.base import Engine
from streamer.errors import InvalidParameter, UnsupportedParameter
from streamer.prices import Choice
from streamer.types import Options, OptionsUpdate, Start, Started
from streamer.voices import Catalogue, model_of

RANGES = {"speed": (0.25, 4.0), "pitch": (0.5, 2.0), "volume": (0.0, 2.0)}
"""Ratios a client may ask for, by name."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`stated` is all that the client has said; engine and options are what it gets."""

    stated: OptionsUpdate
    engine: Engine
    options: Options

    @property
    def choice(self) -> Choice:
        """Who is asked for."""
        return Choice(self.engine.capabilities, self.options.model)


class Wishes:
    """Those of a context: `now` holds until it is replaced by an `updated` one."""

    def __init__(self, start: Start, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._strict = start.strict
        self.warnings: list[str] = []
        self.now = self._granted(start.options)

    def updated(self, update: OptionsUpdate | None) -> Wish:
        """What it will be with an update; nothing changes yet. Raises what the update deserves."""
        if update is None:
            return self.now
        return self._granted(_updated(self.now.stated, update), self.now.options)

    def started(self, context: str, encoder: Encoder) -> Started:
        """What a context tells first: who speaks, and in what its sound comes."""
        return Started(
            context,
            encoder.format,
            encoder.mime,
            encoder.header,
            encoder.lead_in,
            self.now.options.voice.id,
            self.now.engine.name,
            self.now.options.seed,
            tuple(self.warnings),
        )

    def _granted(self, stated: OptionsUpdate, before: Options | None = None) -> Wish:
        for name, (low, high) in RANGES.items():
            value = getattr(stated, name)
            if value is not None and not low <= value <= high:
                raise InvalidParameter(f"{name} must be within {low:g} and {high:g}", param=name)
        language = stated.language or "auto"
        if not re.fullmatch(r"auto|[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", language):
            raise InvalidParameter(f"{language!r} is no BCP 47 language", param="language")
        engine, voice = self._catalogue.resolve(stated.model, stated.voice, language)
        if stated.instructions and not engine.capabilities.instructions:
            if self._strict:
                raise UnsupportedParameter(
                    f"engine {engine.name!r} can't follow instructions", param="instructions"
                )
            if "instructions_ignored" not in self.warnings:
                self.warnings.append("instructions_ignored")
        seed, drawn = stated.seed, stated.seed is None
        if seed is None:
            seed = before.seed if before is not None else secrets.randbits(31)
        options = Options(
            voice=voice,
            language=language,
            instructions=stated.instructions or "",
            speed=1.0 if stated.speed is None else stated.speed,
            pitch=1.0 if stated.pitch is None else stated.pitch,
            volume=1.0 if stated.volume is None else stated.volume,
            seed=seed,
            seed_drawn=drawn,
            model=model_of(stated.model),
        )
        return Wish(stated, engine, options)


def native(options: Options, engine: Engine) -> Options:
    """The part of the options that the engine does by itself; the rest is `audio.dsp`'s."""
    (slow, fast), (low, high) = engine.capabilities.speed, engine.capabilities.pitch
    return replace(
        options,
        speed=min(max(options.speed, slow), fast),
        pitch=min(max(options.pitch, low), high),
        volume=1.0,
    )


def _updated(stated: OptionsUpdate, update: OptionsUpdate) -> OptionsUpdate:
    """With everything that `update` states; a new model drops the voice named before."""
    new = {
        name: value
        for name in OptionsUpdate.__dataclass_fields__
        if (value := getattr(update, name)) is not None
    }
    if "model" in new and "voice" not in new:
        stated = replace(stated, voice=None)
    return replace(stated, **new)
