"""The engines of the settings: each loaded once, remembered where that is asked, chained where that is.

`streamer.engines.base.open_engine` loads one row; this is what stands around it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamer.config import Settings, data_dir
from streamer.engines.base import ENGINES, Breakable, Counted, Engine
from streamer.engines.base import open_engine as open_row
from streamer.engines.breaker import Breaker
from streamer.engines.cache import Cached
from streamer.engines.fallback import Fallback, FallbackCounts, Step
from streamer.engines.phrase_files import PhraseFiles
from streamer.engines.phrases import Phrases
from streamer.engines.watched import Watched
from streamer.errors import InvalidParameter

PHRASES = "phrases"
"""Where phrases are kept, in the data directory."""


@dataclass(slots=True)
class EngineCounts:
    """What the engines and their wrappers count; read by the server's metrics."""

    fallback: FallbackCounts = field(default_factory=FallbackCounts)
    circuits: dict[str, Breaker] = field(default_factory=dict)
    phrases: Phrases = field(default_factory=lambda: Phrases(0))
    counted: dict[str, Counted] = field(default_factory=dict)
    """Engines that count themselves, by name."""
    breakable: dict[str, Breakable] = field(default_factory=dict)
    """Engines that know whether they still can speak, by name."""


def open_engines(
    settings: Settings,
    *,
    counts: EngineCounts | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[Engine]:
    """Every engine of the settings in their order, then the chains that are not among them. Blocks until
    all are warm; raises `InvalidParameter` that names the setting, or what an engine raises."""
    opening = _Opening(settings, counts or EngineCounts(), clock)
    names = [*settings.engines, *(name for name in settings.fallbacks)]
    return opening.all(list(dict.fromkeys(names)))


def open_engine(name: str, settings: Settings) -> Engine:
    """One of them by itself: a row, an outsider's `module:callable`, or a chain."""
    return _Opening(settings, EngineCounts(), time.monotonic).all([name])[0]


def in_use(settings: Settings) -> set[str]:
    """Names of the engines and chains that a server of these settings loads, chains' steps among them."""
    steps = [
        step.partition(":")[0] for text in settings.fallbacks.values() for step in text.split()
    ]
    return {*settings.engines, *settings.fallbacks, *steps}


class _Opening:
    def __init__(
        self, settings: Settings, counts: EngineCounts, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._counts = counts
        self._clock = clock
        self._chains = {name: _parse(name, text) for name, text in settings.fallbacks.items()}
        self._rows: dict[str, Engine] = {}
        """What is loaded, by the name it was asked by and by its own."""
        self._remembers = settings.cache_bytes > 0
        if settings.cache_disk_bytes and not self._remembers:
            raise InvalidParameter("cache_disk_bytes needs cache_bytes too", param="cache_bytes")
        if self._remembers:
            disk = settings.cache_disk_bytes
            files = PhraseFiles(data_dir(settings) / PHRASES, disk) if disk else None
            counts.phrases = Phrases(settings.cache_bytes, files)

    def all(self, names: list[str]) -> list[Engine]:
        for name in names:
            if name not in self._chains:
                self._row(name)
        opened = [
            self._chain(name) if name in self._chains else self._cached(self._row(name))
            for name in names
        ]
        self._check_cache_engines()
        return opened

    def _row(self, name: str) -> Engine:
        if name not in self._rows:
            engine = open_row(name, self._settings)
            self._rows[name] = engine
            self._rows.setdefault(engine.name, engine)
            if isinstance(engine, Counted):
                self._counts.counted[engine.name] = engine
            if isinstance(engine, Breakable):
                self._counts.breakable[engine.name] = engine
        return self._rows[name]

    def _cached(self, engine: Engine) -> Engine:
        only = self._settings.cache_engines
        if self._remembers and (not only or engine.name in only):
            return Cached(engine, self._counts.phrases)
        return engine

    def _chain(self, name: str) -> Engine:
        if name in self._rows or name in ENGINES:
            raise _wrong(name, "is the name of an engine")
        steps = [self._step(name, *step) for step in self._chains[name]]
        try:
            return Fallback(name, steps, self._counts.fallback)
        except ValueError as error:
            raise _wrong(name, str(error)) from None

    def _step(self, chain: str, name: str, voice_id: str) -> Step:
        if name in self._chains:
            raise _wrong(chain, f"names another chain, {name!r}")
        if name not in self._rows and name not in ENGINES:
            known = ", ".join(dict.fromkeys([*(e.name for e in self._rows.values()), *ENGINES]))
            raise _wrong(chain, f"names no engine with {name!r}; there are {known}")
        engine = self._row(name)
        voice = next((voice for voice in engine.voices if voice.id == voice_id), None)
        if voice is None:
            voices = ", ".join(voice.id for voice in engine.voices)
            raise _wrong(chain, f"engine {name!r} has no voice {voice_id!r}; it has {voices}")
        return Step(self._cached(self._watched(engine)), voice)

    def _watched(self, engine: Engine) -> Engine:
        settings, circuits = self._settings, self._counts.circuits
        if engine.name not in circuits:
            circuits[engine.name] = Breaker(
                engine.name,
                failures=settings.breaker_failures,
                rest_s=settings.breaker_rest_s,
                clock=self._clock,
            )
        return Watched(engine, circuits[engine.name], settings.fallback_timeout_s)

    def _check_cache_engines(self) -> None:
        known: Mapping[str, Engine] = self._rows
        for name in self._settings.cache_engines:
            if name not in known and name not in ENGINES:
                raise InvalidParameter(
                    f"cache_engines: no engine {name!r}; there are {', '.join(known)}",
                    param="cache_engines",
                )


def _parse(name: str, text: str) -> list[tuple[str, str]]:
    """The steps of a chain: engine and voice each."""
    steps = [step.partition(":") for step in text.split()]
    for engine, _, voice in steps:
        if not (engine and voice):
            raise _wrong(name, "is steps like hibari:heart (an engine, its voice), spaces between")
    return [(engine, voice) for engine, _, voice in steps]


def _wrong(chain: str, why: str) -> InvalidParameter:
    return InvalidParameter(f"fallbacks: {chain!r} {why}", param="fallbacks")
