from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.dsp import FADE_S, Dsp
from streamer.errors import InvalidParameter
from streamer.types import Samples
from tests.audio.sounds import CUTTINGS, cuts, joined, likeness, speech_like

RATE = 24000
FADE = round(FADE_S * RATE)
SHAPES = [
    (1.0, 1.0, 1.0),
    (1.0, 1.0, 2.0),
    (1.0, 1.0, 0.5),
    (0.25, 1.0, 1.0),
    (0.7, 1.0, 1.0),
    (4.0, 1.0, 1.5),
    (1.0, 0.5, 1.0),
    (1.0, 1.37, 1.0),
    (1.5, 1.5, 1.0),
    (0.25, 2.0, 2.0),
    (4.0, 0.5, 1.0),
]


def shaped(
    sound: Samples, speed: float, pitch: float, volume: float, sizes: tuple[int, ...] = (480,)
) -> Samples:
    dsp = Dsp(RATE, speed=speed, pitch=pitch, volume=volume)
    parts = [part for piece in cuts(sound, sizes) for part in dsp.push(piece)] + dsp.flush()
    assert all(len(part) for part in parts)
    return joined(parts)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_the_same_however_it_is_cut(shape: tuple[float, float, float]) -> None:
    sound = speech_like(RATE, 0.6)
    whole = shaped(sound, *shape, (len(sound),))
    for sizes in CUTTINGS.values():
        np.testing.assert_array_equal(shaped(sound, *shape, tuple(sizes)), whole)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("samples", [0, 1, 50, 150, 1000, 12345])
def test_length_is_exactly_the_scale_of_what_came_in(
    shape: tuple[float, float, float], samples: int
) -> None:
    scale = Dsp(RATE, speed=shape[0], pitch=shape[1]).scale
    assert scale == 1 / shape[0]
    assert len(shaped(speech_like(RATE, 1)[:samples], *shape)) == round(samples * scale)


def test_without_wishes_only_the_ends_are_faded() -> None:
    sound = speech_like(RATE, 0.3)
    out = shaped(sound, 1, 1, 1)
    np.testing.assert_array_equal(out[FADE:-FADE], sound[FADE:-FADE])
    assert abs(out[0]) <= 1e-3 * abs(sound).max()
    assert abs(out[-1]) <= 1e-3 * abs(sound).max()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("samples", [40, 100, 150, 5000])
def test_both_ends_begin_from_silence(shape: tuple[float, float, float], samples: int) -> None:
    out = shaped(np.full(samples, 0.4, np.float32), *shape)
    assert abs(out[0]) < 0.01
    assert abs(out[-1]) < 0.01


def test_nothing_waits_but_the_fade_without_speed_and_pitch() -> None:
    for volume in (0.5, 1.0, 2.0):
        dsp = Dsp(RATE, volume=volume)
        assert sum(map(len, dsp.push(np.ones(1000, np.float32)))) == 1000 - FADE


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_speed_answers_within_100_ms_of_sound(speed: float) -> None:
    dsp = Dsp(RATE, speed=speed)
    assert dsp.push(speech_like(RATE, 0.1))


@pytest.mark.parametrize("pitch", [0.5, 0.8, 1.2, 2.0])
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_pitch_moves_a_tone_whatever_the_speed(pitch: float, speed: float) -> None:
    tone = (0.5 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)).astype(np.float32)
    out = shaped(tone, speed, pitch, 1)
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    assert np.argmax(spectrum) * RATE / len(out) == pytest.approx(300 * pitch, rel=0.02)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_never_clips(shape: tuple[float, float, float]) -> None:
    sound = speech_like(RATE, 0.5) * np.float32(2)
    out = shaped(sound, *shape)
    assert np.abs(out).max() <= 1
    assert (np.abs(out) == 1).sum() <= 1


def test_volume_is_a_ratio() -> None:
    sound = speech_like(RATE, 0.3) * np.float32(0.5)
    plain = shaped(sound, 1, 1, 1)
    for volume in (0.0, 0.5, 2.0):
        np.testing.assert_allclose(
            shaped(sound, 1, 1, volume), plain * np.float32(volume), atol=1e-6
        )


def test_loud_speech_at_double_volume_is_still_itself() -> None:
    sound = speech_like(RATE, 1) * np.float32(1.8)
    assert likeness(sound, shaped(sound, 1, 1, 2)) > 0.95


def test_what_is_no_number_is_silence_and_does_not_last() -> None:
    sound = speech_like(RATE, 0.5)
    sound[4000:4010] = np.nan
    sound[4010] = np.inf
    for shape in SHAPES:
        out = shaped(sound, *shape)
        assert np.isfinite(out).all()
        assert shape[2] == 0 or np.abs(out[-len(out) // 4 :]).max() > 0.05


def test_callers_array_is_not_changed() -> None:
    sound = np.ones(1000, np.float32)
    shaped(sound, 1, 1, 2, (1000,))
    shaped(sound, 1, 1, 1, (1000,))
    assert (sound == 1).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speed", 0.24),
        ("speed", 4.01),
        ("speed", float("nan")),
        ("pitch", 0.49),
        ("pitch", 2.1),
        ("volume", -0.1),
        ("volume", 2.1),
        ("volume", float("nan")),
    ],
)
def test_values_out_of_range_name_their_parameter(name: str, value: float) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Dsp(RATE, **{name: value})
    assert caught.value.param == name
