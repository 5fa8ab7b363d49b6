"""ModelStream's dialect of `POST /v1/audio/speech`: pure functions, both roles.

docs/move-from/modelstream.md says how the gaps of its documents are settled.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamer.protocols.modelstream.client import Client
from streamer.protocols.modelstream.messages import MODELS, PATH, VOICES, Request
from streamer.protocols.modelstream.server import (
    AnswerEncoder,
    content_type,
    decode_request,
    encode_error,
    wants_json,
)

__all__ = [
    "LOSSY",
    "MODELS",
    "PATH",
    "VOICES",
    "AnswerEncoder",
    "Client",
    "Request",
    "content_type",
    "decode_request",
    "encode_error",
    "wants_json",
]

LOSSY: Mapping[str, str] = {
    "Start.context": "given by the server",
    "Start.options.model": "the two names of MODELS mean any engine; None is said as the first",
    "Start.options.instructions, seed": "have no word here",
    "Start.options.language": "Auto, Chinese or English",
    "Start.audio": "MP3 or bare 16 bit PCM, at one of two rates",
    "Start.timestamps": "words or none",
    "Start.cut, lexicon, strict, trace, transport, lead_ms": "have no word here",
    "Event": "sound, and word times behind it: no segments, marks or formats; an error cuts the body",
}
"""What this dialect cannot say of our types, and what becomes of it."""
