import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import RequestError
from streamer.files import parse_data_uri
from streamer.protocols.base import RemoteProtocolError
from streamer.protocols.native.files import (
    UploadRequest,
    data_uri,
    decode_file,
    decode_files,
    decode_upload,
    encode_file,
    encode_files,
    encode_upload,
    file_answer,
)
from streamer.resources import StoredFile
from tests.protocols import strategies as made
from tests.protocols.native.test_jobs import files, link

common: dict[str, Any] = {
    "name": made.names,
    "purpose": st.sampled_from(["upload", "reference"]),
    "ttl_s": made.maybe(st.floats(0, 1e9, exclude_min=True)),
}
uploads = st.one_of(
    st.builds(UploadRequest, st.text(min_size=1, max_size=40), **common),
    st.builds(UploadRequest, url=st.text(min_size=1, max_size=40), **common),
)


@given(uploads)
def test_an_upload_is_read_back(request: UploadRequest) -> None:
    assert decode_upload(encode_upload(request)) == request


@given(files)
def test_a_file_is_read_back_as_it_was_told(file: StoredFile) -> None:
    assert decode_file(encode_file(file, link)) == file_answer(file, link)
    assert decode_files(encode_files([file], link, "n")) == ((file_answer(file, link),), "n")


def test_a_file_on_the_wire() -> None:
    file = StoredFile("file_1", "key_1", "upload", "audio/wav", 7, 0.0, 60.0, "a.wav")

    assert json.loads(encode_file(file, link)) == {
        "id": "file_1",
        "purpose": "upload",
        "content_type": "audio/wav",
        "size": 7,
        "name": "a.wav",
        "created_at": "1970-01-01T00:00:00.000Z",
        "expires_at": "1970-01-01T00:01:00.000Z",
        "duration_ms": None,
        "url": link(file),
    }


def test_a_data_uri_is_what_the_server_reads() -> None:
    assert parse_data_uri(data_uri("audio/wav", b"RIFF")) == ("audio/wav", b"RIFF")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({}, "invalid_parameter", "data"),
        ({"data": "data:;base64,", "url": "https://a"}, "invalid_parameter", "data"),
        ({"data": ""}, "invalid_parameter", "data"),
        ({"data": 5}, "invalid_parameter", "data"),
        ({"url": ""}, "invalid_parameter", "url"),
        ({"url": "https://a", "purpose": "result"}, "invalid_parameter", "purpose"),
        ({"url": "https://a", "name": "x" * 257}, "invalid_parameter", "name"),
        ({"url": "https://a", "ttl_s": -1}, "invalid_parameter", "ttl_s"),
        ({"url": "https://a", "key": "k"}, "unknown_parameter", "key"),
    ],
)
def test_a_bad_upload_names_the_parameter(fields: Any, code: str, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        decode_upload(json.dumps(fields).encode())

    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"files":5}'])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_file(body)
    with pytest.raises(RemoteProtocolError):
        decode_files(body)
