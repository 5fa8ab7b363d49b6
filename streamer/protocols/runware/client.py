"""The client's half: one utterance as an `audioInference`, and what the answers to it say."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from streamer.errors import EngineFailed, InvalidParameter
from streamer.protocols.hosted import (
    Again,
    Call,
    Sound,
    Step,
    Traits,
    Utterance,
    failure,
    language_name,
    sound_type,
    unreadable,
)
from streamer.protocols.runware.errors import status_of_code
from streamer.protocols.runware.identities import is_uuid
from streamer.protocols.runware.tables import (
    BASE,
    CONTENT_TYPES,
    CUSTOM_VOICE,
    MODELS,
    TEXT_LIMIT,
    VOICE_DESIGN,
    Delivery,
    OutputFormat,
    OutputType,
)
from streamer.protocols.runware.tasks import GetResponse, Inference, encode_tasks

PATH = "/v1"
VOICES = (*("Vivian", "Serena", "Uncle_Fu", "Dylan", "Eric", "Ryan", "Aiden", "Ono_Anna", "Sohee"),)
"""Of Qwen3-TTS CustomVoice; the document of the base model names none."""


class Client:
    """Drives Runware's HTTP API.

    Model `…-base` speaks in the voice of a recording: there the voice is the recording's URL or UUID, and
    the speaker's embedding alone is used, since nobody knows its transcript. `…-voicedesign` makes the
    voice of its description: the instructions, or the voice's name where there are none.
    """

    traits = Traits(
        url="https://api.runware.ai",
        model=CUSTOM_VOICE,
        models=MODELS,
        voices=VOICES,
        text_limit=TEXT_LIMIT,
        speed=(0.25, 4.0),
        instructions=True,
    )

    def __init__(
        self,
        *,
        delivery: Delivery = "sync",
        output_type: OutputType = "URL",
        output_format: OutputFormat = "WAV",
    ) -> None:
        self._delivery: Delivery = delivery
        self._output_type: OutputType = output_type
        self._output_format: OutputFormat = output_format

    def authorize(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def create(self, utterance: Utterance, model: str) -> Call:
        """Raises `InvalidParameter` for a voice or a language that the API has no word for."""
        voice, reference, prompt = utterance.voice, "", utterance.instructions
        if model == BASE:
            if not (is_uuid(voice) or voice.startswith(("https://", "http://"))):
                raise InvalidParameter(
                    "with this model the voice is the URL or UUID of a recording", param="voice"
                )
            voice, reference, prompt = "clone", voice, ""
        elif model == VOICE_DESIGN:
            voice, prompt = "", prompt or voice
        named = utterance.language != "auto" and language_name(utterance.language) is not None
        task = Inference(
            id=utterance.id,
            model=model,
            text=utterance.text,
            voice=voice,
            language=utterance.language if named else "auto",
            speed=utterance.speed,
            prompt=prompt,
            reference=reference,
            x_vector_only=bool(reference),
            output_type=self._output_type,
            output_format=self._output_format,
            delivery=self._delivery,
        )
        return _call(encode_tasks([task]), utterance.id)

    def streams(self, call: Call, status: int, headers: Mapping[str, str]) -> str | None:
        return sound_type(status, headers)

    def read(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Step:
        fields = _object(body)
        if fields is None:
            if not 200 <= status < 300:
                raise failure(status, headers)
            raise unreadable("not JSON")
        for item in _items(fields, "data"):
            if item.get("taskUUID") == call.task:
                step = self._step(item, call.task)
                if step is not None:
                    return step
        errors = _items(fields, "errors") or _items(fields, "error")
        for error in errors:
            if error.get("code") == "conflictTaskUUID":  # it was taken, and its answer lost
                return Again(_poll(call.task))
            raise _failure(error, status, headers)
        if not 200 <= status < 300:
            raise failure(status, headers)
        raise unreadable("nothing of the task in it")

    def cancel(self, call: Call) -> Call | None:
        """The documents have none."""
        return None

    def _step(self, item: Mapping[str, Any], id: str) -> Step | None:
        kind = CONTENT_TYPES[self._output_format]
        match item:
            case {"audioURL": str(url)}:
                return Sound(url=url, content_type=kind)
            case {"audioBase64Data": str(text)}:
                return Sound(data=_decoded(text), content_type=kind)
            case {"audioDataURI": str(uri)}:
                head, _, text = uri.partition(",")
                named = head.removeprefix("data:").partition(";")[0]
                return Sound(data=_decoded(text), content_type=named or kind)
            case {"status": "error", "error": dict(error)}:
                raise _failure(error, 200, {})
            case {"status": "error"}:
                return None
            case {"status": "success"}:
                raise unreadable("a result without its sound")
            case _:
                return Again(_poll(id))


def _call(body: bytes, id: str) -> Call:
    return Call("POST", PATH, {"content-type": "application/json"}, body, id)


def _poll(id: str) -> Call:
    return _call(encode_tasks([GetResponse(id)]), id)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _items(fields: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects under a name, of which there may be one without a list around it."""
    value = fields.get(name)
    some = value if isinstance(value, list) else [value]
    return [item for item in some if isinstance(item, dict)]


def _failure(error: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> EngineFailed:
    """The typed error. The code goes before the status, which is often 400 or 200 whatever it is."""
    code, said = error.get("code"), error.get("message")
    words = said if isinstance(said, str) else ""
    meant = status_of_code(code) if isinstance(code, str) else None
    if meant is None:
        return failure(400 if 200 <= status < 300 else status, headers, words)
    return failure(meant[0], headers, words, retryable=meant[1])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise unreadable("not base64") from None
