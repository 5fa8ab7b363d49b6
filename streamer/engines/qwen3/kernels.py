"""Triton kernels of talker and predictor, a program for each row (and head). They round where `eager.Eager`
rounds, so that what differs is the order of sums. `fused.Fused` calls them.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
# The compiler reads annotations, and knows none but its own.

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def rms_norm(x, weight, out, eps, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < WIDTH
    values = tl.load(x + row * WIDTH + at, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(values * values, 0) / WIDTH + eps)
    normed = (values * scale).to(out.dtype.element_ty).to(tl.float32)
    factor = tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * WIDTH + at, normed * factor, mask=inside)


@triton.jit
def add_rms_norm(x, residual, weight, out, total, eps, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < WIDTH
    wide = tl.load(x + row * WIDTH + at, mask=inside, other=0.0).to(tl.float32)
    wide += tl.load(residual + row * WIDTH + at, mask=inside, other=0.0).to(tl.float32)
    rounded = wide.to(total.dtype.element_ty)
    tl.store(total + row * WIDTH + at, rounded, mask=inside)
    values = rounded.to(tl.float32)
    scale = tl.rsqrt(tl.sum(values * values, 0) / WIDTH + eps)
    normed = (values * scale).to(out.dtype.element_ty).to(tl.float32)
    factor = tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * WIDTH + at, normed * factor, mask=inside)


@triton.jit
def swiglu(gate_up, out, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < WIDTH
    gate = tl.load(gate_up + row * 2 * WIDTH + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * WIDTH + WIDTH + at, mask=inside, other=0.0).to(tl.float32)
    gate = (gate * tl.sigmoid(gate)).to(out.dtype.element_ty).to(tl.float32)
    tl.store(out + row * WIDTH + at, gate * up, mask=inside)


@triton.jit
def rotate_and_store(
    qkv,
    q_norm,
    k_norm,
    cos,
    sin,
    slots,
    positions,
    q,
    k_cache,
    v_cache,
    eps,
    HEADS: tl.constexpr,
    KV: tl.constexpr,
    CAPACITY: tl.constexpr,
    HALF: tl.constexpr,
):
    """A program: one head of one row, first those of queries, then of keys, then of values. Within a slot the
    caches are dense."""
    row = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    width: tl.constexpr = 2 * HALF
    at = tl.arange(0, HALF)
    source = qkv + (row * (HEADS + 2 * KV) + head) * width
    a = tl.load(source + at)
    b = tl.load(source + HALF + at)
    slot = tl.load(slots + row)
    position = tl.load(positions + row)
    if head >= HEADS + KV:
        place = ((slot * KV + head - HEADS - KV) * CAPACITY + position) * width
        tl.store(v_cache + place + at, a)
        tl.store(v_cache + place + HALF + at, b)
    else:
        wide_a = a.to(tl.float32)
        wide_b = b.to(tl.float32)
        total = tl.sum(wide_a * wide_a, 0) + tl.sum(wide_b * wide_b, 0)
        scale = tl.rsqrt(total / width + eps)
        if head < HEADS:
            factor_a = tl.load(q_norm + at).to(tl.float32)
            factor_b = tl.load(q_norm + HALF + at).to(tl.float32)
        else:
            factor_a = tl.load(k_norm + at).to(tl.float32)
            factor_b = tl.load(k_norm + HALF + at).to(tl.float32)
        kind = q.dtype.element_ty
        normed_a = ((wide_a * scale).to(kind).to(tl.float32) * factor_a).to(kind).to(tl.float32)
        normed_b = ((wide_b * scale).to(kind).to(tl.float32) * factor_b).to(kind).to(tl.float32)
        c = tl.load(cos + position * HALF + at)
        s = tl.load(sin + position * HALF + at)
        turned_a = normed_a * c - normed_b * s
        turned_b = normed_b * c + normed_a * s
        if head < HEADS:
            target = q + (row * HEADS + head) * width
            tl.store(target + at, turned_a)
            tl.store(target + HALF + at, turned_b)
        else:
            place = ((slot * KV + head - HEADS) * CAPACITY + position) * width
            tl.store(k_cache + place + at, turned_a)
            tl.store(k_cache + place + HALF + at, turned_b)


@triton.jit
def attend(
    q,
    k_cache,
    v_cache,
    slots,
    positions,
    out,
    sums,
    highest,
    scale,
    KV: tl.constexpr,
    GROUP: tl.constexpr,
    CAPACITY: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    SPLITS: tl.constexpr,
):
    """A program: the queries of one row that share a key head, over every SPLITS-th block of its keys. With
    one split `out` [B, heads, D] is what is wanted; else it is [B, heads, SPLITS, D] float32, not yet
    divided, with the sums and the highest scores beside it for `combine`."""
    row = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    split = tl.program_id(2)
    slot = tl.load(slots + row)
    length = tl.load(positions + row).to(tl.int32) + 1
    # 16 rows are the least that the matrix units take; the ones past GROUP are empty.
    member = tl.arange(0, 16)
    real = member < GROUP
    at = tl.arange(0, D)
    heads = (row * KV + head) * GROUP + member
    query = tl.load(q + heads[:, None] * D + at[None, :], mask=real[:, None], other=0.0)
    base = (slot * KV + head) * CAPACITY * D
    high = tl.full([16], float("-inf"), tl.float32)
    total = tl.zeros([16], tl.float32)
    mixed = tl.zeros([16, D], tl.float32)
    for start in range(split * BLOCK, length, SPLITS * BLOCK):
        number = start + tl.arange(0, BLOCK)
        seen = number < length
        where = base + number[:, None] * D + at[None, :]
        keys = tl.load(k_cache + where, mask=seen[:, None], other=0.0)
        scores = tl.dot(query, tl.trans(keys), input_precision="ieee") * scale
        scores = tl.where(seen[None, :], scores, float("-inf"))
        higher = tl.maximum(high, tl.max(scores, 1))
        fade = tl.exp(high - higher)
        weight = tl.exp(scores - higher[:, None])
        total = total * fade + tl.sum(weight, 1)
        values = tl.load(v_cache + where, mask=seen[:, None], other=0.0)
        added = tl.dot(weight.to(values.dtype), values, input_precision="ieee")
        mixed = mixed * fade[:, None] + added
        high = higher
    if SPLITS == 1:
        mixed = mixed / total[:, None]
        tl.store(out + heads[:, None] * D + at[None, :], mixed, mask=real[:, None])
    else:
        part = heads * SPLITS + split
        tl.store(out + part[:, None] * D + at[None, :], mixed, mask=real[:, None])
        tl.store(sums + part, total, mask=real)
        tl.store(highest + part, high, mask=real)


@triton.jit
def combine(parts, sums, highest, out, D: tl.constexpr, SPLITS: tl.constexpr):
    """A program: one head of one row. The first split always has keys, the others may have none."""
    head = tl.program_id(0).to(tl.int64)
    split = tl.arange(0, SPLITS)
    at = tl.arange(0, D)
    high = tl.load(highest + head * SPLITS + split)
    fade = tl.exp(high - tl.max(high, 0))
    total = tl.sum(tl.load(sums + head * SPLITS + split) * fade, 0)
    mixed = tl.load(parts + (head * SPLITS + split)[:, None] * D + at[None, :])
    tl.store(out + head * D + at, tl.sum(mixed * fade[:, None], 0) / total)


@triton.jit
def pick(
    logits,
    uniform,
    ids,
    temperature,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    TOP_K: tl.constexpr,
):
    """A program: one draw. The TOP_K-th highest logit is found bit by bit, as the highest number that TOP_K
    logits reach, in an order of the bits that is that of the numbers."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    values = tl.load(logits + row * WIDTH + at, mask=at < WIDTH, other=float("-inf"))
    values = values.to(tl.float32) + 0.0  # of two zeros one
    likely = tl.exp((values - tl.max(values, 0)) / temperature)
    if TOP_K > 0:
        bits = values.to(tl.uint32, bitcast=True)
        order = tl.where(bits >= 0x80000000, bits ^ 0xFFFFFFFF, bits ^ 0x80000000)
        lowest = tl.full([1], 0, tl.uint32)
        for step in tl.static_range(32):
            higher = lowest | tl.full([1], 1 << (31 - step), tl.uint32)
            enough = tl.sum((order >= higher).to(tl.int32), 0) >= TOP_K
            lowest = tl.where(enough, higher, lowest)
        likely = tl.where(order >= lowest, likely, 0.0)
    mass = tl.cumsum(likely, 0)
    goal = tl.load(uniform + row).to(tl.float32) * tl.sum(likely, 0)
    found = tl.min(tl.where((mass > goal) & (likely > 0), at, BLOCK), 0)
    # Rounding may leave nothing above the goal: then it is the last that is possible.
    last = tl.max(tl.where(likely > 0, at, 0), 0)
    tl.store(ids + row, tl.minimum(found, last).to(tl.int64))


@triton.jit
def matvec(
    x,
    residual,
    norm,
    weight,
    bias,
    out,
    total,
    eps,
    KIND: tl.constexpr,
    ADDS: tl.constexpr,
    BIASED: tl.constexpr,
    N: tl.constexpr,
    K: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """A program: some outputs of one row. KIND 0: of x; 1: of its norm; 2: of swiglu of x [rows, 2 K]. ADDS:
    x + residual is meant by x, and written to `total`. A norm's scale comes last, so that nothing has to
    be read twice, and nothing is waited for before the weights are."""
    part = tl.program_id(0)
    row = tl.program_id(1).to(tl.int64)
    number = part * BLOCK_N + tl.arange(0, BLOCK_N)
    kind = out.dtype.element_ty
    products = tl.zeros([BLOCK_N, BLOCK_K], tl.float32)
    squares = tl.zeros([BLOCK_K], tl.float32)
    for start in range(0, K, BLOCK_K):
        at = start + tl.arange(0, BLOCK_K)
        inside = at < K
        where = number.to(tl.int64)[:, None] * K + at[None, :]
        factors = tl.load(weight + where, mask=(number < N)[:, None] & inside[None, :], other=0.0)
        if KIND == 2:
            gate = tl.load(x + row * 2 * K + at, mask=inside, other=0.0).to(tl.float32)
            up = tl.load(x + row * 2 * K + K + at, mask=inside, other=0.0).to(tl.float32)
            heard = (gate * tl.sigmoid(gate)).to(kind).to(tl.float32) * up
            heard = heard.to(kind).to(tl.float32)
        else:
            heard = tl.load(x + row * K + at, mask=inside, other=0.0).to(tl.float32)
        if ADDS:
            heard += tl.load(residual + row * K + at, mask=inside, other=0.0).to(tl.float32)
            heard = heard.to(kind).to(tl.float32)
            if part == 0:
                tl.store(total + row * K + at, heard, mask=inside)
        if KIND == 1:
            squares += heard * heard
            heard = heard * tl.load(norm + at, mask=inside, other=0.0).to(tl.float32)
        products += factors.to(tl.float32) * heard[None, :]
    result = tl.sum(products, 1)
    if KIND == 1:
        result = result * tl.rsqrt(tl.sum(squares, 0) / K + eps)
    if BIASED:
        result += tl.load(bias + number, mask=number < N, other=0.0).to(tl.float32)
    tl.store(out + row * N + number, result, mask=number < N)
