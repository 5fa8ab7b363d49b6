from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from streamer.audio.formats import CODECS, RATES, resolve
from streamer.errors import InvalidParameter, RequestError, UnsupportedParameter
from streamer.types import AudioFormat


def test_defaults_are_filled_in() -> None:
    assert resolve(AudioFormat(), 24000) == AudioFormat("opus", "none", 24000, 1, 24000, 20.0)
    assert resolve(AudioFormat("mp3"), 24000) == AudioFormat("mp3", "none", 24000, 1, 64000, 24.0)
    assert resolve(AudioFormat("pcm_s16le", "wav", channels=2), 22050) == AudioFormat(
        "pcm_s16le", "wav", 22050, 2, 705600, 20.0
    )


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("source_rate", [*RATES, 96000])
def test_every_field_is_filled_and_resolving_again_changes_nothing(
    codec: str, source_rate: int
) -> None:
    for channels in (1, 2):
        resolved = resolve(AudioFormat(codec, channels=channels), source_rate)
        assert all(value is not None for value in dataclasses.astuple(resolved))
        assert resolve(resolved, source_rate) == resolved


@pytest.mark.parametrize(
    ("codec", "source_rate", "rate"),
    [("opus", 22050, 24000), ("opus", 44100, 48000), ("mp3", 22050, 22050), ("mp3", 96000, 48000)],
)
def test_rate_is_the_voices_or_the_next_higher_one(codec: str, source_rate: int, rate: int) -> None:
    assert resolve(AudioFormat(codec), source_rate).sample_rate == rate


def test_mp3_bit_rate_is_the_nearest_there_is_and_told() -> None:
    assert resolve(AudioFormat("mp3", bit_rate=50000), 24000).bit_rate == 48000
    assert resolve(AudioFormat("opus", bit_rate=50001), 24000).bit_rate == 50001


@pytest.mark.parametrize("codec", CODECS)
def test_every_container_has_a_mime_type(codec: str) -> None:
    row = CODECS[codec]
    for container in row.containers:
        mime = row.mime(resolve(AudioFormat(codec, container), 24000))
        assert mime.startswith("audio/")
        assert "{" not in mime
    assert "none" in row.containers


BAD: list[tuple[dict[str, Any], type[RequestError], str]] = [
    ({"codec": "vorbis"}, InvalidParameter, "codec"),
    ({"codec": ""}, InvalidParameter, "codec"),
    ({"codec": None}, InvalidParameter, "codec"),
    ({"codec": ["opus"]}, InvalidParameter, "codec"),
    ({"container": "mkv"}, InvalidParameter, "container"),
    ({"container": "wav"}, UnsupportedParameter, "container"),
    ({"container": None}, InvalidParameter, "container"),
    ({"container": []}, InvalidParameter, "container"),
    ({"sample_rate": 44100}, UnsupportedParameter, "sample_rate"),
    ({"sample_rate": 44101}, InvalidParameter, "sample_rate"),
    ({"sample_rate": 0}, InvalidParameter, "sample_rate"),
    ({"sample_rate": -24000}, InvalidParameter, "sample_rate"),
    ({"sample_rate": "24000"}, InvalidParameter, "sample_rate"),
    ({"codec": "mp3", "sample_rate": float("nan")}, InvalidParameter, "sample_rate"),
    ({"channels": 0}, InvalidParameter, "channels"),
    ({"channels": 3}, InvalidParameter, "channels"),
    ({"channels": True}, InvalidParameter, "channels"),
    ({"bit_rate": 5999}, InvalidParameter, "bit_rate"),
    ({"bit_rate": 255001}, InvalidParameter, "bit_rate"),
    ({"bit_rate": 24000.5}, InvalidParameter, "bit_rate"),
    ({"bit_rate": True}, InvalidParameter, "bit_rate"),
    ({"codec": "mp3", "sample_rate": 8000, "bit_rate": 128000}, InvalidParameter, "bit_rate"),
    ({"codec": "aac", "bit_rate": 200000}, InvalidParameter, "bit_rate"),
    ({"codec": "flac", "bit_rate": 64000}, UnsupportedParameter, "bit_rate"),
    ({"codec": "pcm_s16le", "bit_rate": 1}, UnsupportedParameter, "bit_rate"),
    ({"frame_ms": 15}, InvalidParameter, "frame_ms"),
    ({"frame_ms": 120}, InvalidParameter, "frame_ms"),
    ({"frame_ms": float("nan")}, InvalidParameter, "frame_ms"),
    ({"frame_ms": "20"}, InvalidParameter, "frame_ms"),
    ({"codec": "mp3", "frame_ms": 20.0}, UnsupportedParameter, "frame_ms"),
    ({"codec": "aac", "frame_ms": 20.0}, UnsupportedParameter, "frame_ms"),
]


@pytest.mark.parametrize(("fields", "error", "name"), BAD, ids=[str(case[0]) for case in BAD])
def test_what_can_not_be_names_its_parameter(
    fields: dict[str, Any], error: type[RequestError], name: str
) -> None:
    with pytest.raises(RequestError) as caught:
        resolve(AudioFormat(**fields), 24000)
    assert type(caught.value) is error
    assert caught.value.param == f"audio.{name}"
