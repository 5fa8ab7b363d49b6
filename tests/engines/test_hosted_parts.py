"""The parts of a hosted engine that need no provider: cutting, places, word times."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.engines.hosted.chunks import FIRST, Chunks, place
from streamer.engines.hosted.pieces import pieces
from streamer.engines.hosted.slots import Slots
from streamer.protocols.hosted import SAMPLE_RATE, SpokenWord


@given(st.text(st.sampled_from("ab .,!?。，\n"), max_size=300), st.integers(1, 40))
def test_pieces_are_the_text_within_the_limit(text: str, limit: int) -> None:
    found = pieces(text, limit)
    assert "".join(found) == text
    assert all(0 < len(piece) <= limit for piece in found)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("One two. Three four.", 0, ["One two. Three four."]),
        ("One two. Three four.", 20, ["One two. Three four."]),
        ("One two. Three four.", 19, ["One two.", " Three four."]),
        ('He said "no." Then he left.', 20, ['He said "no."', " Then he left."]),
        ("It costs 3.50 now, but not for long", 20, ["It costs 3.50 now,", " but not for long"]),
        ("no marks at all in here", 10, ["no marks ", "at all in ", "here"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("你好世界。今天天气很好。", 8, ["你好世界。", "今天天气很好。"]),
        ("A. " + "word " * 6, 24, ["A. word word word word ", "word word "]),
    ],
)
def test_a_text_is_cut_where_it_is_heard_least(text: str, limit: int, expected: list[str]) -> None:
    assert pieces(text, limit) == expected


@pytest.mark.asyncio
async def test_the_place_that_is_free_goes_to_the_smallest_rank() -> None:
    slots, order = Slots(1), []
    ranks = {"late": (2.0, 0.0), "soon": (0.0, 5.0), "now": (0.0, -1.0), "gone": (-1.0, 0.0)}

    async def take(name: str) -> None:
        async with slots.place(lambda: ranks[name]):
            order.append(name)

    async with slots.place(lambda: (0.0, 0.0)):
        tasks = {name: asyncio.create_task(take(name)) for name in ranks}
        await asyncio.sleep(0)
        assert (slots.taken, slots.waiting) == (1, 4)
        tasks["gone"].cancel()
        ranks["late"], ranks["soon"] = (0.0, 0.0), (1.0, 0.0)  # asked when a place is free
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert order == ["now", "late", "soon"]
    assert (slots.taken, slots.waiting) == (0, 0)


@pytest.mark.asyncio
async def test_a_place_given_to_who_is_cancelled_goes_to_the_next() -> None:
    slots = Slots(1)

    async def take() -> None:
        async with slots.place(lambda: (0.0, 0.0)):
            pass

    async with slots.place(lambda: (0.0, 0.0)):
        first, second = asyncio.create_task(take()), asyncio.create_task(take())
        await asyncio.sleep(0)
    first.cancel()  # its turn has come, but it has not run yet
    await asyncio.gather(first, second, return_exceptions=True)
    assert first.cancelled()
    assert second.exception() is None
    assert (slots.taken, slots.waiting) == (0, 0)


@pytest.mark.asyncio
async def test_who_comes_while_another_is_about_to_go_is_not_forgotten() -> None:
    slots = Slots(1)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def take(until: asyncio.Future[None] | None = None) -> None:
        async with slots.place(lambda: (0.0, 0.0)):
            if until is not None:
                await until

    holder = asyncio.create_task(take(over))
    await asyncio.sleep(0)
    going = asyncio.create_task(take())
    await asyncio.sleep(0)
    over.set_result(
        None
    )  # in one turn of the loop: a place is free, one comes, one has been cancelled
    late = asyncio.create_task(take())
    going.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(holder, late)
    assert going.cancelled()
    assert (slots.taken, slots.waiting) == (0, 0)


def test_word_times_are_those_of_the_texts_words() -> None:
    spoken = [
        SpokenWord("Hello", 0.5, 0.9),
        SpokenWord(",", 0.9, 0.9),
        SpokenWord("well", 1.0, 1.2),
        SpokenWord("-known", 1.2, 1.5),
        SpokenWord("friend.", 1.6, 2.5),
    ]
    dropped = SAMPLE_RATE // 2
    found = place("Hello, well-known friend.", spoken, dropped, round(1.9 * SAMPLE_RATE))
    assert [(word.text, word.offset) for word in found] == [
        ("Hello", 0),
        ("well-known", 7),
        ("friend", 18),
    ]
    seconds = [(word.start / SAMPLE_RATE, word.end / SAMPLE_RATE) for word in found]
    assert seconds == [(0, 0.4), (0.5, 1.0), (1.1, 1.9)]


@pytest.mark.parametrize(
    "spoken",
    [
        [],
        [SpokenWord("Hello", 0, 1)],
        [SpokenWord("Hello", 0, 1), SpokenWord("there", 0.5, 0.5)],
        [SpokenWord("Hello", 3, 1), SpokenWord("there", 1, 2)],
        [SpokenWord("", 0, 1), SpokenWord("other", 1, 2)],
    ],
)
def test_word_times_that_can_not_be_matched_are_none(spoken: list[SpokenWord]) -> None:
    assert place("Hello there", spoken, 0, 10 * SAMPLE_RATE) == ()


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=9))
def test_chunks_are_the_same_however_the_sound_came(sizes: list[int]) -> None:
    sound = np.full(sum(sizes), 0.5, np.float32)
    sound[: sum(sizes) // 3] = 0

    def made(parts: list[int]) -> list[int]:
        chunks, found, at = Chunks(0, "x"), [], 0
        for size in parts:
            found += list(chunks.push(sound[at : at + size]))
            at += size
        found += list(chunks.flush())
        assert found[-1].last
        assert len(found) == 1 or len(found[0].samples) == FIRST
        return [len(chunk.samples) for chunk in found]

    assert made(sizes) == made([len(sound)])
