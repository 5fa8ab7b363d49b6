"""Who can speak: the engines' voices by id or alias (`Catalogue`), those that keys have made (`VoiceStore`),
and how they are made (`Enroller`)."""

from streamer.voices.catalogue import (
    Catalogue,
    OwnVoices,
    Speaker,
    can_speak,
    model_of,
    open_catalogue,
    speaks,
)
from streamer.voices.enroller import Enroller, Wish
from streamer.voices.store import VoiceStore

__all__ = [
    "Catalogue",
    "Enroller",
    "OwnVoices",
    "Speaker",
    "VoiceStore",
    "Wish",
    "can_speak",
    "model_of",
    "open_catalogue",
    "speaks",
]
