"""How far ahead of its listener a context is, and when the next packet may go: by a clock that is turned."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest

from streamer.audio.encoder import open_encoder, resolve
from streamer.config import Settings
from streamer.errors import InvalidParameter
from streamer.listeners import Listeners
from streamer.pace import PACKETS_PER_TURN, Pace, lead_s
from streamer.packets import Packets
from streamer.timeline import Pacer
from streamer.types import AudioFormat, Packet, Start

RATE = 16000


class Turned:
    """A clock that moves when it is told to, or slept by; and a context's pace by it."""

    def __init__(self, *, lead_s: float | None = 0.2, background: bool = False) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.listeners = Listeners()
        self.packets = Packets(open_encoder(resolve(AudioFormat("pcm_s16le"), RATE), RATE), RATE)
        pacer = Pacer(lambda: self.now, lead_s, background=background)
        self.pace = Pace(
            *(pacer, self.packets, lambda: self.now, self.listeners),
            live=lead_s is not None and not background,
            background=background,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def send(self, seconds: float, since: float | None = None) -> list[Packet]:
        packets = self.packets.push(np.zeros(round(seconds * RATE), np.float32))
        for packet in packets:
            self.pace.sent(packet, since)
            self.packets.sent(packet, 0)
        return packets


@pytest.mark.parametrize(("asked", "ahead_s"), [(None, 1.0), (20, 0.02), (5000, 5.0)])
def test_a_client_says_how_far_ahead_it_wants_sound(asked: int | None, ahead_s: float) -> None:
    assert lead_s(Start("c", lead_ms=asked), Settings()) == ahead_s


def test_a_lead_that_is_too_small_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameter) as refused:
        lead_s(Start("c", lead_ms=19), Settings())
    assert refused.value.param == "pacing.lead_ms"


def test_a_listener_is_dry_once_what_was_sent_has_played() -> None:
    turned = Turned()
    assert (turned.pace.lead(), turned.pace.dry_s) == (-math.inf, 0.0)
    turned.send(1.0)
    assert turned.pace.lead() == pytest.approx(1.0)
    assert turned.pace.dry_s == 0.0
    turned.now += 1.5
    assert turned.pace.dry_s == pytest.approx(0.5)


@pytest.mark.parametrize("how", [{"lead_s": None}, {"lead_s": None, "background": True}])
def test_whoever_does_not_listen_is_never_dry(how: dict[str, bool | None]) -> None:
    turned = Turned(**how)  # type: ignore[arg-type]
    turned.send(1.0)
    turned.now += 5
    assert turned.pace.dry_s == 0.0


def test_the_first_audio_is_counted_once_from_the_first_input() -> None:
    turned = Turned()
    assert turned.pace.first_audio_ms is None
    turned.send(0.1, since=99.75)
    turned.now += 1
    turned.send(0.1, since=99.75)
    assert turned.pace.first_audio_ms == 250.0


@pytest.mark.asyncio
async def test_packets_wait_where_the_listener_has_enough() -> None:
    turned = Turned(lead_s=0.2)
    await turned.pace.before_packet()
    turned.send(0.1)
    await turned.pace.before_packet()
    assert turned.slept == []
    turned.send(0.2)
    await turned.pace.before_packet()
    assert turned.slept == [pytest.approx(0.15)]  # what is too much, and a quarter of the lead


@pytest.mark.asyncio
async def test_others_have_a_turn_between_packets_that_need_not_wait() -> None:
    turned = Turned(lead_s=None)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(3 * PACKETS_PER_TURN):
        await turned.pace.before_packet()
    task.cancel()
    assert turns == 3


@pytest.mark.asyncio
async def test_the_background_steps_aside_while_a_listener_waits() -> None:
    turned = Turned(lead_s=None, background=True)
    asked = 0

    def waits() -> bool:
        nonlocal asked
        asked += 1
        return asked < 3

    with turned.listeners.listening(waits):
        for _ in range(PACKETS_PER_TURN):
            await turned.pace.before_packet()
    assert asked == 3


def test_whoever_is_in_the_background_waits_for_nobody_else_to_step_aside() -> None:
    turned = Turned(lead_s=None, background=True)
    with turned.pace.listening(lambda: True):
        assert not turned.listeners.waiting
    live = Turned()
    with live.pace.listening(lambda: True):
        assert live.listeners.waiting
    assert not live.listeners.waiting


def test_while_it_is_held_only_what_was_sent_counts() -> None:
    turned = Turned()
    turned.send(1.0)
    turned.packets.push(np.zeros(RATE, np.float32))  # encoded, not sent
    assert (turned.pace.samples, turned.pace.seconds) == (2 * RATE, 2.0)
    turned.pace.pause(500)
    assert turned.pace.held
    assert (turned.pace.samples, turned.pace.seconds) == (RATE, 1.0)
    turned.pace.played(900)  # that is past
    assert turned.pace.played_at() == (RATE // 2, "client")
    turned.pace.go_on(1.5)
    assert not turned.pace.held
    assert turned.pace.lead() == 1.5
    turned.pace.used_up()
    assert turned.pace.lead() == -math.inf
