"""What Whisper hears of the embedded voice, within the bounds that `bench.speech` measures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from bench import speech
from bench.judges import whisper
from bench.texts import VARIED
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.peers, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def utterances() -> Iterator[Sequence[speech.Utterance]]:
    """The varied sentences, spoken once."""
    with running_server("hibari") as server:
        yield speech.speak(server.websocket_url, VARIED)


def test_words_quote_the_text_and_never_overlap(utterances: Sequence[speech.Utterance]) -> None:
    assert [fault for u in utterances for fault in speech.faults_of_words(u)] == []


def test_no_join_clicks(utterances: Sequence[speech.Utterance]) -> None:
    assert sum(len(u.record.segments) > 1 for u in utterances) >= 5, "there is hardly a join"
    assert speech.clicks(utterances) == []


def test_speech_has_the_level_of_speech(utterances: Sequence[speech.Utterance]) -> None:
    together, _, _ = speech.levels(utterances)
    assert abs(together - speech.LUFS) <= speech.LUFS_OFF


def test_whisper_understands_the_words_where_we_say_they_are(
    utterances: Sequence[speech.Utterance],
) -> None:
    with whisper() as ear:
        heard = speech.listen(utterances, ear)
    assert heard.error_rate <= speech.WORD_ERRORS, heard.transcripts
    assert heard.matched >= 0.9
    assert heard.median_off_ms <= speech.START_OFF_MS
