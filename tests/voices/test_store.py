"""Voices that keys have made, below the server: what is read when, what a failing disk leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.blobs import BlobWriter, DirectoryBlobs
from streamer.config import Settings
from streamer.errors import ContextConflict, JobLimit, StorageFull, VoiceDamaged, VoiceLimit
from streamer.resources import OwnVoice
from streamer.types import VoiceData
from streamer.voices import VoiceStore, store
from streamer.voices.files import new_id

pytestmark = pytest.mark.asyncio


def data(number: float = 1.0) -> VoiceData:
    return {"x": np.full(1000, number, np.float32), "codes": np.ones((16, 3), np.int16)}


def voice(key: str = "k", **fields: Any) -> OwnVoice:
    return replace(OwnVoice(new_id(), key, "e", "clone", ("en",), 1.0), **fields)


def opened(directory: Path, blobs: DirectoryBlobs | None = None, **changes: Any) -> VoiceStore:
    settings = replace(Settings(), **changes)
    return VoiceStore(blobs or DirectoryBlobs(directory / "voices"), settings, lambda: 1.0)


class Failing(DirectoryBlobs):
    """`fails(name)` says what fails, when it is written or deleted."""

    def __init__(self, directory: Path, fails: Callable[[str], bool]) -> None:
        super().__init__(directory)
        self.fails = fails

    async def create(self, name: str) -> BlobWriter:
        if self.fails(name):
            raise StorageFull("the disk is full")
        return await super().create(name)

    async def delete(self, *names: str) -> None:
        if any(map(self.fails, names)):
            raise StorageFull("the disk is full")
        await super().delete(*names)


async def test_what_was_stored_is_read_back_as_it_was_and_not_to_be_written(tmp_path: Path) -> None:
    one = voice(name="Ann")
    kept = opened(tmp_path)
    await kept.keep(one, data(3.0))
    again = opened(tmp_path)
    await again.start()
    assert again.list("k") == [one]
    found = again.of("k").find("Ann")
    assert found is not None
    assert found.data is None
    loaded = again.of("k").loaded(found).data
    assert loaded is not None
    for name, array in data(3.0).items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)
        assert not loaded[name].flags.writeable


async def test_a_voice_is_read_once_and_those_spoken_last_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, voices = opened(tmp_path), [voice() for _ in range(3)]
    for number, one in enumerate(voices):
        await kept.keep(one, data(number))
    size = sum(array.nbytes for array in data().values())
    monkeypatch.setattr(store, "LOADED_BYTES", 2 * size)
    first, second, third = (one.id for one in voices)
    here = kept.data(first, "k")
    kept.data(second, "k")
    assert kept.data(first, "k") is here
    kept.data(third, "k")  # the second is the oldest now
    for path in (tmp_path / "voices").glob("*.safetensors"):
        path.unlink()
    assert kept.data(first, "k") is here
    with pytest.raises(VoiceDamaged):
        kept.data(second, "k")


async def test_it_can_be_read_off_the_loop_before_it_is_asked_for(tmp_path: Path) -> None:
    kept, one = opened(tmp_path), voice(name="Ann")
    await kept.keep(one, data())
    await kept.ready("k", "Ann")
    for path in (tmp_path / "voices").glob("*.safetensors"):
        path.unlink()
    assert kept.data(one.id, "k")
    await kept.ready("k", "nobody")
    await kept.ready("other", one.id)


@pytest.mark.parametrize("ending", [".safetensors", ".json"])
async def test_a_full_disk_leaves_no_voice_and_takes_no_place(tmp_path: Path, ending: str) -> None:
    blobs = Failing(tmp_path / "voices", lambda name: name.endswith(ending))
    kept = opened(tmp_path, blobs, key_voices=1)
    with pytest.raises(StorageFull), kept.place("k", "Ann"):
        await kept.keep(voice(name="Ann"), data())
    blobs.fails = lambda name: False
    again = opened(tmp_path, blobs)
    await again.start()
    assert again.list("k") == kept.list("k") == []
    assert not list((tmp_path / "voices").glob("*"))
    with kept.place("k", "Ann"):
        await kept.keep(voice(name="Ann"), data())


async def test_what_cannot_be_deleted_is_still_there(tmp_path: Path) -> None:
    blobs = Failing(tmp_path / "voices", lambda name: False)
    kept, one = opened(tmp_path, blobs), voice(name="Ann")
    await kept.keep(one, data())
    blobs.fails = lambda name: True
    with pytest.raises(StorageFull):
        await kept.delete("k", "Ann")
    assert kept.find("k", "Ann") == one
    blobs.fails = lambda name: False
    await kept.delete("k", "Ann")
    assert kept.find("k", "Ann") is None


async def test_a_cancelled_write_leaves_nothing(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    for steps in range(8):
        task = asyncio.create_task(kept.keep(voice(), data()))
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            assert len(kept.list("k")) == 1
            break
        assert not list((tmp_path / "voices").glob("*"))
        assert kept.list("k") == []


async def test_places_and_names_are_held_while_voices_are_made(tmp_path: Path) -> None:
    kept = opened(tmp_path, key_voices=2)
    with kept.place("k", "Ann"):
        with pytest.raises(ContextConflict), kept.place("k", "Ann"):
            pass
        with kept.place("other", "Ann"), kept.place("k", "Bob"):
            with pytest.raises(VoiceLimit), kept.place("k"):
                pass
            with (
                kept.place("k", passing=True),
                kept.place("k", passing=True),
                pytest.raises(JobLimit),
                kept.place("k", passing=True),
            ):
                pass
    with kept.place("k", "Ann"), kept.place("k"):
        pass


async def test_two_who_delete_one_voice_delete_it_once(tmp_path: Path) -> None:
    kept, one = opened(tmp_path), voice()
    await kept.keep(one, data())
    results = await asyncio.gather(
        *(kept.delete("k", one.id) for _ in range(2)), return_exceptions=True
    )
    assert [type(result).__name__ for result in results] == ["NoneType", "NotFound"]
    assert not list((tmp_path / "voices").iterdir())


@pytest.mark.parametrize("made", [{}, {"x": np.zeros((1 << 22) + 1, np.float32)}])
async def test_what_is_no_voice_is_not_stored(tmp_path: Path, made: VoiceData) -> None:
    kept = opened(tmp_path)
    with pytest.raises(ValueError, match="engine"):
        await kept.keep(voice(), made)
    assert kept.list("k") == []
