"""Jobs of captions: in time, counted, kept in a form that older programs leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.errors import InvalidCaptions, TextLimit
from streamer.jobs import stored
from streamer.jobs.stored import FORMAT, Stored
from streamer.resources import CueSummary, JobRequest
from streamer.types import AudioFormat, CueOptions, OptionsUpdate, Start
from tests.jobs.house import TEXT, house, request

FILE = """WEBVTT

00:01.000 --> 00:03.000
Hello there my friend.

00:03.000 --> 00:03.200
This is far too much for the time that there is for it.

00:03.200 --> 00:06.000
[music] And so this is late.

00:08.000 --> 00:09.500
[applause]
"""
SPOKEN = """Hello there my friend.
This is far too much for the time that there is for it.
And so this is late."""


def captions(text: str = FILE, **fields: object) -> JobRequest:
    cues = fields.pop("cues", CueOptions())
    start = Start(
        "job",
        OptionsUpdate(seed=1),
        AudioFormat("pcm_s16le", sample_rate=24000),
        input="captions",
        cues=cues,  # type: ignore[arg-type]
    )
    return JobRequest(start, text, **fields)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_a_job_of_captions_is_as_long_as_they_are_and_tells_of_its_cues(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, price_per_1000=10.0) as home:
        held: list[tuple[int, float]] = []
        job, _ = await home.jobs.submit(
            "a", captions(), admit=lambda characters, cost: held.append((characters, cost))
        )
        characters = len(SPOKEN.replace("\n", ""))
        assert job.text_characters == characters
        assert held == [(characters, round(characters / 100, 9))]
        job = await home.ended("a", job.id)
        (result,) = job.results
        assert result.audio_ms == 9500
        assert len(await home.bytes_of("a", job.id)) == 9.5 * 24000 * 2
        assert isinstance(result.cues, CueSummary)
        assert (result.cues.spoken, result.cues.late, result.cues.skipped) == (3, 1, 1)
        assert 0 < result.cues.worst_late_ms <= 3000
        assert (job.text_characters, job.cost) == (characters, round(characters / 100, 9))
        assert home.usage.spent("a") == job.cost
        words = await home.words_of("a", job.id)
        assert [SPOKEN[word.offset :][: len(word.text)] for word in words] == [
            word.text for word in words
        ]
        assert words[0].start >= 24000
        assert home.jobs.counts.cues == {"on_time": 2, "late": 1, "skipped": 1}
        text, _ = await home.jobs.submit("a", request())
        (result,) = (await home.ended("a", text.id)).results
        assert result.cues is None


@pytest.mark.asyncio
async def test_what_is_wrong_with_captions_is_said_before_there_is_a_job(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        for text in ("Scenarist_SCC V1.0\n\n00:00:01:00\t9420\n", "No captions.\n\nNone."):
            with pytest.raises(InvalidCaptions):
                await home.jobs.submit("a", captions(text))
        assert not await home.jobs.list("a")


@pytest.mark.asyncio
async def test_captions_that_would_sound_for_too_long_fail(tmp_path: Path) -> None:
    async with house(tmp_path, max_captions_s=9.0) as home:
        job, _ = await home.jobs.submit("a", captions(longest_s=8.0))
        job = await home.ended("a", job.id)
        assert (job.status, job.error) == (
            "failed",
            TextLimit("the sound would be longer than 8 s", param="longest_s", limit=8.0),
        )
        job, _ = await home.jobs.submit("a", captions())
        assert (await home.ended("a", job.id)).results[0].audio_ms == 9000


@pytest.mark.asyncio
async def test_what_a_session_can_not_hold_at_once_is_fed_to_it(tmp_path: Path) -> None:
    file = "WEBVTT\n\n" + "".join(
        f"00:{at:02}.000 --> 00:{at + 2:02}.900\n{'la ' * 10}{at}\n\n" for at in range(0, 57, 3)
    )
    async with house(tmp_path, max_pending_chars=60) as home:
        job, _ = await home.jobs.submit("a", captions(file))
        job = await home.ended("a", job.id)
        assert job.results[0].cues == CueSummary(19, 0, 0, 0.0)


def test_only_captions_are_kept_in_the_form_that_older_programs_do_not_know() -> None:
    kept = Stored(captions(cues=CueOptions(origin_ms=None, speakers={"ANN": "tone-low"})), False)
    assert stored.decode(stored.encode(kept)) == kept
    assert stored.format_of(kept) == FORMAT == 4
    assert stored.format_of(Stored(request(TEXT))) == 3
