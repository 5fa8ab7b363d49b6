"""The suite's assertions explain themselves as those of a test module do; one loaded voice for all."""

import json
from importlib.resources import files

import pytest

pytest.register_assert_rewrite("tests.engines.conformance", "tests.engines.hosted_suite")


@pytest.fixture(scope="session")
def model_file() -> bytes:
    return (files("hibari") / "assets" / "hibari.onnx").read_bytes()


@pytest.fixture(scope="session")
def vocabulary() -> dict[str, int]:
    parsed: dict[str, int] = json.loads((files("hibari") / "assets" / "vocab.json").read_text())
    return parsed
