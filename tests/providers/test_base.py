"""The scripted provider does what its script says."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.providers.base import Act, running
from tests.providers.openai import OpenAiProvider

BODY = {"input": "one two three four", "voice": "alloy", "response_format": "wav"}


def test_it_answers_as_its_script_says() -> None:
    with running(OpenAiProvider()) as provider:
        key = {"authorization": f"Bearer {provider.key}"}
        with httpx.Client(trust_env=False, headers=key) as client:
            url = provider.url + "/audio/speech"
            provider.script("speech", Act(status=429, headers={"retry-after": "3"}, said="wait"))
            refused = client.post(url, json=BODY)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
            assert refused.json()["error"]["message"] == "wait"

            begun = time.perf_counter()
            provider.script("speech", Act(latency_s=0.1, speed=8))
            sound = client.post(url, json=BODY)
            took = time.perf_counter() - begun
            assert sound.content[:4] == b"RIFF"
            assert len(sound.content) == 44 + 2 * 24000 * 12 // 10
            assert took > 0.1 + 1.2 / 8 * 0.9

            provider.script("speech", Act(fault="type"), Act(fault="json"), Act(fault="moved"))
            assert client.post(url, json=BODY).headers["content-type"].startswith("text/html")
            with pytest.raises(ValueError, match="Unterminated"):
                client.post(url, json=BODY).json()
            moved = client.post(url, json=BODY)
            assert client.get(moved.headers["location"]).content == sound.content
        assert provider.connections == 1
        assert len(provider.asked("speech")) == 5
        assert provider.settled()
        assert not provider.left


def test_a_fault_of_the_connection_is_one() -> None:
    with running(OpenAiProvider()) as provider:
        key = {"authorization": f"Bearer {provider.key}"}
        with httpx.Client(trust_env=False, headers=key, timeout=0.2) as client:
            url = provider.url + "/audio/speech"
            provider.script("speech", Act(fault="half"), Act(fault="reset"), Act(fault="hang"))
            with pytest.raises(httpx.RemoteProtocolError):
                client.post(url, json=BODY)
            with pytest.raises(httpx.TransportError):
                client.post(url, json=BODY)
            with pytest.raises(httpx.ReadTimeout):
                client.post(url, json=BODY)
        assert provider.settled()
        assert provider.left == 1


def test_a_key_that_is_not_the_providers_is_refused() -> None:
    with running(OpenAiProvider()) as provider:
        answer = httpx.post(provider.url + "/audio/speech", json=BODY, trust_env=False)
        assert answer.status_code == 401
