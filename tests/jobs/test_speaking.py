"""Results of one job: their seeds, how they differ, and what is kept of their request."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import example, given
from hypothesis import strategies as st

from streamer.errors import EngineFailed, UnknownVoice
from streamer.jobs import stored
from streamer.jobs.speaking import seed_of, start_of
from streamer.jobs.stored import Stored
from streamer.resources import StoredFile, WebhookTarget
from streamer.types import Caption, OptionsUpdate, Word
from tests.jobs.house import request

OLD = (
    b'{"request":{"start":{"context":"job","options":{"voice":"heart","model":null,"language":null,'
    b'"instructions":null,"speed":null,"pitch":null,"volume":null,"seed":7},"audio":{"codec":"mp3",'
    b'"container":"mp3","sample_rate":null,"channels":1,"bit_rate":null,"frame_ms":null},'
    b'"transport":"binary","timestamps":"word","lead_ms":null,"cut":"auto","lexicon":{"a":"b"},'
    b'"strict":false,"trace":false},"text":"Hello.","results":2,"webhook":{"url":"https://e.org/",'
    b'"secret":null,"policy":"standard"},"ttl_s":60.0,"metadata":{"x":"y"}},"vary":true,'
    b'"base_url":"http://here"}'
)
"""What the first program with jobs stored; format 1."""


def kept(*, vary: bool = True, **options: float) -> Stored:
    return Stored(request(options=OptionsUpdate(seed=7, **options)), vary)  # type: ignore[arg-type]


def test_the_first_result_is_what_was_asked_for_with_captions_where_words_are_kept() -> None:
    asked = kept().request.start
    assert start_of(kept(), 0) == replace(asked, captions=True)
    silent = Stored(request(timestamps="none"))
    assert start_of(silent, 0) == silent.request.start


def test_results_have_seeds_that_follow_and_stay_in_range() -> None:
    assert [seed_of(kept(), k) for k in range(3)] == [7, 8, 9]
    last = Stored(request(options=OptionsUpdate(seed=2**32 - 1)))
    assert [seed_of(last, k) for k in range(2)] == [2**32 - 1, 0]


def test_where_the_seed_is_heard_only_the_seed_differs() -> None:
    options = start_of(kept(vary=False), 3).options
    assert (options.seed, options.speed, options.pitch) == (10, None, None)


def test_where_it_is_not_heard_rate_and_pitch_differ_by_at_most_4_percent() -> None:
    pairs = [(o.speed or 1, o.pitch or 1) for o in (start_of(kept(), k).options for k in range(6))]
    assert all(0.96 <= value <= 1.04 for pair in pairs for value in pair)
    for one, other in combinations(pairs, 2):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) >= 0.03


@given(st.floats(0.25, 4), st.floats(0.5, 2))
@example(4.0, 2.0)
@example(0.25, 0.5)
@example(3.9, 0.51)
def test_variation_stays_within_what_a_client_may_ask_for_and_audible(
    speed: float, pitch: float
) -> None:
    pairs = []
    for k in range(6):
        options = start_of(kept(speed=speed, pitch=pitch), k).options
        pairs.append((options.speed or 1, options.pitch or 1))
        assert 0.25 <= pairs[k][0] <= 4
        assert 0.5 <= pairs[k][1] <= 2
        assert 0.919 < pairs[k][0] / speed < 1.081
        assert 0.919 < pairs[k][1] / pitch < 1.081
    for one, other in combinations(pairs, 2):
        assert max(max(a, b) / min(a, b) for a, b in zip(one, other, strict=True)) >= 1.03


def test_what_an_older_program_stored_is_read() -> None:
    read = stored.decode(OLD)
    assert read.request.webhook == WebhookTarget("https://e.org/")
    assert read.request.start.options == OptionsUpdate(voice="heart", seed=7)
    assert (read.request.results, read.vary, read.base_url) == (2, True, "http://here")
    assert stored.decode(stored.encode(read)) == read


def test_fields_of_a_newer_program_of_the_same_format_are_passed_over() -> None:
    assert stored.decode(OLD[:-1] + b',"later":1}') == stored.decode(OLD)


def test_words_files_and_errors_come_back_as_they_were() -> None:
    words = (Word("Grüße", 0, 100, 0), Word("dich", 120, 200, 6))
    assert stored.decode_words(stored.encode_words(words)) == words
    captions = (
        Caption("", 0, "Grüße\ndich", 0, 200, words),
        Caption("", 1, "!", 300, 400, (), "7"),
    )
    assert stored.decode_captions(stored.encode_captions(captions)) == captions
    file = StoredFile("file_1", "k", "result", "audio/wav", 3, 1.5, 2.5, "", 12.5)
    assert stored.decode_file(stored.encode_file(file)) == file
    for error in (
        EngineFailed("failed"),
        UnknownVoice("no voice", param="voice", candidates=["a", "b"]),
    ):
        assert stored.decode_error(stored.encode_error(error)) == error
    odd = stored.decode_error(stored.encode_error(EngineFailed("x", what=1 + 2j)))
    assert odd.details == {"what": "(1+2j)"}
