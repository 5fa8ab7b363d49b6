"""Jobs as their clients see them: asked for once, refused early, looked at, cancelled, taken away."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
from dataclasses import replace
from pathlib import Path

import av
import pytest

from streamer.errors import (
    BudgetSpent,
    Gone,
    IdempotencyConflict,
    InvalidParameter,
    JobLimit,
    LanguageNotSupported,
    NotAvailable,
    NotFound,
    NotReady,
    StreamerError,
    TextLimit,
    UnknownVoice,
    UnsupportedParameter,
)
from streamer.resources import Job, JobRequest, WebhookTarget
from streamer.types import AudioFormat, OptionsUpdate
from tests.jobs.house import TEXT, event, house, request
from tests.scripted_engine import ScriptedEngine

HOOK = WebhookTarget("https://example.org/done")
pytestmark = pytest.mark.asyncio


async def test_a_job_becomes_files_words_a_charge_and_a_webhook(tmp_path: Path) -> None:
    async with house(tmp_path, price_per_1000=2.0) as home:
        asked = request(results=2, webhook=HOOK, metadata={"a": "b"}, ttl_s=60)
        job, new = await home.jobs.submit("k", asked, base_url="http://here")
        assert new
        assert (job.status, job.attempts, job.voice, job.engine) == (
            *("queued", 0, "tone-low", "tone"),
        )
        assert job.reserved == home.jobs.reserved("k") == pytest.approx(2 * len(TEXT) * 2 / 1000)
        done = await home.ended("k", job.id)
        assert (done.status, done.progress, done.attempts) == ("completed", 1.0, 1)
        assert done.request == replace(asked, text="")
        assert done.text_characters == len(TEXT)
        assert done.base_url == "http://here"
        assert done.started is not None
        assert done.finished is not None
        assert done.created <= done.started <= done.finished
        assert done.expires == done.finished + 60
        assert done.cost == pytest.approx(2 * len(TEXT) * 2 / 1000)
        assert [result.seed for result in done.results] == [1, 2]
        for result in done.results:
            words = await home.words_of("k", job.id, result.index)
            assert [w.text for w in words] == [w.strip(".") for w in TEXT.split()]
            data = await home.bytes_of("k", job.id, result.index)
            assert len(data) == result.file.size == round(result.audio_ms * 24) * 2
            assert words[-1].end <= len(data) // 2
            assert result.file.duration_ms == result.audio_ms
        assert await home.events("k") == ["job.completed"]
        assert home.jobs.reserved("k") == 0
        assert home.usage.spent("k") == done.cost
        (row,) = home.usage.rows("k")
        assert (row.used.characters, row.used.contexts) == (2 * len(TEXT), 2)
        assert len(home.blobs()) == 2


async def test_the_same_seed_gives_the_same_bytes_and_results_differ_audibly(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home:
        ids = [(await home.jobs.submit("", request(results=4)))[0].id for _ in range(2)]
        first, second = [await home.ended("", id) for id in ids]
        sounds = [await home.bytes_of("", first.id, k) for k in range(4)]
        assert sounds == [await home.bytes_of("", second.id, k) for k in range(4)]
        assert len(set(sounds)) == 4
        # Tone hardly varies by seed: rate and pitch do, and the word times follow.
        spans = [(await home.words_of("", first.id, k))[-1].end for k in range(4)]
        assert spans[1] < 0.98 * spans[0] < spans[0] < 0.98 * spans[2]
        assert all(0.95 < span / spans[0] < 1.05 for span in spans)


async def test_fifty_equal_requests_at_once_are_one_job(tmp_path: Path) -> None:
    admitted: list[tuple[int, float]] = []
    async with house(tmp_path, price_per_1000=10.0) as home:
        answers = await asyncio.gather(
            *(
                home.jobs.submit(
                    "k", request(), idempotency_key="one", admit=lambda *a: admitted.append(a)
                )
                for _ in range(50)
            )
        )
        assert len({job.id for job, _ in answers}) == 1
        assert [new for _, new in answers].count(True) == 1
        assert admitted == [(len(TEXT), round(len(TEXT) / 100, 9))]
        await home.ended("k", answers[0][0].id)
        assert len(home.usage.rows("k")) == 1
        assert home.usage.rows("k")[0].used.contexts == 1
        # Later, also after it has ended; another key's is another job.
        again, new = await home.jobs.submit("k", request(), idempotency_key="one")
        assert (again.status, new) == ("completed", False)
        assert (await home.jobs.submit("other", request(), idempotency_key="one"))[1]


async def test_an_idempotency_key_is_for_one_request_also_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as home:
        job, _ = await home.jobs.submit("k", request(), idempotency_key="one")
    async with house(tmp_path) as home:
        with pytest.raises(IdempotencyConflict) as caught:
            await home.jobs.submit("k", request("Other text."), idempotency_key="one")
        assert caught.value.param == "Idempotency-Key"
        assert (await home.jobs.submit("k", request(), idempotency_key="one"))[0].id == job.id
        for bad in ("", "x" * 256, "a\nb"):
            with pytest.raises(InvalidParameter):
                await home.jobs.submit("k", request(), idempotency_key=bad)


@pytest.mark.parametrize(
    ("asked", "error", "param"),
    [
        (request(options=OptionsUpdate(voice="nobody")), UnknownVoice, "voice"),
        (request(options=OptionsUpdate(speed=9)), InvalidParameter, "speed"),
        (request(audio=AudioFormat("opus", "wav")), UnsupportedParameter, "audio.container"),
        (request("Hello. Добрый день, друзья."), LanguageNotSupported, "text"),
        (request(""), InvalidParameter, "text"),
        (request("x" * 201), TextLimit, "text"),
        (request(results=0), InvalidParameter, "results"),
        (request(results=5), InvalidParameter, "results"),
        (request(ttl_s=0), InvalidParameter, "ttl_s"),
        (
            request(webhook=WebhookTarget("https://e.org", secret="short")),
            InvalidParameter,
            "webhook.secret",
        ),
    ],
)
async def test_what_is_wrong_with_a_request_is_told_before_anything_is_stored(
    tmp_path: Path, asked: JobRequest, error: type[StreamerError], param: str
) -> None:
    async with house(tmp_path, ScriptedEngine(), max_context_chars=200) as home:
        with pytest.raises(error) as caught:
            await home.jobs.submit("k", asked, admit=lambda *_: pytest.fail("admitted"))
        assert caught.value.param == param
        assert await home.jobs.list("k") == []
        assert home.jobs.reserved("k") == 0


async def test_a_key_has_so_many_unfinished_jobs_and_no_more(tmp_path: Path) -> None:
    async with house(tmp_path, run=False, key_jobs=3) as home:
        answers = await asyncio.gather(
            *(home.jobs.submit("k", request()) for _ in range(8)), return_exceptions=True
        )
        assert sum(isinstance(answer, JobLimit) for answer in answers) == 5
        await home.jobs.submit("other", request())
        for job in await home.jobs.list("k"):
            await home.jobs.cancel("k", job.id)
        await home.jobs.submit("k", request())


async def test_who_may_not_be_admitted_leaves_nothing(tmp_path: Path) -> None:
    def refuse(characters: int, cost: float) -> None:
        raise BudgetSpent("no")

    async with house(tmp_path) as home:
        with pytest.raises(BudgetSpent):
            await home.jobs.submit("k", request(), idempotency_key="a", admit=refuse)
        assert home.jobs.reserved("k") == 0
        assert (await home.jobs.submit("k", request(), idempotency_key="a"))[1]


async def test_a_request_cut_off_while_it_is_written_is_a_job_all_the_same(tmp_path: Path) -> None:
    async with house(tmp_path, run=False, price_per_1000=1000.0) as home:
        for turns in range(30):
            task = asyncio.create_task(home.jobs.submit("k", request()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        stored = await home.jobs.list("k")
        assert home.jobs.reserved("k") == len(stored) * len(TEXT)
        assert [job.position for job in stored] == list(reversed(range(len(stored))))


async def test_a_key_sees_its_own_jobs_newest_first(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as home:
        ids = [(await home.jobs.submit("k", request()))[0].id for _ in range(5)]
        mine, _ = await home.jobs.submit("other", request())
        listed = await home.jobs.list("k", limit=3)
        assert [job.id for job in listed] == ids[:1:-1]
        rest = await home.jobs.list("k", limit=3, after=listed[-1].id)
        assert [job.id for job in rest] == ids[1::-1]
        await home.jobs.cancel("k", ids[0])
        assert [j.id for j in await home.jobs.list("k", status="cancelled")] == ids[:1]
        for call in (home.jobs.get, home.jobs.cancel, home.jobs.file):
            with pytest.raises(NotFound):
                await call("k", mine.id)
        with pytest.raises(InvalidParameter, match="no such job"):
            await home.jobs.list("k", after=mine.id)


async def test_sound_is_not_ready_then_there_then_gone(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as home:
        job, _ = await home.jobs.submit(
            "k",
            request(),
        )
        with pytest.raises(NotReady) as caught:
            await home.jobs.file("k", job.id)
        assert caught.value.details["retry_after_s"] >= 1
        home.run()
        await home.ended("k", job.id)
        with pytest.raises(NotFound):
            await home.jobs.file("k", job.id, 1)
        assert (await home.jobs.file("k", job.id)).purpose == "result"
        first = await home.jobs.cancel("k", job.id)
        assert first.status == "completed"
        assert home.blobs() == set()
        assert await home.sql("SELECT words FROM job_results") == [(b"[]",)]
        assert await home.sql("SELECT * FROM job_captions") == []
        with pytest.raises(Gone):
            await home.jobs.file("k", job.id)
        assert await home.jobs.cancel("k", job.id) == first
        assert await home.events("k") == []


async def test_a_failed_job_says_why_wherever_its_sound_is_asked_for(tmp_path: Path) -> None:
    engine = ScriptedEngine(fail_at=1)
    async with house(tmp_path, engine, job_attempts=1) as home:
        job, _ = await home.jobs.submit("k", request(webhook=HOOK, results=2))
        failed = await home.ended("k", job.id)
        assert failed.error is not None
        assert (failed.status, failed.error.code) == ("failed", "engine_failed")
        with pytest.raises(type(failed.error)):
            await home.jobs.file("k", job.id)
        assert await home.events("k") == ["job.failed"]
        assert home.usage.rows("k") == []
        assert home.blobs() == set()


async def test_cancelling_while_it_waits_or_speaks_leaves_nothing(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine, job_workers=1, price_per_1000=1.0) as home:
        speaking, _ = await home.jobs.submit("k", request(webhook=HOOK))
        waiting, _ = await home.jobs.submit("k", request(webhook=HOOK))
        await home.until("k", speaking.id, "running")
        while not engine.open:
            await asyncio.sleep(0)
        assert (await home.jobs.get("k", waiting.id)).position == 0
        for job in (waiting, speaking):
            cancelled = await home.jobs.cancel("k", job.id)
            assert cancelled.status == "cancelled"
            assert await home.jobs.cancel("k", job.id) == cancelled
            with pytest.raises(Gone):
                await home.jobs.file("k", job.id)
        assert engine.open == 0
        assert await home.events("k") == ["job.cancelled"] * 2
        assert (home.usage.spent("k"), home.jobs.reserved("k"), home.blobs()) == (0, 0, set())
        assert home.jobs.counts.finished == {"cancelled": 2}


async def test_cancelled_at_any_moment_it_is_cancelled_or_completed_and_told_once(
    tmp_path: Path,
) -> None:
    outcomes = set()
    async with house(tmp_path) as home:
        for step in range(60):
            job, _ = await home.jobs.submit("k", request("Hi.", results=2, webhook=HOOK))
            for _ in range(step):
                await asyncio.sleep(0.0003)
            cancelled = await home.jobs.cancel("k", job.id)
            outcomes.add(cancelled.status)
            assert home.blobs() == set()
            assert await home.events("k", job.id) == [f"job.{cancelled.status}"]
        completed = home.jobs.counts.finished["completed"]
        used = sum(row.used.contexts for row in home.usage.rows("k"))
        assert used == 2 * completed
    assert "cancelled" in outcomes


async def test_cancelled_at_any_moment_it_keeps_its_files_if_it_is_not_to_let_go_of_them(
    tmp_path: Path,
) -> None:
    outcomes = set()
    async with house(tmp_path) as home:
        for step in range(60):
            job, _ = await home.jobs.submit("k", request("Hi."))
            for _ in range(step):
                await asyncio.sleep(0.0003)
            ended = await home.jobs.cancel("k", job.id, let_go=False)
            assert await home.jobs.cancel("k", job.id, let_go=False) == ended
            outcomes.add(ended.status)
            if ended.status == "completed":
                assert await home.bytes_of("k", job.id)
                await home.jobs.cancel("k", job.id)
            assert home.blobs() == set()
    assert "cancelled" in outcomes


async def test_progress_position_and_estimate_are_told_as_they_come(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    async with house(tmp_path, engine, job_workers=1) as home:
        job, _ = await home.jobs.submit("k", request())
        assert job.estimate_s is None
        await home.ended("k", job.id)
        engine.gate.clear()
        jobs = [(await home.jobs.submit("k", request()))[0] for _ in range(3)]
        await home.until("k", jobs[0].id, "running")
        seen = [await home.jobs.get("k", job.id) for job in jobs]
        assert [job.position for job in seen] == [None, 0, 1]
        estimates = [job.estimate_s for job in seen]
        assert None not in estimates
        assert estimates == sorted(estimates, key=lambda s: s or 0)
        assert (home.jobs.counts.queued, home.jobs.counts.running) == (2, 1)
        engine.gate.set()
        await asyncio.gather(*(home.ended("k", job.id) for job in jobs))


async def test_finished_jobs_are_forgotten_after_their_time(tmp_path: Path) -> None:
    now = [1000.0]
    async with house(tmp_path, clock=lambda: now[0], job_keep_s=60) as home:
        job, _ = await home.jobs.submit("k", request(), idempotency_key="one")
        await home.ended("k", job.id)
        await home.stop()
        home.jobs._runner._sweep_s = 0.01
        home.jobs._runner._sweep_at = 0
        now[0] += 61
        home.run()
        while await home.jobs.list("k"):
            await asyncio.sleep(0.01)
        assert await home.sql("SELECT * FROM job_results") == []
        assert (await home.jobs.submit("k", request(), idempotency_key="one"))[1]


async def test_a_job_without_a_seed_keeps_the_one_it_was_given(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        asked = request(options=OptionsUpdate())
        job, _ = await home.jobs.submit("k", asked, idempotency_key="a")
        again, new = await home.jobs.submit("k", asked, idempotency_key="a")
        assert not new
        done = await home.ended("k", job.id)
        assert done.results[0].seed == job.request.start.options.seed
        start = replace(asked.start, options=OptionsUpdate(seed=done.results[0].seed))
        same, _ = await home.jobs.submit("k", replace(asked, start=start))
        await home.ended("k", same.id)
        assert await home.bytes_of("k", same.id) == await home.bytes_of("k", again.id)


@pytest.mark.parametrize(
    ("codec", "container"),
    [("pcm_s16le", "wav"), ("pcm_f32le", "wav"), ("pcm_mulaw", "wav"), ("flac", "flac")],
)
async def test_a_file_tells_its_own_length(tmp_path: Path, codec: str, container: str) -> None:
    async with house(tmp_path) as home:
        wanted = request(audio=AudioFormat(codec, container))
        job, _ = await home.jobs.submit("", wanted)
        done = await home.ended("", job.id)
        data = await home.bytes_of("", job.id)
    (result,) = done.results
    assert result.file.size == len(data)
    told = struct.unpack_from("<I", data, 4)[0] + 8 if container == "wav" else len(data)
    assert told == len(data)
    with av.open(io.BytesIO(data), "r") as file:
        stream = file.streams.audio[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        length_ms = 1000 * float(stream.duration * stream.time_base)
        samples = sum(frame.samples for frame in file.decode(audio=0))
    assert length_ms == pytest.approx(result.audio_ms, abs=0.1)
    assert samples == round(result.audio_ms * result.sample_rate / 1000)


async def test_captions_are_kept_where_words_are_and_where_they_are_asked_for(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home:
        worded, _ = await home.jobs.submit("k", request(results=2))
        asked, _ = await home.jobs.submit("k", request(timestamps="none", captions=True))
        neither, _ = await home.jobs.submit("k", request(timestamps="none"))
        for job in (worded, asked, neither):
            await home.ended("k", job.id)
        for job, index in ((worded, 0), (worded, 1), (asked, 0)):
            result = await home.jobs.captions("k", job.id, index)
            assert " ".join(" ".join(c.text for c in result.captions or ()).split()) == TEXT
            assert all(c.words and c.end <= result.audio_ms * 24 for c in result.captions or ())
        with pytest.raises(NotAvailable):
            await home.jobs.captions("k", neither.id)


@pytest.mark.asyncio
async def test_what_is_told_of_a_job_reads_neither_its_text_nor_its_words(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as home:
        job, _ = await home.jobs.submit("k", request(webhook=HOOK), idempotency_key="a")

        async def told() -> list[Job]:
            again, new = await home.jobs.submit("k", request(webhook=HOOK), idempotency_key="a")
            assert not new
            waited = await home.jobs.wait("k", job.id, 0)
            return [again, waited, await home.jobs.get("k", job.id), *await home.jobs.list("k")]

        for one in await told():
            assert (one.request.text, one.text_characters) == ("", len(TEXT))
        home.run()
        await home.ended("k", job.id)
        for one in await told():
            assert (one.request.text, one.text_characters) == ("", len(TEXT))
            assert [result.words for result in one.results] == [()]
        result = await home.jobs.words("k", job.id)
        assert result.words
        assert result.sample_rate == 24000
        for bad in (-1, 1):
            with pytest.raises(NotFound):
                await home.jobs.words("k", job.id, bad)


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_of_a_job_that_has_ended_the_text_and_the_secret_are_gone(
    tmp_path: Path, end: str
) -> None:
    text = "A penguin told nobody of this at all. " * 400
    secret = "whsec_" + base64.b64encode(b"quite a secret, and of 32 bytes.").decode()
    engine = ScriptedEngine(fail_at=0 if end == "failed" else None)
    async with house(tmp_path, engine, job_attempts=1, run=False) as home:
        hook = WebhookTarget("https://example.org/done", secret)
        asked = request(text, webhook=hook, timestamps="none")
        job, _ = await home.jobs.submit("k", asked, idempotency_key="a")
        assert b"penguin" in all_bytes(tmp_path)
        if end == "cancelled":
            await home.jobs.cancel("k", job.id)
        home.run()
        ended = await home.ended("k", job.id)
        assert (ended.status, ended.text_characters) == (end, len(text))
        assert await home.sql("SELECT * FROM job_inputs") == []
        # What is to be delivered has a secret of its own.
        assert await home.sql("SELECT secret FROM webhook_deliveries") == [(secret,)]
        await home.sql("DELETE FROM webhook_deliveries")
        assert (await home.jobs.submit("k", asked, idempotency_key="a"))[0].id == job.id
        with pytest.raises(IdempotencyConflict):
            await home.jobs.submit("k", request("Other."), idempotency_key="a")
    assert b"penguin" not in all_bytes(tmp_path)
    assert secret.encode() not in all_bytes(tmp_path)


def all_bytes(directory: Path) -> bytes:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


async def test_a_webhook_of_a_cancelled_job_tells_what_get_tells(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine) as home:
        job, _ = await home.jobs.submit("k", request(webhook=HOOK))
        await home.until("k", job.id, "running")
        entry = home.jobs._queue.get(job.id)
        assert entry is not None
        entry.spoken = 10  # so far it had come
        cancelled = await home.jobs.cancel("k", job.id)
        ((body,),) = await home.sql("SELECT body FROM webhook_deliveries")
        assert json.loads(body)["data"] == dict(event(cancelled))
        assert (cancelled.progress, cancelled.attempts) == (0.0, 1)


async def test_space_is_no_text_that_waits(tmp_path: Path) -> None:
    async with house(tmp_path, max_pending_chars=400) as home:
        for text in (" " * 3000, "One." + "\n " * 1500 + "Two.", "One" + " " * 3000 + "two"):
            job, _ = await home.jobs.submit("k", request(text))
            done = await home.ended("k", job.id)
            assert (done.status, done.error) == ("completed", None)
            words = [word.text for word in await home.words_of("k", job.id)]
            assert words == [word.strip(".") for word in text.split()]


async def test_what_a_job_may_cost_is_held_back_also_over_a_restart(tmp_path: Path) -> None:
    cheap, dear = ScriptedEngine("cheap"), ScriptedEngine("dear")
    dear.capabilities = replace(dear.capabilities, price_per_1000=100.0)
    said = request(options=OptionsUpdate(voice="dear-a", seed=1), results=2)
    cost = round(2 * len(TEXT) / 10, 9)
    async with house(tmp_path, cheap, dear, run=False, price_per_1000=1.0) as home:
        job, _ = await home.jobs.submit("k", said)
        old, _ = await home.jobs.submit("old", request(options=OptionsUpdate(seed=1)))
        assert job.reserved == home.jobs.reserved("k") == cost
        await home.sql("UPDATE jobs SET cost = NULL WHERE id = ?", old.id)  # as it once was
    async with house(tmp_path, cheap, dear, run=False, price_per_1000=1.0) as home:
        again = await home.jobs.get("k", job.id)
        assert (again.reserved, again.cost, home.jobs.reserved("k")) == (cost, None, cost)
        assert home.jobs.reserved("old") == pytest.approx(len(TEXT) / 1000)
        home.run()
        done = await home.ended("k", job.id)
        assert (done.cost, done.reserved, home.jobs.reserved("k")) == (cost, None, 0)
        assert home.usage.spent("k") == cost
        second, _ = await home.jobs.submit("k", said)
        cancelled = await home.jobs.cancel("k", second.id)
        assert (cancelled.cost, cancelled.reserved, home.jobs.reserved("k")) == (None, None, 0)
