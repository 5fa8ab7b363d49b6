import importlib
import re
import string

import pytest
from hibari.g2p import G2P
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.engines import hibari_words
from streamer.engines.hibari_words import MOST_PHONEMES, NOBODY, Reader, Reading, normalize
from streamer.text.alignment import client_words

SENTENCES = (
    "Meet me on the 5th.",
    "It costs $1,234.50 today.",
    "The train leaves at 7:30 p.m. sharp.",
    "It isn't what you'd think, don't you agree?",
    "On 2024-03-05 and 3/14/2021 it rained.",
    "St Paul lies on Elm St. near Dr. Brown.",
    "Run 10 km or 26.2mi in 3/4 of the time.",
    "See https://example.com/a/b?x=1 or write to me@example.org.",
    'The well-known "Twenty-One" show, (of course).',
    "R2D2 and C3PO met on 5 March 2020.",
    "ALL CAPS MATTER IN THE USA AND NASA.",
    "The blorptastic quixnar frobnicated zibbly.",
    "Fish & chips for 100% of us, A&B, +5 and -5.",
    "Call 555-1234, room 5'10\" tall, pages 3-5.",
    "Chapter IV of Henry VIII, World War II.",
    "It was -5 °C, i.e. 23 °F; ½ cup ~ 120 ml = ok.",
    "He paid €5 million, £3k and ¥500, approx. 50¢.",
    "One—two… three... four, e.g. five/six.",
    "Tabs\tand\nnewlines  and   spaces.",
    "#1 fan of the No. 5 at 12:05:09 a.m. etc.",
)
rules = importlib.import_module("hibari.g2p.normalize")


@pytest.fixture(scope="module")
def reader(vocabulary: dict[str, int]) -> Reader:
    return Reader(G2P(), vocabulary)


def spoken(reading: Reading, vocabulary: dict[str, int]) -> dict[str, str]:
    """Each word with its phonemes."""
    signs = {number: sign for sign, number in vocabulary.items()}
    said = {word: "" for _, word in reading.words}
    for phrase in reading.phrases:
        for number, owner in zip(phrase.ids, phrase.owners, strict=True):
            if owner != NOBODY:
                said[reading.words[owner][1]] += signs[number]
    return said


@pytest.mark.parametrize("text", SENTENCES)
def test_normalisation_is_hibaris_own(text: str) -> None:
    assert normalize(text).text == rules.normalize(text)


@pytest.mark.parametrize("text", SENTENCES)
def test_every_word_of_the_text_is_spoken_and_owns_its_sounds_in_order(
    reader: Reader, text: str
) -> None:
    reading = reader.read(text)
    owners = [owner for phrase in reading.phrases for owner in phrase.owners if owner != NOBODY]
    assert owners == sorted(owners)
    assert set(owners) == set(range(len(reading.words)))


@pytest.mark.parametrize("text", SENTENCES)
def test_sounds_are_hibaris_own(reader: Reader, vocabulary: dict[str, int], text: str) -> None:
    g2p = G2P()
    expected = [vocabulary[sign] for sign in g2p(text) if sign in vocabulary]
    (phrase,) = reader.read(text).phrases
    assert phrase.ids == [0, *expected, 0]


@pytest.mark.parametrize(
    ("text", "word", "sounds"),
    [
        ("On the 5th it rained.", "5th", "fˈɪfθ"),
        ("It costs $1,234.50 today.", "$1,234.50", "wˈʌn θˈWzᵊnd"),
        ("It costs $1,234.50 today.", "today", "tədˈA"),
        ("At 7:30 p.m. sharp.", "7:30", "sˈɛvənθˈɜɹTi"),
        ("At 7:30 p.m. sharp.", "p.m.", "pˌiˈɛm"),
        ("At 7:30 p.m. sharp.", "sharp", "ʃˈɑɹp"),
        ("It isn't so.", "isn't", "ˈɪzᵊnt"),
        ("On 2024-03-05 it rained.", "2024-03-05", "mˈɑɹʧ"),
        ("On 2024-03-05 it rained.", "rained", "ɹˈAnd"),
        ("St Paul ran.", "St", "sˈAnt"),
        ("St Paul ran.", "Paul", "pˈɔl"),
        ("Run 10 km now.", "10", "tˈɛn"),
        ("Run 10 km now.", "km", "kəlˈɑməTəɹz"),
        ("Only 3/4 is left.", "3/4", "θɹˈikwˈɔɹTəɹz"),
        ("R2D2 beeps.", "beeps", "bˈips"),
        ("A tall 5'10\" man.", "man", "mˈæn"),
        ("You get +5 now.", "now", "nˈW"),
    ],
)
def test_word_owns_what_it_sounds_like(
    reader: Reader, vocabulary: dict[str, int], text: str, word: str, sounds: str
) -> None:
    assert spoken(reader.read(text), vocabulary)[word].startswith(sounds)


def test_sign_belongs_to_the_word_that_it_touches(
    reader: Reader, vocabulary: dict[str, int]
) -> None:
    said = spoken(reader.read("We won by +5 points."), vocabulary)
    assert "plˈʌs" in "".join(said.values())


@given(
    st.lists(
        st.one_of(
            st.sampled_from(" ".join(SENTENCES).split()),
            st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1),
            st.text(min_size=1, max_size=8),
        ),
        max_size=12,
    ).map(" ".join)
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_with_owners_in_order(reader: Reader, text: str) -> None:
    reading = reader.read(text)
    assert list(reading.words) == client_words(text)
    latest = 0
    for phrase in reading.phrases:
        assert len(phrase.ids) == len(phrase.owners) <= MOST_PHONEMES + 2
        assert phrase.ids[0] == phrase.ids[-1] == 0
        for owner in phrase.owners:
            assert owner == NOBODY or latest <= owner < len(reading.words)
            latest = max(latest, owner)


def test_long_text_is_cut_at_clause_marks(reader: Reader, vocabulary: dict[str, int]) -> None:
    clause = "the committee had been meeting in secret for several weeks without a result"
    text = ", ".join([clause] * 12) + "."
    phrases = reader.read(text).phrases
    assert len(phrases) > 1
    for phrase in phrases[:-1]:
        assert len(phrase.ids) <= MOST_PHONEMES + 2
        assert phrase.ids[-2] == vocabulary[","]


@pytest.mark.parametrize("text", ["word " * 300, "x" * 3000, "9" * 900])
def test_long_text_without_marks_is_cut_all_the_same(reader: Reader, text: str) -> None:
    phrases = reader.read(text).phrases
    assert phrases
    assert all(len(phrase.ids) <= MOST_PHONEMES + 2 for phrase in phrases)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("The number " + "9" * 40 + " is large.", "9" * 40),
        ("Step \u24fa is easy.", "\u24fa"),
        ("Step ő16İ is easy.", "ő16İ"),
    ],
)
def test_what_hibari_stumbles_over_does_not_take_the_rest_along(
    reader: Reader, vocabulary: dict[str, int], text: str, broken: str
) -> None:
    said = spoken(reader.read(text), vocabulary)
    assert all(sounds for word, sounds in said.items() if word != broken)
    if broken.isascii():
        assert said[broken].count("nˈIn") == 40


@pytest.mark.parametrize("text", ["", "...", "?!", "—", "🙂", '"'])
def test_text_without_sounds_has_no_phrases(reader: Reader, text: str) -> None:
    assert not reader.read(text).phrases


def test_unknown_rules_of_another_version_fall_back_to_comparing_words(
    reader: Reader, vocabulary: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = rules.normalize

    class Newer:
        SYMBOLS = rules.SYMBOLS

        @staticmethod
        def normalize(text: str) -> str:
            return re.sub("pals", "good friends", usual(text))

    monkeypatch.setattr(hibari_words, "rules", Newer)
    said = spoken(reader.read("Hello pals of the 5th street."), vocabulary)
    assert said["pals"].replace(" ", "").startswith("ɡˈʊd")
    assert said["5th"] == "fˈɪfθ"
    assert said["street"] == "stɹˈit"
