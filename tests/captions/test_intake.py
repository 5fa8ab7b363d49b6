"""Corrections of a cue of several speakers, and cues that are called like a part of one."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from streamer.captions.cues import KNOWN, NEAR, Begun, Queue, Waiting, rest_of
from streamer.types import Cue, SegmentStarted
from tests import virtual_time
from tests.captions.heard import Heard, fed, session

TWO = "<v Ann>Hello there my friend.</v><v Bob>Good bye then.</v>"
SPOKEN = [("1", "Hello there my friend."), ("1/2", "Good bye then.")]


def live(*said: tuple[float, Cue]) -> Heard:
    """Cues at their seconds, of a listener who hears them as they come."""

    async def run() -> Heard:
        one = session(paced=True)

        async def script(now_s: float = 0.0) -> AsyncIterator[None]:
            for at_s, cue in said:
                await asyncio.sleep(at_s - now_s)
                now_s = at_s
                one.cue(cue)
            one.end()
            yield

        return await fed(one, script())

    return virtual_time.run(run())


def texts(come: Heard) -> Sequence[tuple[str | None, str]]:
    return [(one.cue, one.text) for one in come.of(SegmentStarted)]


def cue(text: str, id: str = "1", start_s: float = 0.5, end_s: float = 4.0) -> Cue:
    return Cue("c", text, id, 1000 * start_s, 1000 * end_s)


@pytest.mark.parametrize("again_s", [0.2, 0.8, 5.0], ids=["waits", "begun", "spoken"])
def test_a_cue_of_two_speakers_that_comes_again_is_spoken_once(again_s: float) -> None:
    come = live((0, cue(TWO)), (again_s, cue(TWO)), (again_s, cue("The end.", "2", 6, 7)))
    assert texts(come) == [*SPOKEN, ("2", "The end.")]
    assert not come.skipped


def test_the_second_speaker_is_corrected_until_he_begins() -> None:
    come = live((0, cue(TWO)), (0.8, cue(TWO.replace("Good bye then", "So long"))))
    assert texts(come) == [("1", "Hello there my friend."), ("1/2", "So long.")]
    assert not come.skipped


def test_the_second_speaker_is_taken_back_while_the_first_speaks() -> None:
    come = live((0, cue(TWO)), (0.8, cue("<v Ann>Hello there my friend.")))
    assert texts(come) == SPOKEN[:1]
    assert not come.skipped


def test_the_last_speaker_who_has_begun_goes_on() -> None:
    come = live((0, cue(TWO)), (3.5, cue(TWO.replace("then.", "then. And good luck."))))
    assert texts(come) == [*SPOKEN, ("1/2", "And good luck.")]


def test_what_the_first_speaker_said_stays_and_so_does_what_waits_behind_it() -> None:
    come = live((0, cue(TWO)), (0.8, cue(TWO.replace("Hello", "Farewell"))))
    assert texts(come) == SPOKEN
    assert come.skipped == [("1", "spoken")]


def test_the_first_speaker_does_not_go_on_behind_the_second() -> None:
    come = live((0, cue(TWO)), (3.5, cue(TWO.replace("friend.", "friend. How are you?"))))
    assert texts(come) == SPOKEN
    assert come.skipped == [("1", "spoken")]


def test_a_cue_that_is_called_like_a_part_of_another_is_no_part_of_it() -> None:
    other = cue("Somebody else.", "1/2", 5, 6)
    come = live((0, other), (0, cue("Hello.")), (0, cue("Hello there.")))
    assert texts(come) == [("1", "Hello there."), ("1/2", "Somebody else.")]


def test_a_part_is_not_lost_to_a_cue_that_is_called_like_it() -> None:
    come = live((0, cue(TWO)), (0, cue("Somebody else.", "1/2", 5, 6)))
    assert texts(come) == [*SPOKEN, ("1/2", "Somebody else.")]


def test_only_the_latest_cues_are_known() -> None:
    begun = Begun()
    for n in range(KNOWN + 10):
        begun.add(str(n), "text", n)
    assert "9" not in begun
    assert "10" in begun
    assert begun.start("10") == 10


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("we go home", ""),
        ("we go  home now", "now"),
        ("we go home, now", ", now"),
        ("we go homewards", None),
        ("we went home", None),
        ("we go", None),
    ],
)
def test_a_text_goes_on_behind_whole_words(text: str, rest: str | None) -> None:
    assert rest_of(text, "we go home") == rest


def test_however_many_wait_only_the_next_ones_are_looked_at() -> None:
    wish = session()._intake.wishes.now
    queue = Queue()
    for n in range(10 * NEAR):
        queue.add(Waiting(str(n), 0, "a", 5, 9, 5, wish, 0.0))
    assert queue.head is not None
    assert len([*queue.beside(queue.head)]) == NEAR - 1
    assert len([*queue.starts_behind(queue.head)]) == NEAR - 1
