"""The embedded voice as it is heard: levels, ends, joins, times, over varied sentences."""

from collections.abc import Callable

import numpy as np
import pytest

from streamer.audio.dsp import loudness
from streamer.engines.hibari import HEART, load_voice
from streamer.engines.hibari_sound import SAMPLE_RATE
from streamer.engines.hibari_speech import SPEED, EmbeddedVoice, Utterance, speak
from streamer.errors import EngineFailed
from streamer.text.alignment import client_words
from streamer.types import Options, PcmChunk, Samples, Segment
from tests.engines.conformance import sound, words

SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well!",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls, isn't it?",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "Four hours of steady work faced us.",
    "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.",
    "Hello there!",
    "Yes.",
    "What time does the last train to Boston leave on a Sunday evening?",
    "On March 5th, 2024, the committee approved a budget of $1,234.50 for the new library.",
    "Dr. Smith arrived at 7:30 p.m., and the meeting (which had been postponed twice) began.",
    "I don't think so; she said nothing, and left.",
    "Please call 555-1234 if you have any questions about your order.",
    "The temperature fell to -5 degrees, but the lake wasn't frozen.",
    "Unfortunately, the package was delivered to the wrong address.",
    "Stop! Who goes there?",
    "In the beginning, nobody believed that a machine could learn to speak like a person.",
    "She sells sea shells by the sea shore.",
    "How much wood would a woodchuck chuck?",
    "Okay, let me check that for you.",
)
AUDIBLE = 10 ** (-50 / 20)

Say = Callable[..., list[PcmChunk]]


@pytest.fixture(scope="module")
def voice() -> EmbeddedVoice:
    return load_voice()


@pytest.fixture(scope="module")
def say(voice: EmbeddedVoice) -> Say:
    def chunks(text: str, index: int = 0, **options: float) -> list[PcmChunk]:
        return list(speak(voice, Segment(index, text, 0, Options(HEART, **options))))  # type: ignore[arg-type]

    return chunks


@pytest.fixture(scope="module")
def spoken(say: Say) -> dict[str, list[PcmChunk]]:
    return {text: say(text) for text in SENTENCES}


def audible(samples: Samples) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    return np.flatnonzero(np.abs(samples) > AUDIBLE)


def test_speech_is_at_minus_20_lufs_without_clipping(spoken: dict[str, list[PcmChunk]]) -> None:
    """How the gain was found: the loudness of all sentences together, at a gain of 1, taken from -20."""
    together = np.concatenate([sound(chunks) for chunks in spoken.values()])
    assert loudness(together, SAMPLE_RATE) == pytest.approx(-20, abs=0.5)
    assert np.abs(together).max() <= 1
    each = [loudness(sound(chunks), SAMPLE_RATE) for chunks in spoken.values()]
    assert np.median(each) == pytest.approx(-20, abs=0.5)
    assert max(abs(level + 20) for level in each) < 1.5


def test_sound_begins_and_ends_at_once(spoken: dict[str, list[PcmChunk]]) -> None:
    for chunks in spoken.values():
        samples = sound(chunks)
        heard = audible(samples)
        assert heard[0] <= 0.02 * SAMPLE_RATE
        assert len(samples) - heard[-1] <= 0.07 * SAMPLE_RATE


def test_first_stretch_is_short(spoken: dict[str, list[PcmChunk]]) -> None:
    lengths = [len(chunks[0].samples) / SAMPLE_RATE for chunks in spoken.values()]
    assert min(lengths) > 0.2
    assert np.median(lengths) < 0.8


def test_stretches_are_what_they_would_be_in_one_piece(voice: EmbeddedVoice) -> None:
    for text in SENTENCES[::3]:
        (phrase,) = voice.reader.read(text).phrases
        cut, uncut = [
            Utterance(voice.model, phrase, Options(HEART), np.random.default_rng(0)) for _ in "ab"
        ]
        stretches = cut.stretches()
        parts = [cut.render(*hops) for hops in stretches]
        whole = uncut.render(stretches[0][0], stretches[-1][1])
        error = np.concatenate(parts) - whole
        assert np.sqrt(np.mean(error**2)) < 0.08 * np.sqrt(np.mean(whole**2))
        # No more of a step at a join than anywhere.
        steps = np.abs(np.diff(error))
        for join in np.cumsum([len(part) for part in parts[:-1]]):
            assert steps[join - 1] < 0.02


def test_every_word_has_its_time(spoken: dict[str, list[PcmChunk]]) -> None:
    for text, chunks in spoken.items():
        told = words(chunks)
        assert [(word.offset, word.text) for word in told] == client_words(text)
        assert all(word.start < word.end for word in told)
        assert told[0].start < 0.15 * SAMPLE_RATE
        assert len(sound(chunks)) - told[-1].end < 0.1 * SAMPLE_RATE


def test_word_sounds_between_its_start_and_its_end(spoken: dict[str, list[PcmChunk]]) -> None:
    for chunks in spoken.values():
        samples = sound(chunks)
        for word in words(chunks):
            # A "the" of 25 ms may lie a little beside its sound.
            around = samples[max(0, word.start - 600) : word.end + 600]
            assert np.abs(around).max() > 0.02


def test_pause_inside_a_sentence_belongs_to_no_word(say: Say) -> None:
    chunks = say("Hello, my dear old friend.")
    hello, my = words(chunks)[:2]
    assert my.start - hello.end > 0.05 * SAMPLE_RATE
    # The next word's first sound may begin a little early.
    between = sound(chunks)[hello.end : my.start - 600]
    assert np.sqrt(np.mean(between**2)) < 0.03


@pytest.mark.parametrize("speed", [SPEED[0], 0.6, 0.75, 0.9, 1.1, SPEED[1]])
def test_length_goes_with_speed(say: Say, spoken: dict[str, list[PcmChunk]], speed: float) -> None:
    total = changed = 0
    for text, chunks in list(spoken.items())[::2]:
        faster = say(text, speed=speed)
        usual, length = len(sound(chunks)), len(sound(faster))
        # Of a single word of 0.4 s, 3 % are one hop.
        assert length * speed == pytest.approx(usual, rel=0.03, abs=600)
        total, changed = total + usual, changed + length
        heard = audible(sound(faster))
        assert heard[0] <= 0.02 * SAMPLE_RATE
        assert length - heard[-1] <= 0.07 * SAMPLE_RATE
    assert changed * speed == pytest.approx(total, rel=0.01)


def test_word_times_go_with_speed(say: Say, spoken: dict[str, list[PcmChunk]]) -> None:
    text = SENTENCES[12]
    usual, slow = words(spoken[text]), words(say(text, speed=0.5))
    for word, slower in zip(usual, slow, strict=True):
        assert slower.start == pytest.approx(2 * word.start, abs=0.12 * SAMPLE_RATE)


@pytest.mark.parametrize("pitch", [0.5, 0.8, 1.5, 2.0])
def test_pitch_moves_the_fundamental_and_leaves_time(say: Say, pitch: float) -> None:
    usual, moved = [say("No one may allow any more.", pitch=ratio) for ratio in (1.0, pitch)]
    assert len(sound(moved)) == pytest.approx(len(sound(usual)), rel=0.03)
    ratios = _fundamentals(sound(moved)) / _fundamentals(sound(usual))
    assert np.median(ratios) == pytest.approx(pitch, rel=0.05)


def _fundamentals(samples: Samples) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Of each twentieth of the first second."""
    parts = samples[:SAMPLE_RATE].reshape(20, -1)
    return np.array([_fundamental(part - part.mean()) for part in parts])


def _fundamental(part: Samples) -> float:
    correlation = np.correlate(part, part, "full")[len(part) - 1 :]
    correlation /= np.arange(len(part), 0, -1)
    low, high = SAMPLE_RATE // 600, SAMPLE_RATE // 70
    best = correlation[low:high].max()
    # The shortest period that is nearly as good as the best, which may be a multiple of it.
    lag = int(np.flatnonzero(correlation[low:high] > 0.85 * best)[0]) + low
    while correlation[lag + 1] > correlation[lag]:
        lag += 1
    return SAMPLE_RATE / lag


def test_seed_and_index_decide_the_noise(say: Say) -> None:
    usual = sound(say("Sixty-six.", seed=1))
    assert np.array_equal(sound(say("Sixty-six.", seed=1)), usual)
    for other in (say("Sixty-six.", seed=2), say("Sixty-six.", seed=1, index=1)):
        assert not np.array_equal(sound(other), usual)
    assert len(sound(say("Sixty-six.", seed=-5)))


def test_text_too_long_for_one_utterance_is_spoken_whole(say: Say) -> None:
    text = "We went to the market, bought some apples, and walked home slowly; " * 12
    told = words(say(text))
    assert [(word.offset, word.text) for word in told] == client_words(text)
    times = [time for word in told for time in (word.start, word.end)]
    assert times == sorted(times)


@pytest.mark.parametrize("text", ["你好，世界。", "こんにちは", "한국어"])
def test_text_with_letters_and_no_sounds_fails(say: Say, text: str) -> None:
    with pytest.raises(EngineFailed):
        say(text)


@pytest.mark.parametrize("text", ["", "...", "?!", "🙂"])
def test_text_without_letters_is_an_empty_segment(say: Say, text: str) -> None:
    (chunk,) = say(text)
    assert chunk.last
    assert not len(chunk.samples)


def test_model_without_durations_speaks_with_estimated_times(model_file: bytes) -> None:
    name = b"/Sub_output_0"
    voice = load_voice(model_file.replace(name, b"x" * len(name)))
    assert not voice.model.timed
    text = "Hello there, my good old friend."
    chunks = list(speak(voice, Segment(0, text, 0, Options(HEART))))
    assert [chunk.last for chunk in chunks] == [True]
    assert [(word.offset, word.text) for word in words(chunks)] == client_words(text)
    assert audible(sound(chunks))[0] < 0.02 * SAMPLE_RATE
    assert words(chunks)[-1].end <= len(sound(chunks))


def test_trouble_in_the_network_is_an_engine_failure(voice: EmbeddedVoice) -> None:
    class Broken:
        timed = True

        def plan(self, ids: list[int], speed: float) -> None:
            raise RuntimeError("out of memory")

    broken = EmbeddedVoice(Broken(), voice.reader)  # type: ignore[arg-type]
    with pytest.raises(EngineFailed):
        list(speak(broken, Segment(0, "Hello.", 0, Options(HEART))))
