"""Which voices there are and who speaks with them. Engines never look names up: it is done here."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from streamer.engines.base import Engine
from streamer.errors import (
    InvalidParameter,
    LanguageNotSupported,
    ScopeMissing,
    UnknownVoice,
    UnsupportedParameter,
)
from streamer.text.languages import unspeakable
from streamer.types import Voice


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who would speak: ids, what `Capabilities.varies_by_seed` says of the engine, and what it would cost
    at most."""

    voice: str
    engine: str
    varies_by_seed: bool
    cost: float = 0.0

    @classmethod
    def of(cls, engine: Engine, voice: Voice, cost: float) -> Speaker:
        return cls(voice.id, engine.name, engine.capabilities.varies_by_seed, cost)


def speaks(voice: Voice, language: str) -> bool:
    """Whether a voice speaks a BCP 47 language; "mul" speaks any, "auto" asks for none."""
    if language == "auto" or "mul" in voice.languages:
        return True
    primary = language.lower().partition("-")[0]
    return any(known.lower().partition("-")[0] == primary for known in voice.languages)


class OwnVoices(Protocol):
    """The voices that one key has made."""

    def all(self) -> Sequence[Voice]:
        """Those that are listed, without what they are made of."""
        ...

    def find(self, name: str) -> Voice | None:
        """By id or by name, without what it is made of."""
        ...

    def loaded(self, voice: Voice) -> Voice:
        """With what it is made of. Raises `VoiceDamaged`, `StorageUnavailable`."""
        ...


class _Nobodys:
    """Of who has made none."""

    def all(self) -> Sequence[Voice]:
        return ()

    def find(self, name: str) -> Voice | None:
        return None

    def loaded(self, voice: Voice) -> Voice:
        return voice


class Catalogue:
    """The loaded engines, in the settings' order, and their voices by id or alias."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        *,
        default: str = "",
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        if not engines:
            raise InvalidParameter("at least one engine is needed", param="engines")
        self.engines = dict(engines)
        self._own: OwnVoices = _Nobodys()
        self._only: Set[str] | None = None
        self.aliases = dict(aliases or {})
        for alias, target in self.aliases.items():
            if not self._named(target, self.engines):
                raise InvalidParameter(f"alias {alias!r} names no voice", param="voice_aliases")
        if default and not self._named(self.aliases.get(default, default), self.engines):
            raise InvalidParameter(f"no voice {default!r}", param="voice")
        self.default = default

    def seen_with(self, own: OwnVoices) -> Catalogue:
        """The same, and these voices behind it: as the key sees it that has made them."""
        seen = copy.copy(self)
        seen._own = own
        return seen

    def limited_to(self, ids: Set[str]) -> Catalogue:
        """The same, of which these voices alone may speak."""
        limited = copy.copy(self)
        limited._only = ids
        return limited

    @property
    def voices(self) -> list[Voice]:
        """The engines', then those that the key has made, which are without what they are made of."""
        here = [voice for engine in self.engines.values() for voice in engine.voices]
        return [voice for voice in (*here, *self._own.all()) if self._may_speak(voice)]

    @property
    def models(self) -> list[str]:
        """What a client may call a model: engines, and `engine/model`."""
        named = [
            f"{name}/{model}"
            for name, engine in self.engines.items()
            for model in engine.capabilities.models
        ]
        return [*self.engines, *named]

    def resolve(
        self, model: str | None = None, voice: str | None = None, language: str = "auto"
    ) -> tuple[Engine, Voice]:
        """The engine and the voice for what a client named.

        `model` is `engine` or `engine/model`; without it the first engine that has the voice speaks.
        Without a voice: the default one, or the first that speaks the language; also where it may not.
        Raises `UnknownVoice` with candidates, `UnsupportedParameter` where the engine's models can't be
        named, `LanguageNotSupported`, `VoiceDamaged`, or `ScopeMissing` for a voice that may not speak.
        """
        found = self._resolve(model, voice, language)
        if not self._may_speak(found[1]):
            raise ScopeMissing(f"this token is not for voice {found[1].id!r}", param="voice")
        return found

    def _resolve(self, model: str | None, voice: str | None, language: str) -> tuple[Engine, Voice]:
        engines: Mapping[str, Engine] = self.engines
        if model is not None:
            named = self.engine_of(model)
            engines = {named[0]: named[1]}
        wanted = voice
        if wanted is None and model is None and self.default:
            wanted = self.default
        if wanted is not None:
            found = self._named(self.aliases.get(wanted, wanted), engines)
            found = found or self._made(wanted, engines)
            if found is None:
                raise UnknownVoice(
                    f"no voice {wanted!r}", param="voice", candidates=self._candidates(engines)
                )
            if voice is not None or speaks(found[1], language):
                return found
        for engine in engines.values():
            for candidate in engine.voices:
                if speaks(candidate, language):
                    return engine, candidate
        raise LanguageNotSupported(f"no voice here speaks {language!r}", param="language")

    def engine_of(self, model: str) -> tuple[str, Engine]:
        """The engine of `engine` or `engine/model`, with its name here. Raises `UnknownVoice`,
        `UnsupportedParameter`."""
        name = model.partition("/")[0]
        if name not in self.engines:
            raise UnknownVoice(f"no model {model!r}", param="model", candidates=self.models)
        _check_model(self.engines[name], model_of(model))
        return name, self.engines[name]

    def speaker_of(
        self, text: str, language: str, engine: Engine, voice: Voice
    ) -> tuple[Engine, Voice]:
        """Who speaks this text: the given voice if it can, else the first in order that can.

        Raises `LanguageNotSupported` with `offset` (into `text`) of what the given voice can't say.
        """
        offset = _unspeakable(text, voice, language)
        if offset is None:
            return engine, voice
        for other in self.engines.values():
            for candidate in other.voices:
                if self._may_speak(candidate) and can_speak(text, candidate, language):
                    return other, candidate
        raise LanguageNotSupported(
            f"voice {voice.id!r} can't speak {text[offset : offset + 20]!r}",
            param="text",
            offset=offset,
        )

    async def aclose(self) -> None:
        for engine in self.engines.values():
            await engine.aclose()

    def preset(self, name: str) -> Voice | None:
        """The engines' voice of that id or alias."""
        found = self._named(self.aliases.get(name, name), self.engines)
        return None if found is None else found[1]

    def _made(self, name: str, engines: Mapping[str, Engine]) -> tuple[Engine, Voice] | None:
        voice = self._own.find(name)
        if voice is None or voice.engine not in engines:
            return None
        return engines[voice.engine], self._own.loaded(voice)

    def _candidates(self, engines: Mapping[str, Engine]) -> list[str]:
        here = [voice for engine in engines.values() for voice in engine.voices]
        own = [voice for voice in self._own.all() if voice.engine in engines]
        named = [(v, v.id) for v in here] + [(v, v.name or v.id) for v in own]
        return [name for voice, name in named if self._may_speak(voice)]

    def _may_speak(self, voice: Voice) -> bool:
        return self._only is None or voice.id in self._only

    @staticmethod
    def _named(voice: str, engines: Mapping[str, Engine]) -> tuple[Engine, Voice] | None:
        for engine in engines.values():
            for candidate in engine.voices:
                if candidate.id == voice:
                    return engine, candidate
        return None


def model_of(model: str | None) -> str:
    """What follows the engine in `engine/model`; "" where nothing does."""
    return (model or "").partition("/")[2]


def _check_model(engine: Engine, model: str) -> None:
    models = engine.capabilities.models if model else {}
    if not model or model in models:
        return
    if not models:
        raise UnsupportedParameter(
            f"engine {engine.name!r} has no models to choose from", param="model"
        )
    raise UnknownVoice(
        f"engine {engine.name!r} has no model {model[:100]!r}",
        param="model",
        candidates=[f"{engine.name}/{known}" for known in models],
    )


def can_speak(text: str, voice: Voice, language: str) -> bool:
    """Whether a voice can speak a text that is declared to be of a language (BCP 47, or "auto")."""
    return _unspeakable(text, voice, language) is None


def _unspeakable(text: str, voice: Voice, language: str) -> int | None:
    if "mul" in voice.languages:
        return None
    return unspeakable(text, voice.languages, language)


def open_catalogue(
    engines: Iterable[Engine], *, default: str, aliases: Mapping[str, str]
) -> Catalogue:
    """A catalogue of engines that are loaded, under their own names."""
    return Catalogue({engine.name: engine for engine in engines}, default=default, aliases=aliases)
