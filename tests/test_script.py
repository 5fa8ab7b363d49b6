import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.config import Settings
from streamer.errors import LanguageNotSupported
from streamer.lines import Line
from streamer.script import Script
from streamer.text.lexicon import Lexicon
from streamer.text.normalizer import for_ear
from streamer.types import OptionsUpdate, Start, Text
from streamer.voices import Catalogue
from tests.scripted_engine import ScriptedEngine, WordEngine


class Clock:
    """Time that stands still until told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def script(
    start: Start | None = None,
    settings: Settings | None = None,
    engine: ScriptedEngine | None = None,
) -> Script:
    engine = engine or ScriptedEngine()
    return Script(
        start or Start("c"),
        Catalogue({engine.name: engine}),
        settings or Settings(),
        Clock(),
        lambda: float("-inf"),
    )


async def lines(written: Script) -> list[Line]:
    taken = []
    while await written.peek() is not None:
        taken.append(written.take())
    return taken


@pytest.mark.asyncio
async def test_a_line_is_shown_until_it_is_taken() -> None:
    written = script()
    written.text(Text("c", "One is here. Two is there."))
    written.end()
    first = await written.peek()
    assert first is await written.peek()
    assert written.take() is first
    assert written.spoken == len("One is here.")
    assert not written.finished
    assert [line.span.text for line in await lines(written)] == ["Two is there."]
    assert written.finished


@pytest.mark.asyncio
async def test_what_nobody_can_say_ends_the_script_after_what_came_before() -> None:
    written = script()
    written.text(Text("c", "Good morning to you. **Доброе утро.** Never said."))
    written.end()
    assert [line.span.text for line in await lines(written)] == ["Good morning to you."]
    assert written.finished
    with pytest.raises(LanguageNotSupported) as caught:
        written.check()
    assert caught.value.details["offset"] == 23


@pytest.mark.asyncio
async def test_text_after_what_nobody_can_say_is_dropped() -> None:
    written = script()
    written.text(Text("c", "Доброе утро. "))
    written.flush()
    assert await written.peek() is None
    received = written.received
    written.text(Text("c", "Good morning to you. "))
    assert written.finished
    assert written.received == received


@pytest.mark.asyncio
async def test_waiting_for_text_ends_when_text_comes() -> None:
    written = script()
    waiting = asyncio.create_task(written.peek())
    await asyncio.sleep(0)
    assert not waiting.done()
    written.text(Text("c", "Hello there. "))
    written.flush()
    line = await waiting
    assert line is not None
    assert line.span.text == "Hello there."


@pytest.mark.asyncio
async def test_new_options_without_text_speak_what_waited_for_more() -> None:
    written = script(settings=Settings(text_pause_ms=0))
    waiting = asyncio.create_task(written.peek())
    written.text(Text("c", "Not yet"))
    await asyncio.sleep(0.01)  # The pause passes, and too little is there to cut.
    assert not waiting.done()
    written.text(Text("c", "", options=OptionsUpdate(speed=2)))
    async with asyncio.timeout(10):
        line = await waiting
    assert line is not None
    assert (line.span.text, line.options.speed) == ("Not yet", 1)


@pytest.mark.asyncio
async def test_text_with_nothing_to_hear_makes_no_line() -> None:
    written = script()
    written.text(Text("c", "--- \n\n ... "))
    written.end()
    assert await lines(written) == []


@pytest.mark.asyncio
async def test_a_line_that_is_being_written_is_handed_on_in_pieces() -> None:
    written = script(engine=WordEngine())
    written.text(Text("c", "**Hello** my "))
    line = await written.peek()
    assert line is not None
    assert written.take() is line
    assert (line.segment.text, line.open, written.spoken) == ("Hello my", True, 12)
    assert not written.waiting
    written.text(Text("c", "old fri"))
    piece = await written.piece(line)
    assert (piece.text, piece.more, line.segment.text) == (" old", True, "Hello my old")
    written.text(Text("c", "end. Next"))
    assert written.waiting
    piece = await written.piece(line)
    assert (piece.text, piece.more) == (" friend.", False)
    assert (line.span.text, line.span.reason) == ("**Hello** my old friend.", "sentence")
    assert not line.open


@pytest.mark.asyncio
async def test_whoever_is_cancelled_while_it_waits_for_a_piece_loses_none() -> None:
    written = script(engine=WordEngine())
    written.text(Text("c", "Hello my "))
    await written.peek()
    line = written.take()
    for _ in range(3):
        waiting = asyncio.create_task(written.piece(line))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    waiting = asyncio.create_task(written.piece(line))
    await asyncio.sleep(0)
    written.end()
    piece = await waiting
    assert (piece.text, piece.more, line.span.reason) == ("", False, "end")
    assert written.finished


@pytest.mark.asyncio
async def test_the_first_text_may_ask_for_an_engine_of_the_other_kind() -> None:
    engines = ScriptedEngine("a"), WordEngine("b")
    catalogue = Catalogue({engine.name: engine for engine in engines})
    written = Script(Start("c"), catalogue, Settings(), Clock(), lambda: float("-inf"))
    text = "Well then my friend, here we go. "
    written.text(Text("c", text, options=OptionsUpdate(voice="b-a")))
    written.end()
    assert [line.span.text for line in await lines(written)] == [text.strip()]


PIECES = (
    "word |two |**|*|_|`|[|]|(|)|](/x/)|<b>|</b>|# |- |\n|😊|. |? |!|, |: |New |York |1. |2) |Dr. |世|界"
    "|。|，|Hello there. |[a](b |and so it goes on |3.14 |\n\n|e.g. |—|…|'|\"|| | "
).split("|")
LEXICON = {"York": "yoke", "New York": "the city", "two New": "2"}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PIECES), st.integers(0, 3)), max_size=50),
    st.sampled_from([{}, LEXICON]),
)
def test_pieces_make_what_the_whole_line_would_have_been(
    pieces: list[tuple[str, int]], lexicon: dict[str, str]
) -> None:
    said: list[tuple[str, Line]] = []

    async def take(written: Script) -> None:
        while (line := await written.peek()) is not None:
            text = written.take().segment.text
            while line.open:
                text += (await written.piece(line)).text
            said.append((text, line))

    async def write() -> None:
        engine = WordEngine(languages=("mul",))
        setting = Settings(text_pause_ms=60_000)
        written = script(Start("c", lexicon=lexicon), setting, engine)
        taking = asyncio.create_task(take(written))
        for piece, turns in pieces:
            written.text(Text("c", piece))
            for _ in range(turns):
                await asyncio.sleep(0)
        written.end()
        await taking

    asyncio.run(write())
    text, end = "".join(piece for piece, _ in pieces), 0
    for spoken, line in said:
        if line.span.reason != "language":
            assert spoken == Lexicon(lexicon).apply(for_ear(line.span.text)).text
        assert text[line.span.offset : line.end] == line.span.text
        assert line.span.offset >= end
        end = line.end
