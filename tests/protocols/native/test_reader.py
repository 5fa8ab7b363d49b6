"""The client's half over lost sockets: how far each context came, and what came before."""

from __future__ import annotations

import msgspec

from streamer.errors import EngineFailed
from streamer.protocols import native
from streamer.protocols.native.reader import ENDED
from streamer.types import (
    Audio,
    AudioFormat,
    Done,
    Event,
    Failed,
    Interrupted,
    Mark,
    Packet,
    Recovered,
    Resumed,
    Started,
    Words,
)


def started(context: str) -> Started:
    sound = AudioFormat("pcm_s16le", "none", 1000, 1)
    return Started(context, sound, "audio/pcm", b"", 0, "heart", "tone", 0)


def audio(context: str) -> Audio:
    return Audio(context, Packet(b"s", 0, 10))


def done(context: str) -> Done:
    return Done(context, "end", 10, 10.0, 1, None, "tone")


def messages(server: native.Server, *events: Event) -> list[str | bytes]:
    said = [output for event in events for output in server.send(event)]
    return [output for output in said if isinstance(output, str | bytes)]


def heard(client: native.Client, *said: str | bytes) -> list[Event]:
    return [event for message in said for event in client.receive(message)]


def test_the_last_number_of_each_context_is_known_whatever_it_was_of() -> None:
    server, client = native.Server(), native.Client()
    assert client.received == {}
    heard(client, *messages(server, started("a"), audio("a"), started("b"), Mark("b", "m", 1)))
    assert client.received == {"a": 1, "b": 1}
    heard(client, *messages(server, audio("a"), Words("a", (), "model"), done("a")))
    assert client.received == {"a": 4, "b": 1}
    heard(client, *messages(server, Failed(EngineFailed("out of breath"), "b")))
    assert client.received == {"a": 4, "b": 2}


def test_a_message_that_is_not_known_yet_has_come_all_the_same() -> None:
    server, client = native.Server(), native.Client()
    heard(client, *messages(server, started("a")))
    later = {"type": "smile", "context": "a", "sequence": 1}
    assert heard(client, msgspec.json.encode(later).decode()) == []
    assert client.received == {"a": 1}
    for odd in ({"context": ["a"]}, {"context": "a", "sequence": "2"}, {"context": "b"}):
        assert heard(client, msgspec.json.encode({"type": "smile", **odd}).decode()) == []
    assert client.received == {"a": 1}


def test_what_comes_again_is_dropped() -> None:
    server, client = native.Server(), native.Client()
    said = messages(server, started("a"), audio("a"), Words("a", (), "model"), audio("a"))
    assert len(heard(client, *said[:3])) == 3
    assert heard(client, *said) == [audio("a")]
    assert heard(client, *messages(server, done("a"))) == [done("a")]


def test_a_name_is_used_again() -> None:
    server, client = native.Server(), native.Client()
    events: list[Event] = [started("a"), audio("a"), done("a")]
    assert heard(client, *messages(server, *events, *events[:2])) == [*events, *events[:2]]
    assert client.received == {"a": 1}
    assert heard(client, *messages(server, events[2])) == events[2:]


def test_what_was_not_recovered_begins_anew() -> None:
    server, client = native.Server(), native.Client()
    heard(client, *messages(server, started("a"), audio("a"), started("b"), done("b")))
    lost = Resumed("s", {"a": Recovered(False), "b": Recovered(False)})
    fresh = native.Server()
    assert heard(client, *messages(fresh, lost)) == [lost]
    assert client.received == {}
    assert heard(client, *messages(fresh, started("a"), audio("a"))) == [started("a"), audio("a")]


def test_of_those_that_have_ended_the_latest_are_known() -> None:
    server, client = native.Server(), native.Client()
    names = [f"c{number}" for number in range(ENDED + 3)]
    interrupted = [Interrupted(name, "", (), "", 0, "server") for name in names]
    for name, event in zip(names, interrupted, strict=True):
        heard(client, *messages(server, started(name), event))
    assert list(client.received) == names[3:]
