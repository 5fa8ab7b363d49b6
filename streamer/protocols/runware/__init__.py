"""Runware's dialect: arrays of tasks over HTTP and WebSocket; pure functions, both roles.

After Runware's document of Qwen3-TTS 1.7B, and its SDK (PyPI runware-sdk 1.8.0) where that is silent.
docs/move-from/runware.md says what becomes of each field.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamer.protocols.runware.answers import encode_callbacks
from streamer.protocols.runware.client import Client
from streamer.protocols.runware.errors import encode_error
from streamer.protocols.runware.requests import NAME, job_request

__all__ = ["LOSSY", "NAME", "Client", "encode_callbacks", "encode_error", "job_request"]

LOSSY: Mapping[str, str] = {
    "JobRequest.metadata": "has no word here",
    "Utterance.pitch, volume, seed, sample_rate, timestamps": "have no word here",
    "Utterance.language": "one of the eleven; its region is left out, others are said as Auto",
    "Utterance.voice": "with the base model it is the URL or UUID of a recording",
    "audioSettings.bitrate": "MP3 has steps: the nearest one is used",
    "outputFormat OGG": "Opus in Ogg, or Vorbis as the document says: a setting",
    "webhook": "tells where a result is, also where outputType is base64Data or dataURI",
}
"""What this dialect cannot say of our types, or we of its, and what becomes of it."""
