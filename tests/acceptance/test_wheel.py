"""What is installed from a wheel, from the sdist on: it serves its page and the browser's client."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.server_process import ROOT, ServerProcess, running_server

SOURCES = ROOT / "clients" / "js" / "src"
IMPORTED = re.compile(
    r"""(?:\bfrom\s*|\bimport\s*\(?\s*|new URL\(\s*)["'](\.{1,2}/[^"']+)["']""",
)
"""Relative names in a module: static and dynamic imports, and files it finds beside itself."""
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
"""Types are imported there."""


def build(kind: str, source: Path, to: Path) -> Path:
    """What hatchling makes of a source tree, without a network and without an environment of its own."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(to)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=60)
    (made,) = to.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpacked."""
    directory = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, directory / "packed")) as archive:
        archive.extractall(directory, filter="data")
    (unpacked,) = directory.glob("streamer-*")
    return unpacked


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a virtual environment with the wheel alone; what it depends on is lent by ours."""
    directory = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", directory], check=True, timeout=60
    )
    python = directory / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", wheel],
        check=True,
        timeout=60,
    )
    (packages,) = directory.glob("lib/python*/site-packages")
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "lent.pth").write_text("\n".join(lent))
    return python


@pytest.fixture(scope="module")
def server(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`streamer serve` as installed, begun where nothing of ours is."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    program = [str(python.with_name("streamer"))]
    before = ["env", f"--chdir={elsewhere}"]
    with running_server("tone", python=str(python), program=program, before=before) as server:
        yield server


def test_the_sdist_has_what_the_wheel_is_made_of(sdist: Path) -> None:
    for name in ("pyproject.toml", "LICENSE", "clients/js/package.json", "clients/js/index.d.ts"):
        assert (sdist / name).read_bytes() == (ROOT / name).read_bytes()
    assert not list(sdist.rglob("node_modules"))
    assert not list(sdist.rglob("__pycache__"))


def test_the_wheel_has_the_client_once_and_as_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        packed = {name: archive.read(name) for name in names if name.endswith(".js")}
        for source in SOURCES.glob("*.js"):
            same = [name for name, data in packed.items() if data == source.read_bytes()]
            assert same == [f"streamer/server/static/client/{source.name}"]
        assert all(name.startswith(("streamer/", "streamer-")) for name in names)


def test_the_installed_server_is_not_ours(python: Path, tmp_path: Path) -> None:
    command = [str(python), "-c", "import streamer; print(streamer.__file__)"]
    told = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert Path(told.stdout).is_relative_to(python.parents[1])


def test_an_installed_server_serves_its_page(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url, timeout=30) as http:
        page = http.get("/")
        assert page.headers["content-type"].startswith("text/html")
        parts = re.findall(r'(?:src|href)="([^"#:]+\.(?:js|css))"', page.text)
        assert parts
        for part in parts:
            assert http.get(urljoin("/", part)).status_code == 200
        scripts = [urljoin("/", part) for part in parts if part.endswith(".js")]
        assert reachable(http, scripts) >= {*scripts}


def test_an_installed_server_serves_the_client_and_all_that_it_imports(
    server: ServerProcess,
) -> None:
    with httpx.Client(base_url=server.url, timeout=30) as http:
        sources = {f"/client/{path.name}" for path in SOURCES.glob("*.js")}
        assert reachable(http, ["/client/streamer.js"]) <= sources
        assert reachable(http, [*sources]) == sources


def reachable(http: httpx.Client, entries: list[str]) -> set[str]:
    """All modules that these import, and what those do. Each is there, and is a script."""
    found: set[str] = set()
    waiting = [*entries]
    while waiting:
        address = waiting.pop()
        if address in found:
            continue
        found.add(address)
        answer = http.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        code = COMMENT.sub("", answer.text)
        waiting += [urljoin(address, name) for name in IMPORTED.findall(code)]
    return found
