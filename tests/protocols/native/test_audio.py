import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.protocols.native.audio import AudioMessage, flags_of, pack, unpack
from streamer.types import Packet
from tests.protocols.strategies import packets


def test_the_header_is_twenty_big_endian_bytes() -> None:
    message = AudioMessage(5, 0x0102, 0x03040506, Packet(b"opus", -2, 0x0A0B0C0D))

    assert pack(message) == bytes.fromhex("01 05 0102 03040506 fffffffffffffffe 0a0b0c0d") + b"opus"


def test_flags_are_first_last_and_lost() -> None:
    assert flags_of(first=True, last=False, lost=False) == 1
    assert flags_of(first=False, last=True, lost=False) == 2
    assert flags_of(first=False, last=False, lost=True) == 4
    assert flags_of(first=True, last=True, lost=True) == 7


@given(
    st.builds(
        AudioMessage, st.integers(0, 7), st.integers(1, 65535), st.integers(0, 2**32 - 1), packets
    )
)
def test_unpacking_inverts_packing(message: AudioMessage) -> None:
    assert unpack(pack(message)) == message


def test_an_unknown_kind_is_skipped() -> None:
    assert unpack(b"\x02") is None


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01" + bytes(18)])
def test_a_header_cut_short_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(data)
