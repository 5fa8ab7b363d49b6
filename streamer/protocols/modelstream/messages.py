"""What a client asks ModelStream for; both halves."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

PATH = "/v1/audio/speech"
MODELS = ("qwen3-tts-flash", "qwen3-tts-flash-2025-11-27")
"""The model and its snapshot. Here they mean any engine."""
VOICES = ("Cherry", "Chelsie", "Zhibao", "Bingjiao", "Stella", "Aiden")
RATES = (24000, 16000)
TEXT_LIMIT = 600
"""Characters of one request as we send it. Its documents state no limit; AI/ML API's, in front of the
same model, do."""

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Text: TypeAlias = Annotated[str, Meta(min_length=1)]
Format: TypeAlias = Literal["mp3", "pcm"]
Ratio: TypeAlias = Annotated[float, Meta(ge=0.5, le=2)]


class Request(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The body. None is the same as leaving a field out. The table of the document says `text` and
    `format`, its curl `input` and `response_format`."""

    model: Name | None = None
    input: Text | None = None
    text: Text | None = None
    voice: Name | None = None
    language_type: Literal["Auto", "Chinese", "English"] | None = None
    response_format: Format | None = None
    format: Format | None = None
    sample_rate: Literal[16000, 24000, "16000", "24000"] | None = None
    volume: Annotated[float, Meta(ge=0.1, le=2)] | None = None
    speed: Ratio | None = None
    pitch: Ratio | None = None
    enable_timestamp: bool | None = None


def pcm_type(rate: int) -> str:
    """The content type of bare PCM."""
    return f"audio/pcm; rate={rate}; channels=1"
