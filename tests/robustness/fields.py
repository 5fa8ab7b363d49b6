"""What the fields of a message may hold, and what they must be refused for; as in docs/protocol.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONTEXTS = ("a", "b", "c", "ä", "ctx 5", "6" * 64)
"""Few, so that messages meet contexts in all states."""
VOICES = ("tone-low", "tone-high", "heart")
CODECS = ("opus", "mp3", "aac", "flac", "pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw")
CONTAINERS = ("none", "ogg", "adts", "mp3", "flac", "wav")
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

WRONG: Mapping[str, tuple[Any, ...]] = {
    "context": ("", "x" * 65, 7, True, [], {"a": 1}, 1.5),
    "voice": (1, "v" * 257, "nobody", [], False),
    "model": (0, "m" * 257, "no/such", {}),
    "language": ("", "e", "en_US", "x" * 65, 5, "en-", "auto\n"),
    "instructions": ("i" * 4097, 3, []),
    "speed": (0, 0.24, 4.01, -1, "1", True, [], 1e308, float("nan"), float("inf")),
    "pitch": (0, 0.49, 2.01, "2", {}, float("-inf"), -1e-300),
    "volume": (-0.01, 2.01, "loud", [1], float("nan")),
    "seed": (-1, 2**32, 1.5, "7", 1e300, 2**64),
    "timestamps": ("words", 1, "", [], True),
    "cut": ("never", 0, "", {}),
    "lexicon": ([], "a", {"": "x"}, {"a": 1}, {"a": "x" * 513}, {"w" * 129: "x"}, {"a": None}),
    "strict": (1, "true", 0, []),
    "trace": (1, "yes", {}),
    "pacing": (1, [], "fast", {"lead_ms": 19}, {"lead_ms": 60001}, {"lead_ms": "20"}, {"x": 1}),
    "text": (1, None, [], {}, True, 1.0),
    "at": (-1, 2**53 + 1, 1.5, "0", [], float("nan")),
    "mark": (1, "m" * 257, [], True),
    "id": (1, "i" * 257, [], True, {}),
    "start_ms": (-1, 1.1e13, "0", [], True, float("nan"), float("inf"), float("-inf"), "first"),
    "end_ms": (-0.001, 1e300, "00:00:01.000", {}, float("nan"), False),
    "input": ("Captions", "vtt", "", 1, [], True),
    "captions": (1, "true", "webvtt", {}),
    "channel": ("", "a b", "a/b", "ä", "x" * 65, "hall\n", "../hall", 7, [], True),
    "back_ms": (-1, 300_001, "0", [], float("nan"), True),
    "cues": (
        *(1, [], "late", {"x": 1}, {"origin_ms": -1}, {"origin_ms": "last"}, {"origin_ms": []}),
        *({"delay_ms": 60_001}, {"delay_ms": "1"}, {"max_rate": 0.99}, {"max_rate": 2.01}),
        *({"max_rate": float("nan")}, {"max_late_ms": -1}, {"max_late_ms": 1e9}, {"overrun": ""}),
        *({"overlap": "sum"}, {"overlap": 1}, {"descriptions": "none"}, {"speakers": []}),
        *({"speakers": {"": "heart"}}, {"speakers": {"A": ""}}, {"speakers": {"A": None}}),
    ),
    "played_ms": (-1, 1e13, "0", [], float("nan"), float("inf"), True),
    "audio": (
        *(1, [], "opus", {"codec": "vorbis"}, {"codec": 5}, {"container": "zip"}, {"codec": ""}),
        *({"sample_rate": 0}, {"sample_rate": 44101}, {"sample_rate": -24000}),
        *({"sample_rate": "24000"}, {"sample_rate": 24000.5}, {"channels": 0}, {"channels": 3}),
        *({"bit_rate": 0}, {"bit_rate": 10**9}, {"bit_rate": -1}, {"codec": "opus", "bit_rate": 1}),
        *({"frame_ms": 0}, {"frame_ms": -20}, {"frame_ms": 1001}, {"frame_ms": 20.5}),
        *({"transport": "pigeon"}, {"transport": None, "codec": "opus", "container": "wav"}),
        *({"codec": "flac", "container": "adts"}, {"codec": "mp3", "container": "ogg"}),
        *({"codec": {}}, {"more": 1}, {"codec": "aac", "bit_rate": 5}),
    ),
}
"""Values that a field must be refused for, whatever else the message says."""

START = (
    *("voice", "model", "language", "instructions", "speed", "pitch", "volume", "seed"),
    *("timestamps", "cut", "lexicon", "strict", "trace", "pacing", "audio"),
    *("input", "cues", "captions", "channel"),
)
SPOKEN = START[:8]
FIELDS: Mapping[str, tuple[str, ...]] = {
    "start": ("context", *START),
    "text": ("context", "text", "at", "mark", *SPOKEN),
    "cue": ("context", "text", "id", "start_ms", "end_ms", "voice"),
    "subscribe": ("context", "channel", "audio", "timestamps", "captions", "back_ms"),
    "flush": ("context",),
    "end": ("context",),
    "interrupt": ("context", "played_ms"),
    "cancel": ("context",),
    "pause": ("context", "played_ms"),
    "continue": ("context",),
    "played": ("context", "played_ms"),
}
"""Fields by type of message."""
