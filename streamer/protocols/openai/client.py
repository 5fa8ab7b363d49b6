"""The client's half of `POST /v1/audio/speech`: drives OpenAI, vLLM-Omni, another Streamer, and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from streamer.protocols.base import SpeechRequest
from streamer.protocols.hosted import (
    Call,
    Sound,
    Traits,
    Utterance,
    failure,
    message_in,
    sound_type,
    unreadable,
)
from streamer.protocols.openai import BUILTIN_VOICES, FORMATS, PCM_RATE, encode_request
from streamer.types import OptionsUpdate, Start

TEXT_LIMIT = 4096
"""Characters of `input`, by OpenAI's reference."""
SPENT = ("insufficient_quota", "billing_hard_limit_reached", "budget_spent")
"""Codes under a 429 (ours: a 402) that no waiting helps."""


class Client:
    """See `streamer.protocols.hosted.HostedClient`."""

    traits = Traits(
        url="https://api.openai.com/v1",
        model="gpt-4o-mini-tts",
        models=("tts-1", "tts-1-hd"),
        voices=tuple(sorted(BUILTIN_VOICES)),
        text_limit=TEXT_LIMIT,
        speed=(0.25, 4.0),
        instructions=True,
        languages=("mul",),
    )

    def authorize(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def create(self, utterance: Utterance, model: str) -> Call:
        # Of the formats that all of them have, the one that says its rate, and takes no decoding.
        options = OptionsUpdate(
            voice=utterance.voice,
            model=model,
            instructions=utterance.instructions or None,
            speed=None if utterance.speed == 1 else utterance.speed,
        )
        start = Start("speech", options, FORMATS["wav"], timestamps="none")
        body = encode_request(SpeechRequest(start, utterance.text))
        return Call("POST", "/audio/speech", {"content-type": "application/json"}, body)

    def streams(self, call: Call, status: int, headers: Mapping[str, str]) -> str | None:
        found = sound_type(status, headers)
        if found is not None and found.partition(";")[0].strip().lower() == "audio/pcm":
            return found if "rate=" in found else f"audio/pcm; rate={PCM_RATE}"
        return found

    def read(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Sound:
        if 200 <= status < 300:
            raise unreadable("not sound")
        retryable = False if _code(body) in SPENT else None
        raise failure(status, headers, message_in(body), retryable=retryable)

    def cancel(self, call: Call) -> Call | None:
        """There is no task: the sound ends with the connection."""
        return None


def _code(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)["error"]["code"]
    except (msgspec.DecodeError, UnicodeError, RecursionError, LookupError, TypeError):
        return None
