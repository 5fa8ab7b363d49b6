"""What a frame must cost at least, against counts made by hand and by building the modules."""

from __future__ import annotations

import pytest

from bench._qwen3_roofline import Ceilings, Work, codec, position_bytes, predictor, step, talker
from streamer.engines.qwen3.codec_config import DecoderConfig
from streamer.engines.qwen3.config import ModelConfig, read_model
from streamer.engines.qwen3.random_config import SIZES, raw_model

SMALL, LARGE = (read_model(raw_model("custom_voice", SIZES[size])) for size in ("0.6B", "1.7B"))
DECODER = DecoderConfig()
H200 = Ceilings(4.3e12, 790e12)
MB, GFLOP = 1e6, 1e9


@pytest.mark.parametrize(
    ("config", "layers", "head"),
    [(SMALL, 440_466_432, 3_145_728), (LARGE, 1_409_408_000, 6_291_456)],
    ids=["0.6B", "1.7B"],
)
def test_the_talker_reads_its_layers_and_its_head_once(
    config: ModelConfig, layers: int, head: int
) -> None:
    no_past = talker(config, 1, 0)
    own_position = 2 * position_bytes(config.talker.stack)
    assert no_past.bytes == 2 * (layers + head) + own_position
    assert no_past.flop == pytest.approx(2 * (layers + head), rel=1e-3)


@pytest.mark.parametrize("config", [SMALL, LARGE], ids=["0.6B", "1.7B"])
def test_a_position_takes_as_much_in_both_sizes(config: ModelConfig) -> None:
    assert position_bytes(config.talker.stack) == 114_688


@pytest.mark.parametrize(
    ("config", "project"), [(SMALL, 0), (LARGE, 2_098_176)], ids=["0.6B", "1.7B"]
)
def test_the_predictor_reads_its_layers_fifteen_times(config: ModelConfig, project: int) -> None:
    work = predictor(config, 1)
    keys = 20_480 * sum(range(2, 17))
    assert work.bytes == 2 * (15 * 78_654_720 + 31_457_280 + project) + keys
    assert work.bytes / MB == pytest.approx(2423 + 2.8 + 2 * project / MB, rel=1e-3)


def test_layers_that_fit_into_the_cache_are_read_once() -> None:
    assert predictor(SMALL, 1, cache=200_000_000).bytes / MB == pytest.approx(223, rel=0.01)


def test_a_frame_has_as_many_operations_as_the_modules_were_counted_to_do() -> None:
    for config, gflop in ((SMALL, 3.47), (LARGE, 5.41)):
        work = talker(config, 1, 0) + predictor(config, 1)
        assert work.flop / GFLOP == pytest.approx(gflop, rel=0.005)
    assert codec(DECODER, 1, 1).flop / GFLOP == pytest.approx(4.96, rel=0.02)


def test_the_codec_reads_its_weights_once_a_call() -> None:
    one, four = codec(DECODER, 1, 1), codec(DECODER, 1, 4)
    assert four.flop == 4 * one.flop
    each = (four.bytes - one.bytes) / 3
    assert (one.bytes - each) / MB == pytest.approx(2 * 105.4, rel=0.05)
    assert 10 < each / MB < 23.3, "23.3 where each snake is a kernel of its own"


@pytest.mark.parametrize(
    ("rows", "ms"), [(1, 0.80), (8, 0.89), (16, 1.01), (32, 1.23), (64, 1.68), (128, 2.58)]
)
def test_the_floor_on_an_h200_is_what_was_worked_out_for_calls_of_four(
    rows: int, ms: float
) -> None:
    floor = step(SMALL, DECODER, rows, 300, 4).floor_ms(H200)
    assert floor == pytest.approx(ms, rel=0.15)
    assert floor <= ms * 1.02


def test_the_larger_of_two_times_is_the_floor() -> None:
    ceilings = Ceilings(bytes_per_s=1000.0, flop_per_s=2000.0)
    assert Work(10.0, 2.0).floor_ms(ceilings) == 10.0
    assert Work(1.0, 200.0).floor_ms(ceilings) == 100.0
    assert (Work(1, 2) + Work(3, 4)) / 2 == Work(2, 3)
