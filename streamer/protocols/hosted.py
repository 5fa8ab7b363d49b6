"""What the APIs of hosted voices have in common, as a client drives them: the vocabulary of their halves.

A dialect of one of them has a class that fits `HostedClient`: it words requests and reads answers, and
knows no sockets, no clocks and no chance. `streamer.engines.hosted` does the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeAlias

import msgspec

from streamer.errors import EngineFailed

SAMPLE_RATE = 24000
"""Hz that are asked for: what Qwen3-TTS makes, and the rate of the engine."""

LANGUAGES: Mapping[str, str] = {
    "Auto": "auto",
    "Chinese": "zh",
    "English": "en",
    "Japanese": "ja",
    "Korean": "ko",
    "German": "de",
    "French": "fr",
    "Russian": "ru",
    "Portuguese": "pt",
    "Spanish": "es",
    "Italian": "it",
}
"""Languages as Qwen3-TTS and the APIs in front of it name them, and BCP 47."""
_NAMES = {tag: name for name, tag in LANGUAGES.items()}
_TAGS = {name.casefold(): tag for name, tag in LANGUAGES.items()}

SAID_CHARACTERS = 200
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_LINK = re.compile(r"\bhttps?://\S+", re.IGNORECASE)


def language_tag(name: str) -> str | None:
    """BCP 47 (or "auto") of a language's name in whatever case; None: no such name."""
    return _TAGS.get(name.strip().casefold())


def language_name(tag: str) -> str | None:
    """The name of a BCP 47 language, its region set aside; None: it has none in these APIs."""
    return _NAMES.get(tag.lower().partition("-")[0])


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is to be spoken in one request, and how. Values a client's `Traits` leave out are neutral here:
    whoever drives it does them otherwise. `id` is a UUID v4 of this request alone; `voice` the provider's
    own name; `model` the provider's too, "" for the usual one."""

    text: str
    voice: str
    id: str = ""
    language: str = "auto"
    instructions: str = ""
    speed: float = 1.0
    pitch: float = 1.0
    volume: float = 1.0
    seed: int = 0
    sample_rate: int = SAMPLE_RATE
    timestamps: bool = False
    model: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. `path` is below the provider's base URL and may have a query; the key is not in
    it, see `HostedClient.authorize`. `task` is what `read` wants to know of the task when the answer
    comes."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    task: str = ""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word with its times as a provider tells them, in seconds from the start of the sound."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound: the bytes themselves, or where they are. `content_type` may be empty: then the sound
    tells what it is. Bare PCM must be named, as `audio/pcm; rate=24000`."""

    data: bytes | None = None
    url: str | None = None
    content_type: str = ""
    words: tuple[SpokenWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """Not yet: ask this, after so long. `after_s` None: as the driver thinks best."""

    call: Call
    after_s: float | None = None


Step: TypeAlias = Sound | Again


@dataclass(frozen=True, slots=True)
class Traits:
    """What a provider is and can. `text_limit` in code points, 0: none known. Ranges are our ratios;
    (1, 1) is what it can't change. `models` are those its documents have beside `model`. `languages`
    are BCP 47, "mul" any. `voices` are those its documents name. `words`: it tells word times where
    asked. `cancels`: `create` makes a task, that can be ended."""

    url: str
    model: str
    voices: tuple[str, ...]
    models: tuple[str, ...] = ()
    text_limit: int = 0
    speed: tuple[float, float] = (1.0, 1.0)
    pitch: tuple[float, float] = (1.0, 1.0)
    volume: tuple[float, float] = (1.0, 1.0)
    instructions: bool = False
    languages: tuple[str, ...] = tuple(tag for tag in _NAMES if tag != "auto")
    words: bool = False
    cancels: bool = False


class HostedClient(Protocol):
    """The client's half of one API. Without state: one may serve many requests at once.

    An answer is sound as it comes where `streams` names its content type; else its whole body goes to
    `read`, whatever the status. A redirect has been followed by then, without the key.
    """

    traits: Traits

    def authorize(self, key: str) -> Mapping[str, str]:
        """Headers that carry the key, for the provider's own address only."""
        ...

    def create(self, utterance: Utterance, model: str) -> Call: ...

    def streams(self, call: Call, status: int, headers: Mapping[str, str]) -> str | None:
        """The content type of the sound that the body is; None: the body is to be read. `sound_type`
        answers it for most."""
        ...

    def read(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Step:
        """What the answer to `call` says. Header names are lower case. Raises `EngineFailed`, see
        `failure`."""
        ...

    def cancel(self, call: Call) -> Call | None:
        """What ends the task that `call` asks for (`Again.call`); None: nothing does, see
        `Traits.cancels`. Any 2xx says that it has ended."""
        ...


def sound_type(status: int, headers: Mapping[str, str]) -> str | None:
    """The content type of an answer that is sound by its headers; "" where only its bytes can tell."""
    if not 200 <= status < 300:
        return None
    content_type = headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("audio/") or kind == "application/ogg":
        return content_type
    return "" if kind in ("application/octet-stream", "binary/octet-stream") else None


def failure(
    status: int,
    headers: Mapping[str, str] | None = None,
    said: str = "",
    *,
    retryable: bool | None = None,
    retry_after_s: float | None = None,
) -> EngineFailed:
    """The error of an answer that is none. `status` is HTTP's or the API's own of the same meaning, `said`
    the provider's own words, which are quoted in part; `retryable` goes before what the status means.

    It is the server's provider and the server's key: our own client is never told to mend its key.
    """
    words = _quoted(said)
    if retry_after_s is None and headers is not None:
        retry_after_s = retry_after(headers)
    again = status in (408, 409, 425, 429, 455) or status >= 500
    match status:
        case 401 | 403:  # in their own words there may be the key
            message = "the provider refused the server's key, or wants one"
        case 402:
            message = "the server's credit with the provider is used up"
        case 404 | 405 | 410:
            message = "the provider has no such thing" + words
        case 408 | 504:
            message = "the provider took too long" + words
        case 429:
            message = "the provider takes no more requests now" + words
        case 455 | 503:
            message = "the provider is out of service now" + words
        case _ if 400 <= status < 500:
            message = "the provider refused the request" + words
        case _:
            message = "the provider failed" + words
    details: dict[str, Any] = {} if retry_after_s is None else {"retry_after_s": retry_after_s}
    return EngineFailed(message, retryable=again if retryable is None else retryable, **details)


def message_in(body: bytes) -> str:
    """What a JSON body of an error says to people, in the forms that are usual; "" if nothing."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    for _ in range(3):
        if isinstance(found, list):
            found = found[0] if found else None
        if isinstance(found, str):
            return found
        if not isinstance(found, dict):
            return ""
        names = ("error", "errors", "message", "msg", "detail", "title")
        found = next((found[name] for name in names if found.get(name)), None)
    return found if isinstance(found, str) else ""


class Unreadable(EngineFailed):
    """An answer is not what the API's documents say; it may well be another next time."""


def unreadable(what: str) -> Unreadable:
    return Unreadable(f"the provider's answer can't be read: {what}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait (RFC 9110 section 10.2.3). A date is read against the answer's
    own, so that no clock has to be right."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
            seconds = (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _quoted(said: str) -> str:
    """Somebody else's words as part of a message: one short line, without links, which may be signed."""
    text = _LINK.sub("…", _SPACE.sub(" ", said[: 4 * SAID_CHARACTERS])).strip()
    return f": {text[:SAID_CHARACTERS]}" if text else ""
