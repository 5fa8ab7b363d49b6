"""Listeners that cut in, give up or vanish, at any moment; what they are told they have heard is checked."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.robustness.checks import idle
from tests.robustness.client import Client, Heard, client
from tests.server_process import ServerProcess

CLIENTS = 4
SILENCE_S = 0.1
"""How long is listened after an acknowledgement for what must not come."""


@dataclass(frozen=True)
class Script:
    """A text, and its words as a listener counts them. Offsets are looked for in this order."""

    text: str
    words: str
    lexicon: dict[str, str] = field(default_factory=dict)


SCRIPTS = (
    Script(
        "Hello there, my friend. This goes on for quite a while, and then it ends.",
        "Hello there my friend This goes on for quite a while and then it ends",
    ),
    Script(
        "**Stop** me _now_, or read [the page](https://a.example/b) to me, `please`; it is long.",
        "Stop me now or read the page to me please it is long",
    ),
    Script(
        "# A head\n\n- The SQL of it is 5% faster.\n- The UN said so at 7:30 p.m. to Dr. Smith.",
        "A head The SQL of it is 5% faster The UN said so at 7:30 p.m. to Dr Smith",
        {"SQL": "sequel", "UN": "United Nations"},
    ),
    Script(
        "A $1,234.50 bill isn't much… “Is it?” Well — no! 😀 Naïve café, ok.",
        "A $1,234.50 bill isn't much Is it Well no Naïve café ok",
    ),
)
AUDIO: tuple[dict[str, Any], ...] = (
    {"codec": "opus"},
    {"codec": "opus", "container": "ogg", "sample_rate": 48000},
    {"codec": "mp3", "sample_rate": 22050},
    {"codec": "aac", "container": "adts", "transport": "json"},
    {"codec": "flac", "sample_rate": 16000},
    {"codec": "pcm_s16le", "sample_rate": 8000, "channels": 2},
    {"codec": "pcm_f32le", "sample_rate": 44100, "transport": "json"},
    {"codec": "pcm_mulaw", "sample_rate": 8000},
)


async def speak_scripts(server: ServerProcess, voice: str) -> None:
    """Each script to its end: every word of it is told, and no other."""
    async with client(server.websocket_url) as one:
        for number, script in enumerate(SCRIPTS):
            heard = await one.speak(
                f"s{number}",
                script.text,
                voice=voice,
                lexicon=script.lexicon,
                pacing={"lead_ms": 60000},
            )
            heard.check_complete()
            assert [word["text"] for word in heard.words] == script.words.split()


async def interrupt_streams(server: ServerProcess, count: int, seed: int) -> Counter[str]:
    """So many contexts, each ended by its listener at a random moment; how they ended."""
    shares = [count // CLIENTS + (n < count % CLIENTS) for n in range(CLIENTS)]
    endings = await asyncio.gather(
        *(_interrupt(server, share, Random(seed + n)) for n, share in enumerate(shares))
    )
    await idle(server)
    return sum(endings, Counter())


async def _interrupt(server: ServerProcess, count: int, random: Random) -> Counter[str]:
    endings: Counter[str] = Counter()
    async with client(server.websocket_url, once=True) as one:
        while endings.total() < count:
            several = min(random.randrange(1, 5), count - endings.total())
            names = [f"c{endings.total() + n}" for n in range(several)]
            if several > 1 and random.random() < 0.2:
                endings.update(await _end_all(one, names, random))
            else:
                outcomes = await asyncio.gather(*(_one(one, name, random) for name in names))
                endings.update(outcomes)
        await asyncio.sleep(SILENCE_S)
        assert await one.settled()
    return endings


async def _begin(one: Client, name: str, random: Random) -> str:
    """Start a context and push some text in pieces; what was pushed."""
    script = random.choice(SCRIPTS)
    await one.say(
        type="start",
        context=name,
        voice=random.choices(("tone-low", "heart"), (3, 1))[0],
        audio=random.choice(AUDIO),
        pacing={"lead_ms": random.choice((20, 200, 1000, 60000))},
        speed=random.choice((1, 1, 0.5, 2, 4)),
        lexicon=script.lexicon,
    )
    text, at = "\n\n".join([script.text] * random.choice((1, 1, 3))), 0
    while at < len(text):
        size = random.choice((1, 3, 12, 40, len(text)))
        await one.say(type="text", context=name, text=text[at : at + size], at=at)
        at += size
        if random.random() < 0.3:
            await asyncio.sleep(random.random() * 0.02)
        if random.random() < 0.05:
            return text[:at]
    if random.random() < 0.7:
        await one.say(type="end", context=name)
    return text


async def _one(one: Client, name: str, random: Random) -> str:
    text = await _begin(one, name, random)
    await asyncio.sleep(random.choice((0, 0.001, 0.02, 0.1, 0.3, 0.8)) * random.random())
    before = one.heard.get(name)
    ended = before is not None and before.ending is not None
    how, fields = random.choice(("interrupt", "interrupt", "interrupt", "cancel")), {}
    if how == "interrupt" and random.random() < 0.7:
        fields = {"played_ms": _position(before, random)}
        if random.random() < 0.3:  # told before, and left out in what ends it
            await one.say(type="played", context=name, **fields)
            await one.say(type="interrupt", context=name)
        else:
            await one.say(type="interrupt", context=name, **fields)
    else:
        await one.say(type=how, context=name)
    if ended:
        return "too late"
    heard = await one.ending(name)
    if heard.outcome in ("end", "unknown_context"):  # it had come to its end meanwhile
        return "too late"
    if how == "cancel":
        assert heard.outcome == "cancelled", heard.ending
    else:
        _check_interrupted(heard, text, fields.get("played_ms"))
    return heard.outcome


async def _end_all(one: Client, names: list[str], random: Random) -> list[str]:
    texts = await asyncio.gather(*(_begin(one, name, random) for name in names))
    await asyncio.sleep(random.random() * 0.1)
    how = random.choice(("interrupt", "cancel"))
    await one.say(type=how)
    outcomes = []
    for name, text in zip(names, texts, strict=True):
        heard = await one.ending(name)
        if heard.outcome == "interrupted":
            _check_interrupted(heard, text, None)
        outcomes.append(heard.outcome if heard.outcome != "end" else "too late")
    return outcomes


def _position(heard: Heard | None, random: Random) -> float:
    """Where a listener that says the truth may be, in ms; sometimes exactly at the end of a word."""
    if heard is None or heard.started is None or random.random() < 0.1:
        return 0.0
    received = 1000 * max(0, heard.end) / heard.rate
    ends = [word["end_ms"] for word in heard.words if word["end_ms"] <= received]
    if ends and random.random() < 0.3:
        return float(random.choice(ends) + random.choice((-0.5, 0, 0.5)))
    return received * random.random()


def _check_interrupted(heard: Heard, text: str, played_ms: float | None) -> None:
    """Right to a word: heard is what was told to end by then, and no other word of the text before."""
    told = heard.ending
    assert told is not None
    assert told["type"] == "interrupted", told
    spoken = told["heard_text"]
    assert spoken + told["unspoken_text"] == text
    if heard.started is None:
        assert not told["heard_words"]
        assert spoken == ""
        return
    rate = heard.rate
    played = round(told["played_ms"] * rate / 1000)
    if played_ms is not None:
        assert told["clock"] == "client"
        assert played == round(played_ms * rate / 1000), (played, played_ms)
    by_then = [word for word in heard.words if round(word["end_ms"] * rate / 1000) <= played]
    assert told["heard_words"] == by_then, (told, heard.words)
    for word in by_then:
        assert text[word["offset"] :].startswith(word["text"]), word
    assert _spoken(text)[: len(by_then)] == [word["text"] for word in by_then], (by_then, text)
    end = by_then[-1]["offset"] + len(by_then[-1]["text"]) if by_then else 0
    assert not any(letter.isalnum() or letter.isspace() for letter in spoken[end:]), spoken


def _spoken(text: str) -> list[str]:
    """The words to be heard of a script, or of its beginning; maybe said again and again."""
    script = next(script for script in SCRIPTS if script.text.startswith(text[:4]))
    words, at = [], 0
    for word in script.words.split() * (len(text) // len(script.text) + 1):
        at = text.find(word, at)
        if at < 0:
            break
        words.append(word)
        at += len(word)
    return words


async def reset_sockets(server: ServerProcess, count: int, seed: int) -> None:
    """Clients with several live contexts crash (RST) at random moments; their places come free."""
    random = Random(seed)

    async def crash() -> None:
        async with client(server.websocket_url) as one:
            for number in range(random.randrange(1, 5)):
                await _begin(one, f"c{number}", random)
            await asyncio.sleep(random.random() * 0.2)
            one.abort()

    for _ in range(-(-count // CLIENTS)):
        await asyncio.gather(*(crash() for _ in range(CLIENTS)))
        await idle(server)
