"""Bodies that no client should send: a good one with some of it spoilt, and what is none at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 2**70, "", " ", "Hi.", "x" * 700, "\x00", "é😀"),
    *([], {}, [1], {"a": None}, "NaN", "24000", "Cherry", "auto"),
)


def spoilt(good: Mapping[str, Any], count: int, seed: int) -> Iterator[bytes]:
    """So many bodies, each another; many are still good."""
    random = Random(seed)
    for number in range(count):
        body: dict[str, Any] = dict(good)
        for _ in range(random.randint(0, 3)):
            name = random.choice([*good, "extra", ""])
            match random.randrange(3):
                case 0:
                    body.pop(name, None)
                case 1:
                    body[name] = random.choice(_ODD)
                case 2:
                    body[name] = {"inside": random.choice(_ODD)}
        data = json.dumps(body).encode()
        match number % 10:
            case 0:
                data = data[: random.randrange(len(data))]
            case 1:
                at = random.randrange(len(data))
                data = data[:at] + random.randbytes(3) + data[at:]
            case 2:
                data = random.randbytes(random.randrange(60))
            case 3:
                value = random.choice(_ODD)
                data = json.dumps(random.choice([value, [body], [value] * 3])).encode()
        yield data
