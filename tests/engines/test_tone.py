import numpy as np
import pytest

from streamer.config import Settings
from streamer.engines.tone import SAMPLE_RATE, SOUND, WORD, Tone, open_engine
from streamer.types import Options, PcmChunk, Samples, Segment
from tests.engines.conformance import collect, given, sound, words

pytestmark = pytest.mark.asyncio


@pytest.fixture
def engine() -> Tone:
    return open_engine(Settings())


async def speak(engine: Tone, text: str, voice: int = 0, seed: int = 0) -> list[PcmChunk]:
    options = Options(engine.voices[voice], seed=seed)
    return await collect(engine, given(Segment(0, text, 0, options)))


def pitch(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 16))
    return float(spectrum.argmax()) * SAMPLE_RATE / (1 << 16)


async def test_each_word_sounds_exactly_from_its_start_to_its_end(engine: Tone) -> None:
    chunks = await speak(engine, "One, two; three four five!")
    samples = sound(chunks)
    assert len(samples) == 5 * WORD
    for number, word in enumerate(words(chunks)):
        assert (word.start, word.end) == (number * WORD, number * WORD + SOUND)
        assert np.abs(samples[word.start : word.start + 240]).max() > 0.05
        assert np.abs(samples[word.end - 240 : word.end]).max() > 0.05
        assert not samples[word.end : (number + 1) * WORD].any()


async def test_a_word_has_one_pitch_wherever_it_stands(engine: Tone) -> None:
    samples = sound(await speak(engine, "again and again"))
    assert np.array_equal(samples[:WORD], samples[2 * WORD :])
    assert not np.array_equal(samples[:WORD], samples[WORD : 2 * WORD])


async def test_seed_and_voice_change_the_pitch(engine: Tone) -> None:
    low, high = [pitch(sound(await speak(engine, "word", voice))) for voice in (0, 1)]
    assert high == pytest.approx(2 * low, rel=0.01)
    assert len({round(pitch(sound(await speak(engine, "word", seed=n)))) for n in range(20)}) > 5


async def test_a_segment_comes_in_several_chunks(engine: Tone) -> None:
    chunks = await speak(engine, "one two three four five six seven")
    assert len(chunks) == 3
    assert [chunk.last for chunk in chunks] == [False, False, True]


async def test_any_script_is_spoken(engine: Tone) -> None:
    for text in ("Привет мир", "你好", "مرحبا", "ελληνικά", "한국어 문장"):
        assert len(words(await speak(engine, text))) > 0
        assert len(sound(await speak(engine, text)))


async def test_it_speaks_at_one_speed_and_pitch_only(engine: Tone) -> None:
    assert engine.capabilities.speed == engine.capabilities.pitch == (1.0, 1.0)
    assert engine.capabilities.word_times == "model"
