"""What a client's commands do to its contexts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from streamer import types
from streamer.errors import NotAvailable
from streamer.server.contexts import Contexts
from streamer.types import Command, OptionsUpdate, Start, Text

Prepare = Callable[[OptionsUpdate | None], Awaitable[None]]
"""Waits for what a session with these options would else wait for while all others do too."""


async def unprepared(options: OptionsUpdate | None) -> None:
    """Nothing is waited for."""


async def run(command: Command, contexts: Contexts, prepare: Prepare) -> None:
    """Do it. Raises what the limits, the session or the state of the context have against it, and
    `SocketGone`."""
    match command:
        case Start():
            await prepare(command.options)
            for voice in command.cues.speakers.values():
                await prepare(OptionsUpdate(voice=voice))
            contexts.start(command)
        case types.Subscribe():
            contexts.start(command)
        case types.Cue(context):
            await prepare(OptionsUpdate(voice=command.voice))
            live = contexts.live(context)
            quoted = Text(context, command.text, options=OptionsUpdate(voice=command.voice))
            live.charge.take(len(command.text), live.session.quote(quoted))
            live.session.cue(command)
        case Text():
            await prepare(command.options)
            live = contexts.get(command.context) or contexts.start(Start(command.context))
            live.charge.take(len(command.text), live.session.quote(command))
            live.session.text(command)
        case types.Flush(context):
            contexts.live(context).session.flush()
        case types.End(context):
            contexts.live(context).session.end()
        case types.Played(context, played_ms):
            if known := contexts.get(context):  # it may have ended while this was on its way
                known.session.played(played_ms)
        case types.Interrupt(some, heard_ms):
            await contexts.interrupt(some, heard_ms)
        case types.Cancel(some):
            await contexts.cancel(some)
        case types.Pause(context, heard_ms):
            await contexts.pause(context, heard_ms)
        case types.Continue(context):
            contexts.go_on(context)
        case types.Report():
            contexts.report(command)
        case types.Authenticate():
            raise NotAvailable("a key comes in the handshake", param="type")
