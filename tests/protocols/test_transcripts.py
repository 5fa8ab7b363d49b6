"""Replays the conversations under transcripts/, which are shared with the other clients."""

import json
from pathlib import Path
from typing import Any

import pytest

from streamer.protocols.base import Close, Output, RemoteProtocolError
from streamer.protocols.native import Client, Server
from streamer.types import Event, Failed

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.jsonl"))


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def on_the_wire(line: dict[str, Any]) -> str | bytes:
    if "binary" in line:
        return bytes.fromhex(line["binary"])
    return str(line["raw"]) if "raw" in line else json.dumps(line["message"])


def comparable(message: Output) -> Any:
    """What of a message is compared: errors are told apart by code and param, not by their prose."""
    if not isinstance(message, str):
        return message
    fields = json.loads(message)
    if fields.get("type") == "error":
        assert fields.pop("message")
    return fields


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_both_halves_replay_the_conversation(path: Path) -> None:
    server, client = Server(), Client()
    refusal: Event | None = None
    outputs: list[Output] = []
    for number, line in enumerate(lines_of(path), 1):
        where = f"{path.name}:{number}"
        if line["from"] == "client":
            refusal = client_line(server, client, line, where)
        elif "close" in line:
            assert outputs == [Close(line["close"], line["reason"])], where
        else:
            assert not outputs, where
            outputs = server_line(server, client, line, refusal, where)
            refusal = None
    assert len(outputs) <= 1, "an error without context is followed by its close"


def client_line(server: Server, client: Client, line: dict[str, Any], where: str) -> Event | None:
    """The error that the server answers with, if it refuses the message."""
    message = on_the_wire(line)
    if line.get("refused"):
        with pytest.raises(RemoteProtocolError) as caught:
            server.receive(message)
        return Failed(caught.value.error, caught.value.context)
    (command,) = server.receive(message)
    (said,) = client.send(command)  # type: ignore[arg-type]
    assert comparable(said) == line["message"], where
    return None


def server_line(
    server: Server, client: Client, line: dict[str, Any], refusal: Event | None, where: str
) -> list[Output]:
    """What the server sends behind the message of this line."""
    message = on_the_wire(line)
    events = client.receive(message)
    if line.get("ignored"):
        assert events == [], where
        return []
    (event,) = events
    if line.get("newer"):
        return []
    said, *more = server.send(refusal or event)
    assert comparable(said) == comparable(message), where
    return more


def test_there_is_something_to_replay() -> None:
    said = {
        line["message"]["type"]
        for path in TRANSCRIPTS
        for line in lines_of(path)
        if "message" in line
    }

    assert said >= {"start", "text", "flush", "end", "interrupt", "cancel", "played", "report"}
    assert said >= {"ready", "started", "segment", "words", "mark", "audio", "done", "error"}
    assert said >= {"interrupted", "resume", "cue", "subscribe", "late", "skipped", "caption"}
