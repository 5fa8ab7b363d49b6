"""The Python client against a scripted server: real sockets, the real server half of the dialect."""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from streamer import connect
from streamer.errors import (
    ContextConflict,
    Draining,
    EngineFailed,
    InvalidMessage,
    InvalidParameter,
    KeyRevoked,
    NotFound,
    StalledReader,
    StreamerError,
    Unauthenticated,
    UnknownVoice,
)
from streamer.protocols import native
from streamer.types import (
    Audio,
    AudioFormat,
    Cancel,
    End,
    Event,
    Failed,
    Flush,
    Interrupt,
    Interrupted,
    OptionsUpdate,
    Played,
    Report,
    Start,
    Text,
    Word,
    Words,
)
from tests.client_wire import (
    READY,
    SPOKEN,
    WORDS,
    Wire,
    all_of,
    audio,
    done,
    nothing,
    serving,
    started,
)

# Speaking.


@pytest.mark.asyncio
async def test_speak_yields_what_the_server_says_and_ends() -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(
            Start("c1", OptionsUpdate(voice="heart", speed=1.5), AudioFormat("mp3"), cut="none"),
            Text("c1", "Hi there.", 0),
            End("c1"),
        )
        await wire.send(*SPOKEN)

    async with serving(script) as url, connect(url) as client:
        assert client.ready == READY
        events = client.speak("Hi there.", voice="heart", speed=1.5, audio="mp3", cut="none")
        assert await all_of(events) == SPOKEN


@pytest.mark.asyncio
async def test_text_is_pushed_as_it_comes() -> None:
    heard = asyncio.Event()

    async def tokens() -> AsyncIterator[str]:
        yield "Hi "
        await heard.wait()
        yield "there."

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Text("c1", "Hi ", 0))
        await wire.send(started(), audio())
        await wire.expect(Text("c1", "there.", 3), End("c1"))
        await wire.send(done())

    async with serving(script) as url, connect(url) as client:
        async for event in client.speak(tokens()):
            if isinstance(event, Audio):
                heard.set()
    assert heard.is_set()


@pytest.mark.asyncio
async def test_an_error_of_the_text_itself_is_raised_and_cancels() -> None:
    async def tokens() -> AsyncIterator[str]:
        yield "Hi "
        raise LookupError("the model is gone")

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Text("c1", "Hi ", 0), Cancel("c1"))

    async with serving(script) as url, connect(url) as client:
        with pytest.raises(LookupError):
            await all_of(client.speak(tokens()))


@pytest.mark.asyncio
async def test_contexts_speak_side_by_side() -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Start("c2"), Text("c2", "b", 0), Text("c1", "a", 0))
        await wire.send(started("c1"), started("c2"), audio("c2", 2), audio("c1", 1))
        await wire.send(done("c2"), done("c1"))

    async with serving(script) as url, connect(url) as client:
        one, two = await client.start(), await client.start()
        await two.push("b")
        await one.push("a")
        assert await all_of(one) == [started("c1"), audio("c1", 1), done("c1")]
        assert await all_of(two) == [started("c2"), audio("c2", 2), done("c2")]
        assert one.started == started("c1")


@pytest.mark.asyncio
async def test_every_command_of_a_context_is_said() -> None:
    said = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.expect(
            Start("mine", transport="json"),
            Text("mine", "Hi.", 0, "m", OptionsUpdate(pitch=1.5)),
            Flush("mine"),
            Played("mine", 12.5),
            End("mine"),
            Report("mine", first_sound_ms=40.0, underruns=1),
        )
        said.set()

    async with serving(script) as url, connect(url) as client:
        context = await client.start(Start("mine", transport="json"))
        await context.push("Hi.", mark="m", pitch=1.5)
        await context.flush()
        await context.played(12.5)
        await context.end()
        await context.report(first_sound_ms=40.0, underruns=1)
        await said.wait()


@pytest.mark.asyncio
async def test_defaults_of_the_connection_give_way_to_those_of_a_context() -> None:
    said = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.expect(
            Start("c1", OptionsUpdate(voice="a", speed=2.0), timestamps="none"),
            Start("c2", OptionsUpdate(voice="b", speed=2.0), timestamps="none"),
        )
        said.set()

    async with (
        serving(script) as url,
        connect(url, voice="a", speed=2.0, timestamps="none") as client,
    ):
        await client.start()
        await client.start(voice="b")
        await said.wait()


@pytest.mark.asyncio
async def test_an_option_there_is_not_is_refused_before_anything_is_sent() -> None:
    async with serving(nothing) as url, connect(url) as client:
        with pytest.raises(TypeError, match="voise"):
            await client.start(voise="heart")
        with pytest.raises(TypeError):
            await client.start(Start("a"), voice="heart")
        context = await client.start(Start("a"))
        with pytest.raises(ContextConflict):
            await client.start(Start("a"))
        with pytest.raises(TypeError, match="voise"):
            await context.push("Hi.", voise="heart")


# Errors.


@pytest.mark.asyncio
async def test_an_error_of_a_context_is_raised_after_what_came_before_it() -> None:
    failure = EngineFailed("out of breath")

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Start("c2"))
        await wire.send(started("c1"), audio("c1"), Failed(failure, "c1"))
        await wire.send(started("c2"), done("c2"))

    async with serving(script) as url, connect(url) as client:
        context, other = await client.start(), await client.start()
        heard: list[Event] = []
        with pytest.raises(EngineFailed) as caught:
            await all_of(context, heard)
        assert caught.value == failure
        assert heard == [started(), audio()]
        assert await all_of(context) == [], "an error is raised once"
        for later in (context.push("more"), context.flush(), context.interrupt()):
            with pytest.raises(EngineFailed):
                await later
        await context.cancel()
        assert await all_of(other) == [started("c2"), done("c2")]


@pytest.mark.asyncio
async def test_an_error_of_the_connection_is_raised_in_every_context() -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Start("c2"))
        await wire.send(Failed(KeyRevoked("was yours")))

    async with serving(script) as url, connect(url) as client:
        for context in [await client.start(), await client.start()]:
            with pytest.raises(KeyRevoked, match="was yours"):
                await all_of(context)
        with pytest.raises(KeyRevoked):
            await client.start()


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1001, "draining", Draining),
        (4001, "", StalledReader),
        (1011, "", ConnectionError),
        (1000, "", ConnectionError),
    ],
)
@pytest.mark.asyncio
async def test_a_connection_closed_under_a_context_is_an_error_of_it(
    code: int, reason: str, kind: type[Exception]
) -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        await wire.socket.close(code, reason)

    async with serving(script) as url, connect(url, resume=False) as client:
        context = await client.start()
        with pytest.raises(kind):
            await all_of(context)


@pytest.mark.asyncio
async def test_a_server_that_talks_nonsense_is_hung_up_on() -> None:
    closed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        await wire.socket.send("moo")
        await wire.socket.wait_closed()
        assert wire.socket.close_code == 1002
        closed.set()

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        with pytest.raises(InvalidMessage):
            await all_of(context)
        await closed.wait()


# Connecting.


@asynccontextmanager
async def refusing(response: Response, requests: list[Request]) -> AsyncGenerator[str]:
    async def unreached(socket: ServerConnection) -> None:
        raise AssertionError

    async def process(socket: ServerConnection, request: Request) -> Response:
        requests.append(request)
        return response

    async with serve(unreached, "127.0.0.1", 0, process_request=process) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, native.encode_error(Unauthenticated("no key"))[1], Unauthenticated("no key")),
        (503, native.encode_error(Draining("bye"))[1], Draining("bye")),
        (404, b"<html>not here</html>", NotFound("HTTP 404")),
    ],
)
@pytest.mark.asyncio
async def test_a_refused_handshake_is_the_servers_typed_error(
    status: int, body: bytes, expected: StreamerError
) -> None:
    headers = Headers({"content-length": str(len(body))})
    response = Response(status, HTTPStatus(status).phrase, headers, body)
    requests: list[Request] = []
    async with refusing(response, requests) as url:
        with pytest.raises(type(expected)) as caught:
            async with connect(url + "/#key=from-url"):
                raise AssertionError

    assert caught.value == expected
    assert requests[0].path == "/v1/stream?resume=1"
    assert requests[0].headers["Authorization"] == "Bearer from-url"
    assert requests[0].headers["Sec-WebSocket-Protocol"] == "streamer.v1"


@pytest.mark.asyncio
async def test_a_key_and_a_path_of_ones_own_are_used() -> None:
    seen: list[tuple[str, str]] = []

    async def script(wire: Wire) -> None:
        assert wire.socket.request is not None
        request = wire.socket.request
        seen.append((request.path, request.headers["Authorization"]))
        assert wire.socket.subprotocol == "streamer.v1"

    path = "/native/v1/stream?resume=0"
    async with serving(script) as url, connect(url + path, "secret"):
        pass
    async with serving(script) as url, connect(url, "secret", resume=False):
        pass
    assert seen == [(path, "Bearer secret"), ("/v1/stream", "Bearer secret")]


@pytest.mark.asyncio
async def test_an_error_instead_of_a_greeting_is_raised() -> None:
    async def script(wire: Wire) -> None:
        await wire.send(Failed(Draining("bye")))

    async with serving(script, readies=[None]) as url:
        with pytest.raises(Draining):
            async with connect(url):
                raise AssertionError


@pytest.mark.asyncio
async def test_a_server_that_hangs_up_before_greeting_is_a_lost_connection() -> None:
    async def script(wire: Wire) -> None:
        await wire.socket.close(1000)

    async with serving(script, readies=[None]) as url:
        with pytest.raises(ConnectionError):
            async with connect(url):
                raise AssertionError


@pytest.mark.asyncio
async def test_where_nothing_listens_it_is_an_os_error() -> None:
    async with serving(nothing) as url:
        pass
    with pytest.raises(OSError):
        async with connect(url):
            raise AssertionError


@pytest.mark.parametrize(
    ("url", "key", "param"),
    [
        ("localhost:8090", None, "url"),
        ("ftp://localhost/", None, "url"),
        ("ws://", None, "url"),
        ("ws://:8090", None, "url"),
        ("ws://localhost:port", None, "url"),
        ("ws://localhost:99999", None, "url"),
        ("ws://[::1", None, "url"),
        ("ws://localhost:1/", "two\nlines", "key"),
        ("ws://localhost:1/", "ключ", "key"),
    ],
)
@pytest.mark.asyncio
async def test_a_bad_url_or_key_is_named(url: str, key: str | None, param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        async with connect(url, key):
            raise AssertionError

    assert caught.value.param == param


# Stopping.


@pytest.mark.asyncio
async def test_interrupt_drops_what_waits_and_says_what_was_heard() -> None:
    answer = Interrupted("c1", "Hi", WORDS[:1], " there.", 500, "client")

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Text("c1", "Hi there.", 0))
        await wire.send(started(), Words("c1", WORDS, "model"), audio(), audio())
        await wire.expect(Interrupt("c1", 500.0))
        await wire.send(audio(), answer)

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        assert await anext(context) == started()
        assert await context.interrupt(500.0) == answer
        assert await all_of(context) == [answer]
        assert await context.interrupt() == answer, "asked again, it says the same"
        with pytest.raises(ContextConflict):
            await context.push("more")


@pytest.mark.parametrize(
    ("reported", "played_ms", "heard", "words", "unspoken"),
    [
        (None, 500.0, "Hi", WORDS[:1], " there."),
        (None, 5000.0, "Hi there.", WORDS, ""),
        (400.0, None, "Hi", WORDS[:1], " there."),
        (None, 0.0, "", (), "Hi there."),
        (None, None, "Hi there.", WORDS, ""),
    ],
)
@pytest.mark.asyncio
async def test_interrupt_after_the_last_packet_is_answered_by_the_client_itself(
    reported: float | None,
    played_ms: float | None,
    heard: str,
    words: tuple[Word, ...],
    unspoken: str,
) -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Text("c1", "Hi ", 0), Text("c1", "there.", 3), End("c1"))
        await wire.send(*SPOKEN)

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi ")
        await context.push("there.")
        await context.end()
        assert await all_of(context) == SPOKEN
        if reported is not None:
            await context.played(reported)
        answer = await context.interrupt(played_ms)

    assert (answer.heard_text, answer.heard_words) == (heard, words)
    assert answer.unspoken_text == unspoken
    assert answer.clock == "client"


@pytest.mark.asyncio
async def test_interrupt_that_crosses_the_end_on_the_wire_is_answered_all_the_same() -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Text("c1", "Hi there.", 0))
        await wire.send(*SPOKEN[:-1])
        await wire.expect(Interrupt("c1", 400.0))
        await wire.send(SPOKEN[-1])
        await wire.send(Failed(EngineFailed("unknown by now"), "c1"))
        await wire.expect(Start("c2"))
        await wire.send(started("c2"), done("c2"))

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        await context.push("Hi there.")
        answer = await context.interrupt(400.0)
        assert (answer.heard_text, answer.unspoken_text) == ("Hi", " there.")
        assert await all_of(await client.start()) == [started("c2"), done("c2")]


@pytest.mark.asyncio
async def test_cancel_waits_for_the_acknowledgement() -> None:
    acknowledged = False

    async def script(wire: Wire) -> None:
        nonlocal acknowledged
        await wire.expect(Start("c1"))
        await wire.send(started(), audio())
        await wire.expect(Cancel("c1"))
        await wire.send(audio())
        acknowledged = True
        await wire.send(done(reason="cancelled"))

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        assert await anext(context) == started()
        await context.cancel()
        assert acknowledged
        assert await all_of(context) == [done(reason="cancelled")]
        await context.cancel()
        with pytest.raises(ContextConflict):
            await context.interrupt()


@pytest.mark.asyncio
async def test_cancelling_the_task_that_listens_cancels_the_context() -> None:
    cancelled = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        await wire.send(started())
        await wire.expect(Cancel("c1"))
        await wire.send(audio(), done(reason="cancelled"))
        cancelled.set()
        await wire.expect(Start("c2"))
        await wire.send(started("c2"), done("c2"))

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        assert await anext(context) == started()
        listener = asyncio.create_task(all_of(context))
        await asyncio.sleep(0)
        listener.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listener
        await cancelled.wait()
        assert await all_of(context) == []
        assert await all_of(await client.start()) == [started("c2"), done("c2")]


@pytest.mark.asyncio
async def test_cancelling_a_start_that_waits_to_be_sent_cancels_the_context() -> None:
    cancelled = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Cancel("c1"))
        await wire.send(done(reason="cancelled"))
        cancelled.set()

    async with serving(script) as url, connect(url) as client:
        assert client._link.socket is not None
        client._link.socket.pause_writing()  # as the transport says when its buffer is full
        starting = asyncio.create_task(client.start())
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        client._link.socket.resume_writing()
        await asyncio.wait_for(cancelled.wait(), 5)


@pytest.mark.asyncio
async def test_a_push_that_nobody_waits_for_any_more_leaves_no_hole() -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Text("c1", "One ", 0), Text("c1", "two ", 4))
        await wire.expect(Text("c1", "three.", 8))
        await wire.send(started(), done())

    async with serving(script) as url, connect(url) as client:
        context = await client.start()
        assert client._link.socket is not None
        client._link.socket.pause_writing()
        pushes = [asyncio.create_task(context.push(text)) for text in ("One ", "two ")]
        await asyncio.sleep(0)
        for push in pushes:
            push.cancel()
        await asyncio.wait(pushes)
        client._link.socket.resume_writing()
        await context.push("three.")
        assert await all_of(context) == [started(), done()]


@pytest.mark.asyncio
async def test_a_start_while_the_connection_closes_raises_why() -> None:
    async def script(wire: Wire) -> None: ...

    async with serving(script) as url, connect(url) as client:
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await client.start()
        await closing


@pytest.mark.asyncio
async def test_leaving_speak_early_cancels_the_context() -> None:
    cancelled = asyncio.Event()

    async def endless() -> AsyncIterator[str]:
        yield "Hi "
        await asyncio.Event().wait()

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Text("c1", "Hi ", 0))
        await wire.send(started())
        await wire.expect(Cancel("c1"))
        cancelled.set()

    async with serving(script) as url, connect(url) as client:
        async with aclosing(client.speak(endless())) as events:
            async for event in events:
                assert event == started()
                break
        await cancelled.wait()


# Bounds, and what is left behind.


@pytest.mark.asyncio
async def test_a_reader_that_falls_behind_loses_its_context_and_no_other() -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Start("c2"))
        await wire.send(started("c1"), started("c2"))
        for _ in range(20):
            await wire.send(audio("c1", 1000))
        await wire.expect(Cancel("c1"))
        await wire.send(audio("c2", 1000), done("c2"))

    async with serving(script) as url, connect(url, buffer_bytes=10_000) as client:
        slow, quick = await client.start(), await client.start()
        assert await all_of(quick) == [started("c2"), audio("c2", 1000), done("c2")]
        heard: list[Event] = []
        with pytest.raises(StalledReader):
            await all_of(slow, heard)
        assert 8 <= len(heard) <= 10


@pytest.mark.asyncio
async def test_a_reader_that_keeps_up_is_never_cut() -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        await wire.send(started())
        for _ in range(100):
            await wire.send(audio("c1", 1000))
            await wire.expect(Played("c1", 1.0))
        await wire.send(done())

    async with serving(script) as url, connect(url, buffer_bytes=5_000) as client:
        context = await client.start()
        packets = 0
        async for event in context:
            if isinstance(event, Audio):
                packets += 1
                await context.played(1.0)
    assert packets == 100


@pytest.mark.asyncio
async def test_closing_ends_every_context_and_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with serving(nothing) as url:
        async with connect(url) as client:
            context = await client.start()
            listener = asyncio.create_task(all_of(context))
            await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await listener
        with pytest.raises(ConnectionError):
            await context.interrupt()
        with pytest.raises(ConnectionError):
            await client.start()
    gc.collect()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.asyncio
async def test_a_fault_of_the_user_closes_the_connection_and_passes_through() -> None:
    closed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.socket.wait_closed()
        closed.set()

    async with serving(script) as url:
        with pytest.raises(UnknownVoice):
            async with connect(url):
                raise UnknownVoice("of the user's own")
        await closed.wait()
