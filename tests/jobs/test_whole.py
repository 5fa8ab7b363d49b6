"""Results that are encoded once all of their sound is there: off the loop, and gone where nobody waits."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import pytest

from streamer.audio import vorbis
from streamer.blobs import DirectoryBlobs
from streamer.errors import InvalidParameter, StorageFull
from streamer.jobs.whole import WholeWriter
from streamer.types import AudioFormat
from tests.jobs.house import house, request

pytestmark = pytest.mark.asyncio

AUDIO = AudioFormat("vorbis", "ogg", 24000, 2, 48000)


def wanted(**fields: Any) -> Any:
    """By an API that has Vorbis."""
    return request(audio=AUDIO, dialect="runware", timestamps="none", **fields)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_job_is_spoken_into_a_file_of_vorbis(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        job, _ = await home.jobs.submit("k", wanted(results=2))
        done = await home.ended("k", job.id)
        assert done.status == "completed"
        for result in done.results:
            assert result.file.content_type == "audio/ogg; codecs=vorbis"
            assert result.sample_rate == 24000
            data = await home.bytes_of("k", job.id, result.index)
            assert result.file.size == len(data)
            with av.open(io.BytesIO(data), "r") as container:
                stream = container.streams.audio[0]
                assert (stream.codec_context.name, stream.rate) == ("vorbis", 24000)
                assert stream.layout.nb_channels == 2
                assert container.duration == pytest.approx(result.audio_ms * 1000, abs=50)
        assert home.blobs() == {f"{job.id}-1-0", f"{job.id}-1-1"}


async def test_the_native_api_knows_no_vorbis(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        with pytest.raises(InvalidParameter) as caught:
            await home.jobs.submit("k", request(audio=AUDIO))
        assert caught.value.param == "audio.codec"


async def test_a_result_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        job, _ = await home.jobs.submit("k", wanted(longest_s=0.1))
        assert (await home.ended("k", job.id)).status == "failed"
        assert home.blobs() == set()


async def test_the_loop_goes_on_while_it_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, threads = vorbis.encode, set()

    def watched(*arguments: Any) -> None:
        threads.add(threading.get_ident())
        encode(*arguments)

    monkeypatch.setattr(vorbis, "encode", watched)
    async with house(tmp_path) as home:
        job, _ = await home.jobs.submit("k", wanted())
        assert (await home.ended("k", job.id)).status == "completed"
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_what_is_cancelled_stops_encoding_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding, ended = threading.Event(), threading.Event()

    def endless(
        sound: BinaryIO, audio: AudioFormat, target: BinaryIO, between: Callable[[], None]
    ) -> None:
        try:
            for _ in range(3000):
                between()
                encoding.set()
                threading.Event().wait(0.01)
        finally:
            ended.set()

    monkeypatch.setattr(vorbis, "encode", endless)
    async with house(tmp_path) as home:
        job, _ = await home.jobs.submit("k", wanted())
        before = open_files()
        assert await asyncio.to_thread(encoding.wait, 30)
        await home.jobs.cancel("k", job.id)
        assert ended.is_set()
        assert (await home.jobs.get("k", job.id)).status == "cancelled"
        assert home.blobs() == set()
        assert open_files() <= before


async def test_sound_waits_on_disk_and_not_in_memory(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    before = open_files()
    writer = WholeWriter(await blobs.create("a"), AUDIO, asyncio.Semaphore())
    piece = np.zeros(100_000, "<i2").tobytes()
    for _ in range(20):
        await writer.write(piece)
        assert len(writer._gathered) < 500_000
    await writer.commit()
    assert 0 < writer.size == (tmp_path / "a").stat().st_size < 100_000
    assert open_files() == before


async def test_aborted_it_leaves_nothing(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    before = open_files()
    writer = WholeWriter(await blobs.create("a"), AUDIO, asyncio.Semaphore())
    await writer.write(bytes(1_000_000))
    await writer.abort()
    await writer.abort()
    assert await blobs.names() == set()
    assert open_files() == before


async def test_no_room_for_the_sound_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> BinaryIO:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    writer = WholeWriter(await DirectoryBlobs(tmp_path).create("a"), AUDIO, asyncio.Semaphore())
    with pytest.raises(StorageFull):
        await writer.write(bytes(1_000_000))
    await writer.abort()
