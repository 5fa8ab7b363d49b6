"""Is what was measured right? A fast wrong kernel must not win, so every run asks, on its own device.

The kernels of the run are held to plain torch in a wider type over the same (rounded) weights, with given
codes, since what two types say parts after a few frames by itself. How the run launches its kernels is held
to launching them one by one (`_qwen3_engine`), which must give the very same codes.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

from bench._qwen3_device import cosine, snr_db
from bench._qwen3_steps import SEED
from bench._qwen3_world import World, make_codec, make_model
from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.eager import Eager
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.talker import KvArena

ROWS = (1, 2, 8)
"""Few rows have kernels of their own."""
FRAMES = 6
VOICES, HEARD = 3, 24
"""Streams and frames of sound compared."""
LEAST_COSINE = 0.99
LEAST_SNR_DB = 20.0
SAME = 1e-6
"""Two results that differ by less are equally near."""


def checks(world: World, wide: torch.dtype) -> list[dict[str, Any]]:
    """Rows of `check`, `found`, `met`. `wide`: the type of the reference."""
    return [*logits(world, wide), sound(world)]


@torch.inference_mode()
def logits(world: World, wide: torch.dtype) -> list[dict[str, Any]]:
    """Cosine of talker's and predictor's logits with the reference's: at least `LEAST_COSINE`, and no further
    from 1 than twice what plain torch in the run's type is."""
    exact = make_model(world.config, world.device, wide, Eager(), max(ROWS), rounded=world.dtype)
    plain = make_model(world.config, world.device, world.dtype, Eager(), max(ROWS))
    rows = []
    for count, name in product(
        [count for count in ROWS if count <= world.model.rows], ("talker", "predictor")
    ):
        wanted, usual, found = (
            _forced(world, model, count)[name] for model in (exact, plain, world.model)
        )
        near, far = cosine(found, wanted), cosine(usual, wanted)
        rows.append(
            {
                "check": f"logits of the {name}, {count} rows: cosine with {_name(wide)}",
                "found": round(near, 6),
                "plain_torch": round(far, 6),
                "met": near >= LEAST_COSINE and 1 - near <= 2 * (1 - far) + SAME,
            }
        )
    return rows


@torch.inference_mode()
def sound(world: World) -> dict[str, Any]:
    """SNR of the codec against plain torch in float32, decoded in uneven calls."""
    exact = make_codec(world.decoder, world.device, torch.float32, Eager())
    plain = make_codec(world.decoder, world.device, world.codec.dtype, Eager())
    wanted = _heard(exact)
    near, far = (snr_db(_heard(codec), wanted) for codec in (world.codec, plain))
    return {
        "check": f"sound in {_name(world.codec.dtype)}: SNR in dB with float32",
        "found": round(near, 1),
        "plain_torch": round(far, 1),
        "met": near >= min(LEAST_SNR_DB, far) and near >= min(far - 3, 100.0),
    }


def _forced(world: World, model: Model, rows: int) -> dict[str, Tensor]:
    """Logits of every frame, with codes that are given: "talker" and "predictor", float32."""
    where, talker = model.device, world.config.talker
    generator = torch.Generator().manual_seed(SEED)
    shape = (FRAMES, rows, talker.groups)
    codes = torch.randint(0, world.config.predictor.codes, shape, generator=generator).to(where)
    cache = KvArena.empty(world.config, rows, FRAMES, where, model.dtype)
    slots = torch.arange(rows, device=where)
    firsts: list[Tensor] = []
    others: list[Tensor] = []
    for frame in range(FRAMES):
        x = model.predictor.embed(codes[frame]) + model.pad_row
        h = model.talker.step(x, cache, slots, torch.full_like(slots, frame), frame + 1)
        firsts.append(model.talker.logits(h))

        def forced(given: Tensor, group: int, said: Tensor = codes[frame]) -> Tensor:
            others.append(given.clone())
            return said[:, group]

        model.predictor.frame(h, codes[frame, :, 0], forced)
    return {"talker": torch.stack(firsts), "predictor": torch.stack(others)}


def _heard(codec: Codec) -> Tensor:
    generator = torch.Generator().manual_seed(SEED)
    shape = (VOICES, codec.config.books, HEARD)
    codes = torch.randint(0, codec.config.entries, shape, generator=generator).to(codec.device)
    state, slots = codec.state(VOICES), torch.arange(VOICES, device=codec.device)
    parts, begin = [], 0
    for frames in (1, 2, 4, 8, HEARD - 15):
        parts.append(codec.decode(codes[:, :, begin : begin + frames], state, slots))
        begin += frames
    return torch.cat(parts, 1)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
