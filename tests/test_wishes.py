import pytest

from streamer.errors import InvalidParameter, UnsupportedParameter
from streamer.types import OptionsUpdate, Start
from streamer.voices import Catalogue
from streamer.wishes import Wishes, native
from tests.scripted_engine import ScriptedEngine


def wishes(options: OptionsUpdate | None = None, *, strict: bool = False) -> Wishes:
    engines = ScriptedEngine("a"), ScriptedEngine("b")
    catalogue = Catalogue({engine.name: engine for engine in engines})
    return Wishes(Start("c", options or OptionsUpdate(), strict=strict), catalogue)


def test_an_engine_is_asked_only_for_what_it_does_by_itself() -> None:
    wish = wishes(OptionsUpdate(speed=4, pitch=0.75, volume=1.5)).now
    asked = native(wish.options, wish.engine)
    assert (asked.speed, asked.pitch, asked.volume) == (2.0, 0.75, 1.0)
    assert (wish.options.speed, wish.options.volume) == (4, 1.5)


def test_a_seed_is_made_once_and_kept() -> None:
    asked = wishes()
    updated = asked.updated(OptionsUpdate(speed=1.5))
    assert updated.options.seed == asked.now.options.seed
    assert updated.options.seed_drawn


def test_an_update_changes_what_it_states_and_only_once_it_is_taken() -> None:
    asked = wishes(OptionsUpdate(speed=2, pitch=0.75))
    before = asked.now
    updated = asked.updated(OptionsUpdate(speed=0.5))
    assert (updated.options.speed, updated.options.pitch) == (0.5, 0.75)
    assert asked.now is before
    assert asked.updated(None) is before


def test_a_new_model_drops_the_voice_named_before() -> None:
    asked = wishes(OptionsUpdate(voice="a-b"))
    assert (asked.now.engine.name, asked.now.options.voice.id) == ("a", "a-b")
    asked.now = asked.updated(OptionsUpdate(model="b"))
    assert (asked.now.engine.name, asked.now.options.voice.id) == ("b", "b-a")
    asked.now = asked.updated(OptionsUpdate(model="a", voice="a-b"))
    assert asked.now.options.voice.id == "a-b"


@pytest.mark.parametrize(
    "update",
    [OptionsUpdate(speed=4.1), OptionsUpdate(pitch=0.4), OptionsUpdate(language="no language")],
)
def test_an_update_out_of_range_is_refused_by_name(update: OptionsUpdate) -> None:
    (name,) = (name for name in ("speed", "pitch", "language") if getattr(update, name) is not None)
    with pytest.raises(InvalidParameter) as caught:
        wishes().updated(update)
    assert caught.value.param == name


def test_instructions_nobody_can_follow_are_told_once_or_refused_if_that_is_asked_for() -> None:
    lenient = wishes(OptionsUpdate(instructions="whisper"))
    lenient.updated(OptionsUpdate(instructions="shout"))
    assert lenient.warnings == ["instructions_ignored"]
    with pytest.raises(UnsupportedParameter):
        wishes(strict=True).updated(OptionsUpdate(instructions="shout"))
