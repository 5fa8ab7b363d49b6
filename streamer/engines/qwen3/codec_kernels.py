"""Triton kernels of the codec. Sound is channels-last. `codec_fused.CodecFused` calls them."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
# The compiler reads annotations, and knows none but its own.

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def snaked(x, alpha, beta, channel, inside):
    """float32 x + beta sin(alpha x)^2, by channel.

    The library's sine has a path for huge angles that spills registers. Here the nearest multiple of pi
    is taken off in three parts (Cody and Waite), of which the square of a sine knows nothing; the rest is
    Taylor's: to 6e-8 for angles below 1e5.
    """
    angle = x * tl.load(alpha + channel, mask=inside, other=0.0)
    turns = tl.floor(angle * 0.3183098861837907 + 0.5)
    angle = angle - turns * 3.140625
    angle = angle - turns * 9.67502593994140625e-4
    angle = angle - turns * 1.509957990978376432e-7
    square = angle * angle
    wave = 1.6059043836821613e-10 * square - 2.505210838544172e-8
    wave = wave * square + 2.7557319223985893e-6
    wave = wave * square - 1.984126984126984e-4
    wave = wave * square + 8.333333333333333e-3
    wave = wave * square - 0.16666666666666666
    wave = angle + angle * square * wave
    return x + tl.load(beta + channel, mask=inside, other=0.0) * wave * wave


@triton.jit
def snake(x, alpha, beta, out, size, C: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    values = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + at, snaked(values, alpha, beta, at % C, inside), mask=inside)


@triton.jit
def carry(
    x,
    past,
    slots,
    alpha,
    beta,
    out,
    slot_stride,
    steps,
    PAST: tl.constexpr,
    ROWS: tl.constexpr,
    C: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
    SNAKE: tl.constexpr,
):
    """A program: of one row either some channels of the past, which it alone reads and then writes, or
    some of what is new."""
    row = tl.program_id(0).to(tl.int64)
    part = tl.program_id(1)
    pasts: tl.constexpr = (C + CHANNELS - 1) // CHANNELS
    x += row * steps * C
    out += row * (PAST + steps) * C
    if part < pasts:
        step = tl.arange(0, ROWS)[:, None]
        channel = part * CHANNELS + tl.arange(0, CHANNELS)[None, :]
        inside = (step < PAST) & (channel < C)
        past += tl.load(slots + row) * slot_stride
        before = tl.load(past + step * C + channel, mask=inside, other=0.0)
        # The end of all that there is now: of the old past if little is new, the rest of what is new.
        later = step + steps
        old = inside & (later < PAST)
        new = inside & (later >= PAST)
        kept = tl.load(past + later * C + channel, mask=old, other=0.0).to(tl.float32)
        came = tl.load(x + (later - PAST) * C + channel, mask=new, other=0.0).to(tl.float32)
        if SNAKE:
            came = snaked(came, alpha, beta, channel, channel < C)
        tl.store(out + step * C + channel, before, mask=inside)
        # Other threads of this program may still read what is written now.
        tl.debug_barrier()
        tl.store(past + step * C + channel, tl.where(old, kept, came), mask=inside)
    else:
        at = (part - pasts) * BLOCK + tl.arange(0, BLOCK)
        there = at < steps * C
        values = tl.load(x + at, mask=there, other=0.0).to(tl.float32)
        if SNAKE:
            values = snaked(values, alpha, beta, at % C, there)
        tl.store(out + PAST * C + at, values, mask=there)


@triton.jit
def to_sound(
    x,
    weight,
    bias,
    out,
    steps,
    C: tl.constexpr,
    CHANNELS: tl.constexpr,
    TAPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    step = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, CHANNELS)
    x += row * (steps + TAPS - 1) * C
    inside = (step < steps)[:, None] & (channel < C)[None, :]
    total = tl.zeros([BLOCK, CHANNELS], tl.float32)
    for tap in range(TAPS):
        where = (step + tap)[:, None] * C + channel[None, :]
        values = tl.load(x + where, mask=inside, other=0.0).to(tl.float32)
        factor = tl.load(weight + tap * C + channel, mask=channel < C, other=0.0)
        total += values * factor[None, :]
    sound = tl.sum(total, 1) + tl.load(bias)
    sound = tl.minimum(tl.maximum(sound, -1.0), 1.0)
    tl.store(out + row * steps + step, sound, mask=step < steps)


@triton.jit
def turned(source, cos, sin, inside, at, HALF: tl.constexpr):
    """Both halves of heads of which `source` points at the first numbers, turned and rounded."""
    first = tl.load(source + at, mask=inside, other=0.0)
    a = first.to(tl.float32)
    b = tl.load(source + HALF + at, mask=inside, other=0.0).to(tl.float32)
    return (a * cos - b * sin).to(first.dtype), (b * cos + a * sin).to(first.dtype)


@triton.jit
def attend_window(
    qkv,
    ring,
    slots,
    positions,
    cos,
    sin,
    out,
    slot_stride,
    scale,
    frames,
    RING: tl.constexpr,
    SPAN: tl.constexpr,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    T: tl.constexpr,
    PLACES: tl.constexpr,
    HALVES: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """A program: one head of one row. What the ring has from before and what comes now are two sets of
    keys, so nothing is read that this call writes. T, PLACES, HALVES, WIDTH: frames, ring, D / 2 and D,
    rounded up to powers of two of at least 16."""
    row = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    half: tl.constexpr = D // 2
    position = tl.load(positions + row)
    ring += tl.load(slots + row) * slot_stride + head * D
    time = tl.arange(0, T)
    at = tl.arange(0, HALVES)[None, :]
    wide = tl.arange(0, WIDTH)[None, :]
    now = (time < frames)[:, None]
    inside = now & (at < half)
    angle = (row * frames + time)[:, None] * half + at
    c = tl.load(cos + angle, mask=inside, other=0.0)
    s = tl.load(sin + angle, mask=inside, other=0.0)
    source = qkv + ((row * frames + time) * 3 * HEADS + head)[:, None] * D
    q_a, q_b = turned(source, c, s, inside, at, half)
    k_a, k_b = turned(source + HEADS * D, c, s, inside, at, half)
    v_inside = now & (wide < D)
    v_new = tl.load(source + 2 * HEADS * D + wide, mask=v_inside, other=0.0)

    place = tl.arange(0, PLACES)
    # The number of the frame at each place: the newest before this call that belongs there.
    behind = ((position - 1 - place) % RING + RING) % RING
    number = position - 1 - behind
    filled = (place < RING) & (number >= 0)
    old = ring + place[:, None] * 2 * HEADS * D
    old_inside = filled[:, None] & (at < half)
    old_a = tl.load(old + at, mask=old_inside, other=0.0)
    old_b = tl.load(old + half + at, mask=old_inside, other=0.0)
    v_old = tl.load(old + HEADS * D + wide, mask=filled[:, None] & (wide < D), other=0.0)

    past = tl.dot(q_a, tl.trans(old_a), input_precision="ieee")
    past += tl.dot(q_b, tl.trans(old_b), input_precision="ieee")
    fresh = tl.dot(q_a, tl.trans(k_a), input_precision="ieee")
    fresh += tl.dot(q_b, tl.trans(k_b), input_precision="ieee")
    seen_past = filled[None, :] & (number[None, :] > (position + time)[:, None] - SPAN)
    apart = time[:, None] - time[None, :]
    seen_fresh = (apart >= 0) & (apart < SPAN)
    past = tl.where(seen_past, past * scale, float("-inf"))
    fresh = tl.where(seen_fresh, fresh * scale, float("-inf"))
    high = tl.maximum(tl.max(past, 1), tl.max(fresh, 1))
    past = tl.exp(past - high[:, None])
    fresh = tl.exp(fresh - high[:, None])
    total = tl.sum(past, 1) + tl.sum(fresh, 1)
    mixed = tl.dot(past.to(v_old.dtype), v_old, input_precision="ieee")
    mixed += tl.dot(fresh.to(v_new.dtype), v_new, input_precision="ieee")
    target = out + ((row * frames + time) * HEADS + head)[:, None] * D + wide
    tl.store(target, mixed / total[:, None], mask=v_inside)

    kept = ring + ((position + time) % RING)[:, None] * 2 * HEADS * D
    tl.store(kept + at, k_a, mask=inside)
    tl.store(kept + half + at, k_b, mask=inside)
    tl.store(kept + HEADS * D + wide, v_new, mask=v_inside)
