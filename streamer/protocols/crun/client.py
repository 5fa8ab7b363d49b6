"""crun as a client drives it: create a task, ask until it has ended, take the sound by its URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from streamer.protocols.crun.tasks import SPEECH, Task, encode_task
from streamer.protocols.hosted import (
    Again,
    Call,
    Sound,
    Step,
    Traits,
    Utterance,
    failure,
    language_name,
    sound_type,
    unreadable,
)

CREATE = "/api/v1/client/job/CreateTask"
INFO = "/api/v1/client/job/TaskInfo"
BALANCE = "/api/v1/client/account/balance"


class _Made(Struct):
    task_id: str


class _ToldTask(Struct):
    """`result` is an object where all is well, and may be anything else where it is not."""

    status: str
    result: Any = None


class _Told(Struct):
    code: int
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")


class Client:
    """What a driver of crun needs, see `hosted.HostedClient`."""

    traits = Traits(
        url="https://api.crun.ai",
        model=SPEECH,
        voices=("Serena",),
        instructions=True,
    )

    def authorize(self, key: str) -> Mapping[str, str]:
        return {"x-api-key": key} if key else {}

    def create(self, utterance: Utterance, model: str) -> Call:
        task = Task(
            utterance.text,
            model=model,
            voice=utterance.voice or None,
            language=utterance.language if language_name(utterance.language) else "auto",
            instructions=utterance.instructions or None,
        )
        return Call("POST", CREATE, {"content-type": "application/json"}, encode_task(task))

    def streams(self, call: Call, status: int, headers: Mapping[str, str]) -> str | None:
        return sound_type(status, headers)

    def read(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Step:
        data = _data(status, headers, body)
        if not call.task:
            made = _read(data, _Made, "no task_id")
            if not _ID.fullmatch(made.task_id):
                raise unreadable("a task_id that is none")
            return Again(Call("GET", f"{INFO}?task_id={made.task_id}", task=made.task_id))
        task = _read(data, _ToldTask, "no task")
        result = task.result if isinstance(task.result, dict) else {}
        match task.status:
            case "success":
                urls = result.get("media_urls")
                if not isinstance(urls, list) or not urls or not isinstance(urls[0], str):
                    raise unreadable("a task that succeeded has no media_urls")
                return Sound(url=urls[0])
            case "failed":
                said = result.get("message", task.result)
                code = result.get("code")
                own = code if isinstance(code, int) and 400 <= code < 600 else 501
                raise failure(own, headers, said if isinstance(said, str) else "")
            case _:
                return Again(call)

    def cancel(self, call: Call) -> Call | None:
        """The documents have none."""
        return None


def _data(status: int, headers: Mapping[str, str], body: bytes) -> msgspec.Raw:
    """What an answer carries; an error in HTTP's words or in its own is one."""
    try:
        told = msgspec.json.decode(body, type=_Told)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        if status != 200:
            raise failure(status, headers) from None
        raise unreadable("not JSON, or without a code") from None
    if told.code != 200 or status != 200:
        raise failure(told.code if told.code != 200 else status, headers, told.message)
    return told.data


def _read(data: msgspec.Raw, type_: type[Any], what: str) -> Any:
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise unreadable(what) from None
