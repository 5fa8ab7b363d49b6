"""Phrases in memory and on a disk: bounded, exact, and nothing but data."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.engines.phrase_files import PhraseFiles, decode, encode
from streamer.engines.phrases import Phrase, Phrases, key_of
from streamer.errors import InvalidParameter
from streamer.types import Options, PcmChunk, Samples, Segment, Voice, Word

ROOM = 1_000_000


def key(number: int) -> str:
    return f"{number:064x}"


def chunks_of(samples: Samples) -> list[PcmChunk]:
    half = len(samples) // 2
    word = Word("Hi", 0, len(samples), 3)
    return [PcmChunk(samples[:half], 5, (word,)), PcmChunk(samples[half:], 5, last=True)]


def phrase(length: int = 1000, value: float = 0.5) -> Phrase:
    return Phrase.of(chunks_of(np.full(length, value, np.float32)))


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def assert_same(found: Phrase | None, samples: Samples) -> None:
    assert found is not None
    for chunk, expected in zip(found.chunks(5), chunks_of(samples), strict=True):
        assert np.array_equal(chunk.samples, expected.samples, equal_nan=True)
        assert chunk.samples.dtype == np.float32
        assert (chunk.segment, chunk.words, chunk.last) == (5, expected.words, expected.last)


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_phrase_is_kept_exactly_also_in_a_file(values: list[float]) -> None:
    samples = np.array(values, np.float32)
    kept = Phrase.of(chunks_of(samples))
    assert_same(kept, samples)
    assert_same(decode(encode(kept)), samples)


@given(st.lists(st.integers(-32767, 32767), min_size=1))
def test_sound_that_came_as_int16_takes_two_bytes_a_sample(values: list[int]) -> None:
    samples = np.array(values, np.float32) / np.float32(32768)
    kept = Phrase.of(chunks_of(samples))
    assert kept.sound.dtype == np.int16
    assert_same(kept, samples)
    assert_same(decode(encode(kept)), samples)


def test_phrase_says_how_long_it_is_where_no_words_came_with_it() -> None:
    samples = np.full(1000, 0.5, np.float32)
    worded = chunks_of(samples)
    unworded = [replace(chunk, words=()) for chunk in worded]
    assert {chunk.total for chunk in Phrase.of(worded).chunks(5)} == {None}
    assert {chunk.total for chunk in Phrase.of(unworded).chunks(5)} == {1000}


def test_what_is_kept_is_no_view_of_an_engines_buffer_and_cannot_be_changed() -> None:
    buffer = np.full(1000, 0.3, np.float32)
    kept = Phrase.of([PcmChunk(buffer[:10], 0, last=True)])
    buffer[:] = 0
    (chunk,) = kept.chunks(0)
    assert chunk.samples[0] == np.float32(0.3)
    assert kept.sound.base is None
    with pytest.raises(ValueError, match="read-only"):
        chunk.samples[0] = 0


@pytest.mark.asyncio
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 300))), st.integers(0, 20_000))
async def test_memory_is_bounded_and_forgets_the_least_recently_used(
    puts: list[tuple[int, int]], room: int
) -> None:
    phrases = Phrases(room)
    order: list[int] = []
    for number, length in puts:
        phrases.put(key(number), phrase(length))
        order = [n for n in order if n != number] + [number]
        assert phrases.size == sum(kept.size for kept in phrases._kept.values()) <= room
    kept = [n for n in order if key(n) in phrases._kept]
    small = [n for n in order if phrase(dict(puts)[n]).size <= room // 8]
    assert kept == small[len(small) - len(kept) :]


@pytest.mark.asyncio
async def test_phrase_that_is_asked_for_stays() -> None:
    size = phrase().size
    phrases = Phrases(8 * size)
    for number in range(8):
        phrases.put(key(number), phrase())
    assert await phrases.get(key(0)) is not None
    phrases.put(key(8), phrase())
    assert await phrases.get(key(0)) is not None
    assert await phrases.get(key(1)) is None


@pytest.mark.asyncio
async def test_phrases_on_disk_outlast_the_process(tmp_path: Path) -> None:
    samples = np.linspace(-0.9, 0.9, 1000, dtype=np.float32)
    first = Phrases(ROOM, PhraseFiles(tmp_path / "data" / "phrases", ROOM))
    first.put(key(1), Phrase.of(chunks_of(samples)))
    first.close()
    second = Phrases(ROOM, PhraseFiles(tmp_path / "data" / "phrases", ROOM))
    assert_same(await second.get(key(1)), samples)
    assert second.size > 0
    assert await second.get(key(2)) is None
    second.close()


def test_files_and_directories_are_for_their_owner_only(tmp_path: Path) -> None:
    files = PhraseFiles(tmp_path / "data" / "phrases", ROOM)
    files.put(key(1), phrase())
    files.close()
    paths = [tmp_path / "data", tmp_path / "data" / "phrases"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o700, 0o700]
    (file,) = paths[1].iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.asyncio
async def test_disk_is_bounded_over_restarts_and_forgets_the_least_recently_used(
    tmp_path: Path,
) -> None:
    size = len(encode(phrase()))
    for number in range(10):
        files = PhraseFiles(tmp_path, 8 * size)
        files.put(key(number), phrase())
        files.close()
        os.utime(tmp_path / key(number), (number, number))
    assert names_in(tmp_path) == [key(n) for n in range(2, 10)]
    files = PhraseFiles(tmp_path, 8 * size)
    assert await files.get(key(2)) is not None
    files.put(key(10), phrase())
    files.close()
    assert names_in(tmp_path) == [key(n) for n in (2, *range(4, 11))]
    PhraseFiles(tmp_path, size).close()  # less room than before
    assert names_in(tmp_path) == [key(10)]


@pytest.mark.parametrize("times", [9, 1])
def test_phrase_too_large_for_the_disk_drives_out_no_other(tmp_path: Path, times: int) -> None:
    size = len(encode(phrase()))
    files = PhraseFiles(tmp_path, 9 * size)
    for number in range(3):
        files.put(key(number), phrase())
    files.put(key(3), phrase(1000 * times + 200))
    files.close()
    assert names_in(tmp_path) == [key(n) for n in range(3)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "broken",
    [b"", b"x" * 100, encode(phrase())[:-1], encode(phrase())[:40], b"\0" + encode(phrase())[1:]],
    ids=["empty", "other", "cut", "cut early", "changed"],
)
async def test_file_that_is_not_as_it_was_written_is_no_phrase(
    tmp_path: Path, broken: bytes
) -> None:
    (tmp_path / key(1)).write_bytes(broken)
    files = PhraseFiles(tmp_path, ROOM)
    assert await files.get(key(1)) is None
    assert not names_in(tmp_path)
    files.put(key(1), phrase())
    files.close()
    assert decode((tmp_path / key(1)).read_bytes()).size == phrase().size


@given(st.binary(max_size=200))
def test_nothing_but_a_phrase_is_read_as_one(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)
    with pytest.raises(ValueError):
        decode(hashlib.sha256(data).digest() + data)


def test_lengths_that_do_not_add_up_are_no_phrase() -> None:
    data = msgspec.msgpack.encode(("float32", ((5, ()),), bytes(16)))
    with pytest.raises(ValueError, match="no phrase"):
        decode(hashlib.sha256(data).digest() + data)


def test_leftovers_of_a_kill_are_cleared_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / f"{key(1)}.new").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    PhraseFiles(tmp_path, 0).close()
    assert names_in(tmp_path) == ["notes.txt"]


@pytest.mark.asyncio
async def test_file_taken_away_behind_its_back_is_only_missed(tmp_path: Path) -> None:
    files = PhraseFiles(tmp_path, ROOM)
    files.put(key(1), phrase())
    files._writer.submit(int).result()
    (tmp_path / key(1)).unlink()
    assert await files.get(key(1)) is None
    files.close()


@pytest.mark.asyncio
async def test_phrase_driven_out_while_it_is_read_is_no_failure_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = PhraseFiles(tmp_path, ROOM)
    files.put(key(1), phrase())
    files._writer.submit(int).result()
    read = files._read

    def late(wanted: str) -> Phrase | None:
        files._forget(wanted)
        return read(wanted)

    monkeypatch.setattr(files, "_read", late)
    assert await files.get(key(1)) is None
    files.close()
    assert not caplog.records


@pytest.mark.asyncio
async def test_phrase_is_found_on_a_disk_that_takes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    files = PhraseFiles(tmp_path, ROOM)
    files.put(key(1), phrase())
    files._writer.submit(int).result()
    monkeypatch.setattr(os, "utime", refused)
    for _ in range(2):
        assert await files.get(key(1)) is not None
    files.close()
    assert names_in(tmp_path) == [key(1)]


def test_disk_that_fails_is_told_once_and_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "phrases"
    files = PhraseFiles(directory, ROOM)
    directory.rmdir()
    for number in range(3):
        files.put(key(number), phrase())
    files.close()
    assert [record.message for record in caplog.records] == ["phrases are not kept on disk"]


def test_place_that_cannot_be_is_an_error_of_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidParameter) as caught:
        PhraseFiles(tmp_path / "file" / "phrases", ROOM)
    assert caught.value.param == "cache_disk_bytes"


def test_a_phrase_of_another_model_is_another_phrase() -> None:
    def name(model: str) -> str:
        options = Options(Voice("v", "e"), model=model)
        return key_of(Segment(0, "Hello.", 0, options), "e", "1", 24000, seeded=False)

    assert len({name(model) for model in ("", "large", "small")}) == 3
