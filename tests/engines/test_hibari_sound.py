from itertools import pairwise

import numpy as np
import pytest

from streamer.engines.hibari_sound import HOP, SAMPLE_RATE, SHARED_FRAMES, Floats, Synthesizer
from streamer.types import Samples

HOPS = 120
SILENT = -12.0


def spectrum(harmonic: float = SILENT, noise: float = SILENT) -> Floats:
    """The same in all frames: flat magnitudes, as logarithms."""
    flat = np.zeros((HOPS, 5 * 601), np.float32)
    flat[:, :601] = harmonic
    flat[:, 1202:1803] = noise
    flat[:, 1803:2404] = SILENT
    return flat


def render(
    cuts: list[int],
    flat: Floats,
    pitch: float = 1.0,
    hertz: float = 200.0,
    seed: int = 0,
) -> Samples:
    f0 = np.full(HOPS, hertz, np.float32)
    synthesizer = Synthesizer(f0, pitch, 1.0, np.random.default_rng(seed))
    parts = []
    for first, last in pairwise(cuts):
        a, b = Synthesizer.frames(first, last)
        parts.append(synthesizer.render(flat[a:b], first, last))
    return np.concatenate(parts)


def fundamental(samples: Samples) -> float:
    """The lowest of the harmonics, which are all as loud."""
    level = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    lowest = int(np.flatnonzero(level > level.max() / 2)[0])
    return float(level[: lowest + 3].argmax()) * SAMPLE_RATE / len(samples)


def test_every_hop_is_300_samples() -> None:
    samples = render([1, 100], spectrum(0.0))
    assert samples.dtype == np.float32
    assert samples.shape == (99 * HOP,)


def test_cutting_into_stretches_changes_nothing() -> None:
    flat = spectrum(-3.0, -3.0)
    whole = render([4, 110], flat)
    for cuts in ([4, 5, 110], [4, 50, 51, 52, 110], [4, 30, 60, 90, 110]):
        assert np.array_equal(render(cuts, flat), whole)


def test_stretches_share_so_many_frames() -> None:
    assert Synthesizer.frames(10, 20)[1] - Synthesizer.frames(20, 30)[0] == SHARED_FRAMES


@pytest.mark.parametrize(("pitch", "hertz"), [(1.0, 200), (0.5, 100), (2.0, 400), (1.25, 250)])
def test_pitch_scales_the_fundamental(pitch: float, hertz: float) -> None:
    assert fundamental(render([4, 110], spectrum(0.0), pitch)) == pytest.approx(hertz, rel=0.02)


def test_unvoiced_hops_have_no_pulses() -> None:
    voiced, unvoiced = [render([4, 110], spectrum(0.0), hertz=hz) for hz in (200.0, 0.0)]
    assert np.abs(voiced).max() > 0.1
    assert np.abs(unvoiced).max() < 0.001


def test_noise_is_as_loud_as_asked_and_white() -> None:
    samples = render([4, 110], spectrum(noise=0.0))
    quieter = render([4, 110], spectrum(noise=-1.0))
    assert np.std(quieter) / np.std(samples) == pytest.approx(np.exp(-1), rel=0.01)
    level = np.abs(np.fft.rfft(samples)) ** 2
    quarters = [part.mean() for part in np.array_split(level, 4)]
    assert max(quarters) / min(quarters) < 1.2


def test_seed_decides_the_noise() -> None:
    first, again, other = [render([4, 110], spectrum(noise=0.0), seed=n) for n in (0, 0, 1)]
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.05


def test_nothing_goes_over_full_scale() -> None:
    samples = render([4, 110], spectrum(4.0))
    assert 0.95 < np.abs(samples).max() <= 1
