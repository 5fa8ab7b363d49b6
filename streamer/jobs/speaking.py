"""One result of a job: a session without a listener, spoken into a blob. Knows no queue and no tables."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from streamer.audio.container import HEAD, file_header
from streamer.blobs import BlobWriter
from streamer.captions.tally import Tally
from streamer.errors import EngineFailed, InternalError, RequestError, StreamerError, TextLimit
from streamer.feeding import fed, rehearse
from streamer.jobs.stored import Stored
from streamer.jobs.whole import spoken_of
from streamer.resources import CueSummary
from streamer.types import (
    Audio,
    Caption,
    Done,
    Event,
    Failed,
    OptionsUpdate,
    SegmentStarted,
    Start,
    Started,
    Text,
    Word,
    Words,
)
from streamer.voices import Speaker
from streamer.wishes import RANGES

_VARIED = ((1.0, 1.0), (1.035, 0.965), (0.965, 1.035), (1.035, 1.035), (0.965, 0.965), (1.0, 0.96))
"""Speed and pitch of result k where the seed alone makes none audible: at most 4 % off, each at least
3 % from every other in one of them. From the seventh result on they come again."""


class Speaking(Protocol):
    """What jobs need of `streamer.session.Session`."""

    @property
    def characters(self) -> int: ...

    @property
    def pending(self) -> int: ...

    def text(self, command: Text) -> None: ...

    def end(self) -> None: ...

    def rehearse(self) -> Speaker: ...

    def events(self) -> AsyncGenerator[Event, None]: ...


class OpenSession(Protocol):
    """Makes a session of that key, in the background if not told otherwise, or raises a `StreamerError`
    that says why there can't be one."""

    def __call__(self, start: Start, *, background: bool = True, key: str = "") -> Speaking: ...


@dataclass(frozen=True, slots=True)
class Rendering:
    """What one result has become. `words` in samples of `sample_rate`; `cues` of captions; `characters` that
    were spoken."""

    blob: str
    size: int
    content_type: str
    seed: int
    sample_rate: int
    audio_ms: float
    words: tuple[Word, ...]
    voice: str
    engine: str
    cost: float | None
    characters: int
    cues: CueSummary
    captions: tuple[Caption, ...]


def seed_of(kept: Stored, result: int) -> int:
    """The seed of result k; the request has the first one's."""
    return ((kept.request.start.options.seed or 0) + result) % (1 << 32)


def start_of(kept: Stored, result: int) -> Start:
    """How result k is to be spoken."""
    start = spoken_of(kept.request)
    options = replace(start.options, seed=seed_of(kept, result))
    if kept.vary and result:
        speed, pitch = _VARIED[result % len(_VARIED)]
        options = replace(
            options,
            speed=_varied("speed", options.speed or 1.0, speed),
            pitch=_varied("pitch", options.pitch or 1.0, pitch),
        )
    return replace(start, options=options, captions=keeps_captions(start))


def keeps_captions(start: Start) -> bool:
    """Whether its captions are kept: where its words are, or where it was asked for them. Else nothing is
    that its text could be read off."""
    return start.captions or start.timestamps in ("word", "char")


def _varied(name: str, value: float, factor: float) -> float:
    """Where it would leave the range, the other way and twice as far: so far does no other go."""
    low, high = RANGES[name]
    if not low <= value * factor <= high:
        factor = 1 - 2 * (factor - 1)
    return round(value * factor, 6)


async def refused(open_session: OpenSession, key: str, kept: Stored, limit: int) -> bool:
    """Whether the job would not be taken in now: voices, engines or settings have changed since it was."""
    try:
        session = open_session(spoken_of(kept.request), key=key)
        await rehearse(session, kept.request.text, limit)
    except StreamerError as error:
        return isinstance(error, RequestError)
    return False


async def speak(
    session: Speaking,
    text: str,
    blob: str,
    writer: BlobWriter,
    told: Callable[[int], None],
    limit: int,
    longest_s: float | None = None,
    mime: str = "",
) -> Rendering:
    """Speak the text and commit the blob; `told` hears how many characters are out. `mime` of the blob,
    where its writer makes another. Raises what the session fails with, or the disk, and `TextLimit` as
    soon as it is longer than `longest_s`."""
    started: Started | None = None
    done: Done | None = None
    words: list[Word] = []
    captions: list[Caption] = []
    head, heard = b"", 0
    tally = Tally()
    async with aclosing(fed(session, Text("", text), limit)) as events:
        async for event in events:
            tally.push(event)
            match event:
                case Audio():
                    if len(head) < HEAD:
                        head += event.packet.data[:HEAD]
                    await writer.write(event.packet.data)
                    told(session.characters)
                    heard += event.packet.duration
                    _check_length(started, heard, longest_s)
                case Words():
                    words += event.words
                case Caption():
                    captions.append(event)
                case SegmentStarted(lost=True):  # nobody has heard it yet: better spoken again
                    raise EngineFailed("synthesis failed within a segment")
                case Started():
                    started = event
                case Failed():
                    raise event.error
                case Done():
                    done = event
    if started is None or done is None or started.audio.sample_rate is None:
        raise InternalError("a session ended without saying how")
    await writer.commit(file_header(started.audio, head, done.samples))
    return Rendering(
        blob,
        writer.size,
        mime or started.mime,
        started.seed,
        started.audio.sample_rate,
        done.audio_ms,
        tuple(words),
        started.voice,
        done.engine,
        done.cost,
        done.characters,
        CueSummary(tally.spoken, tally.late, tally.skipped, round(1000 * tally.worst_s, 3)),
        tuple(captions),
    )


def _check_length(started: Started | None, heard: int, longest_s: float | None) -> None:
    if longest_s is None or started is None or started.audio.sample_rate is None:
        return
    if heard > longest_s * started.audio.sample_rate:
        raise TextLimit(
            f"the sound would be longer than {longest_s:g} s", param="longest_s", limit=longest_s
        )


def first_seed(options: OptionsUpdate, made: Callable[[], int]) -> OptionsUpdate:
    """Options that have a seed."""
    return options if options.seed is not None else replace(options, seed=made())
