import numpy as np
import pytest

from streamer.audio.encoder import open_encoder, resolve
from streamer.packets import Packets
from streamer.replay import Ring
from streamer.types import AudioFormat, Packet, Samples

RATE = 24000


def packets(codec: str = "pcm_s16le", *, ring: bool = True) -> Packets:
    encoder = open_encoder(resolve(AudioFormat(codec), RATE), RATE)
    return Packets(encoder, RATE, Ring() if ring else None)


def noise(seconds: float) -> Samples:
    return np.random.default_rng(1).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


def data(made: list[Packet]) -> bytes:
    return b"".join(packet.data for packet in made)


def test_the_first_slice_is_the_smallest_and_none_is_lost() -> None:
    made, sound = packets(), noise(0.5)
    ends = [made.position for _ in made.slices([sound[:100], sound[100:]], final=False)]
    lengths = np.diff([0, *ends])
    assert max(lengths) <= 0.06 * RATE
    assert 100 <= lengths[0] <= 0.02 * RATE
    assert made.position == len(sound)


def test_the_same_packets_come_out_in_slices_and_at_once() -> None:
    sound = noise(0.5)
    once, sliced = packets("opus"), packets("opus")
    whole = once.push(sound) + once.flush()
    slices = list(sliced.slices([sound], final=True))
    assert data(whole) == data([packet for part in slices for packet in part])
    assert sliced.flushed
    assert sliced.held_back == 0
    assert sliced.samples == len(sound) * sliced.sample_rate // RATE


@pytest.mark.parametrize("codec", ["pcm_s16le", "opus"])
def test_it_goes_back_to_sound_that_was_not_sent(codec: str) -> None:
    made, sound = packets(codec), noise(0.5)
    first, *_ = made.push(sound) + made.flush()
    made.sent(first, 0)
    position, again = made.go_back(RATE // 10)
    assert position == RATE // 10
    np.testing.assert_array_equal(np.concatenate(again), sound[RATE // 10 :])
    assert not made.flushed
    assert made.begin >= made.end == first.pts + first.duration
    (after, *_) = [packet for piece in again for packet in made.push(piece)]
    assert after.pts == made.end


def test_it_goes_back_no_further_than_there_is_sound() -> None:
    made = packets()
    for _ in range(10):
        for packet in made.push(noise(0.1)):
            made.sent(packet, RATE // 2)
    position, again = made.go_back(0)
    assert position == RATE // 2
    assert sum(map(len, again)) == RATE // 2


def test_nothing_is_kept_where_nobody_may_pause() -> None:
    made = packets(ring=False)
    for packet in made.push(noise(0.1)):
        made.sent(packet, 0)
    assert made.end == RATE // 10
