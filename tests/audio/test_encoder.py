from __future__ import annotations

from itertools import pairwise

import av
import numpy as np
import pytest

from streamer.audio.codecs import flac
from streamer.audio.encoder import CODECS, Encoder, open_encoder
from streamer.types import AudioFormat, Packet, Samples
from tests.audio.sounds import (
    CUTTINGS,
    at_rate,
    cuts,
    decode_file,
    decode_packets,
    lag,
    likeness,
    speech_like,
)

EVERY = [
    pytest.param(
        AudioFormat(codec, container, rate, channels), id=f"{codec}-{container}-{rate}-{channels}"
    )
    for codec, row in CODECS.items()
    for container in row.containers
    for rate in row.rates
    for channels in (1, 2)
]
ONE_OF_EACH = [pytest.param(AudioFormat(codec), id=codec) for codec in CODECS]
FRAMES = [
    pytest.param(AudioFormat(codec, frame_ms=length), id=f"{codec}-{length:g}")
    for codec in ("opus", "flac", "pcm_s16le")
    for length in (2.5, 5, 10, 40, 60)
] + [pytest.param(AudioFormat("opus", "ogg", frame_ms=ms), id=f"ogg-{ms:g}") for ms in (2.5, 60)]
LOSSLESS = {"flac": 2**-15, "pcm_s16le": 2**-15, "pcm_f32le": 0.0}


def encoded(audio: AudioFormat, sound: Samples, rate: int = 24000) -> list[Packet]:
    encoder = open_encoder(audio, rate)
    return encoder.push(sound) + encoder.flush()


@pytest.mark.parametrize("audio", EVERY + FRAMES)
def test_trimmed_by_lead_in_and_samples_it_decodes_to_the_sound(audio: AudioFormat) -> None:
    sound = speech_like(24000, 0.3)
    encoder = open_encoder(audio, 24000)
    packets = encoder.push(sound) + encoder.flush()
    rate = encoder.format.sample_rate
    assert rate is not None
    if audio.container == "none":
        decoded = decode_packets(encoder.format, encoder.header, packets)
    else:
        decoded, file_rate, channels = decode_file(b"".join(packet.data for packet in packets))
        assert channels == audio.channels
        decoded = decoded[:: file_rate // rate]
    decoded = decoded[encoder.lead_in :][: encoder.samples]
    expected = at_rate(sound, 24000, rate)

    assert len(decoded) == encoder.samples == len(expected)
    assert abs(lag(expected, decoded)) <= 1
    assert likeness(expected, decoded) > 0.9
    tail = len(expected) // 10
    assert likeness(expected[-tail:], decoded[-tail:]) > 0.8
    if audio.codec in LOSSLESS:
        assert np.abs(expected - decoded).max() <= LOSSLESS[audio.codec]


@pytest.mark.parametrize("audio", EVERY + FRAMES)
def test_packets_are_contiguous_from_lead_in_to_samples(audio: AudioFormat) -> None:
    encoder = open_encoder(audio, 24000)
    packets = encoder.push(speech_like(24000, 0.21))
    packets += encoder.flush()
    assert packets[0].pts == -encoder.lead_in
    for before, after in pairwise(packets):
        assert after.pts == before.pts + before.duration
    assert packets[-1].pts + packets[-1].duration == encoder.samples
    assert all(packet.data for packet in packets)


@pytest.mark.parametrize("rate", [22050, 24000, 48000])
@pytest.mark.parametrize("audio", ONE_OF_EACH)
def test_packets_are_the_same_however_the_sound_is_cut(audio: AudioFormat, rate: int) -> None:
    sound = speech_like(rate, 0.25)
    for output_rate in (CODECS[audio.codec].rates[0], None):
        wanted = AudioFormat(audio.codec, sample_rate=output_rate)
        whole = encoded(wanted, sound, rate)
        for sizes in CUTTINGS.values():
            encoder = open_encoder(wanted, rate)
            packets = [packet for piece in cuts(sound, sizes) for packet in encoder.push(piece)]
            assert packets + encoder.flush() == whole


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
@pytest.mark.parametrize("audio", ONE_OF_EACH)
@pytest.mark.parametrize("samples", [1, 479, 480, 4799, 7201])
def test_delay_of_silence_brings_out_every_sample_and_one_less_does_not(
    audio: AudioFormat, rate: int, samples: int
) -> None:
    audio = AudioFormat(audio.codec, sample_rate=rate)
    sound = speech_like(rate, 1)[:samples]
    encoder = open_encoder(audio, rate)
    packets = encoder.push(sound)
    delay = encoder.delay
    if delay:
        packets += encoder.push(np.zeros(delay - 1, np.float32))
        assert packets == [] or packets[-1].pts + packets[-1].duration < samples
        packets += encoder.push(np.zeros(1, np.float32))
    assert packets[-1].pts + packets[-1].duration >= samples
    decoded = decode_packets(encoder.format, encoder.header, packets)[encoder.lead_in :][:samples]
    assert len(decoded) == samples
    if samples > 4000:
        assert likeness(sound[-500:], decoded[-500:]) > 0.8


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("codec", ["mp3", "aac", "flac", "pcm_s16le"])
@pytest.mark.parametrize("samples", [1, 481, 5003])
def test_delay_holds_where_the_rate_changes(codec: str, rate: int, samples: int) -> None:
    sound = speech_like(24000, 1)[:samples]
    shortest = None if codec in {"mp3", "aac"} else 2.5
    encoder = open_encoder(AudioFormat(codec, sample_rate=rate, frame_ms=shortest), 24000)
    packets = encoder.push(sound)
    wanted = encoder.samples
    packets += encoder.push(np.zeros(encoder.delay, np.float32))
    assert packets[-1].pts + packets[-1].duration >= wanted


def test_nothing_is_delayed_before_the_first_sample() -> None:
    assert open_encoder(AudioFormat("mp3"), 24000).delay == 0


@pytest.mark.parametrize("audio", ONE_OF_EACH)
def test_sound_goes_on_after_the_delay_was_pushed(audio: AudioFormat) -> None:
    sound = speech_like(24000, 0.2)
    encoder = open_encoder(audio, 24000)
    packets = encoder.push(sound)
    quiet = np.zeros(encoder.delay, np.float32)
    packets += encoder.push(quiet) + encoder.push(sound) + encoder.flush()
    decoded = decode_packets(encoder.format, encoder.header, packets)
    decoded = decoded[encoder.lead_in :][: encoder.samples]
    assert likeness(np.concatenate((sound, quiet, sound)), decoded) > 0.9


@pytest.mark.parametrize("container", [c for row in CODECS.values() for c in row.containers])
def test_no_sound_makes_an_empty_stream(container: str) -> None:
    codec = next(name for name, row in CODECS.items() if container in row.containers)
    encoder = open_encoder(AudioFormat(codec, container), 24000)
    assert encoder.push(np.zeros(0, np.float32)) == []
    packets = encoder.flush()
    assert encoder.samples == 0
    assert [packet.duration for packet in packets] == [0] * len(packets)
    assert bool(packets) == (container in {"ogg", "wav", "flac"})


@pytest.mark.parametrize("audio", ONE_OF_EACH)
@pytest.mark.parametrize("samples", [1, 2, 15, 16, 17])
def test_the_shortest_sounds_survive(audio: AudioFormat, samples: int) -> None:
    encoder = open_encoder(audio, 24000)
    packets = encoder.push(np.full(samples, 0.5, np.float32)) + encoder.flush()
    decoded = decode_packets(encoder.format, encoder.header, packets)
    assert len(decoded) >= encoder.lead_in + samples
    assert packets[-1].pts + packets[-1].duration == samples


@pytest.mark.parametrize("audio", ONE_OF_EACH)
@pytest.mark.parametrize("rate", [16000, 24000])
def test_too_loud_sound_never_wraps_and_what_is_no_number_is_silence(
    audio: AudioFormat, rate: int
) -> None:
    time = np.arange(4800) / 24000
    loud = (3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    clipped = at_rate(np.clip(loud, -1, 1), 24000, rate)
    loud[:3] = np.inf, -np.inf, np.nan
    encoder = open_encoder(AudioFormat(audio.codec, sample_rate=rate), 24000)
    packets = encoder.push(loud) + encoder.flush()
    decoded = decode_packets(encoder.format, encoder.header, packets)
    decoded = decoded[encoder.lead_in :][: encoder.samples]
    assert np.isfinite(decoded).all()
    assert likeness(clipped[100:], decoded[100:]) > 0.95

    quiet = open_encoder(AudioFormat(audio.codec), 24000)
    packets = quiet.push(np.full(4800, np.nan, np.float32)) + quiet.flush()
    decoded = decode_packets(quiet.format, quiet.header, packets)
    assert np.abs(decoded).max() < 1e-3


def test_caller_may_reuse_its_array() -> None:
    sound = speech_like(24000, 0.1)
    whole = encoded(AudioFormat("pcm_s16le"), sound)
    encoder, packets = open_encoder(AudioFormat("pcm_s16le"), 24000), []
    buffer = np.zeros(100, np.float32)
    for start in range(0, len(sound), 100):
        buffer[:] = sound[start : start + 100]
        packets += encoder.push(buffer)
        buffer[:] = 1
    assert packets + encoder.flush() == whole


@pytest.mark.parametrize("codec", ["pcm_s16le", "flac"])
def test_16_bit_sound_passes_unchanged(codec: str) -> None:
    numbers = np.arange(-32768, 32768, 7, dtype=np.int16)
    encoder = open_encoder(AudioFormat(codec), 24000)
    packets = encoder.push((numbers / 32768).astype(np.float32)) + encoder.flush()
    decoded = decode_packets(encoder.format, encoder.header, packets)
    np.testing.assert_array_equal(decoded * 32768, numbers)


def test_flushed_encoder_refuses_more() -> None:
    encoder = open_encoder(AudioFormat(), 24000)
    encoder.push(np.zeros(100, np.float32))
    encoder.flush()
    with pytest.raises(RuntimeError, match="flushed"):
        encoder.flush()
    with pytest.raises(RuntimeError, match="flushed"):
        encoder.push(np.zeros(1, np.float32))


def test_sound_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(n,\)"):
        open_encoder(AudioFormat(), 24000).push(np.zeros((2, 100), np.float32))


def test_first_opus_packet_comes_with_the_first_frame() -> None:
    for container in ("none", "ogg"):
        encoder = open_encoder(AudioFormat("opus", container), 24000)
        assert encoder.push(np.zeros(479, np.float32)) == []
        assert len(encoder.push(np.zeros(1, np.float32))) == 1


@pytest.mark.parametrize("container", ["none", "ogg", "adts", "flac", "wav"])
def test_header_is_told_only_where_the_stream_does_not_carry_it(container: str) -> None:
    codec = {"none": "opus", "ogg": "opus", "adts": "aac", "flac": "flac"}.get(container)
    encoder = open_encoder(AudioFormat(codec or "pcm_s16le", container), 24000)
    assert bool(encoder.header) == (container == "none")


def test_headers_are_what_their_codecs_call_them() -> None:
    headers = {codec: open_encoder(AudioFormat(codec), 24000).header for codec in CODECS}
    assert headers["opus"][:8] == b"OpusHead"
    assert headers["flac"][:8] == b"fLaC\x80\x00\x00\x22"
    assert len(headers["flac"]) == 42
    # Object type 2 (LC), rate index 6 (24 kHz), one channel: ISO/IEC 14496-3 section 1.6.2.1.
    assert headers["aac"][:2] == (2 << 11 | 6 << 7 | 1 << 3).to_bytes(2, "big")
    assert not any(headers[codec] for codec in CODECS if codec not in {"opus", "flac", "aac"})


@pytest.mark.parametrize(
    ("codec", "rate", "lead_in"),
    [
        ("opus", 24000, 60),
        ("opus", 8000, 20),
        ("mp3", 24000, 1105),
        ("mp3", 48000, 1105),
        ("aac", 24000, 1024),
        ("flac", 24000, 0),
        ("pcm_mulaw", 8000, 0),
    ],
)
def test_lead_in_is_the_codecs_own(codec: str, rate: int, lead_in: int) -> None:
    assert open_encoder(AudioFormat(codec, sample_rate=rate), 24000).lead_in == lead_in


def test_ogg_has_no_lead_in_because_its_header_drops_it() -> None:
    assert open_encoder(AudioFormat("opus", "ogg"), 24000).lead_in == 0


@pytest.mark.parametrize(("bit_rate", "tolerance"), [(16000, 0.35), (24000, 0.3), (64000, 0.3)])
def test_opus_keeps_near_its_bit_rate(bit_rate: int, tolerance: float) -> None:
    packets = encoded(AudioFormat("opus", bit_rate=bit_rate), speech_like(24000, 1.0))
    bits = 8 * sum(len(packet.data) for packet in packets)
    assert bits == pytest.approx(bit_rate, rel=tolerance)


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_mp3_packets_are_of_the_bit_rate_that_was_resolved(rate: int) -> None:
    encoder = open_encoder(AudioFormat("mp3", sample_rate=rate), 24000)
    packets = encoder.push(speech_like(24000, 0.5)) + encoder.flush()
    assert encoder.format.bit_rate is not None
    assert encoder.format.frame_ms is not None
    size = encoder.format.bit_rate * encoder.format.frame_ms / 8000
    assert all(abs(len(packet.data) - size) <= 1 for packet in packets)


def test_stereo_says_the_same_on_both_sides() -> None:
    encoder = open_encoder(AudioFormat("pcm_s16le", channels=2), 24000)
    packets = encoder.push(speech_like(24000, 0.1)) + encoder.flush()
    pairs = np.frombuffer(b"".join(packet.data for packet in packets), "<i2").reshape(-1, 2)
    assert len(pairs) == encoder.samples == 2400
    assert (pairs[:, 0] == pairs[:, 1]).all()


EVERY_CONTAINER = [
    pytest.param(
        AudioFormat(codec, container, channels=channels), id=f"{codec}-{container}-{channels}"
    )
    for codec, row in CODECS.items()
    for container in row.containers
    for channels in (1, 2)
] + [
    pytest.param(AudioFormat("opus", "ogg", 8000, frame_ms=2.5), id="ogg-short"),
    pytest.param(AudioFormat("opus", frame_ms=60), id="opus-60"),
    pytest.param(AudioFormat("mp3", sample_rate=44100), id="mp3-44100"),
    pytest.param(AudioFormat("flac", "flac", 22050), id="flac-22050"),
]


def tone(frequency: float, seconds: float) -> Samples:
    time = np.arange(round(24000 * seconds)) / 24000
    sound: Samples = (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
    return sound


def level(sound: Samples, frequency: float, rate: int) -> float:
    """Amplitude of a tone in a sound."""
    wave = np.exp(-2j * np.pi * frequency * np.arange(len(sound)) / rate) * np.hanning(len(sound))
    return float(np.abs((sound * wave).sum()) * 4 / len(sound))


def decoded_all(encoder: Encoder, packets: list[Packet]) -> Samples:
    """At the output rate, without the lead-in."""
    rate = encoder.format.sample_rate
    assert rate is not None
    if encoder.format.container == "none":
        return decode_packets(encoder.format, encoder.header, packets)[encoder.lead_in :]
    decoded, file_rate, _ = decode_file(b"".join(packet.data for packet in packets))
    return decoded[:: file_rate // rate][encoder.lead_in :]


@pytest.mark.parametrize("audio", EVERY_CONTAINER)
@pytest.mark.parametrize("flushed", [False, True])
def test_behind_a_rewind_nothing_is_heard_of_what_was_not_sent(
    audio: AudioFormat, flushed: bool
) -> None:
    encoder = open_encoder(audio, 24000)
    rate = encoder.format.sample_rate
    assert rate is not None
    packets = encoder.push(tone(400, 0.7)) + encoder.push(tone(1700, 0.3))
    packets += encoder.flush() if flushed else []
    sent = [packet for packet in packets if packet.pts < 0.5 * rate]
    end = sent[-1].pts + sent[-1].duration
    encoder.rewind(len(sent), end)
    assert encoder.samples == end
    assert end <= encoder.begin <= end + 0.05 * rate
    new = speech_like(24000, 0.5)
    rise = round(0.005 * 24000)  # as whoever rewinds fades in: a codec smears what begins at once
    new[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    sent += [packet for piece in cuts(new, (331, 1, 4000)) for packet in encoder.push(piece)]
    sent += encoder.flush()
    for before, after in pairwise(sent):
        assert after.pts == before.pts + before.duration
    expected = at_rate(new, 24000, rate)
    assert encoder.samples == sent[-1].pts + sent[-1].duration == encoder.begin + len(expected)

    decoded = decoded_all(encoder, sent)
    assert len(decoded) >= encoder.samples
    decoded = decoded[: encoder.samples]
    assert level(decoded[end - rate // 10 : end], 400, rate) == pytest.approx(0.5, abs=0.05)
    assert likeness(expected, decoded[encoder.begin :]) > 0.9
    # What a packet lends to the next one can't be taken back: it fades within the lead-in.
    gap = np.abs(decoded[end : encoder.begin])
    assert gap.max(initial=0) < 0.75
    assert gap[-(len(gap) // 4) :].max(initial=0) < 0.1
    assert level(decoded[encoder.begin :][: rate // 10], 1700, rate) < 0.03
    if audio.codec in LOSSLESS:
        assert encoder.begin == end
        assert np.abs(expected - decoded[end:]).max() <= LOSSLESS[audio.codec]


@pytest.mark.parametrize("audio", EVERY_CONTAINER)
def test_a_rewind_to_the_beginning_is_a_new_stream(audio: AudioFormat) -> None:
    encoder = open_encoder(audio, 24000)
    assert encoder.push(tone(1700, 0.3))
    encoder.rewind(0, -encoder.lead_in)
    sound = speech_like(24000, 0.3)
    assert encoder.samples == encoder.begin == 0
    assert encoder.push(sound) + encoder.flush() == encoded(audio, sound)


@pytest.mark.parametrize("audio", EVERY_CONTAINER)
def test_many_rewinds_leave_one_whole_stream(audio: AudioFormat) -> None:
    encoder = open_encoder(audio, 24000)
    sent: list[Packet] = []
    for number in range(6):
        made = encoder.push(speech_like(24000, 0.2, number))
        sent += made[: number * 2 % 5]
        encoder.rewind(len(sent), sent[-1].pts + sent[-1].duration if sent else -encoder.lead_in)
    sound = speech_like(24000, 0.3)
    sent += encoder.push(sound) + encoder.flush()
    for before, after in pairwise(sent):
        assert after.pts == before.pts + before.duration
    decoded = decoded_all(encoder, sent)
    assert len(decoded) >= encoder.samples
    rate = encoder.format.sample_rate
    assert rate is not None
    expected = at_rate(sound, 24000, rate)
    assert likeness(expected, decoded[encoder.begin : encoder.samples]) > 0.9


@pytest.mark.parametrize("audio", EVERY_CONTAINER)
def test_a_rewind_with_nothing_behind_it_ends_where_it_went_back_to(audio: AudioFormat) -> None:
    encoder = open_encoder(audio, 24000)
    sent = encoder.push(speech_like(24000, 0.3))[:3]
    end = sent[-1].pts + sent[-1].duration
    encoder.rewind(3, end)
    rest = encoder.flush()
    assert all(packet.duration == 0 for packet in rest)
    assert encoder.samples == max(0, end)


def flac_number(frame: bytes) -> int:
    """As FFmpeg numbered it: RFC 9639 section 9.1.5."""
    return ord(frame[4:8].decode("utf-8", "replace")[0])


def test_flac_frames_are_numbered_through_and_their_checksums_hold() -> None:
    encoder = open_encoder(AudioFormat("flac", frame_ms=2.5), 24000)
    sent = encoder.push(speech_like(24000, 1))[:200]
    whole = list(sent)
    encoder.rewind(len(sent), sent[-1].pts + sent[-1].duration)
    sound = speech_like(24000, 1)
    sent += encoder.push(sound) + encoder.flush()
    assert [flac_number(packet.data) for packet in sent] == list(range(len(sent)))
    assert whole == sent[:200]
    for number in (0, 1, 127, 128, 199):
        assert flac.numbered(flac.numbered(sent[number].data, 99999), number) == sent[number].data
    strict = av.CodecContext.create("flac", "r")
    strict.extradata = encoder.header
    strict.options = {"err_detect": "crccheck+explode"}
    frames = [frame for packet in sent for frame in strict.decode(av.Packet(packet.data))]
    assert sum(frame.samples for frame in frames) == encoder.samples
