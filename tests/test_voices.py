from dataclasses import replace

import pytest

from streamer.errors import (
    InvalidParameter,
    LanguageNotSupported,
    ScopeMissing,
    UnknownVoice,
    UnsupportedParameter,
)
from streamer.types import Voice
from streamer.voices import Catalogue, speaks
from tests.scripted_engine import ScriptedEngine


def catalogue(default: str = "", aliases: dict[str, str] | None = None) -> Catalogue:
    english = ScriptedEngine("english")
    japanese = ScriptedEngine("japanese", languages=("ja",))
    engines = {engine.name: engine for engine in (english, japanese)}
    return Catalogue(engines, default=default, aliases=aliases or {})


def test_a_voice_speaks_every_variant_of_its_languages_and_mul_speaks_all() -> None:
    voice = Voice("v", "e", languages=("en-US", "en"))
    assert speaks(voice, "en-GB")
    assert speaks(voice, "EN")
    assert speaks(voice, "auto")
    assert not speaks(voice, "de")
    assert speaks(Voice("v", "e", languages=("mul",)), "de")


def test_without_a_name_the_first_voice_of_the_first_engine_speaks() -> None:
    engine, voice = catalogue().resolve()
    assert (engine.name, voice.id) == ("english", "english-a")


def test_without_a_name_the_language_chooses() -> None:
    assert catalogue().resolve(language="ja")[1].id == "japanese-a"
    assert catalogue(default="english-b").resolve(language="ja")[1].id == "japanese-a"


def test_the_default_voice_speaks_where_none_is_named() -> None:
    assert catalogue(default="japanese-b").resolve()[1].id == "japanese-b"


def test_a_model_names_its_engine_with_or_without_a_model_behind() -> None:
    voices = catalogue(default="english-b")
    assert voices.resolve(model="japanese")[1].id == "japanese-a"
    large = replace(voices.engines["japanese"].capabilities, models={"large": None, "a/b": 1.0})
    voices.engines["japanese"].capabilities = large
    for model in ("japanese/large", "japanese/a/b", "japanese/"):
        assert voices.resolve(model=model)[1].id == "japanese-a"
    assert voices.models == ["english", "japanese", "japanese/large", "japanese/a/b"]


def test_a_model_that_the_engine_can_not_take_is_refused_by_name() -> None:
    voices = catalogue()
    large = replace(voices.engines["japanese"].capabilities, models={"large": None})
    voices.engines["japanese"].capabilities = large
    with pytest.raises(UnknownVoice) as caught:
        voices.resolve(model="japanese/small")
    assert (caught.value.param, caught.value.details["candidates"]) == ("model", ["japanese/large"])
    with pytest.raises(UnsupportedParameter) as refused:
        voices.resolve(model="english/large")
    assert refused.value.param == "model"


def test_the_first_engine_that_has_the_voice_speaks() -> None:
    engine, voice = catalogue().resolve(voice="japanese-b")
    assert (engine.name, voice.id) == ("japanese", "japanese-b")


def test_an_alias_is_another_name_of_a_voice() -> None:
    voices = catalogue(aliases={"alloy": "english-b"})
    assert voices.resolve(voice="alloy")[1].id == "english-b"
    with pytest.raises(InvalidParameter) as caught:
        catalogue(aliases={"alloy": "nobody"})
    assert caught.value.param == "voice_aliases"


def test_what_is_unknown_is_refused_with_candidates() -> None:
    with pytest.raises(UnknownVoice) as caught:
        catalogue().resolve(voice="nobody")
    assert caught.value.param == "voice"
    assert "japanese-a" in caught.value.details["candidates"]
    with pytest.raises(UnknownVoice) as caught:
        catalogue().resolve(model="english", voice="japanese-a")
    assert caught.value.details["candidates"] == ["english-a", "english-b"]
    with pytest.raises(UnknownVoice) as caught:
        catalogue().resolve(model="nothing")
    assert caught.value.param == "model"


def test_a_language_that_nobody_speaks_is_refused() -> None:
    with pytest.raises(LanguageNotSupported) as caught:
        catalogue().resolve(language="sw")
    assert caught.value.param == "language"


def test_text_goes_to_the_first_voice_that_can_say_it() -> None:
    voices = catalogue()
    engine, voice = voices.resolve(voice="english-b")
    assert voices.speaker_of("Good morning.", "auto", engine, voice)[1] is voice
    assert voices.speaker_of("おはよう。", "auto", engine, voice)[1].id == "japanese-a"


def test_text_that_nobody_can_say_is_refused_with_its_offset() -> None:
    voices = catalogue()
    with pytest.raises(LanguageNotSupported) as caught:
        voices.speaker_of("Good Доброе утро", "auto", *voices.resolve())
    assert caught.value.details["offset"] == 5


def test_a_default_that_is_no_voice_is_refused_and_so_is_no_engine() -> None:
    with pytest.raises(InvalidParameter) as caught:
        catalogue(default="nobody")
    assert caught.value.param == "voice"
    with pytest.raises(InvalidParameter) as caught:
        Catalogue({})
    assert caught.value.param == "engines"


class Own:
    """Voices of a key: "voice_1", called Ann, of the engine named."""

    def __init__(self, engine: str = "english") -> None:
        self.voice = Voice("voice_1", engine, "Ann", ("en",))

    def all(self) -> list[Voice]:
        return [self.voice]

    def find(self, name: str) -> Voice | None:
        return self.voice if name in ("voice_1", "Ann", "english-a", "alias") else None

    def loaded(self, voice: Voice) -> Voice:
        return replace(voice, data={})


def test_a_keys_own_voices_are_behind_the_engines_and_found_by_id_or_name() -> None:
    plain = catalogue(aliases={"alias": "english-b"})
    seen = plain.seen_with(Own())
    for name in ("voice_1", "Ann"):
        engine, voice = seen.resolve(voice=name)
        assert (engine.name, voice.id, voice.data) == ("english", "voice_1", {})
        assert seen.resolve(model="english", voice=name)[1].id == "voice_1"
        with pytest.raises(UnknownVoice):
            plain.resolve(voice=name)
    assert seen.resolve(voice="english-a")[1].engine == "english"
    assert seen.resolve(voice="english-a")[1].id == "english-a"
    assert seen.resolve(voice="alias")[1].id == "english-b"
    assert seen.voices[-1].id == "voice_1"
    assert "voice_1" not in [voice.id for voice in plain.voices]


def test_a_voice_of_ones_own_is_a_candidate_by_its_name_where_its_engine_is() -> None:
    with pytest.raises(UnknownVoice) as caught:
        catalogue().seen_with(Own()).resolve(voice="nobody")
    assert caught.value.details["candidates"][-1] == "Ann"
    for model, own in (("japanese", Own()), (None, Own("gone"))):
        with pytest.raises(UnknownVoice) as caught:
            catalogue().seen_with(own).resolve(model=model, voice="Ann")
        assert "Ann" not in caught.value.details["candidates"]


def test_where_only_some_may_speak_the_others_are_not_listed_and_do_not_speak() -> None:
    whole = catalogue(default="english-a", aliases={"alloy": "english-b"})
    voices = whole.limited_to({"english-b", "japanese-a"})
    assert [voice.id for voice in voices.voices] == ["english-b", "japanese-a"]
    assert voices.resolve(voice="alloy")[1].id == "english-b"
    for wish in ({"voice": "english-a"}, {}, {"model": "english"}, {"language": "en"}):
        with pytest.raises(ScopeMissing) as caught:
            voices.resolve(**wish)
        assert caught.value.param == "voice"
    with pytest.raises(UnknownVoice) as unknown:
        voices.resolve(voice="nobody")
    assert unknown.value.details["candidates"] == ["english-b", "japanese-a"]
    engine, voice = voices.resolve(voice="english-b")
    assert voices.speaker_of("おはよう。", "auto", engine, voice)[1].id == "japanese-a"
    with pytest.raises(LanguageNotSupported):
        whole.limited_to({"english-b"}).speaker_of("おはよう。", "auto", engine, voice)
    assert len(whole.voices) > 2
