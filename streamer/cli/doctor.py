"""`streamer doctor`: what is installed, which engines can run and why not, whether a server would start."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import ssl
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

import streamer
from streamer.cli.engines import status
from streamer.cli.options import takes_settings
from streamer.cli.sink import PLAYERS
from streamer.cli.table import print_table
from streamer.config import Settings, data_dir
from streamer.engines import qwen3
from streamer.engines.base import ENGINES
from streamer.engines.hosted import client_of
from streamer.engines.hosted.probes import Probed, probe
from streamer.engines.opening import in_use, open_engine
from streamer.errors import StreamerError
from streamer.fetch import Fetcher
from streamer.protocols.hosted import HostedClient, Traits
from streamer.providers import Provider
from streamer.server.port import require_free

PACKAGES = (
    "av",
    "numpy",
    "scipy",
    "onnxruntime",
    "hibari-tts",
    "uvicorn",
    "starlette",
    "websockets",
)
State = Literal["ok", "missing", "failed"]
MARKS: Mapping[State, str] = {
    "ok": "[green]ok[/]",
    "missing": "[yellow]-[/]",
    "failed": "[red]no[/]",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. "missing" is nothing to worry about, "failed" keeps a server from working."""

    topic: str
    name: str
    state: State
    detail: str


@takes_settings(
    *("data_dir", "engines", "providers", "fallbacks", "host", "port", "tls", "tls_cert"),
    *("qwen3", "qwen3_device", "qwen3_capacity", "qwen3_eager", "qwen3_hub", "workers"),
)
def doctor(
    settings: Settings,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    running: Annotated[
        bool, typer.Option("--running", help="Only ask the server of these settings how it is.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no provider anything.")] = False,
    verify: Annotated[
        str,
        typer.Option(
            "--verify",
            metavar="DIR",
            help="Only load this checkpoint of Qwen3-TTS, have it speak, and measure what it says.",
        ),
    ] = "",
) -> None:
    """Say what is installed, which engines can run and why not, and whether a server would start.

    Each provider of the settings is asked one thing that costs nothing, for 5 s at most.

    Exits with 1 if a server of these settings would not work.
    """
    if verify:
        found = list(_verified(verify, settings))
    elif running:
        found = [_health(settings)]
    else:
        found = list(_findings(settings, offline=offline))
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        _print(found)
    if any(finding.state == "failed" for finding in found):
        raise typer.Exit(1)


def _findings(settings: Settings, *, offline: bool) -> Iterator[Finding]:
    yield Finding("system", "streamer", "ok", streamer.__version__)
    yield Finding("system", "python", "ok", f"{platform.python_version()}, {platform.platform()}")
    yield Finding("system", "cores", "ok", str(len(os.sched_getaffinity(0))))
    for package in PACKAGES:
        yield _package(package)
    for engine in dict.fromkeys([*settings.engines, *settings.fallbacks, *ENGINES]):
        yield _engine(engine, settings)
    yield from _providers(settings, offline=offline)
    yield _directory(data_dir(settings))
    yield _port(settings)
    for command in PLAYERS:
        program = command.split()[0]
        path = shutil.which(program)
        yield Finding("players", program, "ok" if path else "missing", path or "not installed")


def _package(name: str) -> Finding:
    try:
        return Finding("packages", name, "ok", version(name))
    except PackageNotFoundError:
        return Finding("packages", name, "failed", f"pip install {name}")


def _engine(name: str, settings: Settings) -> Finding:
    """Load it, as the server would."""
    wanted = name in in_use(settings)
    about = ENGINES[name].about if name in ENGINES else "an engine of your own"
    if name in settings.fallbacks:
        about = f"a chain: {settings.fallbacks[name]}"
    started = time.perf_counter()
    try:
        with status(f"loading {name}"):
            engine = open_engine(name, settings)
    except Exception as error:  # a doctor reports whatever an engine raises
        reason = error.message if isinstance(error, StreamerError) else repr(error)
        return Finding("engines", name, "failed" if wanted else "missing", reason)
    seconds = time.perf_counter() - started
    voices = ", ".join(voice.id for voice in engine.voices)
    asyncio.run(engine.aclose())
    return Finding(
        "engines",
        name,
        "ok",
        f"{about}; voices: {voices}; loaded in {seconds:.1f} s"
        + ("" if wanted else "; not in the settings"),
    )


def _verified(directory: str, settings: Settings) -> Iterator[Finding]:
    try:
        qwen3.require()
    except StreamerError as error:
        yield Finding("verify", directory, "failed", error.message)
        return
    from streamer.engines.qwen3.verify import verify  # torch is loaded only where it is asked for

    with status(f"verifying {directory}"):
        for check in verify(directory, settings):
            state: State = "missing" if check.ok is None else "ok" if check.ok else "failed"
            yield Finding("verify", check.name, state, check.detail)


def _providers(settings: Settings, *, offline: bool) -> list[Finding]:
    """How each is reached, and whether it is there. Its key is never shown."""
    if not settings.providers:
        return []
    clients = {name: client_of(name) for name in settings.providers}
    if offline:
        told = [Probed(True, "not asked")] * len(clients)
    else:
        with status("asking providers"):
            told = asyncio.run(_asked(settings, clients))
    used = in_use(settings)
    found = []
    for (name, provider), probed in zip(settings.providers.items(), told, strict=True):
        state: State = "ok" if probed.ok else "failed" if name in used else "missing"
        about = _about(provider, clients[name].traits, settings)
        idle = [] if name in used else ["in neither engines nor fallbacks"]
        found.append(Finding("providers", name, state, "; ".join([*about, *idle, probed.said])))
    return found


async def _asked(settings: Settings, clients: Mapping[str, HostedClient]) -> list[Probed]:
    fetcher = Fetcher(allow=settings.fetch_allow, ports=settings.fetch_ports)
    probes = (
        probe(name, client, settings.providers[name], fetcher) for name, client in clients.items()
    )
    try:
        return await asyncio.gather(*probes)
    finally:
        await fetcher.aclose()


def _about(provider: Provider, traits: Traits, settings: Settings) -> list[str]:
    """What the settings, or else the API's documents, say of it."""
    voices = [*provider.voices] or [*traits.voices]
    voice = provider.voice or next(iter(voices), "")
    price, usual = provider.price_per_1000, settings.price_per_1000
    return [
        (provider.url or traits.url).rstrip("/"),
        "key set" if provider.key else "no key",
        f"model {provider.model or traits.model}",
        f"voice {voice}" if voice else "no voice",
        f"{usual if price is None else price:g} for 1,000 characters",
    ]


def _directory(path: Path) -> Finding:
    """Nothing is made: the server makes it when it first needs it."""
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        return Finding("data", "data_dir", "failed", f"{path}: {there} can't be written to")
    if there != path:
        return Finding("data", "data_dir", "ok", f"{path} (made when first needed)")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding("data", "data_dir", "failed", f"{path} is open to others: chmod 700 {path}")
    return Finding("data", "data_dir", "ok", str(path))


def _port(settings: Settings) -> Finding:
    name = f"{settings.host}:{settings.port}"
    try:
        require_free(settings.host, settings.port)
    except StreamerError as error:
        health = _health(settings)
        if health.state == "ok":
            return Finding("network", name, "ok", "a server of ours is running there")
        return Finding("network", name, "failed", error.message)
    return Finding("network", name, "ok", "free")


def _health(settings: Settings) -> Finding:
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    secure = bool(settings.tls or settings.tls_cert)
    url = f"{'https' if secure else 'http'}://{host}:{settings.port}/healthz"
    # Its certificate is for the name that clients use; here only whether it answers is asked.
    context = ssl._create_unverified_context() if secure else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(url, timeout=4) as answer:
            return Finding("network", url, "ok", answer.read(200).decode("utf-8", "replace"))
    except OSError as error:
        return Finding("network", url, "failed", str(getattr(error, "reason", error)))


def _print(found: list[Finding]) -> None:
    rows = [
        (finding.topic, escape(finding.name), MARKS[finding.state], escape(finding.detail))
        for finding in found
    ]
    print_table(("", "", "", ""), rows)
