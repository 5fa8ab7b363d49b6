import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import EngineFailed, RequestError
from streamer.protocols.base import RemoteProtocolError
from streamer.protocols.native.jobs import (
    JobsQuery,
    decode_job,
    decode_job_state,
    decode_jobs,
    decode_words,
    encode_event,
    encode_job,
    encode_job_state,
    encode_jobs,
    encode_words,
    job_answer,
)
from streamer.protocols.strict import Schema
from streamer.resources import Job, JobRequest, JobResult, StoredFile, WebhookTarget
from streamer.types import AudioFormat, Start, Word
from tests.protocols import strategies as made

urls = st.text(min_size=1, max_size=60)
seconds = st.floats(0, 4e9).map(lambda value: round(value, 3))
files = st.builds(
    StoredFile,
    id=made.names,
    key=made.names,
    purpose=st.sampled_from(["result", "upload", "reference"]),
    content_type=made.names,
    size=st.integers(0, 2**40),
    created=seconds,
    expires=seconds,
    name=made.names,
    duration_ms=made.maybe(made.milliseconds),
)
requests = st.builds(
    JobRequest,
    st.builds(Start, st.just("job"), **made.utterances),
    st.text(min_size=1, max_size=200),
    st.integers(1, 16),
    made.maybe(st.builds(WebhookTarget, urls, made.maybe(st.text(min_size=1, max_size=40)))),
    made.maybe(st.floats(0, 1e9, exclude_min=True)),
    st.dictionaries(st.text(min_size=1, max_size=30), made.texts, max_size=5),
)
results = st.builds(
    JobResult,
    index=st.integers(0, 15),
    seed=st.integers(0, 2**32 - 1),
    file=files,
    sample_rate=made.rates,
    audio_ms=made.milliseconds,
)
jobs = st.builds(
    Job,
    id=made.names,
    key=made.names,
    status=st.sampled_from(["queued", "running", "completed", "failed", "cancelled"]),
    request=requests,
    created=seconds,
    started=made.maybe(seconds),
    finished=made.maybe(seconds),
    expires=made.maybe(seconds),
    attempts=st.integers(0, 9),
    progress=st.floats(0, 1),
    position=made.maybe(st.integers(0, 10**6)),
    estimate_s=made.maybe(st.floats(0, 1e6)),
    results=st.lists(results, max_size=3).map(tuple),
    voice=made.names,
    engine=made.names,
    cost=made.maybe(st.floats(0, 1e6)),
    error=made.maybe(made.errors),
    text_characters=st.integers(0, 10**6),
)


def link(file: StoredFile) -> str:
    return f"https://tts.example/v1/files/{file.id}/content?expires=1&signature=2"


def a_job(**changes: Any) -> Job:
    request = JobRequest(Start("job"), "To be kept.", webhook=WebhookTarget("https://a/b", "hush"))
    fields: dict[str, Any] = {"status": "queued", "request": request, "created": 0.0}
    fields |= {"text_characters": 11, **changes}
    return Job("job_1", "key_1", **fields)


@given(requests)
def test_a_request_is_read_back(request: JobRequest) -> None:
    assert decode_job(encode_job(request)) == request


def test_the_least_request_is_a_text() -> None:
    assert decode_job(b'{"text":"Hi."}', context="j") == JobRequest(
        Start("j", audio=AudioFormat("opus", "ogg")), "Hi."
    )


@given(jobs)
def test_a_job_is_read_back_as_it_was_told(job: Job) -> None:
    assert decode_job_state(encode_job_state(job, link)) == job_answer(job, link)
    assert decode_jobs(encode_jobs([job], link, "n")) == ((job_answer(job, link),), "n")
    assert decode_jobs(encode_jobs([], link)) == ((), None)


@given(jobs)
def test_an_event_is_what_is_told_of_the_job(job: Job) -> None:
    event = encode_event(job, link)

    assert json.loads(json.dumps(event)) == json.loads(encode_job_state(job, link))


def test_the_longest_event_stays_under_20_kb() -> None:
    text = "\u0001" * 256
    metadata = {f"{i:02}" + text[:100]: text[:200] for i in range(4)}
    body = json.dumps({"text": "a", "results": 16, "metadata": metadata}).encode()
    request = decode_job(body)
    file = StoredFile("file_" + "0" * 24, "k", "result", "audio/ogg", 2**50, 0.0, 9e9)
    some = tuple(JobResult(i, 2**32 - 1, file, 48000, 123456.789) for i in range(16))
    job = a_job(request=request, results=some, error=EngineFailed("\u0001" * 9999), voice="v" * 256)

    assert len(json.dumps(encode_event(job, link))) < 20_000


def test_neither_the_text_nor_a_secret_is_told() -> None:
    told = encode_job_state(a_job(), link)

    assert b"kept" not in told
    assert b"hush" not in told
    assert json.loads(told)["webhook"] == {"url": "https://a/b"}
    assert json.loads(told)["text_characters"] == len("To be kept.")


def test_a_job_on_the_wire() -> None:
    file = StoredFile("file_1", "key_1", "result", "audio/ogg", 7, 0.0, 60.0)
    job = a_job(
        status="completed",
        finished=1.5,
        results=(JobResult(0, 5, file, 24000, 40.0),),
        progress=1.0,
        error=None,
    )

    assert json.loads(encode_job_state(job, link)) == {
        "id": "job_1",
        "status": "completed",
        "progress": 1.0,
        "position": None,
        "estimate_s": None,
        "created_at": "1970-01-01T00:00:00.000Z",
        "started_at": None,
        "finished_at": "1970-01-01T00:00:01.500Z",
        "expires_at": None,
        "attempts": 0,
        "voice": "",
        "engine": "",
        "text_characters": 11,
        "usage": {"characters": 11, "audio_ms": 40.0},
        "cost": None,
        "results": [
            {
                "index": 0,
                "seed": 5,
                "audio_ms": 40.0,
                "sample_rate": 24000,
                "mime": "audio/ogg",
                "size": 7,
                "file": "file_1",
                "url": link(file),
            }
        ],
        "error": None,
        "webhook": {"url": "https://a/b"},
        "metadata": {},
    }


@given(made.words, made.rates)
def test_words_are_read_back(words: list[Word], rate: int) -> None:
    assert decode_words(encode_words(words, rate), rate) == tuple(words)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"text": ""}, "invalid_parameter", "text"),
        ({"delivery": "lines"}, "unknown_parameter", "delivery"),
        ({"results": 0}, "invalid_parameter", "results"),
        ({"results": 17}, "invalid_parameter", "results"),
        ({"webhook": "https://a"}, "invalid_parameter", "webhook"),
        ({"webhook": {}}, "invalid_parameter", "webhook.url"),
        ({"webhook": {"url": ""}}, "invalid_parameter", "webhook.url"),
        ({"webhook": {"url": "a", "secret": 5}}, "invalid_parameter", "webhook.secret"),
        ({"webhook": {"url": "a", "policy": "x"}}, "unknown_parameter", "webhook.policy"),
        ({"ttl_s": 0}, "invalid_parameter", "ttl_s"),
        ({"ttl_s": "60"}, "invalid_parameter", "ttl_s"),
        ({"metadata": {"a": 1}}, "invalid_parameter", "metadata"),
        ({"metadata": {"": "a"}}, "invalid_parameter", "metadata"),
        ({"metadata": {str(i): "" for i in range(17)}}, "invalid_parameter", "metadata"),
        ({"metadata": {"a": "x" * 513}}, "invalid_parameter", "metadata"),
        ({"metadata": {str(i): "\u0001" * 512 for i in range(9)}}, "invalid_parameter", "metadata"),
        ({"audio": {"codec": 5}}, "invalid_parameter", "audio.codec"),
        ({"callback": "https://a"}, "unknown_parameter", "callback"),
    ],
)
def test_a_bad_request_names_the_parameter(fields: Any, code: str, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        decode_job(json.dumps({"text": "a", **fields}).encode())

    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    ("query", "param"),
    [({"status": "over"}, "status"), ({"limit": "0"}, "limit"), ({"limit": "x"}, "limit")],
)
def test_a_bad_query_names_the_parameter(query: dict[str, str], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        Schema[JobsQuery](JobsQuery).query(query)

    assert (caught.value.code, caught.value.param) == ("invalid_parameter", param)


def test_a_query_is_read_from_texts() -> None:
    query = Schema[JobsQuery](JobsQuery).query({"limit": "7", "status": "failed", "after": "j"})

    assert query == JobsQuery(limit=7, status="failed", after="j")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id":5}', b"\xff"])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    for decode in (decode_job_state, decode_jobs, lambda data: decode_words(data, 8000)):
        with pytest.raises(RemoteProtocolError):
            decode(body)
