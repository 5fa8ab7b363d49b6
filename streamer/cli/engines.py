"""The engines of the settings, loaded for a command that speaks by itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from streamer.config import Settings
from streamer.engines.opening import open_engines
from streamer.voices import Catalogue, open_catalogue


@contextmanager
def status(text: str) -> Iterator[None]:
    """Say on standard error what takes long, if a person is looking."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield
        return
    with console.status(text):
        yield


def load_catalogue(settings: Settings) -> Catalogue:
    """Load every engine of the settings; a second or so each."""
    with status(f"loading {', '.join(settings.engines)}"):
        engines = open_engines(settings)
        return open_catalogue(engines, default=settings.voice, aliases=settings.voice_aliases)
