from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from streamer.engines.hibari_graph import MissingTensor, extract_stage

Array = npt.NDArray[Any]


def run(model: bytes, feed: dict[str, Array]) -> list[Array]:
    found: list[Array] = onnxruntime.InferenceSession(model).run(None, feed)
    return found


def test_stages_in_a_row_say_what_the_whole_model_says(model_file: bytes) -> None:
    ids = np.array([[0, 50, 83, 54, 156, 31, 4, 0]], np.int64)
    *_, f0 = run(model_file, {"ids": ids, "speed": np.ones(1, np.float32)})
    first = extract_stage(model_file, {"ids": ()}, ["/Sub_output_0", "/Transpose_55_output_0"])
    raw, text = run(first, {"ids": ids})
    durations = np.maximum(np.rint(raw.reshape(-1)), 1).astype(int)
    second = extract_stage(model_file, {"/Gather_33_output_0": (1, 192, "frames")}, ["f0"])
    (staged,) = run(second, {"/Gather_33_output_0": np.repeat(text, durations, axis=2)})
    assert staged.shape == f0.shape
    # The stages round to 8 bits at other places than the whole.
    assert np.abs(staged - f0).max() < 3


def test_stage_is_smaller_than_the_model(model_file: bytes) -> None:
    stage = extract_stage(model_file, {"ids": ()}, ["/Sub_output_0"])
    assert len(stage) < len(model_file) / 2


def test_unknown_tensor_is_named(model_file: bytes) -> None:
    with pytest.raises(MissingTensor, match="/no/such"):
        extract_stage(model_file, {"ids": ()}, ["/no/such"])
    with pytest.raises(MissingTensor, match="/no/such"):
        extract_stage(model_file, {"/no/such": (1,)}, ["f0"])


def test_input_that_is_needed_and_not_given_is_named(model_file: bytes) -> None:
    with pytest.raises(MissingTensor, match="speed"):
        extract_stage(model_file, {"ids": ()}, ["f0"])
