"""Cues are counted once each, by how their sound began."""

from __future__ import annotations

from streamer.captions.tally import KNOWN, Tally
from streamer.types import AudioFormat, Event, Late, SegmentStarted, Skipped, Started, Words

STARTED = Started(
    "c", AudioFormat(sample_rate=48000), "audio/ogg", b"", 0, "heart", "hibari", seed=1
)


def segment(cue: str | None, index: int = 0) -> SegmentStarted:
    return SegmentStarted("c", index, "x", 0, 0, "end", cue=cue)


def tally(*events: Event) -> Tally:
    made = Tally()
    for event in (STARTED, *events):
        made.push(event)
    return made


def test_each_cue_counts_once_however_many_segments_it_has() -> None:
    told = tally(
        segment("1"),
        segment("1", 1),
        Late("c", "2", 4800, 1.35),
        segment("2"),
        segment("2", 1),
        Late("c", "3", 24000, 1.0),
        Late("c", "4", 960, 1.35, into="3"),
        segment("3"),
        segment("4"),
        Skipped("c", "5", "late"),
        segment("6"),
        Words("c", (), "model"),
    )
    assert (told.on_time, told.late, told.skipped, told.spoken) == (2, 3, 1, 5)
    assert told.worst_s == 0.5


def test_cues_that_sound_at_once_are_counted_once_each() -> None:
    told = tally(segment("1"), segment("2"), segment("1", 1), segment("2", 1))
    assert (told.on_time, told.late) == (2, 0)


def test_segments_of_running_text_are_no_cues() -> None:
    assert tally(segment(None), segment(None)).spoken == 0


def test_a_cue_tells_its_outcome_once_and_how_late_it_is() -> None:
    made = tally()
    assert made.push(segment("1")) == ("on_time", 0.0)
    assert made.push(segment("1", 1)) is None
    assert made.push(Late("c", "2", 48000, 1.2)) == ("late", 1.0)
    assert made.push(segment("2")) is None
    assert made.push(Skipped("c", "3", "description")) == ("skipped", 0.0)


def test_a_channel_of_a_million_cues_keeps_few_of_them() -> None:
    made = tally(*(segment(str(number)) for number in range(3 * KNOWN)))
    assert made.on_time == 3 * KNOWN
    assert len(made._counted) == KNOWN
