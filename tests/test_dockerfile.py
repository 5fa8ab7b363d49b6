"""The Dockerfile's targets, read: `.ci/image` builds `cpu`; `cuda` is gigabytes that no test fetches."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KNOWN = "FROM ARG RUN COPY ENV USER WORKDIR VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD"


@dataclass
class Stage:
    """`steps` are instructions with their arguments, as written; those of its parents are not among them."""

    name: str
    parent: str
    steps: list[tuple[str, str]] = field(default_factory=list)


def read() -> dict[str, Stage]:
    """Stages by name, in their order."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stages: dict[str, Stage] = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        instruction, _, rest = line.strip().partition(" ")
        assert instruction in KNOWN.split(), line
        if instruction == "FROM":
            parent, as_, name = rest.split()
            assert as_ == "AS"
            stages[name] = Stage(name, parent)
        elif stages:
            list(stages.values())[-1].steps.append((instruction, rest.strip()))
    return stages


STAGES = read()
TARGETS = ("cpu", "cuda")


def whole(name: str) -> list[tuple[str, str]]:
    """The steps of a stage, those of the stages it is built upon first."""
    stage = STAGES[name]
    return (whole(stage.parent) if stage.parent in STAGES else []) + stage.steps


def last(name: str, instruction: str) -> str:
    return [rest for step, rest in whole(name) if step == instruction][-1]


def test_what_is_built_when_nothing_is_named_is_cpu() -> None:
    assert list(STAGES)[-1] == "cpu"


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_runs_as_a_user_of_its_own_and_says_how_it_is(name: str) -> None:
    assert last(name, "USER") == "streamer"
    assert last(name, "HEALTHCHECK").endswith('CMD ["streamer", "doctor", "--running"]')
    assert last(name, "ENTRYPOINT") == '["streamer"]'
    assert last(name, "CMD") == '["serve", "--first-key"]'
    assert last(name, "STOPSIGNAL") == "SIGTERM"


def test_stages_take_from_those_before_them() -> None:
    seen: list[str] = []
    for name, stage in STAGES.items():
        assert stage.parent in (*seen, "${BASE}")
        for step, rest in stage.steps:
            for source in re.findall(r"--from=(\S+)", rest) if step == "COPY" else []:
                assert source in seen
        seen.append(name)


def test_what_is_copied_in_is_there_and_not_ignored() -> None:
    allowed = (ROOT / ".dockerignore").read_text("utf-8")
    for stage in STAGES.values():
        for step, rest in stage.steps:
            if step == "COPY" and "--from=" not in rest:
                for source in shlex.split(rest)[:-1]:
                    assert (ROOT / source).exists()
                    assert f"!{source.split('/')[0]}\n" in allowed


def test_all_that_comes_over_the_network_is_pinned_by_hash_or_debians() -> None:
    for stage in STAGES.values():
        for step, rest in stage.steps:
            if step != "RUN":
                continue
            for command in rest.split("&&"):
                if "pip" in command and "install" in command:
                    assert "--require-hashes" in command or "--no-index" in command
                assert "curl" not in command
                assert "wget" not in command


def test_torch_stays_in_its_layer_while_streamer_changes() -> None:
    sources = [rest for step, rest in STAGES["cuda"].steps if step == "COPY"]
    assert sources[0].startswith("--from=build-cuda ")
    assert not [
        rest
        for step, rest in STAGES["build-cuda"].steps
        if step == "COPY" and "requirements/cuda.txt" not in rest
    ]


def test_a_gpu_is_asked_for_and_what_triton_compiles_with_is_there() -> None:
    settings = [rest for step, rest in STAGES["cuda"].steps if step == "ENV"]
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in settings[0]
    assert any("gcc" in rest for step, rest in STAGES["cuda"].steps if step == "RUN")
