"""Behind a provider: order, prefetch, what is asked for, what goes wrong; nothing is left open."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np
import pytest

from streamer.config import Settings
from streamer.engines.hosted import exchange, open_crun, open_evolink, open_openai, open_runware
from streamer.engines.hosted import request as request_
from streamer.engines.hosted.engine import Hosted
from streamer.engines.hosted.request import POLLS_FAILED, SOONEST_S, TRIES
from streamer.engines.hosted.row import AHEAD
from streamer.errors import EngineFailed, InvalidParameter
from streamer.protocols.runware.tables import BASE
from streamer.providers import Provider
from streamer.types import Options, PcmChunk, Segment
from tests.engines.conformance import collect, given, nothing_heard, sound
from tests.engines.hosted_suite import settings_for
from tests.providers.base import Act, Reply, Request, running
from tests.providers.crun import CrunProvider
from tests.providers.evolink import VOICE, EvolinkProvider
from tests.providers.openai import OpenAiProvider
from tests.providers.runware import SlowRunwareProvider
from tests.providers.sounds import RATE, encoded, spoken

pytestmark = pytest.mark.asyncio

TEXT = "one two three four five"


class Upstream(OpenAiProvider):
    """OpenAI's face, that can answer by a link as well."""

    form = "wav"
    linked = False

    async def answer(self, request: Request, act: Act) -> Reply:
        reply = await super().answer(request, act)
        if reply.status == 200 and self.form != "wav":
            samples = spoken(request.json()["input"])
            reply = Reply(200, encoded(samples, self.form), f"audio/{self.form}")
        if reply.status == 200 and (self.linked or act.fault in ("inside", "expired")):
            link = self.link(reply.body, reply.content_type, reply.seconds, act)
            return Reply(302, headers={"location": link})
        return reply


@pytest.fixture
def provider() -> Iterator[Upstream]:
    with running(Upstream()) as provider:
        yield provider
        assert provider.settled()


@asynccontextmanager
async def opened(provider: Upstream, **fields: Any) -> AsyncIterator[Hosted]:
    engine = open_openai(settings_for(provider, **fields))
    try:
        yield engine
        assert (engine.open, engine.waiting) == (0, 0)
    finally:
        await engine.aclose()


def segments(engine: Hosted, *texts: str, **options: Any) -> list[Segment]:
    spoken_with = Options(engine.voices[0], **options)
    return [Segment(index, text, 0, spoken_with) for index, text in enumerate(texts)]


async def speak(engine: Hosted, *texts: str, **options: Any) -> list[PcmChunk]:
    return await collect(engine, given(*segments(engine, *texts, **options)))


async def failure(engine: Hosted, text: str = TEXT) -> EngineFailed:
    before = asyncio.all_tasks()
    with pytest.raises(EngineFailed) as caught:
        await speak(engine, text)
    assert asyncio.all_tasks() <= before
    assert engine.open == 0
    return caught.value


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


# What it asks for


async def test_options_go_to_the_provider_in_its_own_names(provider: Upstream) -> None:
    voices = {"anna": "alloy", "ben": "echo"}
    async with opened(provider, model="m-1", voices=voices, voice="ben") as engine:
        assert [voice.id for voice in engine.voices] == ["ben", "anna"]
        await speak(engine, TEXT, speed=1.5, instructions="Whisper.")
    (request,) = provider.asked("speech")
    assert request.headers["authorization"] == f"Bearer {provider.key}"
    assert request.json() == {
        "input": TEXT,
        "model": "m-1",
        "voice": "echo",
        "instructions": "Whisper.",
        "speed": 1.5,
        "response_format": "wav",
    }


async def test_the_model_that_a_request_names_is_asked_for(provider: Upstream) -> None:
    async with opened(provider, model="m-1", models={"m-2": 7.0}) as engine:
        assert engine.capabilities.models == {"m-1": None, "m-2": 7.0}
        await speak(engine, TEXT)
        await speak(engine, TEXT, model="m-2")
    assert [request.json()["model"] for request in provider.asked("speech")] == ["m-1", "m-2"]
    async with opened(provider) as engine:
        assert "tts-1" in engine.capabilities.models, "those of its documents"


async def test_a_model_that_speaks_by_recordings_needs_them_as_voices() -> None:
    def settings(**fields: Any) -> Settings:
        return Settings(providers={"runware": Provider(model=BASE, **fields)})

    recording = "https://sounds.example/anna.wav"
    for fields in ({}, {"voices": {"anna": recording, "ben": "Vivian"}}, {"voice": "Ryan"}):
        with pytest.raises(InvalidParameter) as caught:
            open_runware(settings(**fields))
        assert caught.value.param == "providers.runware.voices"
        assert BASE in caught.value.message
    engine = open_runware(settings(voices={"anna": recording}))
    assert [voice.id for voice in engine.voices] == ["anna"]
    await engine.aclose()


async def test_a_voice_that_the_documents_do_not_name_is_the_only_one(provider: Upstream) -> None:
    async with opened(provider, voice="heart") as engine:
        assert [voice.id for voice in engine.voices] == ["heart"]
    async with opened(provider, voice="nova") as engine:
        assert engine.voices[0].id == "nova"
        assert len(engine.voices) > 5


async def test_a_provider_that_is_not_in_the_settings_is_told() -> None:
    with pytest.raises(InvalidParameter) as caught:
        open_openai(Settings())
    assert caught.value.param == "providers.openai"


async def test_text_over_the_limit_is_one_segment_of_several_requests(provider: Upstream) -> None:
    text = "One two three. Four five six, seven eight. Nine ten"
    async with opened(provider, text_limit=30) as engine:
        chunks = await speak(engine, text)
    asked = [request.json()["input"] for request in provider.asked("speech")]
    assert asked == ["One two three.", "Four five six, seven eight.", "Nine ten"]
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    expected = np.concatenate([spoken(part) for part in asked])
    assert np.allclose(sound(chunks), expected, atol=1e-3)


async def test_the_silence_before_the_sound_is_dropped(provider: Upstream) -> None:
    class Slow(Upstream):
        async def answer(self, request: Request, act: Act) -> Reply:
            samples = np.concatenate((np.zeros(12000, np.float32), spoken("one")))
            return Reply(200, encoded(samples, "wav"), "audio/wav")

    with running(Slow()) as slow:
        async with opened(slow) as engine:
            heard = sound(await speak(engine, "one"))
    assert len(heard) < len(spoken("one")) + 300
    assert np.abs(heard[:400]).max() > 0.01


async def test_one_connection_serves_one_request_after_another(provider: Upstream) -> None:
    async with opened(provider) as engine:
        for _ in range(5):
            await speak(engine, TEXT)
    assert provider.connections == 1


# Order and prefetch


async def test_the_next_segments_are_asked_for_while_one_plays(provider: Upstream) -> None:
    provider.usually("speech", Act(latency_s=0.05))
    texts = [f"number {number}" for number in range(8)]
    async with opened(provider) as engine:
        stream = engine.synthesize(given(*segments(engine, *texts)), nothing_heard)
        async with aclosing(stream):
            await anext(stream)
            await eventually(lambda: len(provider.asked("speech")) == AHEAD + 1)
            await asyncio.sleep(0.15)  # no more than that while nobody fetches
            assert len(provider.asked("speech")) == AHEAD + 1
            rest = [chunk async for chunk in stream]
        assert [chunk.segment for chunk in rest if chunk.last] == list(range(8))
    assert sorted(request.json()["input"] for request in provider.asked("speech")) == texts


async def test_segments_come_in_order_whichever_answers_first(provider: Upstream) -> None:
    provider.script("speech", Act(latency_s=0.3), Act(latency_s=0.1), Act())
    async with opened(provider) as engine:
        chunks = await speak(engine, "one", "two", "three")
    assert [chunk.segment for chunk in chunks if chunk.last] == [0, 1, 2]
    expected = np.concatenate([spoken(text) for text in ("one", "two", "three")])
    assert np.allclose(sound(chunks), expected, atol=1e-3)


async def test_no_more_requests_at_once_than_the_setting_says(provider: Upstream) -> None:
    provider.usually("speech", Act(latency_s=0.03))
    async with opened(provider, concurrency=2) as engine:
        await asyncio.gather(*(speak(engine, "a1", "a2", "a3") for _ in range(4)))
    assert provider.most == 2
    assert len(provider.asked("speech")) == 12


async def test_a_prefetched_failure_is_told_in_its_turn(provider: Upstream) -> None:
    provider.script("speech", Act(latency_s=0.2), Act(status=500))
    async with opened(provider) as engine:
        heard: list[PcmChunk] = []
        one, two = segments(engine, "one", "two")

        async def one_by_one() -> AsyncIterator[Segment]:
            yield one
            await eventually(lambda: provider.asked("speech"))
            yield two

        async def listen() -> None:
            async for chunk in engine.synthesize(one_by_one(), nothing_heard):
                heard.append(chunk)

        with pytest.raises(EngineFailed):
            await listen()
    assert heard[-1].last
    assert {chunk.segment for chunk in heard} == {0}


async def test_sound_is_handed_on_as_it_comes(provider: Upstream) -> None:
    provider.script("speech", Act(fault="stall"))
    async with opened(provider) as engine:
        chunks = engine.synthesize(given(*segments(engine, TEXT)), nothing_heard)
        async with aclosing(chunks), asyncio.timeout(10):
            assert len((await anext(chunks)).samples)  # though the rest never comes


async def test_how_long_a_segment_is_is_told_once_it_is_known(provider: Upstream) -> None:
    """By a header, or when all of it is here."""
    text = "One two three. Four five six, seven eight. Nine ten"
    provider.usually("speech", Act(speed=20))
    for form in ("wav", "mp3"):
        provider.form = form
        async with opened(provider, text_limit=30) as engine:
            chunks = await speak(engine, text)
        assert chunks[0].total is None
        assert {chunk.total for chunk in chunks} == {None, len(sound(chunks))}
        assert chunks[-1].total is not None
    before = np.zeros(RATE // 2, np.float32)

    class Knowing(Upstream):
        """Sends WAVs that say how long they are, with a silence before."""

        async def answer(self, request: Request, act: Act) -> Reply:
            samples = np.concatenate((before, spoken(request.json()["input"])))
            data = (samples * 32767).astype("<i2").tobytes()
            size = len(data).to_bytes(4, "little")
            body = encoded(samples[:0], "wav")[:40] + size + data
            return Reply(200, body, "audio/wav", seconds=len(samples) / RATE, chunked=True)

    with running(Knowing()) as knowing:
        knowing.usually("speech", Act(speed=20))
        for limit in (0, 30):
            async with opened(knowing, text_limit=limit) as engine:
                chunks = await speak(engine, text)
            totals = [chunk.total for chunk in chunks]
            unknown = totals.count(None)
            assert (unknown > 0) is bool(limit)
            assert totals == [None] * unknown + [len(sound(chunks))] * (len(chunks) - unknown)


@pytest.mark.parametrize("form", ["mp3", "opus", "flac", "aac"])
@pytest.mark.parametrize("linked", [False, True])
async def test_sound_of_any_form_is_heard_from_the_answer_or_behind_a_link(
    provider: Upstream, form: str, linked: bool
) -> None:
    provider.form, provider.linked = form, linked
    async with opened(provider) as engine:
        heard = sound(await speak(engine, TEXT))
    assert len(heard) == pytest.approx(len(spoken(TEXT)), abs=4000)
    assert np.abs(heard).max() > 0.05


async def test_a_link_gets_no_key(provider: Upstream) -> None:
    with running(Upstream()) as files:

        class Elsewhere(Upstream):
            async def answer(self, request: Request, act: Act) -> Reply:
                body = encoded(spoken("one"), "wav")
                return Reply(302, headers={"location": files.link(body, "audio/wav", 1, act)})

        with running(Elsewhere()) as elsewhere:
            settings = settings_for(elsewhere)
            settings.fetch_ports.append(files.port)
            engine = open_openai(settings)
            assert len(sound(await speak(engine, "one")))
            await engine.aclose()
        (request,) = files.requests
        assert files.key not in str(request.headers)
        assert request.method == "GET"


# What goes wrong


@pytest.mark.parametrize("fault", ["hang", "stall"])
async def test_a_deadline_is_kept_whatever_hangs(provider: Upstream, fault: Any) -> None:
    provider.script("speech", Act(fault=fault))
    async with opened(provider, timeout_s=1.0) as engine:
        async with asyncio.timeout(10):
            error = await failure(engine, "one")
        assert error.retryable
        await eventually(lambda: provider.open == 0)
        assert len(sound(await speak(engine, TEXT)))


@pytest.mark.parametrize(
    ("act", "retryable"),
    [
        (Act(fault="half"), True),
        (Act(fault="reset"), True),
        (Act(fault="type"), True),
        (Act(fault="json"), True),
        (Act(fault="expired"), True),
        (Act(fault="inside"), False),
        (Act(status=500), True),
        (Act(status=503), True),
        (Act(status=455), True),
        (Act(status=402), False),
        (Act(status=400), False),
        (Act(status=429, headers={"retry-after": "30"}), True),
    ],
    ids=lambda value: getattr(value, "fault", "") or str(getattr(value, "status", value)),
)
async def test_each_fault_is_a_typed_error_and_the_next_request_goes_well(
    provider: Upstream, act: Act, retryable: bool
) -> None:
    provider.script("speech", act)
    async with opened(provider) as engine:
        error = await failure(engine)
        assert error.retryable is retryable
        assert error.message.startswith("openai: ")
        assert provider.key not in error.message
        assert "Signature" not in error.message
        assert len(provider.asked("speech")) == 1
        assert len(sound(await speak(engine, TEXT)))


async def test_a_key_that_the_provider_refuses_is_not_shown(provider: Upstream) -> None:
    async with opened(provider, key="sk-wrong") as engine:
        error = await failure(engine)
    assert not error.retryable
    assert error.status == 502
    assert "sk-wrong" not in error.message
    assert "sk-wrong" not in repr(engine)


async def test_when_to_come_back_is_kept_where_that_is_soon(provider: Upstream) -> None:
    provider.script("speech", Act(status=429, headers={"retry-after": "0.1"}))
    async with opened(provider) as engine:
        assert len(sound(await speak(engine, TEXT)))
    first, second = provider.asked("speech")
    assert second.at - first.at >= 0.1


async def test_when_to_come_back_is_told_where_that_is_late(provider: Upstream) -> None:
    provider.script("speech", Act(status=429, headers={"retry-after": "7"}))
    async with opened(provider) as engine:
        error = await failure(engine)
    assert error.details["retry_after_s"] == 7


@pytest.mark.parametrize("status", [429, 500])
async def test_a_provider_that_keeps_asking_to_come_back_is_asked_a_few_times(
    provider: Upstream, status: int
) -> None:
    provider.usually("speech", Act(status=status, headers={"retry-after": "0"}))
    async with opened(provider) as engine:
        await failure(engine)
    asked = provider.asked("speech")
    assert len(asked) == TRIES
    assert all(later.at - one.at >= SOONEST_S for one, later in itertools.pairwise(asked))


async def test_a_link_that_asks_to_come_back_is_asked_again_and_not_the_api(
    provider: Upstream,
) -> None:
    provider.linked = True
    provider.script("file", Act(status=503, headers={"retry-after": "0.1"}))
    async with opened(provider) as engine:
        assert len(sound(await speak(engine, TEXT)))
    assert [len(provider.asked(kind)) for kind in ("speech", "file")] == [1, 2]


@pytest.mark.parametrize("act", [Act(status=429, headers={"retry-after": "0.1"}), Act(status=455)])
async def test_a_task_that_was_taken_is_not_made_again(act: Act) -> None:
    with running(CrunProvider()) as provider:
        provider.script("poll", act, act)
        engine = open_crun(settings_for(provider))
        assert len(sound(await speak(engine, TEXT)))
        provider.usually("poll", Act(status=429, headers={"retry-after": "0.01"}))
        with pytest.raises(EngineFailed):
            await speak(engine, TEXT)
        await engine.aclose()
        assert len(provider.asked("speech")) == 2


POLLED = [
    (open_crun, CrunProvider, {}),
    (open_evolink, EvolinkProvider, {"voice": VOICE}),
    (open_runware, SlowRunwareProvider, {}),
]


@pytest.mark.parametrize("fault", ["json", "type", "half", "reset"])
@pytest.mark.parametrize(("open_engine", "face", "fields"), POLLED)
async def test_a_poll_whose_answer_cannot_be_read_is_asked_again(
    open_engine: Any,
    face: Any,
    fields: dict[str, Any],
    fault: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_, "FIRST_POLL_S", 0.01)
    with running(face()) as provider:
        provider.waits, bad = 5, Act(fault=fault)
        provider.script("poll", bad, bad, Act(), bad, bad)  # in a row they are too few to give up
        async with aclosing(open_engine(settings_for(provider, **fields))) as engine:
            assert len(sound(await speak(engine, TEXT)))
        assert len(provider.asked("speech")) == 1
        assert len(provider.asked("poll")) == 6


@pytest.mark.parametrize(("open_engine", "face", "fields"), POLLED)
async def test_a_task_is_given_up_when_its_polls_go_on_not_to_be_readable(
    open_engine: Any, face: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_, "FIRST_POLL_S", 0.01)
    with running(face()) as provider:
        provider.usually("poll", Act(fault="json"))
        async with aclosing(open_engine(settings_for(provider, **fields))) as engine:
            with pytest.raises(EngineFailed, match="can't be read"):
                await speak(engine, TEXT)
            assert len(provider.asked("poll")) == POLLS_FAILED
            assert len(provider.asked("speech")) == 1  # it was taken, and is to be paid
            if isinstance(provider, EvolinkProvider):  # as far as we know it goes on there
                await eventually(lambda: provider.cancelled == [TEXT])


async def test_a_provider_may_think_for_longer_than_it_may_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Early(Upstream):
        """Answers at once, and speaks later."""

        async def _send(self, reply: Reply, act: Act, writer: asyncio.StreamWriter) -> bool:
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(reply.body)}\r\n"
            writer.write(f"{head}content-type: audio/wav\r\n\r\n".encode())
            await asyncio.sleep(1.5)
            writer.write(reply.body)
            await writer.drain()
            return True

    monkeypatch.setattr(exchange, "GAP_S", 1.0)
    with running(Early()) as early:
        async with opened(early) as engine:
            assert len(sound(await speak(engine, TEXT)))
    with running(Upstream()) as provider:
        provider.script("speech", Act(fault="stall"))
        async with opened(provider) as engine:
            assert "in time" in (await failure(engine)).message


async def test_a_long_page_about_an_error_hides_neither_it_nor_when_to_come_back(
    provider: Upstream,
) -> None:
    class Wordy(Upstream):
        async def answer(self, request: Request, act: Act) -> Reply:
            return Reply(429, b"x" * (1 << 20), "text/html", {"retry-after": "30"})

    with running(Wordy()) as wordy:
        async with opened(wordy) as engine:
            error = await failure(engine)
    assert error.details["retry_after_s"] == 30


async def test_a_listener_with_sound_left_can_wait_longer(provider: Upstream) -> None:
    provider.script("speech", Act(status=503, headers={"retry-after": "1.1"}))
    async with opened(provider) as engine:
        stream = engine.synthesize(given(*segments(engine, "one")), lambda: 3.0)
        assert len(sound([chunk async for chunk in stream]))


async def test_what_was_half_heard_is_not_asked_for_again(provider: Upstream) -> None:
    provider.script("speech", Act(speed=50, fault="half"))
    async with opened(provider) as engine:
        await failure(engine)
    assert len(provider.asked("speech")) == 1


async def test_silence_and_nothing_are_failures(provider: Upstream) -> None:
    bodies = [encoded(np.zeros(24000, np.float32), "wav"), b"", encoded(spoken(""), "wav")]

    class Silent(Upstream):
        async def answer(self, request: Request, act: Act) -> Reply:
            return Reply(200, bodies.pop(), "audio/wav")

    with running(Silent()) as silent:
        async with opened(silent) as engine:
            for _ in range(3):
                assert (await failure(engine)).retryable


async def test_more_sound_than_the_text_can_be_is_cut_off(provider: Upstream) -> None:
    class Endless(Upstream):
        async def answer(self, request: Request, act: Act) -> Reply:
            return Reply(200, encoded(spoken("word " * 200), "wav"), "audio/wav")

    with running(Endless()) as endless:
        async with opened(endless) as engine:
            assert "more sound" in (await failure(engine, "hi")).message


# Ends


async def test_closing_ends_the_requests_at_once(provider: Upstream) -> None:
    provider.usually("speech", Act(fault="stall"))
    async with opened(provider) as engine:
        stream = engine.synthesize(given(*segments(engine, TEXT, TEXT, TEXT)), nothing_heard)
        await anext(stream)
        await eventually(lambda: provider.open == 3)
        await stream.aclose()
        assert engine.open == 0
        await eventually(lambda: provider.open == provider.live == 0)


async def test_a_consumer_that_is_cancelled_while_it_waits_leaves_nothing(
    provider: Upstream,
) -> None:
    provider.usually("speech", Act(fault="hang"))
    async with opened(provider, concurrency=1) as engine:
        before = asyncio.all_tasks()
        tasks = [asyncio.create_task(speak(engine, TEXT, TEXT)) for _ in range(3)]
        await eventually(lambda: provider.open == 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert asyncio.all_tasks() <= before
        assert (engine.open, engine.waiting) == (0, 0)
        await eventually(lambda: provider.live == 0)


async def test_a_closed_engine_keeps_no_connection(provider: Upstream) -> None:
    async with opened(provider) as engine:
        await speak(engine, TEXT)
        assert provider.live == 1
    await eventually(lambda: provider.live == 0)


async def test_a_connection_that_the_provider_has_closed_is_not_used(provider: Upstream) -> None:
    async with opened(provider) as engine:
        await speak(engine, TEXT)
        provider.script("speech", Act(fault="half"))
        await failure(engine)
        await speak(engine, TEXT)
        provider.hang_up()
        await eventually(lambda: provider.live == 0)
        await speak(engine, TEXT)


async def test_segments_that_stop_coming_do_not_hold_what_came_before(provider: Upstream) -> None:
    async def two() -> AsyncGenerator[Segment, None]:
        for segment in segments(engine, "one", "two"):
            yield segment
        await asyncio.sleep(math.inf)

    async with opened(provider) as engine:
        stream = engine.synthesize(two(), nothing_heard)
        async with aclosing(stream), asyncio.timeout(10):
            ends = 0
            async for chunk in stream:
                ends += chunk.last
                if ends == 2:
                    break


async def test_an_unset_voice_must_be_named() -> None:
    settings = Settings(providers={"openai": Provider()})
    engine = open_openai(settings)
    assert engine.voices[0].id == "alloy"
    await engine.aclose()
