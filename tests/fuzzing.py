"""Messages that no client should send, and what the server answers to each. Seeded: the same again.

Every message is followed by a barrier, an `end` for a context that does not exist: whatever was said
before the barrier's own error belongs to the message. So each error is counted where it belongs.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from streamer.errors import CODES

ANSWER_S = 10.0
PROTOCOL_CLOSES = {1002, 1006, 1007, 1009}
"""What RFC 6455 itself answers to broken frames, bad UTF-8 and messages over the limit; 1006 where the
kernel resets the connection, since the rest of a message over the limit is never read."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One message. `must_fail`: wrong by construction, so a typed error is due; a message that was
    only damaged may by chance still be right. `framed`: broken below the protocol, where the closing
    of the socket is the answer."""

    kind: str
    message: str | bytes
    must_fail: bool = True
    framed: bool = False
    text_frame: bool = True


@dataclass(slots=True)
class Outcome:
    """What came of all attacks."""

    sent: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    closes: Counter[int | None] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """Unanswered messages, untyped errors, forbidden closes."""


def _valid(rng: random.Random, context: str) -> dict[str, Any]:
    """A message a client may send in some state."""
    return rng.choice(
        [
            {"type": "start", "context": context, "speed": 1.0, "audio": {"codec": "opus"}},
            {"type": "text", "context": context, "text": "Hello there, reader."},
            {"type": "flush", "context": context},
            {"type": "end", "context": context},
            {"type": "interrupt", "context": context, "played_ms": 100},
            {"type": "cancel", "context": context},
            {"type": "played", "context": context, "played_ms": 20.0},
        ]
    )


_WRONG_FIELDS: list[dict[str, Any]] = [
    {"speed": 9}, {"speed": "fast"}, {"pitch": 99}, {"volume": -1}, {"seed": -1}, {"seed": 1.5},
    {"voice": 5}, {"voice": "nobody"}, {"model": "nothing/at all"}, {"language": "??"},
    {"audio": []}, {"audio": {"codec": "vorbis"}}, {"audio": {"codec": "opus", "frame_ms": 7}},
    {"audio": {"codec": "opus", "sample_rate": 12345}}, {"audio": {"zzz": 1}},
    {"audio": {"codec": "mp3", "bit_rate": 1}}, {"audio": {"channels": 3}},
    {"pacing": {"lead_ms": 1}}, {"pacing": 3}, {"cut": "never"}, {"timestamps": True},
    {"lexicon": {"": "x"}}, {"lexicon": [1]}, {"strict": "yes"}, {"zzz": 0}, {"SPEED": 1},
]  # fmt: skip
_NOT_OBJECTS = ["[]", "null", "5", '"start"', "true", "[" * 5000, '{"a":' * 3000, "", " ", "{}"]


def _structure(rng: random.Random, context: str) -> Attack:
    start = {"type": "start", "context": context}
    wrong: list[Callable[[], str]] = [
        lambda: json.dumps(start | rng.choice(_WRONG_FIELDS)),
        lambda: json.dumps(_valid(rng, context) | {"type": rng.choice(["", "Start", "x", None])}),
        lambda: json.dumps(_valid(rng, context) | {"context": rng.choice(["", "x" * 65, 7, []])}),
        lambda: json.dumps({"type": "text", "context": context}),
        lambda: json.dumps({"type": "text", "context": context, "text": rng.choice([5, [], {}])}),
        lambda: json.dumps({"type": "text", "context": context, "text": "x", "at": -1}),
        lambda: json.dumps({"type": rng.choice(["flush", "end", "text", "played"])}),
        lambda: json.dumps(start | {"speed": rng.choice([float("nan"), float("inf")])}),
        lambda: '{"type": "start", "context": "c", "speed": 1e999}',
        lambda: rng.choice(_NOT_OBJECTS),
    ]
    return Attack("structure", rng.choice(wrong)())


def _order(rng: random.Random, context: str) -> Attack:
    nowhere = f"nowhere-{rng.randrange(10**9)}"
    wrong: list[dict[str, Any]] = [
        {"type": "end", "context": nowhere},
        {"type": "flush", "context": nowhere},
        {"type": "text", "context": nowhere, "text": "late", "at": 17},
        {"type": "pause", "context": context},
        {"type": "continue", "context": context},
        {"type": "resume", "session": "s", "token": "t"},
    ]
    return Attack("order", json.dumps(rng.choice(wrong)))


def _bytes(rng: random.Random, context: str) -> Attack:
    return Attack("bytes", rng.randbytes(rng.randrange(0, 200)), text_frame=False)


def _damaged(rng: random.Random, context: str) -> Attack:
    """A valid message with some characters lost, doubled or replaced."""
    text = list(json.dumps(_valid(rng, context)))
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(text))
        text[at] = rng.choice(["", text[at] * 2, rng.choice('{}[]",:\\0 é\u0000\U0001f600')])
    return Attack("damaged", "".join(text), must_fail=False)


def _right(rng: random.Random, context: str) -> Attack:
    """Messages in any order: right by themselves."""
    return Attack("any order", json.dumps(_valid(rng, context)), must_fail=False)


def _strange(rng: random.Random, context: str) -> Attack:
    """Text that is text, but none that anybody would say."""
    text = rng.choice(["\\ud800", "\\u0000", "\\udfff\\ud800", "\\u202e", "😀", "á́́"]) * 40
    message = f'{{"type": "start", "context": "{context}", "instructions": "{text}"}}'
    return Attack("strange", message, must_fail=False)


def _framed(rng: random.Random, context: str) -> Attack:
    broken = rng.choice([b"\xff\xfe{", b'{"type": "\xc3\x28"}', b"x" * 70_000])
    return Attack("frame", broken, must_fail=False, framed=True)


_KINDS = [_structure, _order, _bytes, _damaged, _right, _strange]


def attacks(seed: int, count: int) -> Iterator[Attack]:
    """The messages, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        kind = _framed if rng.random() < 0.01 else rng.choice(_KINDS)
        yield kind(rng, f"c{rng.randrange(6)}")


class Fuzzer:
    """Sends attacks over sockets; a new one wherever the server closed the last."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._barriers = itertools.count()
        self._socket: ClientConnection | None = None
        self.outcome = Outcome()

    async def run(self, seed: int, count: int) -> Outcome:
        for attack in attacks(seed, count):
            self.outcome.sent[attack.kind] += 1
            async with asyncio.timeout(ANSWER_S):
                await self._attack(attack)
        if self._socket is not None:
            await self._socket.close()
        return self.outcome

    async def _attack(self, attack: Attack) -> None:
        if self._socket is None:
            offered = [Subprotocol("streamer.v1")]
            self._socket = await connect(
                self._url, subprotocols=offered, compression=None, proxy=None
            )
        barrier = f"barrier-{next(self._barriers)}"
        codes: list[str] = []
        try:
            # `text` says the kind of frame, so that bytes which are no UTF-8 go out as text.
            await self._socket.send(attack.message, text=attack.text_frame)
            await self._socket.send(json.dumps({"type": "end", "context": barrier}))
            async for message in self._socket:
                answer = json.loads(message) if isinstance(message, str) else {"type": "audio"}
                if answer["type"] == "error" and answer.get("context") == barrier:
                    break
                if answer["type"] == "error":
                    codes.append(answer["code"])
        except ConnectionClosed:
            pass
        closed = self._socket.close_code
        if closed is not None:
            self.outcome.closes[closed] += 1
            with contextlib.suppress(ConnectionClosed):
                await self._socket.close()
            self._socket = None
        self._judge(attack, codes, closed)

    def _judge(self, attack: Attack, codes: list[str], closed: int | None) -> None:
        self.outcome.codes.update(codes)
        shown = f"{attack.kind}: {attack.message[:200]!r}: errors {codes}, close {closed}"
        untyped = [code for code in codes if code not in CODES or code == "internal_error"]
        silent = (attack.must_fail or closed is not None) and not codes
        by_protocol = attack.framed and closed in PROTOCOL_CLOSES
        if untyped or (not by_protocol and (silent or closed in (1006, 1011))):
            self.outcome.faults.append(shown)


_BODIES = [b"", b"{", b"[]", b'{"text": 5}', b'{"text": "x", "zzz": 1}', b"\xff\xfe", b"{" * 999]


async def fuzz_http(url: str, seed: int, count: int) -> Outcome:
    """Bad bodies for both addresses that speak: a 4xx with a typed error each."""
    rng, outcome = random.Random(seed), Outcome()
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=ANSWER_S) as client:
        for _ in range(count):
            path = rng.choice(["/v1/speech", "/v1/audio/speech"])
            body = rng.choice([*_BODIES, rng.randbytes(40)])
            answer = await client.post(
                path, content=body, headers={"content-type": "application/json"}
            )
            outcome.sent[path] += 1
            error = answer.json().get("error", {})
            outcome.codes[str(error.get("code"))] += 1
            if not 400 <= answer.status_code < 500 or not error.get("message"):
                outcome.faults.append(f"{path} {body[:60]!r}: {answer.status_code} {answer.text}")
    return outcome
