"""Who may import whom: docs/design.md, section 3, read off the syntax trees."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "streamer").rglob("*.py"))

LAYERS: dict[str, int] = {
    "types": 0,
    "errors": 0,
    "config": 0,
    "providers": 0,
    "resources": 0,
    "text": 1,
    "audio": 1,
    "timeline": 1,
    "prices": 1,
    "protocols": 1,
    "engines": 2,
    "fetch": 2,
    "guard": 2,
    "guarded": 2,
    "clock": 2,
    "database": 2,
    "blobs": 2,
    "tasks": 2,
    "usage": 3,
    "voices": 3,
    "wishes": 3,
    "lines": 3,
    "script": 3,
    "listeners": 3,
    "feeding": 3,
    "wording": 3,
    "replay": 3,
    "packets": 3,
    "sound": 3,
    "synthesis": 3,
    "pausing": 3,
    "pace": 3,
    "account": 3,
    "playing": 3,
    "session": 3,
    "sessions": 3,
    "captions": 3,
    "jobs": 3,
    "files": 3,
    "webhooks": 3,
    "client": 3,
    "server": 4,
    "cli": 5,
    "__main__": 5,
    "__init__": 5,
}
"""First part of a module's name to its layer. A module imports from its own layer or one below."""

NEVER: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("audio", "text", ()),
    ("text", "audio", ()),
    ("session", "protocols", ()),
    ("wishes", "protocols", ()),
    ("lines", "protocols", ()),
    ("script", "protocols", ()),
    ("playing", "protocols", ()),
    ("packets", "protocols", ()),
    ("sound", "protocols", ()),
    ("voices", "protocols", ()),
    ("engines", "text", ("text.alignment",)),
    ("engines", "protocols", ()),
)
"""(importer, imported, all the same allowed), also where the layers alone would allow it."""
HOSTED = ("engines.hosted", "engines.hosted_ws")
"""Engines behind a wire: they may speak a protocol, in the client's role."""

THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "numpy": ("",),
    "msgspec": ("",),
    "av": ("audio", "guarded"),
    "soundfile": ("audio",),
    "onnxruntime": ("engines",),
    "hibari": ("engines",),
    "scipy": ("engines", "audio"),
    "torch": ("engines.qwen3",),
    "safetensors": ("engines.qwen3", "voices"),
    "tokenizers": ("engines.qwen3",),
    "triton": ("engines.qwen3",),
    "huggingface_hub": ("engines.qwen3",),
    "httpx": ("fetch", "client"),
    "httpcore": ("fetch",),
    "websockets": ("client", "engines.hosted_ws"),
    "starlette": ("server",),
    "uvicorn": ("server",),
    "uvloop": ("server",),
    "prometheus_client": ("server",),
    "cryptography": ("server",),
    "typer": ("cli",),
    "rich": ("cli",),
    "webvtt": ("text",),
}
"""Where a package lives. One that is not here has no place yet: give it one."""

IMPURE = frozenset(
    "asyncio concurrent datetime ftplib glob http io.open logging mmap multiprocessing os pathlib "
    "queue random secrets select selectors shutil signal socket socketserver sqlite3 ssl subprocess "
    "sys tempfile threading time urllib".split()
)
IMPURE_CALLS = frozenset({"open", "print", "input", "breakpoint"})


def violations(source: str, module: str) -> list[str]:
    """What a module (its name without `streamer.`) does that its place does not allow."""
    tree = ast.parse(source)
    found = [problem for name in imported(tree) for problem in _import(module, name)]
    if _layer(module) == 1:
        found += [
            f"{module} is pure, but calls {node.func.id}()"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in IMPURE_CALLS
        ]
    return found + [f"{module} looks into an error's message" for _ in _message_tests(tree)]


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of imported modules, wherever in the file; `from a import b` counts as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _import(module: str, name: str) -> Iterator[str]:
    package, _, inside = name.partition(".")
    if package == "streamer":
        yield from _internal(module, inside or "__init__")
    elif package in sys.stdlib_module_names or package == "__future__":
        if _layer(module) == 1 and (package in IMPURE or name in IMPURE):
            yield f"{module} is pure, but imports {package}"
    elif not any(_within(module, place) for place in THIRD_PARTY.get(package, ())):
        yield f"{module} imports {package}, which belongs in {THIRD_PARTY.get(package, 'no module')}"


def _internal(module: str, target: str) -> Iterator[str]:
    if target.partition(".")[0] not in LAYERS or target == "__init__":
        target = "client" if target == "connect" else "types"  # a public name, or the version
    if _layer(target) > _layer(module):
        yield f"{module} (layer {_layer(module)}) imports {target} (layer {_layer(target)})"
    for importer, forbidden, exceptions in NEVER:
        if not (_within(module, importer) and _within(target, forbidden)):
            continue
        hosted = forbidden == "protocols" and any(_within(module, name) for name in HOSTED)
        if not hosted and not any(_within(target, name) for name in exceptions):
            yield f"{module} imports {target}"


def _message_tests(tree: ast.AST) -> Iterator[ast.Compare]:
    """`"..." in str(error)` and the like, inside an except clause."""
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        for node in ast.walk(handler):
            if isinstance(node, ast.Compare) and any(
                isinstance(part, ast.Call)
                and isinstance(part.func, ast.Name)
                and part.func.id == "str"
                and isinstance(part.args[0], ast.Name)
                and part.args[0].id == handler.name
                for part in (node.left, *node.comparators)
            ):
                yield node


def _layer(module: str) -> int:
    return LAYERS[module.partition(".")[0]]


def _within(module: str, place: str) -> bool:
    return place == "" or module == place or module.startswith(place + ".")


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT / "streamer").with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_module_keeps_to_its_layer(path: Path) -> None:
    assert violations(path.read_text("utf-8"), _name(path)) == []


def test_every_module_has_a_layer() -> None:
    assert {_name(path).partition(".")[0] for path in SOURCES} <= set(LAYERS)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("text.segmenter", "import asyncio"),
        ("text.segmenter", "from time import monotonic"),
        ("text.segmenter", "from streamer.audio import dsp"),
        ("audio.encoder", "def load(path):\n    return open(path)"),
        ("audio.encoder", "from pathlib import Path"),
        ("audio.dsp", "from streamer.text.alignment import SpannedText"),
        ("timeline", "from streamer import session"),
        ("protocols.native", "import websockets"),
        ("protocols.native", "from streamer.engines.base import Engine"),
        ("engines.hibari", "from streamer.session import Session"),
        ("engines.hibari", "from streamer.text.segmenter import Segmenter"),
        ("engines.hibari", "from streamer.protocols.native import Client"),
        ("engines.hibari", "import torch"),
        ("session", "from streamer.protocols import native"),
        ("session", "if True:\n    from streamer.server import app"),
        ("voices", "import httpx"),
        ("engines.tone", "from streamer import connect"),
        ("client", "import starlette.websockets"),
        ("types", "from streamer.timeline import Timeline"),
        ("server.http", "import requests"),
        ("voices", "try: pass\nexcept ValueError as e:\n  if 'speed' in str(e): raise"),
    ],
)
def test_checker_finds(module: str, source: str) -> None:
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("text.segmenter", "import re\nfrom streamer.types import Reason"),
        ("audio.encoder", "import av\nimport io\nimport numpy as np"),
        ("engines.hibari", "from streamer.text.alignment import SpannedText\nimport asyncio"),
        ("engines.hosted_ws", "from streamer.protocols.native import Client\nimport websockets"),
        ("engines.hosted.request", "from streamer.protocols.hosted import Call, HostedClient"),
        ("engines.qwen3.runner", "import torch"),
        ("session", "from streamer.audio.encoder import open_encoder\nimport time"),
        ("client", "from streamer.protocols import native"),
        ("server.app", "from starlette.applications import Starlette\nimport streamer"),
        ("cli.say", "from streamer.server.run import serve\nimport typer"),
    ],
)
def test_checker_allows(module: str, source: str) -> None:
    assert violations(source, module) == []


def test_a_server_without_its_voice_never_loads_torch() -> None:
    script = (
        "import streamer.cli, streamer.engines.base, streamer.server.run, sys;"
        "print(*{'torch', 'tokenizers', 'triton', 'huggingface_hub'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr
