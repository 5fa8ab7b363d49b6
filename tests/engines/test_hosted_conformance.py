"""Every hosted row of `ENGINES` against the one suite, each behind its scripted provider."""

from typing import Any, ClassVar

import pytest

from streamer.engines.base import ENGINES
from streamer.engines.hosted import CLIENTS, request
from streamer.providers import PROVIDERS
from tests.engines.hosted_suite import HostedConformance
from tests.providers.aimlapi import AimlApiProvider
from tests.providers.crun import CrunProvider
from tests.providers.evolink import VOICE, PromptEvolinkProvider
from tests.providers.modelstream import ModelStreamProvider
from tests.providers.openai import OpenAiProvider
from tests.providers.runware import RunwareProvider, SlowRunwareProvider


@pytest.fixture(autouse=True)
def polls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held to the contract here is not how long a real task takes."""
    monkeypatch.setattr(request, "FIRST_POLL_S", 0.01)


class TestOpenAi(HostedConformance):
    target = "openai"
    face = OpenAiProvider


class TestModelStream(HostedConformance):
    target = "modelstream"
    face = ModelStreamProvider


class TestModelStreamWithItsTimes(HostedConformance):
    target = "modelstream"
    face = ModelStreamProvider
    fields: ClassVar[dict[str, Any]] = {"word_times": True}


class TestAimlApi(HostedConformance):
    target = "aimlapi"
    face = AimlApiProvider


class TestCrun(HostedConformance):
    target = "crun"
    face = CrunProvider


class TestEvolink(HostedConformance):
    target = "evolink"
    face = PromptEvolinkProvider
    fields: ClassVar[dict[str, Any]] = {"voice": VOICE}


class TestRunware(HostedConformance):
    target = "runware"
    face = RunwareProvider


class TestRunwareWithPolls(HostedConformance):
    target = "runware"
    face = SlowRunwareProvider


def test_every_hosted_engine_is_held_to_the_contract() -> None:
    held = {suite.target for suite in HostedConformance.__subclasses__()}
    assert set(ENGINES) & set(CLIENTS) <= held


def test_every_provider_of_the_settings_has_its_client() -> None:
    assert set(PROVIDERS) == set(CLIENTS)
