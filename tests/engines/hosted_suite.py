"""The suite of engines for one that is behind a scripted provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import pytest_asyncio

from streamer.config import Settings
from streamer.engines.base import Engine, open_engine
from streamer.providers import Provider
from tests.engines.conformance import HANGS_S, EngineConformance
from tests.providers.base import Provider as Scripted
from tests.providers.base import running


def settings_for(provider: Scripted, **fields: Any) -> Settings:
    """Settings in which this provider may be heard, its links too."""
    usual = Provider(url=provider.url, key=provider.key, timeout_s=20.0)
    return Settings(
        providers={provider.name: replace(usual, **fields)},
        fetch_allow=["127.0.0.1"],
        fetch_ports=[80, 443, provider.port],
    )


class HostedConformance(EngineConformance):
    """For a provider of your own: `target` its row, `face` its scripted double, `fields` of its settings."""

    target: ClassVar[str]
    face: ClassVar[type[Scripted]]
    fields: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls) -> Iterator[Scripted]:
        with running(cls.face()) as provider:
            cls.settings = settings_for(provider, **cls.fields)
            yield provider

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def engine(  # type: ignore[override]
        cls, provider: Scripted
    ) -> AsyncGenerator[Engine]:
        engine = open_engine(cls.target, cls.settings)
        yield engine
        await engine.aclose()

    @staticmethod
    def steps_in_use(engine: Engine) -> int:
        hosted: Any = engine
        return int(hosted.open + hosted.waiting)

    async def settled(self, engine: Engine, tasks: set[asyncio.Task[Any]]) -> bool:
        """What was begun at the provider may be ended there after everybody has gone on."""
        hosted: Any = engine
        async with asyncio.timeout(HANGS_S):
            while hosted.abandoned.open:
                await asyncio.sleep(0.002)
        return await super().settled(engine, tasks) and not hosted.abandoned.failed

    async def test_nothing_is_left_open_at_the_provider(self, provider: Scripted) -> None:
        assert provider.settled()
