"""The binary audio message of `streamer.v1`: a 20-byte header, then one packet. Knows no JSON."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from streamer.types import Packet

HEADER = struct.Struct(">BBHIqI")
"""Big-endian: u8 kind, u8 flags, u16 stream, u32 sequence, i64 pts, u32 duration; 20 bytes."""

AUDIO = 1
"""The only kind so far. A client skips kinds it does not know."""

FIRST, LAST, LOST = 1, 2, 4
"""Flags: first packet of a segment, last of the context, sound is missing before it."""

STREAMS = 0xFFFF
"""Stream numbers are 1 to this."""


@dataclass(frozen=True, slots=True)
class AudioMessage:
    """One packet on its way. `pts` and `duration` of the packet in samples at
    `started.audio.sample_rate`."""

    flags: int
    stream: int
    sequence: int
    packet: Packet


def pack(message: AudioMessage) -> bytes:
    packet = message.packet
    return (
        HEADER.pack(
            AUDIO,
            message.flags,
            message.stream,
            message.sequence,
            packet.pts,
            packet.duration,
        )
        + packet.data
    )


def unpack(data: bytes) -> AudioMessage | None:
    """The message, or None for a kind unknown here. Raises `ValueError` where the header is cut short."""
    if not data or (data[0] == AUDIO and len(data) < HEADER.size):
        raise ValueError("a binary message begins with a header of 20 bytes")
    if data[0] != AUDIO:
        return None
    _, flags, stream, sequence, pts, duration = HEADER.unpack_from(data)
    return AudioMessage(flags, stream, sequence, Packet(data[HEADER.size :], pts, duration))


def flags_of(*, first: bool, last: bool, lost: bool) -> int:
    return FIRST * first | LAST * last | LOST * lost
