"""Evolink as we drive it: ask for a task, ask how it is, take the first of its results."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from streamer.errors import EngineFailed
from streamer.protocols.evolink.errors import CANCELLED, refusal, task_failure
from streamer.protocols.evolink.requests import SPEECH, TEXT
from streamer.protocols.hosted import (
    Again,
    Call,
    Sound,
    Step,
    Traits,
    Utterance,
    language_name,
    sound_type,
    unreadable,
)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


class _Problem(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Task(msgspec.Struct):
    status: str
    id: str = ""
    results: list[str] | None = None
    error: _Problem | None = None


class Client:
    """Fits `HostedClient`. It names no voices: each has to be designed first, by whoever has the key."""

    traits = Traits(
        url="https://api.evolink.ai", model=SPEECH, voices=(), text_limit=TEXT, cancels=True
    )

    def authorize(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def create(self, utterance: Utterance, model: str) -> Call:
        name = language_name(utterance.language)
        fields = {"model": model, "prompt": utterance.text, "voice": utterance.voice}
        if name not in (None, "Auto"):
            fields["language_type"] = name
        body = msgspec.json.encode(fields)
        headers = {"content-type": "application/json"}
        return Call("POST", "/v1/audios/generations", headers, body)

    def streams(self, call: Call, status: int, headers: Mapping[str, str]) -> str | None:
        return sound_type(status, headers)

    def read(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Step:
        if not 200 <= status < 300:
            raise refusal(status, headers, body)
        try:
            task = msgspec.json.decode(body, type=_Task)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise unreadable("not a task") from None
        match task.status:
            case "pending" | "processing":
                return Again(_ask(task.id or call.task))
            case "completed":
                if not task.results or not task.results[0]:
                    raise unreadable("a completed task without a result")
                return Sound(url=task.results[0])
            case "failed" | "cancelled":
                raise _failed(task)
        raise unreadable("a status that is not documented")

    def cancel(self, call: Call) -> Call | None:
        """The documents have `can_cancel` and tasks that were cancelled, and no address for it: this is our
        own server's."""
        return Call("POST", f"/v1/tasks/{call.task}/cancel", task=call.task) if call.task else None


def _ask(id: str) -> Call:
    if not _ID.fullmatch(id):
        raise unreadable("a task without an id")
    return Call("GET", f"/v1/tasks/{id}", task=id)


def _failed(task: _Task) -> EngineFailed:
    if task.error is None:
        return task_failure(CANCELLED if task.status == "cancelled" else "unknown_error", "")
    return task_failure(task.error.code, task.error.message)
