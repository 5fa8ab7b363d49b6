"""Whether a provider is there: one request that costs nothing, and no word of the key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from streamer.engines.hosted import CLIENTS, client_of
from streamer.engines.hosted.probes import Probed, probe
from streamer.fetch import Fetcher
from streamer.providers import Provider
from tests.foreign import foreign, ok
from tests.providers.aimlapi import AimlApiProvider
from tests.providers.base import Act, running
from tests.providers.base import Provider as Face
from tests.providers.crun import CrunProvider
from tests.providers.evolink import EvolinkProvider
from tests.providers.modelstream import ModelStreamProvider
from tests.providers.openai import OpenAiProvider
from tests.providers.runware import RunwareProvider

pytestmark = pytest.mark.asyncio

TELLING: list[tuple[type[Face], str, str]] = [
    (CrunProvider, "balance", "the key is taken, balance 12.5"),
    (RunwareProvider, "key", "the key is taken"),
    (OpenAiProvider, "models", "the key is taken"),
]
NONE = Probed(False, "it answers, and not as this API does")
SILENT: list[type[Face]] = [AimlApiProvider, EvolinkProvider, ModelStreamProvider]


@asynccontextmanager
async def fetcher() -> AsyncIterator[Fetcher]:
    made = Fetcher()
    try:
        yield made
    finally:
        await made.aclose()


async def asked(name: str, provider: Provider, timeout_s: float = 5.0) -> Probed:
    async with fetcher() as fetches:
        told = await probe(name, client_of(name), provider, fetches, timeout_s=timeout_s)
    assert not provider.key or provider.key not in told.said
    return told


async def test_every_provider_can_be_asked() -> None:
    assert {face.name for face, *_ in TELLING} | {face.name for face in SILENT} == set(CLIENTS)


@pytest.mark.parametrize(("face", "kind", "said"), TELLING)
async def test_where_an_api_tells_for_nothing_the_key_is_tried(
    face: type[Face], kind: str, said: str
) -> None:
    with running(face()) as double:
        good = Provider(url=double.url, key=double.key)
        assert await asked(double.name, good) == Probed(True, said)
        assert len(double.asked(kind)) == 1
        wrong = await asked(double.name, replace(good, key="another-key"))
        assert wrong == Probed(False, "the key is refused")
        double.usually(kind, Act(status=503))
        assert await asked(double.name, good) == Probed(False, "it answers with status 503")
        assert not double.asked("speech")
        assert double.settled()


async def test_an_error_told_with_status_200_is_one() -> None:
    with running(CrunProvider(mirrors=False)) as double:
        told = await asked("crun", Provider(url=double.url, key="another-key"))
    assert told == Probed(False, "the key is refused")


async def test_a_model_that_the_provider_does_not_list_is_told() -> None:
    with running(OpenAiProvider()) as double:
        told = await asked("openai", Provider(url=double.url, key=double.key, model="m-1"))
    assert told == Probed(True, "the key is taken, and no model 'm-1' is in its list")


async def test_a_key_that_is_wanted_and_not_there_is_told() -> None:
    with running(CrunProvider()) as double:
        assert await asked("crun", Provider(url=double.url)) == Probed(False, "it wants a key")


@pytest.mark.parametrize("face", SILENT)
async def test_elsewhere_the_host_answers_and_never_sees_the_key(face: type[Face]) -> None:
    with running(face()) as double:
        told = await asked(double.name, Provider(url=double.url, key=double.key))
        assert told == Probed(True, "its host answers; the key can't be tried for nothing")
        (request,) = double.requests
        assert double.key not in str(request.headers)


async def test_who_does_not_answer_is_given_up_in_time() -> None:
    with running(CrunProvider()) as double:
        double.usually("balance", Act(fault="hang"))
        told = await asked("crun", Provider(url=double.url, key=double.key), timeout_s=0.3)
        assert not told.ok
    told = await asked("crun", Provider(url="http://127.0.0.1:9", key="k-secret"))
    assert (told.ok, "can't be heard" in told.said) == (False, True)


async def test_an_answer_that_is_none_of_the_apis_is_no_proof() -> None:
    with running(OpenAiProvider()) as double:
        double.usually("models", Act(fault="type"))
        assert await asked("openai", Provider(url=double.url, key=double.key)) == NONE
    for body in (b"[1]", b"{}", b"7"):
        async with foreign(ok(body)) as host:
            told = await asked("openai", Provider(url=f"http://127.0.0.1:{host.port}"))
        assert told == NONE
    async with foreign(ok(b'{"data": [{"id": "gpt-4o-mini-tts"}]}')) as host:
        told = await asked("openai", Provider(url=f"http://127.0.0.1:{host.port}"))
    assert told == Probed(True, "it answers without a key")
