"""Sentences end where a reader ends them, in every way the text may arrive."""

from __future__ import annotations

import random

import pytest
from yasbd import BoundaryDetector

from streamer.text.segmenter import Segmenter, Span
from tests.text.golden import AGENT, ENGLISH, OTHER, segments

CASES = [("en", case) for case in ENGLISH + AGENT]
CASES += [(language, case) for language, cases in OTHER.items() for case in cases]


def tokens(text: str, seed: int) -> list[str]:
    """The text in pieces of 1 to 5 characters, as a language model's tokens come."""
    draw, pieces, at = random.Random(seed), list[str](), 0
    while at < len(text):
        size = draw.randint(1, 5)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def cut(pieces: list[str], language: str) -> list[Span]:
    segmenter = Segmenter("sentence", language)
    spans = [span for piece in pieces for span in segmenter.push(piece)]
    return spans + segmenter.flush("end")


@pytest.mark.parametrize(("language", "case"), CASES)
def test_whole_text_is_cut_into_its_sentences(language: str, case: str) -> None:
    text, want = segments(case)
    assert [span.text for span in cut([text], language)] == want


@pytest.mark.parametrize(("language", "case"), CASES)
def test_tokens_and_characters_give_the_same_spans(language: str, case: str) -> None:
    text, _ = segments(case)
    whole = cut([text], language)
    assert cut(list(text), language) == whole
    for seed in range(3):
        assert cut(tokens(text, seed), language) == whole


PLAIN = (
    "The door is open.",
    "Where did you park the car?",
    "Dr. Alvarez agreed with me this morning.",
    "It costs $3.50 at the market.",
    "What a lovely day!",
    "We bought it at Acme Inc. last week.",
    "The train leaves at 5 p.m. from platform two.",
    "Version 2.0.1 fixes the problem.",
    "Write to anna.b@example.com if you can.",
    "She moved to the U.S. in March.",
    "He paid 1,204 dollars for it.",
    "See Fig. 3 for the details.",
)


@pytest.mark.parametrize("seed", range(20))
def test_an_independent_segmenter_agrees_on_plain_paragraphs(seed: int) -> None:
    paragraph = " ".join(random.Random(seed).sample(PLAIN, 6))
    oracle = [sentence.strip() for sentence in BoundaryDetector("en").segment(paragraph)]
    assert [span.text for span in cut([paragraph], "en")] == oracle


def test_the_independent_segmenter_agrees_on_most_golden_texts() -> None:
    """It differs where it re-reads a whole document or keeps lower case together."""
    detector = BoundaryDetector("en")
    agreed = sum(
        [s.strip() for s in detector.segment(segments(case)[0])] == segments(case)[1]
        for case in ENGLISH + AGENT
    )
    assert agreed >= 0.8 * len(ENGLISH + AGENT)


@pytest.mark.parametrize(
    ("pieces", "decided_by"),
    [
        (["Come in", ".", " ", "S", "it"], "S"),
        (["Really", "?", " ", "Y", "es"], "Y"),
        (["你好", "。", "我"], "我"),
        (["Ask Acme Inc", ".", " ", "The", " boss"], " boss"),
        (["A heading", "\n", "\n", "Text"], "\n"),
        (["It ends.", "\n", "Text"], "\n"),
    ],
)
def test_a_boundary_is_decided_as_soon_as_it_can_be(pieces: list[str], decided_by: str) -> None:
    segmenter = Segmenter("sentence")
    for piece in pieces:
        if segmenter.push(piece):
            assert piece == decided_by
            return
    pytest.fail("never decided")


def test_a_quote_that_never_closes_does_not_hold_the_text_for_ever() -> None:
    text = 'He said "well. ' + "This goes on and on. " * 30
    assert len(cut([text], "en")) > 10


def test_a_sad_face_opens_no_bracket() -> None:
    spans = cut(["I lost it :( Then I cried. It is over. "], "en")
    assert [span.text for span in spans] == ["I lost it :( Then I cried.", "It is over."]
