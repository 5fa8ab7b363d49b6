import asyncio

import pytest

from streamer.listeners import Listeners


def test_somebody_waits_while_one_of_those_who_listen_does() -> None:
    listeners = Listeners()
    waits = {"a": False, "b": False}
    with listeners.listening(lambda: waits["a"]), listeners.listening(lambda: waits["b"]):
        assert not listeners.waiting
        waits["b"] = True
        assert listeners.waiting
    assert not listeners.waiting


@pytest.mark.asyncio
async def test_work_lets_a_listener_pass_but_not_forever() -> None:
    listeners = Listeners()
    looks = 0

    def for_a_while() -> bool:
        nonlocal looks
        looks += 1
        return looks < 4

    await listeners.let_pass()
    with listeners.listening(for_a_while):
        await listeners.let_pass()
    assert looks == 4
    with listeners.listening(lambda: True):
        async with asyncio.timeout(10):
            await listeners.let_pass()
