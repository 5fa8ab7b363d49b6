"""Captions of what is spoken are read by a library, and say when Whisper hears the words."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest
import webvtt

from bench import caption_words
from bench.judges import Judge, whisper
from bench.texts import VARIED
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.peers, pytest.mark.timeout(600)]
SEED = 11


@pytest.fixture(scope="module")
def captioned(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, caption_words.Captioned]]:
    """What each road makes of the same sentences; the cues in another order."""
    sentences = random.Random(SEED).sample(VARIED, len(VARIED))
    with running_server("hibari") as server:
        yield {
            "say": caption_words.said(tmp_path_factory.mktemp("said")),
            "job": caption_words.job(server.url, text=caption_words.TEXT),
            "cues": caption_words.job(
                server.url, text=caption_words.dense_captions(sentences), input="captions"
            ),
        }


@pytest.fixture(scope="module")
def ear() -> Iterator[Judge]:
    with whisper() as ear:
        yield ear


@pytest.mark.parametrize("road", caption_words.ROADS)
def test_words_of_captions_are_where_whisper_hears_them(
    captioned: Mapping[str, caption_words.Captioned], ear: Judge, road: str
) -> None:
    heard = caption_words.listen(captioned[road], ear)
    assert heard.matched >= 0.9
    assert heard.median_ms <= caption_words.OFF_MS
    assert heard.shown >= 0.9 * len(heard.off_ms)


@pytest.mark.parametrize("road", ["job", "cues"])
def test_both_formats_say_the_same(
    captioned: Mapping[str, caption_words.Captioned], road: str
) -> None:
    made = captioned[road]
    read = webvtt.from_string(made.vtt, strict=True).captions
    plain = webvtt.from_buffer(io.StringIO(made.srt), format="srt").captions
    assert [(c.start, c.end, c.text) for c in read] == [(c.start, c.end, c.text) for c in plain]
    assert all(a.end_time <= b.start_time for a, b in pairwise(read))
    assert all(len(line) <= 42 for c in plain for line in c.lines)
    assert all(len(c.lines) <= 2 for c in plain)
    if road == "cues":
        ids = [c.identifier for c in read if c.identifier]
        assert ids == sorted(ids, key=int)
        assert len(ids) >= 0.9 * len(VARIED)
