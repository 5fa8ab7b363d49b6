import numpy as np
import pytest

from streamer.engines.hibari_model import Model, Plan, StagedModel, WholeModel, at_speed, open_model

HELLO = [0, 50, 83, 54, 156, 31, 16, 65, 156, 87, 123, 54, 46, 4, 0]


@pytest.fixture(scope="module")
def staged(model_file: bytes) -> Model:
    return open_model(model_file)


@pytest.fixture(scope="module")
def plan(staged: Model) -> Plan:
    return staged.plan(HELLO, 1.0)


def test_model_whose_tensors_are_known_is_run_in_stages(staged: Model) -> None:
    assert isinstance(staged, StagedModel)
    assert staged.timed


def test_plan_has_an_edge_for_each_phoneme_up_to_the_last_hop(plan: Plan) -> None:
    assert plan.edges is not None
    assert len(plan.edges) == len(HELLO) + 1
    assert plan.edges[0] == 0
    assert plan.edges[-1] == plan.hops == plan.state.shape[1]
    assert (np.diff(plan.edges) > 0).all()
    assert plan.f0.max() > 100


def test_durations_are_those_of_the_whole_model(model_file: bytes, plan: Plan) -> None:
    assert WholeModel(model_file).plan(HELLO, 1.0).hops == plan.hops


def test_stretch_is_decoded_as_it_is_within_the_whole(staged: Model, plan: Plan) -> None:
    whole = staged.decode(plan, 0, plan.hops)
    assert whole.shape == (plan.hops, 5 * 601)
    middle = plan.hops // 2
    for first, last in ((0, 20), (middle, middle + 25), (plan.hops - 20, plan.hops)):
        stretch = staged.decode(plan, first, last)
        # Within what rounding to 8 bits changes: of a spectrum in logarithms, from -20 to 7.
        assert np.sqrt(np.mean((stretch - whole[first:last]) ** 2)) < 0.1


def test_whole_model_says_nearly_the_same(model_file: bytes, staged: Model, plan: Plan) -> None:
    whole = WholeModel(model_file)
    other = whole.plan(HELLO, 1.0)
    assert other.edges is None
    difference = whole.decode(other, 10, 50) - staged.decode(plan, 10, 50)
    assert np.sqrt(np.mean(difference**2)) < 0.1


@pytest.mark.parametrize(
    "name",
    [b"/Sub_output_0", b"/Gather_33_output_0", b"/Concat_43_output_0", b"/head/Add_output_0"],
)
def test_model_without_a_known_tensor_is_run_as_a_whole(model_file: bytes, name: bytes) -> None:
    renamed = model_file.replace(name, b"x" * len(name))
    model = open_model(renamed)
    assert not model.timed
    assert model.plan(HELLO, 1.0).hops > 50


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_all_is_scaled_by_the_speed(staged: Model, plan: Plan, speed: float) -> None:
    scaled = staged.plan(HELLO, speed)
    assert scaled.edges is not None
    assert plan.edges is not None
    assert scaled.hops == scaled.edges[-1] == scaled.state.shape[1]
    length, usual = np.diff(scaled.audible)[0], np.diff(plan.audible)[0]
    assert length * speed == pytest.approx(usual, abs=8)
    middle = len(HELLO) // 2
    assert scaled.edges[middle] * speed == pytest.approx(plan.edges[middle], rel=0.12)


def test_every_phoneme_keeps_a_hop_at_any_speed() -> None:
    edges = np.arange(0, 42, 2)
    curves = np.ones((3, 40), np.float32)
    faster, scaled = at_speed(edges, curves, 2.0)
    assert (np.diff(faster) >= 1).all()
    assert scaled.shape == (3, faster[-1])


def test_pitch_does_not_glide_into_silence() -> None:
    curves = np.ones((3, 40), np.float32)
    curves[0, :20], curves[0, 20:] = 200, 0
    _, scaled = at_speed(np.array([0, 20, 40]), curves, 0.7)
    assert set(np.round(scaled[0])) == {0, 200}
