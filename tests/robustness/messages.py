"""Messages for a server to survive: valid ones, nearly valid ones, nonsense; the same for the same seed.

Each says what it deserves as far as that is certain. Knows no sockets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from tests.robustness.captions import CHANNELS, captions, cue, cue_options
from tests.robustness.fields import (
    CODECS,
    CONTAINERS,
    CONTEXTS,
    FIELDS,
    RATES,
    SPOKEN,
    START,
    VOICES,
    WRONG,
)
from tests.robustness.stories import stories
from tests.robustness.texts import odd_text

Deserves = Literal["error", "anything"]
"""`error`: a typed error, or a closed connection; `anything`: also to be done."""


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """One message. `text`: it is sent as a text message even if it is bytes."""

    kind: str
    data: str | bytes
    deserves: Deserves = "anything"
    text: bool | None = None


class Fuzzer:
    """An endless source: most messages are good or nearly so, that contexts get into all their states."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._kinds: tuple[tuple[float, Callable[[], Iterator[Fuzzed]]], ...] = (
            (20, self._valid),
            (10, self._wrong_value),
            (4, self._unknown_field),
            (2, self._unknown_type),
            (2, self._twice),
            (8, self._story),
            # Most of these end the connection, and with it what the messages before have made of it.
            (0.5, self._missing_field),
            (1, self._mangled_bytes),
            (0.5, self._truncated),
            (0.5, self._garbage),
            (0.6, self._deep),
            (0.6, self._surrogate),
            (0.4, self._huge),
            (0.4, self._binary),
        )

    def messages(self, count: int) -> Iterator[Fuzzed]:
        weights = [weight for weight, _ in self._kinds]
        made = 0
        while made < count:
            ((_, kind),) = self._random.choices(self._kinds, weights)
            for message in kind():
                if made < count:
                    made += 1
                    yield message

    # Valid

    def command(self, kind: str | None = None) -> dict[str, Any]:
        """A valid message, as far as a message can tell."""
        random = self._random
        kind = (
            kind
            or random.choices(
                (
                    *("start", "text", "cue", "subscribe", "flush", "end"),
                    *("interrupt", "cancel", "played", "report"),
                ),
                (6, 9, 6, 2, 2, 3, 3, 2, 2, 1),
            )[0]
        )
        message: dict[str, Any] = {"type": kind, "context": random.choice(CONTEXTS)}
        match kind:
            case "start":
                message |= self._options(START)
            case "text":
                message["text"] = captions(random) if random.random() < 0.2 else odd_text(random)
                if random.random() < 0.2:
                    message |= self._options(SPOKEN)
                if random.random() < 0.2:
                    message["mark"] = odd_text(random)[:256]
                if random.random() < 0.3:
                    message["at"] = random.choice((0, 0, 0, 1, 5, 100, 2**53))
            case "cue":
                message |= cue(random)
            case "subscribe":
                names = ("audio", "timestamps", "captions", "channel")
                message |= self._options(names) | {"channel": random.choice(CHANNELS)}
                message["back_ms"] = random.choice((0, 0.5, 5000, 30_000))
            case "interrupt" | "played":
                message["played_ms"] = random.choice((0, 0.001, 137.5, 1e6, 1e12, 5e-324))
            case "report":
                message["underruns"] = random.choice((0, 1, 2**53))
                message["drift_ppm"] = random.choice((0, -1e6, 1e6, 0.1))
        if kind in ("interrupt", "cancel") and random.random() < 0.2:
            del message["context"]
        return message

    def _options(self, names: tuple[str, ...]) -> dict[str, Any]:
        random = self._random
        valid: dict[str, Callable[[], Any]] = {
            "voice": lambda: random.choices(VOICES, (6, 3, 1))[0],
            "model": lambda: random.choice(("tone", "tone", "hibari", None)),
            "language": lambda: random.choice(("auto", "en", "en-GB", "de", "zh-Hant-TW", "xx")),
            "instructions": lambda: odd_text(random)[:4096],
            "speed": lambda: random.choice((0.25, 0.5, 1, 1.37, 2, 4)),
            "pitch": lambda: random.choice((0.5, 0.9, 1, 1.5, 2)),
            "volume": lambda: random.choice((0, 0.001, 1, 2)),
            "seed": lambda: random.choice((0, 1, 2**32 - 1)),
            "timestamps": lambda: random.choice(("none", "segment", "word", "char")),
            "cut": lambda: random.choice(("auto", "sentence", "clause", "none")),
            "lexicon": lambda: {
                random.choice(
                    ("it", "IT", "a.b", "(", "\\d", "still", "é", "\u200d")
                ): random.choice(("", "x", "\\1", "a b c", "*", "$&", "well well"))
            },
            "strict": lambda: random.random() < 0.3,
            "trace": lambda: random.random() < 0.5,
            "pacing": lambda: {"lead_ms": random.choice((20, 100, 1000, 60000))},
            "audio": self._audio,
            # Often, so that cues meet contexts that take them.
            "input": lambda: random.choice(("text", "captions", "captions")),
            "cues": lambda: cue_options(random),
            "captions": lambda: random.random() < 0.7,
            "channel": lambda: random.choice(CHANNELS),
        }
        chosen = set(random.sample(names, random.randrange(min(5, len(names)))))
        if "cues" in chosen:
            chosen.add("input")
        return {name: valid[name]() for name in sorted(chosen)}

    def _audio(self) -> dict[str, Any]:
        random = self._random
        audio = {
            "codec": random.choice(CODECS),
            "container": random.choice(CONTAINERS),
            "sample_rate": random.choice(RATES),
            "channels": random.choice((1, 2)),
            "bit_rate": random.choice((6000, 24000, 32000, 64000, 128000, 320000, 510000)),
            "frame_ms": random.choice((2.5, 5, 10, 20, 40, 60, 33)),
            "transport": random.choice(("binary", "json")),
        }
        return {name: audio[name] for name in random.sample(sorted(audio), random.randrange(1, 5))}

    def _valid(self) -> Iterator[Fuzzed]:
        yield Fuzzed("valid", json.dumps(self.command(), ensure_ascii=self._random.random() < 0.5))

    # Nearly valid

    def _wrong_value(self) -> Iterator[Fuzzed]:
        kind = self._random.choice(sorted(FIELDS))
        name = self._random.choice(FIELDS[kind])
        message = self.command(kind)
        if kind == "start":  # else an earlier fault in it may be the one that is told
            message["context"] = self._random.choice(CONTEXTS)
        message[name] = self._random.choice(WRONG[name])
        yield Fuzzed(f"wrong {name}", json.dumps(message), "error")

    def _unknown_field(self) -> Iterator[Fuzzed]:
        message = self.command()
        name = self._random.choice(
            ("Context", "x", "", "text\u0000", "__class__", "ä" * 500, "api_key")
        )
        message[name] = self._random.choice((None, 1, "x", [], {}))
        yield Fuzzed("unknown field", json.dumps(message), "error")

    def _missing_field(self) -> Iterator[Fuzzed]:
        message = self.command(
            self._random.choice(("start", "text", "cue", "subscribe", "flush", "end", "played"))
        )
        del message["played_ms" if message["type"] == "played" else "context"]
        yield Fuzzed("missing field", json.dumps(message), "error")

    def _unknown_type(self) -> Iterator[Fuzzed]:
        message = self.command()
        message["type"] = self._random.choice(
            ("Start", "", "done", "speak", 1, None, [], {}, "é" * 99)
        )
        if self._random.random() < 0.2:
            del message["type"]
        yield Fuzzed("unknown type", json.dumps(message), "error")

    def _twice(self) -> Iterator[Fuzzed]:
        """A field said twice: JSON leaves open which holds."""
        said = json.dumps(self.command())
        again = json.dumps(self.command())
        yield Fuzzed("field twice", said[:-1] + ", " + again[1:])

    # Nonsense

    def _mangled_bytes(self) -> Iterator[Fuzzed]:
        random = self._random
        data = bytearray(json.dumps(self.command(), ensure_ascii=False).encode("utf-8"))
        for _ in range(random.randrange(1, 6)):
            at = random.randrange(len(data))
            match random.randrange(4):
                case 0:
                    data[at] = random.randrange(256)
                case 1:
                    data.insert(at, random.randrange(256))
                case 2 if len(data) > 1:
                    del data[at]
                case _:
                    data[at:at] = data[at : at + random.randrange(1, 20)]
        yield Fuzzed("mangled bytes", bytes(data), text=True)

    def _truncated(self) -> Iterator[Fuzzed]:
        said = json.dumps(self.command())
        yield Fuzzed("truncated", said[: self._random.randrange(len(said))], "error")

    def _garbage(self) -> Iterator[Fuzzed]:
        random = self._random
        pool = (
            "",
            " ",
            "null",
            "[]",
            "0",
            "true",
            '""',
            "{}",
            "{",
            "NaN",
            "\x00",
            "\ufeff{}",
            "1e999",
        )
        some = "".join(chr(random.randrange(1, 0xD800)) for _ in range(random.randrange(1, 200)))
        yield Fuzzed("garbage", random.choice((*pool, some)), "error")

    def _deep(self) -> Iterator[Fuzzed]:
        random = self._random
        depth = random.choice((100, 1100, 15000))
        inner = random.choice(("[" * depth + "]" * depth, "[" * depth, '{"a":' * min(depth, 10000)))
        bare = random.random() < 0.3
        field = random.choice(("text", "audio", "lexicon", "x"))
        message = inner if bare else f'{{"type":"start","context":"a","{field}":{inner}}}'
        yield Fuzzed("deep", message, "error")

    def _surrogate(self) -> Iterator[Fuzzed]:
        half = self._random.choice(("\\ud800", "\\udfff", "\\ud83d", "x\\udc00\\ud800"))
        field = self._random.choice(("text", "context", "mark", "type", "voice", half))
        message = {"type": "text", "context": "a", "text": "x", "mark": "m", "voice": "tone-low"}
        message[field] = "HALF"
        yield Fuzzed("surrogate", json.dumps(message).replace("HALF", half), "error")

    def _huge(self) -> Iterator[Fuzzed]:
        size = self._random.choice((65536, 65537, 70000, 200000))
        head = '{"type":"text","context":"a","text":"'
        body = self._random.choice(("x", "x ", "12. ", "[", "*", "a,"))
        fill = (body * size)[: size - len(head) - 2]
        # The largest that may come is over max_pending_chars.
        yield Fuzzed("huge", head + fill + '"}', "error")

    def _binary(self) -> Iterator[Fuzzed]:
        random = self._random
        said = json.dumps(self.command()).encode()
        data = random.choice((b"", b"\x01" * 20, said, random.randbytes(random.randrange(1, 3000))))
        yield Fuzzed("binary", data, "error", text=False)

    # Order

    def _story(self) -> Iterator[Fuzzed]:
        """Valid messages in an order of which the last can't be right."""
        told = stories(f"story-{self._random.randrange(10**9)}")
        *before, last = self._random.choice(told)
        yield from (Fuzzed("story", json.dumps(message)) for message in before)
        yield Fuzzed(f"story ends by {last['type']}", json.dumps(last), "error")
