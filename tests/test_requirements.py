"""The pinned requirements belong to pyproject.toml and to no machine."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("serve", "build", "dev", "cuda")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def normal(name: str) -> str:
    """A package's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return normal(found[0])


def pinned(lock: str) -> dict[str, set[str]]:
    """Versions by package: several where Pythons need different ones."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE):
        pins.setdefault(normal(name), set()).add(version)
    return pins


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash_and_no_line_names_a_machine(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")
    joined = text.replace("\\\n", " ").splitlines()
    for line in joined:
        assert re.fullmatch(
            r"[a-z0-9._-]+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", line
        ), f"{lock}.txt: {line[:100]}"


def test_locks_hold_what_the_project_asks_for() -> None:
    groups = PROJECT["dependency-groups"]
    asked = {
        "serve": PROJECT["project"]["dependencies"],
        "build": groups["build"],
        "dev": PROJECT["project"]["dependencies"]
        + groups["test"]
        + groups["check"]
        + groups["build"],
    }
    for lock, requirements in asked.items():
        missing = {named(item) for item in requirements} - set(pinned(lock))
        assert not missing, f"{lock}.txt: make lock"


def test_a_server_runs_with_the_versions_that_were_tested() -> None:
    tested = pinned("dev")
    for lock in ("serve", "build"):
        for name, versions in pinned(lock).items():
            assert tested[name] == versions


def test_the_image_for_gpus_has_the_tested_torch_and_the_servers_packages_besides() -> None:
    has, serves = pinned("cuda"), pinned("serve")
    text = (ROOT / "requirements" / "torch.txt").read_text("utf-8")
    assert re.findall(r"^torch==([0-9.]+)", text, re.MULTILINE)[0] in has["torch"]
    asked = {named(item) for item in PROJECT["project"]["dependencies"]}
    assert asked <= set(has)
    assert {name for name, of in has.items() if not of <= serves.get(name, of)} == set()
    extra = {named(item) for item in PROJECT["project"]["optional-dependencies"]["qwen3"]}
    assert extra | {"triton"} <= set(has)


def test_nothing_else_brings_torch_or_cuda_along() -> None:
    assert not [name for name in pinned("dev") if name == "torch" or name.startswith("nvidia-")]
    assert not {"safetensors", "tokenizers", "triton"} & set(pinned("build"))
    assert not {"tokenizers", "triton"} & set(pinned("serve"))


def test_the_extra_for_qwen3_is_what_is_tested() -> None:
    extra = {named(item) for item in PROJECT["project"]["optional-dependencies"]["qwen3"]}
    assert extra - set(pinned("dev")) == {"torch"}


def test_torch_is_a_build_for_processors_and_what_it_asks_for_is_pinned() -> None:
    lines = (ROOT / "requirements" / "torch.txt").read_text("utf-8").splitlines()
    builds = [line for line in lines if not line.startswith("#")]
    assert [named(line) for line in builds] == ["torch", "torch"]
    assert re.fullmatch(r"torch==[0-9.]+\+cpu ; sys_platform != 'darwin'", builds[0])
    asked = {
        named(item)
        for item in requires("torch") or ()
        if "extra ==" not in item and named(item) != "setuptools"  # to compile, which we don't
    }
    assert asked <= set(pinned("dev"))
