"""What does each codec cost? CPU per second of sound, bytes, and how much sound it holds back.

    python -m bench.encoders [--json] [--seconds 20] [--repeat 7]

The sound is pushed in pieces of 20 ms, as a live stream is; opening and flushing count. CPU is the
thread's own time, so that other load on the machine hardly matters; the median of the repeats is told.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

from bench._common import machine, report
from streamer.audio.encoder import Encoder, open_encoder
from streamer.types import AudioFormat, Samples

RATE = 24000
PIECE = RATE // 50
OPUS_TARGET = 0.6
"""Percent of a core for Opus, 24 kHz, 20 ms, lowdelay, 24 kb/s."""
TEXT = (
    "The harbour was quiet before sunrise, and the boats had not yet left. Someone was singing, "
    "far away, about a road that nobody remembers. Twelve gulls watched from the wall. "
    "When the bell rang, everybody began to work at once; nobody asked why."
)

FORMATS: dict[str, AudioFormat] = {
    "opus": AudioFormat("opus"),
    "opus 2.5 ms": AudioFormat("opus", frame_ms=2.5),
    "opus 10 ms": AudioFormat("opus", frame_ms=10),
    "opus 60 ms": AudioFormat("opus", frame_ms=60),
    "opus ogg": AudioFormat("opus", "ogg"),
    "opus stereo": AudioFormat("opus", channels=2),
    "opus 48 kHz": AudioFormat("opus", sample_rate=48000),
    "opus 8 kHz": AudioFormat("opus", sample_rate=8000),
    "mp3": AudioFormat("mp3", "mp3"),
    "mp3 44.1 kHz": AudioFormat("mp3", "mp3", sample_rate=44100),
    "aac": AudioFormat("aac", "adts"),
    "flac": AudioFormat("flac", "flac"),
    "pcm_s16le": AudioFormat("pcm_s16le"),
    "pcm_s16le 48 kHz": AudioFormat("pcm_s16le", sample_rate=48000),
    "pcm_f32le": AudioFormat("pcm_f32le"),
    "pcm_mulaw 8 kHz": AudioFormat("pcm_mulaw", sample_rate=8000),
    "pcm_alaw 8 kHz": AudioFormat("pcm_alaw", sample_rate=8000),
}


def speech(seconds: float) -> tuple[Samples, str]:
    """Speech of the embedded voice, repeated to this length; without it, noise shaped like speech."""
    wanted = round(seconds * RATE)
    try:
        from hibari import Hibari
    except ImportError:
        return _noise(wanted), "synthetic"
    spoken = np.asarray(Hibari()(TEXT, seed=0), np.float32).reshape(-1)
    repeated: Samples = np.resize(spoken, wanted)
    return repeated, "hibari"


def _noise(samples: int) -> Samples:
    """Noise with speech's long-term spectrum (falling 9 dB an octave from 500 Hz) and syllables."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    spectrum *= np.clip(frequency / 100, 0, 1) / np.maximum(1, frequency / 500) ** 1.5
    syllables = np.abs(np.sin(2 * np.pi * 2 * np.arange(samples) / RATE))
    sound = np.fft.irfft(spectrum, samples) * syllables
    scaled: Samples = (sound / np.abs(sound).max() * 0.5).astype(np.float32)
    return scaled


def run(encoder: Encoder, sound: Samples) -> tuple[int, int, float]:
    """Bytes, packets, and ms of sound that had gone in when the first packet came out."""
    size = packets = 0
    first = 0.0
    for start in range(0, len(sound), PIECE):
        made = encoder.push(sound[start : start + PIECE])
        if made and not packets:
            first = (start + PIECE) / RATE * 1000
        packets += len(made)
        size += sum(len(packet.data) for packet in made)
    made = encoder.flush()
    return size + sum(len(packet.data) for packet in made), packets + len(made), first


def longest_delay(audio: AudioFormat) -> float:
    """Ms of silence that bring all sound out, at the worst place within a frame."""
    encoder = open_encoder(audio, RATE)
    longest = 0
    for _ in range(RATE // 4):
        encoder.push(np.zeros(1, np.float32))
        longest = max(longest, encoder.delay)
    return longest / RATE * 1000


def measure(audio: AudioFormat, sound: Samples, repeat: int) -> dict[str, Any]:
    seconds = len(sound) / RATE
    times = []
    for _ in range(repeat):
        begin = time.thread_time()
        encoder = open_encoder(audio, RATE)
        size, packets, first = run(encoder, sound)
        times.append((time.thread_time() - begin) / seconds)
    cpu = statistics.median(times)
    resolved = encoder.format
    assert resolved.sample_rate is not None
    return {
        "sample_rate": resolved.sample_rate,
        "channels": resolved.channels,
        "frame_ms": resolved.frame_ms,
        "bit_rate": resolved.bit_rate,
        "cpu_percent": round(cpu * 100, 3),
        "cpu_percent_least": round(min(times) * 100, 3),
        "times_realtime": round(1 / cpu),
        "us_per_packet": round(cpu * seconds / packets * 1e6, 1),
        "kbit_s": round(size * 8 / seconds / 1000, 1),
        "first_packet_ms": first,
        "lead_in_ms": round(encoder.lead_in / resolved.sample_rate * 1000, 1),
        "delay_ms": round(longest_delay(audio), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the sound")
    parser.add_argument("--repeat", type=int, default=7, help="how often each codec is run")
    arguments = parser.parse_args()
    sound, source = speech(arguments.seconds)
    codecs = {name: measure(audio, sound, arguments.repeat) for name, audio in FORMATS.items()}
    where = machine("av", "numpy")
    if arguments.json:
        report(
            {
                "bench": "encoders",
                "machine": where,
                "sound": {"voice": source, "seconds": arguments.seconds, "rate": RATE},
                "opus_target_percent": OPUS_TARGET,
                "opus_met": codecs["opus"]["cpu_percent"] <= OPUS_TARGET,
                "codecs": codecs,
            }
        )
        return
    print(f"{where}\n{arguments.seconds:g} s of {source} at {RATE} Hz")
    print(
        f"{'':18}{'% of a core':>12}{'x real time':>13}{'kbit/s':>9}{'first ms':>10}{'delay ms':>10}"
    )
    for name, row in codecs.items():
        print(
            f"{name:18}{row['cpu_percent']:12.2f}{row['times_realtime']:13d}{row['kbit_s']:9.1f}"
            f"{row['first_packet_ms']:10.0f}{row['delay_ms']:10.1f}"
        )


if __name__ == "__main__":
    main()
