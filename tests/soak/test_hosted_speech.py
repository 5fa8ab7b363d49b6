"""What Whisper hears of speech that came through a hosted API, of each: both roles are ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bench.hearing import samples_of
from bench.judges import Judge, whisper
from bench.speech import WORD_ERRORS, Utterance, listen
from bench.texts import VARIED
from tests import hosted_roles as roles
from tests.hosted_roles import VOICES, check_whole
from tests.server_process import ServerProcess

pytestmark = [pytest.mark.soak, pytest.mark.peers, pytest.mark.timeout(600)]

AUDIO = {"codec": "opus", "sample_rate": 48000}
TEXTS = (" ".join(VARIED[1:3]), " ".join(VARIED[7:9]))
"""Two utterances of two sentences: 53 words."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """One whose voices are all of the APIs'."""
    with roles.upstream() as up, roles.downstream(up.providers()) as server:
        yield server


@pytest.fixture(scope="module")
def ear() -> Iterator[Judge]:
    with whisper() as judge:
        yield judge


@pytest.mark.parametrize("name", VOICES)
def test_whisper_reads_back_what_was_said_through(
    server: ServerProcess, ear: Judge, name: str
) -> None:
    utterances = []
    for text in TEXTS:
        record = asyncio.run(roles.said(server, text, voice=f"{name}-voice", audio=AUDIO, seed=7))
        check_whole(record, text)
        utterances.append(Utterance(text, samples_of(record), record))
    heard = listen(utterances, ear)
    print(f"{name}: {heard.errors} of {heard.words} words, starts {heard.median_off_ms:.0f} ms off")
    assert heard.error_rate <= WORD_ERRORS, heard.transcripts
