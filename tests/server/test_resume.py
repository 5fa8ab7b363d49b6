"""A session that outlives its socket: who is waited for, for how long, and how it goes on."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.server.limits import KeyLimits
from streamer.types import Text
from tests.server.returning import PATH, Returning
from tests.server.running import Running, eventually, hear, hear_until, running, say
from tests.server.scripted import FRAME, RATE, ScriptedSession


def counters(server: Running) -> Any:
    return server.service.ledger.counters


async def closing(socket: Any) -> int | None:
    """Hear it out; its close code."""
    async with asyncio.timeout(15):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    code: int | None = socket.close_code
    return code


async def settled(session: ScriptedSession) -> int:
    """How many packets it has spoken, once it speaks no more."""
    seen = -1
    while seen != session.packets:
        seen = session.packets
        await asyncio.sleep(0.05)
    return seen


@pytest.mark.asyncio
async def test_a_token_is_for_who_asked_for_it(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        for path in ("/v1/stream", "/v1/stream?resume=0"):
            async with server.socket(path=path) as socket:
                ready = await hear(socket)
                assert ready["token"] == ""
                assert "resume_s" not in ready["limits"]
        tokens = set()
        for _ in range(3):
            async with server.socket(path=PATH) as socket:
                ready = await hear(socket)
                assert ready["limits"]["resume_s"] == 30
                tokens.add(ready["token"])
        assert len(tokens) == 3
        assert min(map(len, tokens)) >= 43


@pytest.mark.asyncio
async def test_with_resume_s_of_0_nobody_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path, resume_s=0) as server, Returning(server) as client:
        assert client.ready["token"] == ""
        await client.say(type="text", context="a", text="hang")
        await client.hear()
        client.drop()
        await eventually(lambda: not server.service.connections)
        assert counters(server).contexts["gone"] == 1


@pytest.mark.asyncio
async def test_what_was_missed_comes_and_then_it_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one two ")
        await client.hear_until("binary")
        client.drop()
        await client.waited_for()
        assert (counters(server).connections, server.live) == (0, 1)
        assert server.service.ledger.limits.connections == 1
        resumed = await client.come_back()
        assert resumed == {
            "type": "resumed",
            "session": client.ready["session"],
            "contexts": {"a": {"recovered": True, "characters": 8}},
        }
        await client.say(type="text", context="a", text="three", at=8)
        await client.say(type="end", context="a")
        heard = await client.hear_until("done")
        assert [m.get("data") for m in heard] == ["two", "three", None]
        assert counters(server).resumes == {"resumed": 1}
        assert (counters(server).connections, counters(server).detached) == (1, 0)
        assert server.service.ledger.limits.connections == 1


@pytest.mark.asyncio
async def test_it_goes_on_meanwhile_and_is_told_what_its_listener_missed(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one two ")
        await client.hear_until("binary")
        session = server.sessions.made[0]
        client.drop()
        await client.waited_for()
        session.text(Text("a", "three four "))
        await eventually(lambda: session.packets == 4)
        await client.come_back()
        assert session.missing == [pytest.approx(3 * FRAME / RATE)]
        client.drop()
        await client.waited_for()
        await client.come_back(received={"a": 4})
        assert session.missing[1:] == [0.0]
        await client.say(type="cancel", context="a")


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [1000, 1001, None])
async def test_a_socket_that_the_client_closes_is_not_lost(
    tmp_path: Path, code: int | None
) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="forever ")
        await client.hear_until("binary")
        if code is None:
            client.socket.transport.write(b"\x88\x80mask")  # a close frame that says nothing
            client._socket = None
        else:
            await client.socket.close(code)
        await eventually(lambda: not server.service.connections)
        assert server.live == 0
        assert not counters(server).resumes
        assert (await client.come_back())["contexts"] == {
            "a": {"recovered": False, "characters": 0}
        }


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [1002, 1011, 3000, 4999])
async def test_a_socket_that_is_closed_otherwise_is_lost(tmp_path: Path, code: int) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one two ")
        await client.hear()
        await client.socket.close(code)
        await client.waited_for()
        await client.come_back()
        await client.say(type="end", context="a")
        await client.hear_all("a")


@pytest.mark.asyncio
async def test_who_comes_too_late_is_told_and_begins_anew(tmp_path: Path) -> None:
    async with running(tmp_path, resume_s=0.05) as server, Returning(server) as client:
        tasks = len(asyncio.all_tasks())
        await client.say(type="text", context="a", text="forever ")
        await client.hear_until("binary")
        client.drop()
        await eventually(lambda: counters(server).resumes["expired"])
        assert (server.live, counters(server).detached) == (0, 0)
        assert not server.service.connections
        assert server.service.ledger.limits.connections == 0
        assert counters(server).contexts["gone"] == 1
        await eventually(lambda: server.sessions.made[0].freed)
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        resumed = await client.come_back()
        assert resumed["session"] != client.ready["session"]
        assert resumed["contexts"] == {"a": {"recovered": False, "characters": 0}}
        assert counters(server).resumes == {"expired": 1, "lost": 1}
        client.messages.clear()
        await client.say(type="text", context="a", text="again")
        await client.say(type="end", context="a")
        await client.hear_all("a")


@pytest.mark.asyncio
async def test_a_new_session_can_be_resumed_as_the_first_could(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        old = client.ready
        client.ready = await client.dial()
        session = {"session": "nobody", "token": ""}
        await client.say(type="resume", **session)
        assert (await client.hear())["session"] == client.ready["session"]
        assert old["session"] != client.ready["session"]
        await client.say(type="text", context="a", text="one two ")
        await client.hear()
        client.drop()
        await client.come_back()
        await client.say(type="end", context="a")
        await client.hear_all("a")


@pytest.mark.asyncio
async def test_neither_another_token_nor_another_key_takes_a_session(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        mine, other = server.keys.new("mine"), server.keys.new("other")
        async with Returning(server, mine) as client:
            await client.say(type="text", context="a", text="one two ")
            await client.hear()
            client.drop()
            await client.waited_for()
            for token in ("", "x", "\N{SNOWMAN}", client.ready["token"][:-1]):
                resumed = await client.come_back(token=token)
                assert resumed["contexts"] == {"a": {"recovered": False, "characters": 0}}
                await client.socket.close()
            async with Returning(server, other) as thief:
                thief.ready = client.ready
                assert not (await thief.come_back())["contexts"]
            assert counters(server).resumes == {"denied": 5}
            assert (await client.come_back())["contexts"]["a"]["recovered"]
            await client.say(type="end", context="a")
            await client.hear_all("a")


@pytest.mark.asyncio
async def test_a_socket_that_still_seems_open_is_taken_over(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one two ")
        await client.hear()
        old = client.socket
        assert (await client.come_back())["contexts"]["a"]["recovered"]
        assert await closing(old) == 4003
        await client.say(type="end", context="a")
        await client.hear_all("a")
        await eventually(lambda: counters(server).connections == 1)
        assert len(server.service.connections) == 1
        assert counters(server).detached == 0


@pytest.mark.asyncio
async def test_a_socket_that_reads_nothing_is_taken_over_at_once(tmp_path: Path) -> None:
    async with (
        running(tmp_path, send_timeout_s=600, resume_bytes=10**9) as server,
        server.socket(path=PATH, max_queue=1) as stuck,
    ):
        ready = await hear(stuck)
        await say(stuck, type="text", context="a", text="flood")
        (connection,) = server.service.connections
        await eventually(connection._writer.lock.locked)  # type: ignore[attr-defined]
        await settled(server.sessions.made[0])
        async with Returning(server) as client:
            client.ready = ready
            assert (await client.come_back())["contexts"]["a"]["recovered"]
            assert counters(server).errors["stalled_reader"] == 0
            assert (await client.hear())["type"] == "started"
            await client.say(type="cancel", context="a")
            await client.hear_all("a")
        stuck.transport.abort()


@pytest.mark.asyncio
async def test_of_two_that_resume_at_once_the_later_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="word " * 300)
        await client.hear()
        client.drop()
        await client.waited_for()
        others = [Returning(server) for _ in range(4)]
        for other in others:
            await other.dial()
            other.messages["a"] = list(client.messages["a"])
            other._streams.update(client._streams)
        words = {"session": client.ready["session"], "token": client.ready["token"]}
        for other in others:
            await other.say(type="resume", received=client.received, **words)
        # Which of them comes last nobody knows: each has a socket of its own.
        await eventually(lambda: [o.socket.close_code for o in others].count(4003) == 3)
        (winner,) = (other for other in others if other.socket.close_code is None)
        await winner.say(type="end", context="a")
        assert (await winner.hear())["type"] == "resumed"
        await winner.hear_all("a")
        await winner.socket.close()
        assert len(winner.messages["a"]) == 302
        assert counters(server).resumes["resumed"] == 4
        await eventually(lambda: not server.service.connections)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("text", "ending"), [("one two", "done"), ("one fail", "error"), ("one crash", "error")]
)
async def test_a_context_that_ends_meanwhile_comes_with_its_end(
    tmp_path: Path, text: str, ending: str
) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="start", context="a")
        await client.hear()
        await client.say(type="text", context="a", text=text)
        await client.say(type="end", context="a")
        client.drop()
        await client.waited_for()
        await eventually(lambda: server.live == 0)
        resumed = await client.come_back()
        assert resumed["contexts"] == {"a": {"recovered": True, "characters": len(text)}}
        heard = await client.hear_until("done", "error")
        assert [m.get("data") for m in heard] == [*text.split()[: len(heard) - 1], None]
        assert heard[-1]["type"] == ending
        assert len(heard) > 1
        await client.say(type="text", context="b", text="next")
        assert (await client.hear())["context"] == "b"


@pytest.mark.asyncio
async def test_an_interrupt_whose_answer_was_lost_is_answered_again(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="forever ")
        await client.hear_until("binary")
        await client.say(type="interrupt", context="a", played_ms=20)
        await eventually(lambda: server.live == 0)
        client.drop()
        await client.waited_for()
        await client.come_back()
        heard = await client.hear_until("interrupted")
        assert heard[-1]["played_ms"] == 20


@pytest.mark.asyncio
async def test_a_context_of_which_nothing_arrived_comes_from_its_beginning(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one two ")
        await client.say(type="text", context="b", text="three")
        await client.say(type="end", context="b")
        await eventually(lambda: len(server.sessions.made) == 2)
        client.drop()
        await client.waited_for()
        resumed = await client.come_back()
        assert client.received == {}
        assert resumed["contexts"] == {
            "a": {"recovered": True, "characters": 8},
            "b": {"recovered": True, "characters": 5},
        }
        await client.say(type="end", context="a")
        await client.hear_all("a", "b")


@pytest.mark.asyncio
async def test_a_context_that_arrived_whole_does_not_come_again(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one")
        await client.say(type="end", context="a")
        await client.hear_all("a")
        client.drop()
        await client.waited_for()
        resumed = await client.come_back()
        assert resumed["contexts"]["a"] == {"recovered": True, "characters": 3}
        await client.say(type="flush", context="marker")
        assert (await client.hear())["context"] == "marker"


@pytest.mark.asyncio
async def test_who_has_reported_on_a_context_has_all_of_it(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one")
        await client.say(type="end", context="a")
        await client.hear_all("a")
        await client.say(type="report", context="a", underruns=0)
        await client.say(type="flush", context="marker")
        await client.hear()
        client.drop()
        await client.waited_for()
        assert (await client.come_back(received={}))["contexts"] == {}


@pytest.mark.asyncio
async def test_a_name_that_is_used_again_means_the_newest(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one two three four")
        await client.say(type="end", context="a")
        await client.hear_all("a")
        client.messages.clear()
        await client.say(type="text", context="a", text="five six ")
        await client.hear_until("binary")
        client.drop()
        await client.waited_for()
        resumed = await client.come_back()
        assert resumed["contexts"] == {"a": {"recovered": True, "characters": 9}}
        await client.say(type="end", context="a")
        heard = await client.hear_until("done")
        assert heard[0]["data"] == "six"


@pytest.mark.asyncio
async def test_text_that_crossed_an_end_does_not_take_that_end_away(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one two")
        await client.say(type="end", context="a")
        await client.hear()
        await eventually(lambda: server.live == 0)
        await client.say(type="text", context="a", text="x" * 3000)
        await eventually(lambda: counters(server).errors["text_limit"])
        client.drop()
        await client.waited_for()
        assert (await client.come_back())["contexts"]["a"]["recovered"]
        assert (await client.hear_until("done"))[-1]["characters"] == 7


@pytest.mark.asyncio
async def test_who_has_what_was_never_sent_loses_that_context_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        for name in ("a", "b"):
            await client.say(type="text", context=name, text="one ")
        for _ in range(4):
            await client.hear()
        client.drop()
        await client.waited_for()
        resumed = await client.come_back(received={"a": 1, "b": 2, "c": 0})
        assert resumed["contexts"] == {
            "a": {"recovered": True, "characters": 4},
            "b": {"recovered": False, "characters": 0},
            "c": {"recovered": False, "characters": 0},
        }
        assert server.live == 1
        assert counters(server).contexts["lost"] == 1
        await eventually(lambda: server.sessions.made[1].freed)
        await client.say(type="end", context="a")
        await client.hear_all("a")
        client.messages.clear()
        await client.say(type="text", context="b", text="anew")
        await client.say(type="end", context="b")
        await client.hear_all("b")


@pytest.mark.asyncio
async def test_what_is_too_long_ago_is_lost(tmp_path: Path) -> None:
    async with running(tmp_path, resume_bytes=65536) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="flood")
        for _ in range(6):
            await client.hear()
        client.drop()
        await client.waited_for()
        resumed = await client.come_back(received={"a": 0})
        assert resumed["contexts"] == {"a": {"recovered": False, "characters": 0}}
        assert server.live == 0


@pytest.mark.asyncio
async def test_while_nobody_listens_a_context_speaks_to_its_bound_and_waits(tmp_path: Path) -> None:
    async with running(tmp_path, resume_bytes=300_000) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="flood")
        await client.hear_until("binary")
        client.drop()
        await client.waited_for()
        (session,) = server.sessions.made
        (connection,) = server.service.connections
        live = connection._contexts.get("a")  # type: ignore[attr-defined]
        await eventually(lambda: live.ring.full)
        seen = await settled(session)
        assert not session.freed
        assert live.ring.size < 3 * 300_000
        await client.come_back(received={"a": live.ring.sent - 1})
        async with asyncio.timeout(15):
            while session.packets < seen + 3:
                await client.socket.recv()


@pytest.mark.asyncio
async def test_a_drain_does_not_wait_for_who_is_away(tmp_path: Path) -> None:
    async with running(tmp_path, drain_s=600) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="forever ")
        await client.hear_until("binary")
        client.drop()
        await client.waited_for()
        server.server.should_exit = True
        async with asyncio.timeout(15):
            await server.task
        assert (counters(server).detached, counters(server).resumes["ended"]) == (0, 1)


@pytest.mark.asyncio
async def test_who_is_lost_in_a_drain_is_not_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path, drain_s=600) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="forever ")
        await client.hear_until("binary")
        server.server.should_exit = True
        await eventually(lambda: server.service.ledger.draining)
        client.drop()
        async with asyncio.timeout(15):
            await server.task
        assert not counters(server).resumes


@pytest.mark.asyncio
async def test_a_revoked_key_ends_its_session_that_is_away(tmp_path: Path) -> None:
    async with running(tmp_path, keys_recheck_s=0.02) as server:
        key = server.keys.new("doomed")
        server.keys.new("other")
        async with Returning(server, key) as client:
            await client.say(type="text", context="a", text="forever ")
            await client.hear_until("binary")
            client.drop()
            await client.waited_for()
            server.keys.revoke("doomed")
            await eventually(lambda: not server.service.connections)
            assert (server.live, counters(server).detached) == (0, 0)
            with pytest.raises(InvalidStatus):
                await client.come_back()


@pytest.mark.asyncio
async def test_a_stalled_reader_loses_its_socket_and_not_its_session(tmp_path: Path) -> None:
    async with running(tmp_path, send_timeout_s=0.2, resume_bytes=10**8) as server:
        async with server.socket(path=PATH, max_queue=1) as stuck:
            ready = await hear(stuck)
            await say(stuck, type="text", context="a", text="flood")
            await eventually(lambda: counters(server).detached)
            assert counters(server).errors["stalled_reader"] == 1
            assert server.live == 1
            assert await closing(stuck) == 4001
        (connection,) = server.service.connections
        connection._writer._timeout_s = 600  # type: ignore[attr-defined] # the next reads, if slowly
        async with Returning(server) as client:
            client.ready = ready
            assert (await client.come_back())["contexts"]["a"]["recovered"]
            assert (await client.hear())["type"] == "started"
            await client.say(type="cancel", context="a")
            await client.hear_all("a")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "before", "param"), [(PATH, "flush", "type"), ("/v1/stream", "", "resume")]
)
async def test_resume_out_of_place_ends_the_connection(
    tmp_path: Path, path: str, before: str, param: str
) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        async with server.socket(path=path) as socket:
            await hear(socket)
            if before:
                await say(socket, type=before, context="a")
                await hear(socket)
            session = {"session": client.ready["session"], "token": client.ready["token"]}
            await say(socket, type="resume", **session)
            error = await hear(socket)
            assert (error["code"], error["param"]) == ("invalid_parameter", param)
            assert "context" not in error
            assert await closing(socket) == 4000
        await client.say(type="text", context="a", text="here")
        await client.hear()
        assert not counters(server).resumes


@pytest.mark.asyncio
async def test_who_resumes_itself_is_told_that_nothing_is_there(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        session = {"session": client.ready["session"], "token": client.ready["token"]}
        await client.say(type="resume", received={"a": 3}, **session)
        resumed = await client.hear()
        assert resumed["session"] == client.ready["session"]
        assert resumed["contexts"] == {"a": {"recovered": False, "characters": 0}}
        await client.say(type="text", context="b", text="here")
        await client.hear_until("binary")


@pytest.mark.asyncio
async def test_a_connection_that_ended_by_an_error_is_not_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="forever ")
        await client.hear_until("binary")
        await client.socket.send("{")
        assert await closing(client.socket) == 4000
        await eventually(lambda: not server.service.connections)
        assert counters(server).detached == 0


@pytest.mark.asyncio
async def test_what_is_paused_stays_paused_over_a_lost_socket(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one two three ")
        for _ in range(4):
            await client.hear()
        await client.say(type="pause", context="a", played_ms=20)
        await client.hear_until("paused")
        client.drop()
        await client.waited_for()
        await client.come_back()
        await client.say(type="continue", context="a")
        await client.say(type="end", context="a")
        heard = await client.hear_until("done")
        assert [m.get("data", m["type"]) for m in heard] == ["continued", "two", "three", "done"]


@pytest.mark.asyncio
async def test_who_is_away_keeps_its_places(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        key = server.keys.new("small", KeyLimits(connections=2, contexts=1))
        async with Returning(server, key) as client, server.socket(key=key) as other:
            await hear(other)
            await client.say(type="text", context="a", text="hang")
            await client.hear()
            client.drop()
            await client.waited_for()
            with pytest.raises(InvalidStatus):
                await server.socket(key=key)
            await say(other, type="text", context="a", text="one")
            assert (await hear(other))["code"] == "context_limit"


@pytest.mark.asyncio
async def test_who_is_at_the_limit_still_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=1) as server, Returning(server) as client:
        for _ in range(3):
            await client.say(type="text", context="a", text="one ")
            await client.hear()
            client.drop()
            await client.waited_for()
            assert (await client.come_back())["contexts"]["a"]["recovered"]
        old = client.socket
        assert (await client.come_back())["contexts"]["a"]["recovered"]
        assert await closing(old) == 4003
        await eventually(lambda: server.service.ledger.limits.connections == 1)
        await client.say(type="end", context="a")
        await client.hear_all("a")


@pytest.mark.asyncio
async def test_the_place_of_who_is_away_is_good_for_coming_back_alone(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=1) as server, Returning(server) as client:
        await client.say(type="flush", context="none")
        await client.hear()
        client.drop()
        await client.waited_for()
        for words in (
            {"type": "text", "context": "a", "text": "hello"},
            {"type": "resume", "session": "nobody", "token": ""},
        ):
            async with server.socket(path=PATH) as socket:
                await hear(socket)
                with pytest.raises(InvalidStatus):
                    await server.socket(path=PATH)
                await say(socket, **words)
                error = await hear(socket)
                assert (error["code"], "context" in error) == ("connection_limit", False)
                assert await closing(socket) == 1013
            await eventually(lambda: counters(server).connections == 0)
        async with server.http() as http:
            answer = await http.get(PATH)
            code = answer.json()["error"]["code"]
            assert (answer.status_code, code) == (429, "connection_limit")
        await client.come_back()
        assert not server.sessions.made


@pytest.mark.asyncio
async def test_who_has_never_said_anything_is_not_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await eventually(lambda: counters(server).connections)
        client.drop()
        await eventually(lambda: not server.service.connections)
        assert (counters(server).detached, server.service.ledger.limits.connections) == (0, 0)
        resumed = await client.come_back()
        assert (resumed["contexts"], resumed["session"] != client.ready["session"]) == ({}, True)


@pytest.mark.asyncio
async def test_who_comes_above_the_limit_and_is_lost_again_can_still_come_back(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, max_connections=1) as server, Returning(server) as client:
        await client.say(type="text", context="a", text="one ")
        await client.hear()
        client.drop()
        await client.waited_for()
        for _ in range(3):
            await client.dial()
            client.drop()
            await eventually(lambda: counters(server).connections == 0)
        assert counters(server).detached == 1
        assert (await client.come_back())["contexts"]["a"]["recovered"]


@pytest.mark.asyncio
async def test_who_comes_above_the_limit_and_says_nothing_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.server.connection.LENT_S", 0.05)
    async with running(tmp_path, max_connections=1) as server, Returning(server) as client:
        await client.say(type="flush", context="none")
        await client.hear()
        client.drop()
        await client.waited_for()
        async with server.socket(path=PATH) as socket:
            assert [m.get("code") for m in await hear_until(socket, "error")][-1] == (
                "connection_limit"
            )
            assert await closing(socket) == 1013


@pytest.mark.asyncio
async def test_a_drop_within_what_is_sent_again_loses_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as server, Returning(server) as client:
        await client.say(type="text", context="a", text=" ".join(map(str, range(300))))
        await client.say(type="end", context="a")
        await client.hear()
        while not client.over("a"):
            client.drop()
            await client.waited_for()
            assert (await client.come_back())["contexts"]["a"]["recovered"]
            for _ in range(40):
                if not client.over("a"):
                    await client.hear()
        said = [m[20:].decode() for m in client.messages["a"] if isinstance(m, bytes)]
        assert said == [str(i) for i in range(300)]


@pytest.mark.asyncio
async def test_logs_say_what_became_of_a_lost_socket(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "streamer.server"):
        async with running(tmp_path) as server, Returning(server) as client:
            await client.say(type="flush", context="none")
            await client.hear()
            client.drop()
            await client.waited_for()
            await client.come_back()
    found = [(r.getMessage(), vars(r)) for r in caplog.records if "connection" in r.getMessage()]
    assert [what for what, _ in found] == [
        "connection opens",
        "connection waits",
        "connection opens",
        "connection ends",
        "connection resumes",
        "connection ends",
    ]
    first, second = found[0][1]["request_id"], found[2][1]["request_id"]
    assert found[4][1]["request_id"] == first
    assert found[4][1]["by"] == second
    assert found[-1][1]["code"] == 1000
    assert client.ready["token"] not in json.dumps([str(fields) for _, fields in found])
