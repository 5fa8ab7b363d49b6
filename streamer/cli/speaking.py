"""What `say` and `captions` do alike: text is read and spoken and sound is written, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from streamer.cli.progress import Progress
from streamer.cli.sink import Sink, open_sink
from streamer.cli.track import CaptionTrack, open_captions
from streamer.cli.utterance import Utterance
from streamer.errors import EngineFailed, StreamerError
from streamer.types import Audio, Done, Event, Failed, Started


async def speak(
    opening: AbstractAsyncContextManager[Utterance],
    feed: Callable[[Utterance], Awaitable[None]],
    output: str | None,
    captions: str | None,
    progress: Progress,
    told: Callable[[Event], None],
) -> None:
    """`feed` gives the utterance its text, `told` sees every event. Whatever fails first ends all of it."""
    try:
        async with (
            opening as utterance,
            open_sink(output) as sink,
            open_captions(captions) as track,
            asyncio.TaskGroup() as group,
        ):
            feeding = group.create_task(_fed(feed, utterance))
            with progress:
                await _drain(utterance, sink, track, progress, told)
            feeding.cancel()
    except* StreamerError as errors:
        raise _first(errors) from None
    except* OSError as errors:
        raise _first(errors) from None


async def _fed(feed: Callable[[Utterance], Awaitable[None]], utterance: Utterance) -> None:
    await feed(utterance)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _drain(
    utterance: Utterance,
    sink: Sink,
    track: CaptionTrack,
    progress: Progress,
    told: Callable[[Event], None],
) -> None:
    async for event in utterance.events():
        await track.push(event)
        told(event)
        match event:
            case Started():
                progress.started(event)
            case Audio():
                await sink.write(event.packet.data)
                progress.sounded(event.packet.pts + event.packet.duration)
            case Failed():
                raise event.error
            case Done():
                if event.reason != "end":
                    raise EngineFailed(f"the server ended it: {event.reason}")
                return
            case _:
                pass
    raise OSError("the sound broke off")
