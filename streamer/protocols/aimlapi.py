"""AI/ML API's dialect of `POST /v1/tts` for qwen3-tts-flash: pure functions, both roles.

docs/move-from/aimlapi.md says how the gaps of its documents are settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from streamer.errors import (
    BudgetSpent,
    FileQuota,
    Gone,
    InvalidParameter,
    MessageLimit,
    MethodNotAllowed,
    NotFound,
    RequestError,
    StreamerError,
)
from streamer.protocols.hosted import (
    Call,
    Sound,
    Step,
    Traits,
    Utterance,
    failure,
    message_in,
    unreadable,
)
from streamer.protocols.native import errors
from streamer.protocols.native.fields import Link
from streamer.protocols.native.times import format_time
from streamer.protocols.strict import Schema
from streamer.resources import Job, JobRequest
from streamer.types import AudioFormat, OptionsUpdate, Start

LOSSY: Mapping[str, str] = {
    "Utterance": "text and voice alone have a word here",
    "JobRequest.start": "always a WAV file of 24 kHz, without word times",
    "JobRequest.results, webhook, ttl_s, metadata": "have no word here",
    "Job": "is waited for: only its end is told",
}
"""What this dialect cannot say of our types, and what becomes of it."""

PATH = "/v1/tts"
MODEL = "alibaba/qwen3-tts-flash"
TEXT_LIMIT = 600
"""Unicode code points of one request."""
RATE = 24000
"""Hz of the file, as the model behind it makes."""
VOICES = (
    *("Cherry", "Ethan", "Nofish", "Jennifer", "Ryan", "Katerina", "Elias", "Jada", "Dylan"),
    *("Sunny", "Li", "Marcus", "Roy", "Peter", "Rocky", "Kiki", "Eric"),
)
INVALID = "Body validation error!"
"""How the provider's list of messages begins one about a field."""


class Request(Struct, kw_only=True, forbid_unknown_fields=True):
    """The body."""

    model: Literal["alibaba/qwen3-tts-flash"]
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT)]
    voice: Literal[
        "Cherry",
        "Ethan",
        "Nofish",
        "Jennifer",
        "Ryan",
        "Katerina",
        "Elias",
        "Jada",
        "Dylan",
        "Sunny",
        "Li",
        "Marcus",
        "Roy",
        "Peter",
        "Rocky",
        "Kiki",
        "Eric",
    ]


_REQUEST: Schema[Request] = Schema(Request)


# The server's half


def decode_request(body: bytes) -> JobRequest:
    """A request body. Raises `InvalidMessage`, `UnknownParameter` or `InvalidParameter`."""
    request = _REQUEST.decode(body)
    if not request.text.strip():
        raise InvalidParameter("text holds nothing to say", param="text")
    start = Start(
        "job",
        OptionsUpdate(voice=request.voice),
        AudioFormat("pcm_s16le", "wav", RATE),
        timestamps="none",
    )
    return JobRequest(start, request.text)


class _Info(Struct):
    name: str
    version: str
    arch: str


class _Metadata(Struct, kw_only=True):
    transaction_key: str
    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    models: list[str]
    model_info: dict[str, _Info]


class _Audio(Struct):
    url: str


class _Usage(Struct):
    characters: int


class _Answer(Struct, kw_only=True):
    audio: _Audio
    usage: _Usage
    metadata: _Metadata


def encode_answer(
    job: Job, link: Link, *, sha256: str, version: str, request_id: str = ""
) -> bytes:
    """The body that tells of a completed job, under status 201: what the example shows and what the
    schema asks for. `sha256` of its file, in hex; `version` of this server."""
    (result,) = job.results
    model = _Info(name=job.engine, version=version, arch=job.engine)
    answer = _Answer(
        audio=_Audio(link(result.file)),
        usage=_Usage(job.text_characters),
        metadata=_Metadata(
            transaction_key=job.id,
            request_id=request_id,
            sha256=sha256,
            created=format_time(job.created),
            duration=round(result.audio_ms / 1000, 3),
            channels=job.request.start.audio.channels,
            models=[MODEL],
            model_info={MODEL: model},
        ),
    )
    return msgspec.json.encode(answer)


def encode_error(error: StreamerError, request_id: str = "") -> tuple[int, bytes, dict[str, str]]:
    """The HTTP answer: status, body, headers in lower case. Statuses and "Body validation error!" are the
    provider's; the form, which it documents nowhere, is that of the framework its schema is made by,
    with the fields at fault as a list."""
    _, _, headers = errors.encode_error(error, request_id)
    status = _status_of(error)
    message = error.message
    fields: dict[str, Any] = {"statusCode": status, "code": error.code, "requestId": request_id}
    if status == 400 and error.param is not None:
        message = f"{INVALID} {message}"
        fields["errors"] = [{"path": error.param.split("."), "message": error.message}]
    return status, errors.dump({"message": message, **fields}), headers


def _status_of(error: StreamerError) -> int:
    """400, 401, 403 (no credits, too), 404 and 429 are what the provider's list has for clients."""
    if isinstance(error, BudgetSpent | FileQuota):
        return 403
    if isinstance(error, NotFound | Gone | MethodNotAllowed | MessageLimit):
        return error.status
    return 400 if isinstance(error, RequestError) else error.status


# The client's half


class Client:
    """Drives AI/ML API. Trusts the example of its document, which the schema contradicts."""

    traits = Traits(
        url="https://api.aimlapi.com", model=MODEL, voices=VOICES, text_limit=TEXT_LIMIT
    )

    def authorize(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def create(self, utterance: Utterance, model: str) -> Call:
        # Not a `Request`: another model of this API, or a voice it gets later, is the settings' to say.
        body = {"model": model, "text": utterance.text, "voice": utterance.voice}
        headers = {"content-type": "application/json"}
        return Call("POST", PATH, headers, msgspec.json.encode(body))

    def streams(self, call: Call, status: int, headers: Mapping[str, str]) -> str | None:
        return None

    def read(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Step:
        if not 200 <= status < 300:
            raise failure(_meaning(status), headers, message_in(body))
        try:
            url = msgspec.json.decode(body)["audio"]["url"]
        except (msgspec.DecodeError, UnicodeError, RecursionError, LookupError, TypeError):
            raise unreadable("no audio.url in it") from None
        if not isinstance(url, str) or not url:
            raise unreadable("audio.url is no URL")
        return Sound(url=url)

    def cancel(self, call: Call) -> Call | None:
        """There is no task: the sound is made while the answer is waited for."""
        return None


def _meaning(status: int) -> int:
    """Credit that is used up is 403 here."""
    return 402 if status == 403 else status
