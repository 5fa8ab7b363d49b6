"""The Python client over lost sockets, against a scripted server that loses them."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from itertools import islice

import pytest

from streamer import connect
from streamer.client import Client, Patience, dialing
from streamer.errors import (
    ConnectionLimit,
    ContextLost,
    Draining,
    KeyRevoked,
    RateLimited,
    StreamerError,
    TextLimit,
)
from streamer.protocols import native
from streamer.types import (
    Cancel,
    Command,
    End,
    Event,
    Failed,
    Flush,
    Interrupt,
    Interrupted,
    OptionsUpdate,
    Played,
    Ready,
    Recovered,
    Report,
    Resume,
    Resumed,
    Start,
    Started,
    Text,
)
from tests.client_wire import (
    READY,
    SPOKEN,
    Script,
    Wire,
    all_of,
    audio,
    done,
    serving,
    started,
)

AT_ONCE = Patience(chance=lambda: 0.0)
SECOND = Ready("s-2", "t-2", {"contexts": 16}, "r-2")


class Sessions:
    """A server's memory of one session: its encoder goes on over the sockets of it."""

    def __init__(self) -> None:
        self.dialect = native.Server()
        self.kept: list[str | bytes] = []

    def begin(self, wire: Wire) -> None:
        wire.dialect = self.dialect

    def keep(self, *events: Event) -> None:
        """What is sent and does not arrive."""
        for event in events:
            self.kept += list(self.dialect.send(event))  # type: ignore[arg-type]

    async def resume(
        self, wire: Wire, received: dict[str, int], contexts: dict[str, Recovered]
    ) -> None:
        """Answer the first message on a new socket, and send what did not arrive."""
        assert await wire.receive() == Resume("s-1", "t-1", received)
        await wire.send(Resumed("s-1", contexts))
        wire.dialect = self.dialect
        for message in self.kept:
            await wire.socket.send(message)


async def lost(client: Client) -> None:
    """Until the client has noticed that its socket is gone."""
    while client.connected:
        await asyncio.sleep(0.001)


async def found(client: Client) -> None:
    while not client.connected:
        await asyncio.sleep(0.001)


class Gate:
    """A pause between two attempts, `reached` when it begins, that lasts until it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.reached = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.reached.set()
        await self.open.wait()

    @property
    def patience(self) -> Patience:
        return Patience(chance=lambda: 0.0, sleep=self.sleep)


# Going on.


@pytest.mark.asyncio
async def test_a_context_goes_on_over_another_socket_as_if_nothing_had_been() -> None:
    server = Sessions()

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(Start("c1"), Text("c1", "Hi there.", 0), End("c1"))
        await wire.send(*SPOKEN[:2], audio(size=1))
        server.keep(audio(size=2), *SPOKEN[2:4])
        wire.drop()

    async def after(wire: Wire) -> None:
        await server.resume(wire, {"c1": 2}, {"c1": Recovered(True, 9)})
        await wire.expect(End("c1"))
        await wire.send(audio(size=3), done())
        await wire.expect(Start("c2"))
        await wire.send(started("c2"), done("c2"))

    async with serving(before, after) as url, connect(url, patience=AT_ONCE) as client:
        events = await all_of(client.speak("Hi there."))
        assert events == [
            *SPOKEN[:2],
            audio(size=1),
            audio(size=2),
            *SPOKEN[2:4],
            audio(size=3),
            done(),
        ]
        assert client.reconnects == 1
        assert (client.ready.session, client.ready.token) == ("s-1", "t-1")
        assert await all_of(await client.start()) == [started("c2"), done("c2")]


@pytest.mark.asyncio
async def test_it_goes_on_over_many_sockets() -> None:
    server = Sessions()

    async def first(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(Start("c1"))
        await wire.send(started())
        wire.drop()

    def nth(n: int) -> Script:
        async def play(wire: Wire) -> None:
            await server.resume(wire, {"c1": n}, {"c1": Recovered(True)})
            await wire.send(audio(size=n))
            wire.drop()

        return play

    async def last(wire: Wire) -> None:
        await server.resume(wire, {"c1": 9}, {"c1": Recovered(True)})
        await wire.send(done())

    scripts = [nth(n) for n in range(9)]
    async with serving(first, *scripts, last) as url, connect(url, patience=AT_ONCE) as client:
        events = await all_of(await client.start())
    assert events == [started(), *(audio(size=n) for n in range(9)), done()]
    assert client.reconnects == 10


@pytest.mark.asyncio
async def test_what_comes_twice_is_told_once() -> None:
    server = Sessions()

    async def before(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        server.keep(started(), audio(size=1), SPOKEN[2])
        await wire.say_again(*server.kept)
        wire.drop()

    async def after(wire: Wire) -> None:
        server.keep(audio(size=2))
        await server.resume(wire, {"c1": 2}, {"c1": Recovered(True)})
        await wire.send(done())

    async with serving(before, after) as url, connect(url, patience=AT_ONCE) as client:
        events = await all_of(await client.start())
    assert events == [started(), audio(size=1), SPOKEN[2], audio(size=2), done()]


# What is said again.


@pytest.mark.parametrize(
    ("characters", "again"),
    [
        (0, [Text("c1", "Hi ", 0, "m"), Flush("c1"), Text("c1", "there", 3)]),
        (3, [Flush("c1"), Text("c1", "there", 3)]),
        (5, [Text("c1", "ere", 5)]),
        (8, []),
    ],
)
@pytest.mark.asyncio
async def test_text_the_server_lacks_is_sent_again_with_all_behind_it(
    characters: int, again: list[Command]
) -> None:
    tail: list[Command] = [
        Text("c1", "", 8, None, OptionsUpdate(pitch=2.0)),
        Text("c1", ".", 8),
        End("c1"),
    ]

    async def before(wire: Wire) -> None:
        await wire.expect(
            Start("c1"), Text("c1", "Hi ", 0, "m"), Flush("c1"), Text("c1", "there", 3)
        )
        await wire.send(started())
        wire.drop()

    async def after(wire: Wire) -> None:
        await Sessions().resume(wire, {"c1": 0}, {"c1": Recovered(True, characters)})
        await wire.expect(*again, *tail)
        wire.dialect.send(started())
        await wire.send(done())

    gate = Gate()
    async with serving(before, after) as url, connect(url, patience=gate.patience) as client:
        context = await client.start()
        await context.push("Hi ", mark="m")
        await context.flush()
        await context.push("there")
        await lost(client)
        await context.push("", pitch=2.0)
        await context.push(".")
        await context.end()
        gate.open.set()
        assert [type(event) for event in await all_of(context)] == [Started, type(done())]


@pytest.mark.asyncio
async def test_behind_an_end_that_has_arrived_nothing_but_the_end_is_said_again() -> None:
    async def before(wire: Wire) -> None:
        await wire.expect(Start("c1"), Text("c1", "Hi.", 0), Text("c1", "", 3, "m"), End("c1"))
        await wire.send(started())
        wire.drop()

    async def after(wire: Wire) -> None:
        await Sessions().resume(wire, {"c1": 0}, {"c1": Recovered(True, 3)})
        await wire.expect(End("c1"))
        wire.dialect.send(started())
        await wire.send(done())

    async with serving(before, after) as url, connect(url, patience=AT_ONCE) as client:
        context = await client.start()
        await context.push("Hi.")
        await context.push("", mark="m")
        await context.end()
        assert await all_of(context) == [started(), done()]


@pytest.mark.asyncio
async def test_what_the_server_never_heard_of_is_started_anew() -> None:
    async def before(wire: Wire) -> None:
        wire.drop()

    async def after(wire: Wire) -> None:
        await Sessions().resume(wire, {}, {})
        await wire.expect(
            Start("c1", OptionsUpdate(voice="heart")),
            Text("c1", "Hi ", 0),
            Text("c1", "there.", 3),
            Played("c1", 5.0),
        )
        await wire.send(*SPOKEN)

    gate = Gate()
    async with serving(before, after) as url, connect(url, patience=gate.patience) as client:
        await lost(client)
        context = await client.start(voice="heart")
        await context.push("Hi ")
        await context.push("there.")
        await context.played(5.0)
        gate.open.set()
        assert await all_of(context) == SPOKEN


@pytest.mark.asyncio
async def test_one_that_began_without_a_word_reaching_us_is_heard_from_its_start() -> None:
    server = Sessions()

    async def before(wire: Wire) -> None:
        await wire.expect(Start("c1"), Text("c1", "Hi there.", 0), End("c1"))
        server.keep(*SPOKEN)
        wire.drop()

    async def after(wire: Wire) -> None:
        await server.resume(wire, {}, {"c1": Recovered(True, 9)})
        await wire.expect(End("c1"))

    async with serving(before, after) as url, connect(url, patience=AT_ONCE) as client:
        assert await all_of(client.speak("Hi there.")) == SPOKEN


@pytest.mark.asyncio
async def test_an_interrupt_without_answer_is_asked_again() -> None:
    server = Sessions()
    answer = Interrupted("c1", "Hi", (), " there.", 500, "client")

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(Start("c1"), Text("c1", "Hi there.", 0))
        await wire.send(started(), audio())
        await wire.expect(Played("c1", 400.0), Interrupt("c1", 500.0))
        server.keep(audio())
        wire.drop()

    async def after(wire: Wire) -> None:
        await server.resume(wire, {"c1": 1}, {"c1": Recovered(True, 9)})
        await wire.expect(Played("c1", 400.0), Interrupt("c1", 500.0))
        await wire.send(answer)

    async with serving(before, after) as url, connect(url, patience=AT_ONCE) as client:
        context = await client.start()
        await context.push("Hi there.")
        assert await anext(context) == started()
        assert await anext(context) == audio()
        await context.played(400.0)
        assert await context.interrupt(500.0) == answer


@pytest.mark.asyncio
async def test_one_abandoned_meanwhile_is_cancelled_as_soon_as_there_is_a_socket() -> None:
    cancelled = asyncio.Event()
    server = Sessions()

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(Start("c1"))
        await wire.send(started())
        wire.drop()

    async def after(wire: Wire) -> None:
        await server.resume(wire, {"c1": 0}, {"c1": Recovered(True)})
        await wire.expect(Cancel("c1"))
        cancelled.set()
        await wire.send(audio(), done(reason="cancelled"))
        await wire.expect(Start("c2"))
        await wire.send(started("c2"), done("c2"))

    gate = Gate()
    async with serving(before, after) as url, connect(url, patience=gate.patience) as client:
        context = await client.start()
        assert await anext(context) == started()
        await lost(client)
        listener = asyncio.create_task(all_of(context))
        await asyncio.sleep(0)
        listener.cancel()
        await asyncio.wait([listener])
        gate.open.set()
        await cancelled.wait()
        assert await all_of(await client.start()) == [started("c2"), done("c2")]


@pytest.mark.asyncio
async def test_figures_reported_while_no_socket_is_open_are_sent_later() -> None:
    server = Sessions()
    said = asyncio.Event()

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(Start("c1"))
        await wire.send(started(), done())
        wire.drop()

    async def after(wire: Wire) -> None:
        # Named, so that it does not come again.
        await server.resume(wire, {"c1": 1}, {"c1": Recovered(True)})
        await wire.expect(Report("c1", underruns=1))
        said.set()

    gate = Gate()
    async with serving(before, after) as url, connect(url, patience=gate.patience) as client:
        context = await client.start()
        assert await all_of(context) == [started(), done()]
        await lost(client)
        await context.report(underruns=1)
        gate.open.set()
        await said.wait()


@pytest.mark.asyncio
async def test_more_text_than_may_wait_for_a_socket_is_refused_and_the_rest_is_kept() -> None:
    async def before(wire: Wire) -> None:
        wire.drop()

    async def after(wire: Wire) -> None:
        await Sessions().resume(wire, {}, {})
        await wire.expect(Start("c1"), Text("c1", "a" * 500, 0), Text("c1", "b" * 600, 500))
        await wire.send(started(), done())

    gate = Gate()
    async with (
        serving(before, after) as url,
        connect(url, patience=gate.patience, buffer_bytes=1000) as client,
    ):
        await lost(client)
        context = await client.start()
        await context.push("a" * 500)
        with pytest.raises(TextLimit):
            await context.push("b" * 600)
        gate.open.set()
        await found(client)
        await context.push("b" * 600)
        assert await all_of(context) == [started(), done()]


# What is lost.


@pytest.mark.asyncio
async def test_one_that_was_not_recovered_is_an_error_and_the_others_go_on() -> None:
    server = Sessions()

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(Start("mine"), Start("c1"), Start("c2"))
        await wire.send(started("mine"), audio("mine"), started("c1"))
        wire.drop()

    async def after(wire: Wire) -> None:
        contexts = {"mine": Recovered(False), "c1": Recovered(True), "c2": Recovered(False)}
        await server.resume(wire, {"mine": 1, "c1": 0}, contexts)
        # Nothing had come of c2, so nobody misses anything.
        await wire.expect(Start("c2"))
        await wire.send(done("c1"), started("c2"), done("c2"))
        await wire.expect(Start("mine"))
        wire.dialect = native.Server()
        await wire.send(started("mine"), done("mine"))

    async with serving(before, after) as url, connect(url, patience=AT_ONCE) as client:
        mine, one, two = (
            await client.start(Start("mine")),
            await client.start(),
            await client.start(),
        )
        heard: list[Event] = []
        with pytest.raises(ContextLost):
            await all_of(mine, heard)
        assert heard == [started("mine"), audio("mine")]
        with pytest.raises(ContextLost):
            await mine.push("more")
        assert await all_of(one) == [started("c1"), done("c1")]
        assert await all_of(two) == [started("c2"), done("c2")]
        assert await all_of(await client.start(Start("mine"))) == [started("mine"), done("mine")]


@pytest.mark.asyncio
async def test_whose_sound_a_name_that_was_used_before_has_is_not_guessed() -> None:
    server = Sessions()
    cancelled = asyncio.Event()

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(Start("mine"))
        await wire.send(started("mine"), done("mine"))
        await wire.expect(Start("mine"))
        wire.drop()

    async def after(wire: Wire) -> None:
        await server.resume(wire, {"mine": 1}, {"mine": Recovered(True)})
        await wire.expect(Cancel("mine"))
        cancelled.set()

    async with serving(before, after) as url, connect(url, patience=AT_ONCE) as client:
        assert await all_of(await client.start(Start("mine"))) == [started("mine"), done("mine")]
        with pytest.raises(ContextLost):
            await all_of(await client.start(Start("mine")))
        await cancelled.wait()


@pytest.mark.asyncio
async def test_a_session_that_is_gone_is_followed_by_the_new_one() -> None:
    async def before(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        await wire.send(started())
        wire.drop()

    async def after(wire: Wire) -> None:
        assert await wire.receive() == Resume("s-1", "t-1", {"c1": 0})
        await wire.send(Resumed("s-2", {"c1": Recovered(False)}))
        await wire.expect(Start("c2"))
        await wire.send(started("c2"))
        wire.drop()

    async def last(wire: Wire) -> None:
        assert await wire.receive() == Resume("s-2", "t-2", {"c2": 0})
        await wire.send(Resumed("s-2", {"c2": Recovered(True)}))
        wire.dialect.send(started("c2"))
        await wire.send(done("c2"))

    async with (
        serving(before, after, last, readies=[READY, SECOND]) as url,
        connect(url, patience=AT_ONCE) as client,
    ):
        with pytest.raises(ContextLost):
            await all_of(await client.start())
        assert await all_of(await client.start()) == [started("c2"), done("c2")]
        assert client.ready.session == "s-2"


@pytest.mark.asyncio
async def test_a_server_that_offers_it_no_more_has_lost_what_had_begun() -> None:
    async def before(wire: Wire) -> None:
        await wire.expect(Start("c1"), Start("c2"))
        await wire.send(started())
        wire.drop()

    async def after(wire: Wire) -> None:
        await wire.expect(Start("c2"))
        await wire.send(started("c2"), done("c2"))

    async with (
        serving(before, after, readies=[READY, replace(SECOND, token="")]) as url,
        connect(url, patience=AT_ONCE) as client,
    ):
        one, two = await client.start(), await client.start()
        with pytest.raises(ContextLost):
            await all_of(one)
        assert await all_of(two) == [started("c2"), done("c2")]


@pytest.mark.parametrize(("resume", "token"), [(False, "t-1"), (True, "")])
@pytest.mark.asyncio
async def test_where_nobody_waits_a_lost_socket_is_the_end(resume: bool, token: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        wire.drop()

    async with (
        serving(script, readies=[replace(READY, token=token)]) as url,
        connect(url, resume=resume, patience=AT_ONCE) as client,
    ):
        with pytest.raises(ConnectionError):
            await all_of(await client.start())
        assert not client.connected


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1008, "key_revoked"), (4000, "invalid_message"), (4002, ""), (4003, "")],
)
@pytest.mark.asyncio
async def test_a_server_that_closes_for_good_is_not_called_again(code: int, reason: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        await wire.socket.close(code, reason)

    async with serving(script, unreached) as url, connect(url, patience=AT_ONCE) as client:
        with pytest.raises((ConnectionError, StreamerError)):
            await all_of(await client.start())


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1001, "draining"), (1011, ""), (1012, ""), (4001, "stalled_reader")],
)
@pytest.mark.asyncio
async def test_one_that_closes_for_now_is(code: int, reason: str) -> None:
    async def before(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        await wire.socket.close(code, reason)

    async def after(wire: Wire) -> None:
        await Sessions().resume(wire, {}, {})
        await wire.expect(Start("c1"))
        await wire.send(started(), done())

    async with serving(before, after) as url, connect(url, patience=AT_ONCE) as client:
        assert await all_of(await client.start()) == [started(), done()]


async def unreached(wire: Wire) -> None:
    raise AssertionError


@pytest.mark.asyncio
async def test_a_server_that_has_gone_without_a_word_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialing, "PING_S", 0.02)
    monkeypatch.setattr(dialing, "PONG_S", 0.5)
    server, left = Sessions(), asyncio.Event()

    async def before(wire: Wire) -> None:
        server.begin(wire)
        await wire.expect(Start("c1"))
        await wire.send(started())
        wire.socket.transport.pause_reading()  # it hears no ping, nor that we hang up
        async with asyncio.timeout(10):
            await left.wait()
        wire.drop()

    async def after(wire: Wire) -> None:
        left.set()
        await server.resume(wire, {"c1": 0}, {"c1": Recovered(True)})
        await wire.send(done())

    async def longer(seconds: float) -> None:
        """The next one may be slow: it answers."""
        monkeypatch.setattr(dialing, "PONG_S", 600.0)

    patience = Patience(chance=lambda: 0.0, sleep=longer)
    async with serving(before, after) as url, connect(url, patience=patience) as client:
        assert await all_of(await client.start()) == [started(), done()]
        assert client.reconnects == 1


@pytest.mark.asyncio
async def test_one_that_says_nothing_for_long_and_answers_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialing, "PING_S", 0.01)

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        await asyncio.sleep(0.2)
        await wire.send(started(), done())

    async with serving(script) as url, connect(url, patience=AT_ONCE) as client:
        assert await all_of(await client.start()) == [started(), done()]
        assert client.reconnects == 0


# How it is tried.


def test_waits_double_up_to_a_bound_and_a_random_part_of_each_is_waited() -> None:
    whole = Patience(chance=lambda: 1.0)
    assert list(islice(whole.waits(), 8)) == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    chances = iter((0.0, 0.5, 0.25))
    part = Patience(chance=lambda: next(chances))
    assert list(islice(part.waits(), 3)) == [0.0, 0.25, 0.25]


class Time:
    """A clock that passes by waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.waits.append(seconds)
        self.now += seconds

    @property
    def patience(self) -> Patience:
        return Patience(chance=lambda: 1.0, clock=self, sleep=self.sleep)


@pytest.mark.asyncio
async def test_refusals_that_may_pass_are_tried_again() -> None:
    async def before(wire: Wire) -> None:
        wire.drop()

    async def after(wire: Wire) -> None:
        await Sessions().resume(wire, {}, {})
        await wire.expect(Start("c1"))
        await wire.send(started(), done())

    time = Time()
    refusals = [None, Draining("bye"), Draining("still going")]
    async with (
        serving(before, after, refusals=refusals) as url,
        connect(url, patience=time.patience) as client,
    ):
        await lost(client)
        assert await all_of(await client.start()) == [started(), done()]
    assert time.waits == [0.25, 0.5, 1.0]


@pytest.mark.asyncio
async def test_a_server_that_says_when_to_come_back_is_not_called_before() -> None:
    async def before(wire: Wire) -> None:
        await wire.send(Failed(error=Draining("bye", retry_after_s=2)))
        await wire.socket.close(1001)

    async def after(wire: Wire) -> None:
        await Sessions().resume(wire, {}, {})
        await wire.expect(Start("c1"))
        await wire.send(started(), done())

    time = Time()
    refusals = [
        None,
        RateLimited("slow down", retry_after_s=1.5),
        ConnectionLimit("full", retry_after_s="soon"),
    ]
    async with (
        serving(before, after, refusals=refusals) as url,
        connect(url, patience=time.patience) as client,
    ):
        await lost(client)
        assert await all_of(await client.start()) == [started(), done()]
    assert time.waits == [2.25, 2.0, 1.0]


@pytest.mark.asyncio
async def test_one_that_wants_no_call_in_all_the_time_it_waits_is_not_called() -> None:
    async def before(wire: Wire) -> None:
        wire.drop()

    time = Time()
    async with (
        serving(before, unreached, refusals=[None, RateLimited("enough", retry_after_s=60)]) as url,
        connect(url, patience=time.patience) as client,
    ):
        with pytest.raises(RateLimited):
            await all_of(await client.start())
    assert time.waits == [0.25]


@pytest.mark.asyncio
async def test_a_refusal_for_good_is_raised_in_every_context() -> None:
    async def before(wire: Wire) -> None:
        await wire.expect(Start("c1"), Start("c2"))
        await wire.send(started("c1"))
        wire.drop()

    refusals = [None, KeyRevoked("was yours")]
    async with (
        serving(before, unreached, refusals=refusals) as url,
        connect(url, patience=AT_ONCE) as client,
    ):
        for context in [await client.start(), await client.start()]:
            with pytest.raises(KeyRevoked, match="was yours"):
                await all_of(context)
        with pytest.raises(KeyRevoked):
            await client.start()


@pytest.mark.parametrize(("told", "until"), [({}, 30.0), ({"resume_s": 3}, 3.0)])
@pytest.mark.asyncio
async def test_it_is_tried_for_as_long_as_the_server_waits(
    told: dict[str, float], until: float
) -> None:
    down = asyncio.Event()
    gate, time = Gate(), Time()

    async def sleep(seconds: float) -> None:
        await gate.open.wait()
        await time.sleep(seconds)

    async def script(wire: Wire) -> None:
        await wire.expect(Start("c1"), Start("c2"))
        await wire.send(started("c1"))
        down.set()

    patience = Patience(chance=lambda: 1.0, clock=time, sleep=sleep)
    server = serving(script, readies=[replace(READY, limits=told)])
    url = await server.__aenter__()
    async with connect(url, patience=patience) as client:
        begun, other = await client.start(), await client.start()
        await down.wait()
        await server.__aexit__(None, None, None)
        gate.open.set()
        with pytest.raises(ContextLost) as caught:
            await all_of(begun)
        assert isinstance(caught.value.__cause__, OSError)
        with pytest.raises(OSError):
            await all_of(other)
        with pytest.raises(OSError):
            await client.start()
    assert time.now == pytest.approx(until)


# Closing.


@pytest.mark.asyncio
async def test_closing_is_told_to_the_server() -> None:
    codes: list[int | None] = []

    async def script(wire: Wire) -> None:
        await wire.socket.wait_closed()
        codes.append(wire.socket.close_code)

    async with serving(script) as url:
        async with connect(url) as client:
            await client.start()
        async with asyncio.timeout(10):
            while not codes:
                await asyncio.sleep(0.001)
    assert codes == [1000]


@pytest.mark.parametrize("refused", [True, False])
@pytest.mark.asyncio
async def test_closing_while_a_socket_is_awaited_leaves_nothing_behind(refused: bool) -> None:
    gate, resuming = Gate(), asyncio.Event()

    async def before(wire: Wire) -> None:
        await wire.expect(Start("c1"))
        await wire.send(started())
        wire.drop()

    async def mute(wire: Wire) -> None:
        await wire.receive()
        resuming.set()

    tasks = asyncio.all_tasks()
    async with serving(before, mute) as url:
        async with connect(url, patience=gate.patience if refused else AT_ONCE) as client:
            context = await client.start()
            listener = asyncio.create_task(all_of(context))
            await (gate.reached if refused else resuming).wait()
        with pytest.raises(ConnectionError):
            await listener
    gc.collect()
    async with asyncio.timeout(10):
        while asyncio.all_tasks() != tasks:
            await asyncio.sleep(0.001)
