"""The data directory belongs to one server at a time."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from streamer.errors import InvalidParameter
from streamer.server.directory import DirectoryLock


def test_a_second_server_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    first = DirectoryLock(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    with pytest.raises(InvalidParameter, match="another server uses") as caught:
        DirectoryLock(directory)
    assert caught.value.param == "data_dir"
    first.close()
    DirectoryLock(directory).close()


def test_a_directory_that_can_not_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidParameter) as caught:
        DirectoryLock(tmp_path / "file" / "data")
    assert caught.value.param == "data_dir"
