"""Who stands for a name that clients of hosted APIs know."""

from __future__ import annotations

from collections import Counter

from streamer.protocols.hosted_voices import WELL_KNOWN, default_aliases
from streamer.types import Voice

HER = Voice("her", "e", languages=("en-US", "en"), gender="female")
HER_TOO = Voice("her-too", "e", languages=("en",), gender="female")
HIM = Voice("him", "e", gender="male")
SHE_IN_CHINESE = Voice("ta", "e", languages=("zh",), gender="female")
NOBODYS = Voice("it", "e", languages=("mul",))

FEMALE = {name for name, (gender, _) in WELL_KNOWN.items() if gender == "female"}


def test_every_name_of_the_documents_is_known() -> None:
    aiml = (
        "Cherry Ethan Nofish Jennifer Ryan Katerina Elias Jada Dylan Sunny Li Marcus Roy Peter Rocky"
        " Kiki Eric"
    )
    others = "Cherry Chelsie Zhibao Bingjiao Stella Aiden Serena"
    assert set(aiml.split()) | set(others.split()) <= set(WELL_KNOWN)


def test_a_name_has_a_voice_of_its_gender() -> None:
    aliases = default_aliases([NOBODYS, HER, HIM])
    assert set(aliases) == set(WELL_KNOWN)
    assert {aliases[name] for name in FEMALE} == {"her"}
    assert {aliases[name] for name in set(WELL_KNOWN) - FEMALE} == {"him"}


def test_names_are_spread_over_what_there_is() -> None:
    uses = Counter(default_aliases([HER, HER_TOO, HIM]).values())
    assert abs(uses["her"] - uses["her-too"]) <= 1


def test_a_voice_at_home_in_its_language_goes_before() -> None:
    aliases = default_aliases([HER, SHE_IN_CHINESE])
    assert (aliases["Cherry"], aliases["Stella"]) == ("ta", "her")


def test_without_its_gender_it_is_the_default_voice() -> None:
    assert set(default_aliases([NOBODYS, HER]).values()) == {"it", "her"}
    assert default_aliases([NOBODYS, HER], "her")["Ethan"] == "her"
    assert default_aliases([NOBODYS, HER], "no voice")["Ethan"] == "it"
    assert default_aliases([]) == {}


def test_a_voice_that_is_called_so_needs_no_other() -> None:
    assert "Cherry" not in default_aliases([HER, Voice("Cherry", "e", gender="female")])
